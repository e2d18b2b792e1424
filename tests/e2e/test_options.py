"""Options, their sources, and mistakes in them: one line that names the option, and status 1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from harness import SCRIPTS, environment, free_port, run_to_end, tcp, wait_until
from served_apps import APP
from wire import Credentials, HttpConnection

DEMO = Credentials("app-id", "app-key", "app-secret")
GOOD = ("--app", "1:k:s", "--metrics", "none", "--listen", "tcp:0:interface=127.0.0.1")

# What is written, and what the line has to name.
MISTAKES = {
    "unknown option": (["--nonsense"], "nonsense"),
    "no value": (["--listen"], "listen"),
    "argument": (["nonsense"], ""),
    "no endpoint": (["--listen", "nonsense"], "--listen"),
    "unknown kind of endpoint": (["--listen", "carrier-pigeon:80"], "--listen"),
    "no port number": (["--listen", "tcp:http-alt"], "--listen"),
    "no metrics endpoint": (["--metrics", "nonsense"], "--metrics"),
    "no key file": (["--listen", "ssl:0:privateKey=/nowhere.pem"], "--listen"),
    "half an app": (["--app", "1:key"], "--app"),
    "two apps with one key": (["--app", "1:k:s", "--app", "2:k:s"], "--app"),
    "no secret": (["--app", "1:k:"], "--app"),
    "no such apps file": (["--apps", "file:///nowhere/apps.toml"], "apps.toml"),
    "no such app store": (["--apps", "nonsense://x"], "--apps"),
    "no such adapter": (["--adapter", "nonsense://x"], "--adapter"),
    "no number": (["--activity-timeout", "soon"], "--activity-timeout"),
    "below the least": (["--activity-timeout", "0"], "--activity-timeout"),
    "negative": (["--max-message-size", "-1"], "--max-message-size"),
    "no seconds": (["--drain", "x"], "--drain"),
    "odd prefix": (["--path-prefix", "a b"], "--path-prefix"),
    "odd metrics prefix": (["--metrics-prefix", "a-b"], "--metrics-prefix"),
    "no such config file": (["--config", "/nowhere/config.toml"], "config.toml"),
    "demo secret for everybody": (["--listen", "tcp:0"], "--listen"),
}


def assert_one_line(done, named):
    assert done.status == 1, done
    assert "Traceback" not in done.output
    (line,) = done.output.strip().splitlines()
    assert named in line


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(tmp_path, mistake):
    options, named = MISTAKES[mistake]
    assert_one_line(run_to_end(tmp_path, *options), named)


@pytest.mark.parametrize("mistake", ["no endpoint", "half an app", "no number", "unknown option"])
def test_mistake_with_twist(tmp_path, mistake):
    options, named = MISTAKES[mistake]
    assert_one_line(run_to_end(tmp_path, *options, program="twist"), named)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TXPUSHER_NONSENSE", "1"),
        ("TXPUSHER_DRAIN", "x"),
        ("TXPUSHER_LISTEN", "nonsense"),
        ("TXPUSHER_STRICT_HANDSHAKE", "perhaps"),
    ],
)
def test_mistake_in_the_environment(tmp_path, variable, value):
    assert_one_line(run_to_end(tmp_path, env={variable: value}), variable)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nonsense = 1", "nonsense"),
        ("drain = 'x'", "drain"),
        ("drain = = 1", "config.toml"),
        ("[[app]]\nid = '1'\nkey = 'k'", "secret"),
        ("[[app]]\nid = '1'\nkey = 'k'\nsecret = 's'\nnonsense = 1", "nonsense"),
        ("[[app]]\nid = '1'\nkey = 'k'\nsecret = 's'\nmax_batch_size = 'x'", "max_batch_size"),
    ],
)
def test_mistake_in_a_file(tmp_path, text, named):
    path = tmp_path / "config.toml"
    path.write_text(text)
    done = run_to_end(tmp_path, "--config", str(path))
    assert_one_line(done, named)
    assert "config.toml" in done.output


@pytest.mark.parametrize("program", ["twistd", "twist"])
def test_address_in_use(tmp_path, server, program):
    options = ("--listen", f"tcp:{server.port}:interface=127.0.0.1", "--metrics", "none")
    done = run_to_end(tmp_path, *options, program=program)
    assert done.status == 1
    assert "Traceback" not in done.output
    assert "--listen" in done.output


def test_secret_in_a_mistake_is_not_repeated(tmp_path):
    for options in (["--app", "1:a b:very-secret"], ["--app", "1:very-secret"]):
        done = run_to_end(tmp_path, *options)
        assert_one_line(done, "--app")
        assert "very-secret" not in done.output


@pytest.mark.parametrize("program", ["twistd", "twist"])
def test_help(tmp_path, program):
    done = run_to_end(tmp_path, "--help", program=program)
    assert done.status == 0
    for option in ("--listen", "--app", "--apps", "--drain", "--path-prefix", "--insecure-demo"):
        assert option in done.output


def test_version(tmp_path):
    done = run_to_end(tmp_path, "--version")
    assert done.status == 0
    assert done.output.startswith("txpusher ")


def test_twistd_lists_the_plugin(tmp_path):
    done = subprocess.run(
        [str(SCRIPTS / "twistd"), "--help"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert " txpusher " in done.stdout


def test_twist(start):
    client = start(program="twist").connect()
    assert client.is_alive()


@pytest.mark.parametrize("reactor", ["poll", "select", "asyncio"])
def test_other_reactors(start, reactor):
    server = start(flags=[f"--reactor={reactor}"])
    client = server.connect()
    client.subscribe("x")
    server.api().trigger("x", "y" * 50_000)
    assert client.expect("event")["data"] == "y" * 50_000
    server.terminate()
    assert client.close_code() == 4200
    assert server.ended() == 0


def test_daemon(tmp_path):
    """In the background, as services were started before systemd."""
    port, pid_file = free_port(), tmp_path / "pid"
    options = ["--listen", f"tcp:{port}:interface=127.0.0.1", "--metrics", "none"]
    flags = [f"--pidfile={pid_file}", f"--logfile={tmp_path / 'log'}"]
    subprocess.run(
        [str(SCRIPTS / "twistd"), *flags, "txpusher", *options],
        cwd=tmp_path,
        env=environment(),
        timeout=60,
        check=True,
    )
    pid = wait_until(lambda: pid_file.exists() and int(pid_file.read_text() or 0), "a process id")
    try:

        def answers():
            with suppress(ConnectionRefusedError), HttpConnection(tcp(port)()) as http:
                return http.ask("GET", "/up").text == "OK"

        wait_until(answers, "an answer")
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not pid_file.exists(), "its end")
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_one_line_says_what_runs(start):
    server = start("--app", "2:other:s2")
    (line,) = [line for line in server.log.splitlines() if "listens on" in line]
    for fact in (f"127.0.0.1:{server.port}", f"127.0.0.1:{server.metrics_port}", "2 apps"):
        assert fact in line
    assert "memory" in line
    assert "RLIMIT_NOFILE" in line


def test_demo_app(start):
    server = start(app=DEMO, configured=True)
    client, other = server.connect(), server.connect()
    for one in (client, other):
        one.subscribe("private-x")
        one.expect("pusher_internal:subscription_count")
    client.so_far()
    client.sign_in("me")
    client.send("client-x", {}, "private-x")
    other.expect("client-x")
    assert "No app is configured" in server.log


def test_demo_app_for_everybody(start):
    server = start("--insecure-demo", "--listen", f"tcp:{free_port()}", app=DEMO, configured=True)
    assert server.connect().is_alive()


def test_precedence(tmp_path, start):
    path = tmp_path / "config.toml"
    path.write_text(
        'path_prefix = "/file"\nmetrics_prefix = "file_"\nmax_connections = 1\n'
        f'[[app]]\nid = "{APP.id}"\nkey = "{APP.key}"\nsecret = "{APP.secret}"\nclient_events = true\n'
    )
    server = start(
        *("--config", str(path), "--max-connections", "2"),
        configured=True,
        env={"TXPUSHER_MAX_CONNECTIONS": "3", "TXPUSHER_METRICS_PREFIX": "env_"},
    )
    assert server.get("/file/up").status == 200
    assert f'env_connected{{app_id="{APP.id}"}}' in server.metrics()
    for _ in range(2):
        server.connect()
    assert server.open(f"/app/{APP.key}").close_code() == 4100


def test_app_and_numbers_from_the_environment(start):
    variables = {
        "TXPUSHER_APP": f"{APP.id}:{APP.key}:{APP.secret}",
        "TXPUSHER_ACTIVITY_TIMEOUT": "7",
    }
    server = start(configured=True, env=variables)
    first = server.open(f"/app/{APP.key}").expect("pusher:connection_established")
    assert json.loads(first["data"])["activity_timeout"] == 7


@pytest.mark.parametrize("how", ["file", "env"])
def test_secret_from_elsewhere(tmp_path, start, how):
    path = tmp_path / "secret"
    path.write_text(f"{APP.secret}\n")
    written = f"file:{path}" if how == "file" else "env:E2E_SECRET"
    server = start(
        *("--app", f"{APP.id}:{APP.key}:{written}"),
        configured=True,
        env={"E2E_SECRET": APP.secret if how == "env" else "other"},
    )
    assert server.api().get("/channels").json == {"channels": {}}
    assert APP.secret.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()


def test_missing_secret_file(tmp_path):
    done = run_to_end(tmp_path, "--app", "1:k:file:/nowhere/secret")
    assert_one_line(done, "--app")
    assert_one_line(run_to_end(tmp_path, "--app", "1:k:env:NOT_SET"), "--app")


def test_metrics_port_is_no_public_port(server):
    with HttpConnection(tcp(server.metrics_port)()) as http:
        assert http.ask("GET", "/up").status == 404
