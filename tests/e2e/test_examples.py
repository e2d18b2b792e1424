"""The examples run, and do what they say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import DEADLINE, SCRIPTS, Server, free_port, tcp, wait_until
from node_process import SCRIPTS as NODE_SCRIPTS
from node_process import node_ready
from served_apps import APP
from wire import Credentials, HttpConnection

EXAMPLES = Path(__file__).parents[2] / "examples"
EMBEDDED = Credentials("1001", "embedded-key", "embedded-secret")
SHOP = Credentials("1001", "shop-key", "secret-of-the-shop")
STRICT = Credentials("1002", "strict-key", "secret-of-the-strict")


def test_embedded(tmp_path):
    """A server inside an application: it publishes without HTTP, and serves everything else."""
    port = free_port()
    tac = str(EXAMPLES / "embedded.tac")
    arguments = [str(SCRIPTS / "twistd"), "-n", "--pidfile=", "-y", tac]
    environ = {"PORT": str(port)}
    server = Server(tmp_path, arguments, tcp(port), EMBEDDED, port=port, env=environ)
    # It is twistd that is stopped here and not our plugin: it ends by the signal, which is its way.
    try:
        server.ready()
        client = server.connect()
        client.subscribe("clock")
        for _ in range(2):
            tick = json.loads(client.expect("tick", "clock")["data"])
            assert tick["listeners"] == 1
        server.api().trigger("clock", "over HTTP")
        wait_until(lambda: client.receive()["data"] == "over HTTP", "the event over HTTP")
        server.terminate()
        assert client.close_code() == 4200
        server.ended()
        assert "Traceback" not in server.log
    finally:
        server.hang_up()
        server.process.kill()
        server.process.wait(DEADLINE)


@pytest.mark.parametrize("script", ["publish.py", "publish.mjs"])
def test_publish(server, name, script):
    program = sys.executable if script.endswith(".py") else node_ready()
    client = server.connect()
    client.subscribe(name)
    client.so_far()

    def run(secret):
        options = ["--url", f"http://127.0.0.1:{server.port}"]
        options += ["--app", f"{APP.id}:{APP.key}:{secret}", name, "e", '{"x": "é"}']
        return subprocess.run(
            [program, str(EXAMPLES / script), *options],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    done = run(APP.secret)
    assert done.returncode == 0, done
    assert client.expect("e")["data"] == '{"x": "é"}'
    refused = run("wrong")
    assert refused.returncode == 1
    assert "ignature" in refused.stdout + refused.stderr
    assert client.is_alive()


@pytest.fixture
def chat(server, tmp_path):
    """The chat's server, with a copy of pusher-js beside its page; its URL."""
    node_ready()
    port = free_port()
    directory = tmp_path / "examples"
    shutil.copytree(EXAMPLES, directory)
    shutil.copy(NODE_SCRIPTS / "node_modules/pusher-js/dist/web/pusher.min.js", directory)
    options = ["--port", str(port), "--url", f"http://127.0.0.1:{server.port}"]
    options += ["--app", f"{APP.id}:{APP.key}:{APP.secret}"]
    # It imports the script beside it.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    process = subprocess.Popen(
        [sys.executable, str(directory / "chat_server.py"), *options],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers():
        try:
            with HttpConnection(tcp(port)()) as http:
                return http.ask("GET", "/settings.json").status == 200
        except ConnectionRefusedError:
            return False

    try:
        wait_until(answers, "the chat's server")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(DEADLINE)


def test_chat(chat, browser):
    for name in ("Ann", "Bob"):
        browser.run("open", page=name, url=f"{chat}/?name={name}")
        browser.run("text", page=name, element="#state", contains="connected")
        browser.run("text", page=name, element="#members", contains=f"{name} (you)")
    browser.run("text", page="Ann", element="#members", contains="Bob")
    write = "document.getElementById('text').value = 'Hello, <b>Bob</b>!'"
    browser.run("evaluate", page="Ann", script=write)
    typed = "document.getElementById('text').dispatchEvent(new Event('input'))"
    browser.run("evaluate", page="Ann", script=typed)
    browser.run("text", page="Bob", element="#typing", contains="Ann")
    browser.run("evaluate", page="Ann", script="document.getElementById('form').requestSubmit()")
    for name in ("Ann", "Bob"):
        browser.run("text", page=name, element="#messages", contains="Hello, <b>Bob</b>!")
    browser.run("close", page="Bob")
    browser.run("text", page="Ann", element="#messages", contains="Bob left")


def test_apps_file(start):
    apps = (EXAMPLES / "apps.toml").as_uri()
    secrets = {"SHOP_SECRET": SHOP.secret, "STRICT_SECRET": STRICT.secret}
    server = start("--apps", apps, app=STRICT, configured=True, env=secrets)
    server.secrets = set(secrets.values())
    assert server.connect().is_alive()
    assert server.api(SHOP).get("/channels").json == {"channels": {}}
    # Pages of others may not connect to the first app.
    assert server.open(f"/app/{SHOP.key}").close_code() == 4009


def test_config_file(start):
    config = str(EXAMPLES / "txpusher.toml")
    secrets = {"SHOP_SECRET": SHOP.secret}
    server = start("--config", config, app=SHOP, configured=True, env=secrets)
    assert server.connect().is_alive()


def test_all_are_tested():
    """A new example gets a test."""
    known = {"embedded.tac", "publish.py", "publish.mjs", "chat.html", "chat_server.py"}
    known |= {"apps.toml", "txpusher.toml"}
    # Its script comes from a CDN, and the units need a systemd; test_endpoints.py listens as they do.
    known |= {"first.html", "txpusher.service", "txpusher.socket"}
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} <= known
