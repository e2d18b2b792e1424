"""Several processes on the same addresses: they share the load, are replaced, and stop together."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from harness import (
    SCRIPTS,
    Server,
    behind_proxy,
    command,
    environment,
    free_port,
    managed,
    run_to_end,
    tcp,
    tls,
    unix,
    wait_until,
)
from served_apps import APP
from wire import Client, Closed, HttpConnection

LABEL = f'{{app_id="{APP.id}"}}'
LONELY = ("--workers", "2", "--adapter", "lonely_nodes+x://")
HERE = {"PYTHONPATH": str(Path(__file__).parent)}
PROXY = b"PROXY TCP4 203.0.113.7 203.0.113.1 56324 443\r\n"


def of_worker(number):
    return f'{{app_id="{APP.id}",worker="{number}"}}'


def pids(server):
    """Give the processes below a server, in the order in which they were started."""
    listed = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


def state(pid):
    """Give the letter of a process's state; Z is no more than an entry in the table."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "Z"


def alive(pid):
    """Whether a process is there and is more than its entry in the table."""
    return state(pid) != "Z"


def restarts(server, reason):
    """How many workers were started in place of others, for a reason."""
    metrics = server.metrics()
    return sum(
        metrics[f'worker_restarts_total{{reason="{reason}",worker="{number}"}}']
        for number in (1, 2)
    )


def complete(server):
    """Wait until all workers serve."""
    wait_until(lambda: server.get("/up").text == "OK", "all workers")
    assert server.metrics()["workers_up"] == 2
    return server


@pytest.fixture
def pair(start):
    """Two workers that do not know each other."""
    return complete(start(*LONELY, "--drain", "1", env=HERE))


def spread(server):
    """Connect until both workers have clients, and give the clients."""
    clients = []
    while True:
        clients.append(server.connect())
        metrics = server.metrics()
        if all(metrics["connected" + of_worker(number)] > 1 for number in (1, 2)):
            return clients
        assert len(clients) < 60, "one worker gets all the clients"


def test_both_serve(pair):
    """Connections are shared out; the page has the numbers of each worker, and their sums."""
    clients = spread(pair)
    metrics = pair.metrics()
    assert metrics["connected" + LABEL] == len(clients)
    assert metrics["connected" + LABEL] == sum(
        metrics["connected" + of_worker(number)] for number in (1, 2)
    )
    assert metrics["workers"] == 2
    assert {name for name in metrics if name.startswith("process_open_fds")} == {
        'process_open_fds{worker="1"}',
        'process_open_fds{worker="2"}',
    }
    assert len(pids(pair)) == 2


def test_a_worker_that_is_killed(pair):
    """The other one serves on, also the killed one's share; the dead one is replaced, and nothing counted is lost."""
    clients = spread(pair)
    pair.metrics()
    victim = pids(pair)[0]
    os.kill(victim, signal.SIGKILL)

    def missed():
        with suppress(OSError):  # what waited for the one that is dead
            return pair.get("/up").text == "DEGRADED"

    wait_until(missed, "a word about the missing one")
    for _ in range(20):
        pair.connect()
    wait_until(lambda: len(pids(pair)) == 2 and pair.get("/up").text == "OK", "another worker")
    assert victim not in pids(pair)
    assert restarts(pair, "died") == 1
    metrics = pair.metrics()
    assert metrics["new_connections_total" + LABEL] >= len(clients) + 20
    assert "Worker 1 ended (killed by signal 9); another one is started in 1.0 s" in pair.log
    spread(pair)


class Visitors:
    """Connects all the time, comes back when it is sent away, and remembers all that went wrong."""

    def __init__(self, server, number=4):
        self.server = server
        self.codes, self.problems, self.connects = [], [], 0
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(number)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._enough.set()
        for thread in self._threads:
            thread.join(20)

    def _run(self):
        while not self._enough.is_set():
            try:
                self._visit()
            except Exception as error:  # noqa: BLE001 - told by the test
                self.problems.append(repr(error))

    def _visit(self):
        path = f"/app/{APP.key}?protocol=7"
        client = Client(self.server.dial(), path, APP)
        try:
            with HttpConnection(self.server.dial()) as http:
                assert http.ask("GET", "/up").status in {200, 503}
            self.connects += 1
            with suppress(TimeoutError):
                while True:
                    client.frame(0.1)
        except Closed as closed:
            self.codes.append(closed.code)
        finally:
            client.drop()


def test_workers_are_replaced(pair):
    """One after the other, while clients come and go: no connect fails, and who is sent away may come back at once."""
    clients = spread(pair)
    before = pids(pair)
    with Visitors(pair) as visitors:
        os.kill(pair.pid, signal.SIGUSR2)
        wait_until(lambda: restarts(pair, "replaced") == 2, "two new workers", 30)
        wait_until(lambda: "All workers have been replaced" in pair.log, "the end", 30)
    assert visitors.problems == []
    assert visitors.connects > 20
    assert set(visitors.codes) <= {4200}
    assert [client.close_code() for client in clients] == [4200] * len(clients)
    assert set(pids(pair)).isdisjoint(before)
    assert len(pids(pair)) == 2
    assert pair.metrics()["new_connections_total" + LABEL] >= len(clients) + visitors.connects
    spread(pair)


def test_stop(pair):
    """SIGTERM sends the clients of all workers away; the status is 0, and nobody is left."""
    clients = spread(pair)
    processes = pids(pair)
    pair.terminate()
    assert {client.close_code() for client in clients} == {4200}
    assert pair.ended() == 0
    assert not any(map(alive, processes))


def test_the_parent_is_killed(tmp_path):
    """Workers do not live on without their parent: they send their clients away and end."""
    port = free_port()
    options = ("--listen", f"tcp:{port}:interface=127.0.0.1", "--metrics", "none", *LONELY)
    app = ("--app", f"{APP.id}:{APP.key}:{APP.secret}", "--drain", "1")
    server = Server(tmp_path, command("twistd", (*options, *app)), tcp(port), APP, env=HERE)
    try:
        server.ready()
        client, processes = server.connect(), pids(server)
        server.process.kill()
        assert client.close_code() == 4200
        wait_until(lambda: not any(map(alive, processes)), "the workers' end")
    finally:
        server.hang_up()
        server.process.kill()
        server.process.wait()


def serves(server):
    """Both workers serve over this listener."""
    with ExitStack() as opened:
        for _ in range(20):
            client = server.connect()
            opened.callback(client.drop)
            client.subscribe("private-x")
            assert client.is_alive()
        assert server.api().get("/channels").status == 200
    wait_until(lambda: server.get("/up").text == "OK", "all workers")


def each_serves(server):
    """Either worker serves also while the other, which shares its socket, stands still."""
    serves(server)
    for pid in pids(server):
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda pid=pid: state(pid) == "T", "a worker that stands still")
            assert server.connect().is_alive()
        finally:
            os.kill(pid, signal.SIGCONT)


def listening_on(directory, endpoint, dial, **how):
    """Run two workers that listen there and nowhere else."""
    options = ("--listen", endpoint, "--metrics", "none", "--drain", "0", *LONELY)
    app = ("--app", f"{APP.id}:{APP.key}:{APP.secret}")
    arguments = [*how.pop("before", ()), *command("twistd", (*options, *app))]
    return managed(Server(directory, arguments, dial, APP, env=HERE, **how))


def test_unix(tmp_path):
    """Workers leave the file of a UNIX socket alone; it is gone with the parent."""
    path = tmp_path / "s"
    with listening_on(tmp_path, f"unix:{path}:mode=660", unix(path)) as server:
        each_serves(server)
        os.kill(server.pid, signal.SIGUSR2)
        wait_until(lambda: "All workers have been replaced" in server.log, "new workers", 30)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        each_serves(server)
    assert not path.exists()


def test_tls(tmp_path, certificate):
    """Workers talk TLS, and a worker that replaces another does, too."""
    private, public = certificate
    port = free_port()
    endpoint = f"ssl:{port}:privateKey={private}:certKey={public}:interface=127.0.0.1"
    with listening_on(tmp_path, endpoint, tls(port, public)) as server:
        serves(server)
        os.kill(server.pid, signal.SIGUSR2)
        wait_until(lambda: "All workers have been replaced" in server.log, "new workers", 30)
        serves(server)


def test_haproxy(tmp_path):
    """An endpoint around another one is as good."""
    port = free_port()
    endpoint = f"haproxy:tcp:{port}:interface=127.0.0.1"
    with listening_on(tmp_path, endpoint, behind_proxy(port, PROXY)) as server:
        serves(server)


# Takes file descriptor 3, as systemd would have it, and becomes the server.
AS_SYSTEMD = """
import os, sys
descriptor, program = int(sys.argv[1]), sys.argv[2:]
if descriptor != 3:
    os.dup2(descriptor, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="txpusher")
os.execv(program[0], program)
"""


def test_systemd(tmp_path):
    """A socket that systemd opened is handed on to the workers, the later ones as well."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        endpoint = "systemd:domain=INET:name=txpusher"
        before = (sys.executable, "-c", AS_SYSTEMD, str(listener.fileno()))
        how = {"port": port, "pass_fds": (listener.fileno(),), "before": before}
        with listening_on(tmp_path, endpoint, tcp(port), **how) as server:
            each_serves(server)
            os.kill(server.pid, signal.SIGUSR2)
            wait_until(lambda: "All workers have been replaced" in server.log, "new workers", 30)
            each_serves(server)


def table(secret):
    """Write a file of one app."""
    return f'[[app]]\nid = "{APP.id}"\nkey = "{APP.key}"\nsecret = "{secret}"\n'


def test_sighup(tmp_path, start):
    """All workers read their apps again."""
    path, secret = tmp_path / "apps.toml", tmp_path / "secret"
    secret.write_text("e2e-secret-old")
    path.write_text(table(f"file:{secret}"))
    server = complete(start(*LONELY, "--apps", path.as_uri(), configured=True, env=HERE))
    # Nobody looks at the secret who is not told to.
    secret.write_text(APP.secret)
    os.kill(server.pid, signal.SIGHUP)

    def reloaded():
        metrics = server.metrics()
        name = 'apps_reloads_total{{outcome="ok",worker="{}"}}'
        return all(metrics[name.format(number)] == 1 for number in (1, 2))

    wait_until(reloaded, "a reload of both workers")
    for _ in range(10):
        assert server.api().get("/channels").status == 200


def test_a_worker_that_cannot_come_back_at_once(tmp_path, start):
    """One that dies while its apps are wrong comes back when they are mended, and serves whoever it accepts."""
    path = tmp_path / "apps.toml"
    path.write_text(table(APP.secret))
    server = complete(start(*LONELY, "--apps", path.as_uri(), configured=True, env=HERE))
    path.write_text("[[app]\n")
    wait_until(lambda: server.get("/up").text == "DEGRADED", "a mistake that is seen")
    os.kill(pids(server)[0], signal.SIGKILL)
    wait_until(lambda: "another one is started in 2.0 s" in server.log, "a start that fails")
    for _ in range(20):
        server.connect()
    path.write_text(table(APP.secret))
    wait_until(lambda: server.metrics()["workers_up"] == 2, "both workers", 20)
    spread(server)


def test_a_replacement_that_cannot_start(tmp_path, start):
    """A mistake in the settings stops the replacement: the workers that serve stay."""
    path = tmp_path / "config.toml"
    path.write_text("drain = 0\n")
    server = complete(start(*LONELY, "--config", str(path), env=HERE))
    before, client = pids(server), server.connect()
    path.write_text("drane = 0\n")
    os.kill(server.pid, signal.SIGUSR2)
    wait_until(lambda: "The workers from 1 on stay as they are" in server.log, "a word about it")
    assert "did you mean drain?" in server.log
    assert pids(server) == before
    assert client.is_alive()
    assert server.get("/up").text == "OK"


def test_a_replacement_without_apps(tmp_path, start):
    """A worker that knows no app, as the database is away, replaces none that does until it is back."""
    path, away = tmp_path / "apps.db", tmp_path / "away.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE apps (id, key, secret)")
        database.execute("INSERT INTO apps VALUES (?, ?, ?)", (APP.id, APP.key, APP.secret))
    more = ("--apps", f"sqlite://{path}", "--drain", "1")
    server = complete(start(*LONELY, *more, configured=True, env=HERE))
    path.rename(away)
    os.kill(server.pid, signal.SIGUSR2)
    wait_until(lambda: "0 known ones go on" in server.log, "a new worker")
    for _ in range(20):
        server.connect()
    away.rename(path)
    wait_until(lambda: "All workers have been replaced" in server.log, "the end", 30)
    spread(server)


# -- how it is started


@pytest.mark.parametrize("number", ["2", "auto"])
def test_without_a_cluster(tmp_path, number):
    """Several processes are refused what cannot connect them, and told what can."""
    if number == "auto" and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("one core is one process")
    done = run_to_end(tmp_path, "--workers", number)
    assert done.status == 1
    (line,) = done.output.strip().splitlines()
    assert line.startswith("txpusher: --workers: ")
    assert "--adapter redis://" in line


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--adapter", "nonsense://x"), "--adapter: there is no nonsense://"),
        (("--listen", "nonsense:1", "--adapter", "lonely_nodes+x://"), "--listen"),
        (("--apps", "file:///nowhere/apps.toml", "--adapter", "lonely_nodes+x://"), "apps.toml"),
    ],
)
@pytest.mark.parametrize("program", ["twistd", "twist"])
def test_mistakes(tmp_path, program, options, named):
    """What only a worker finds out ends the parent as well, with that line and status 1."""
    done = run_to_end(
        tmp_path,
        *("--workers", "2", "--metrics", "none", "--listen", f"unix:{tmp_path}/s", *options),
        program=program,
        env=HERE,
    )
    assert done.status == 1
    assert "Traceback" not in done.output
    (line,) = [line for line in done.output.splitlines() if "txpusher: --" in line]
    assert named in line
    assert not (tmp_path / "s").exists()


def test_address_in_use(tmp_path, pair):
    """Another server, of one process or several, does not slip in between the workers."""
    options = ("--listen", f"tcp:{pair.port}:interface=127.0.0.1", "--metrics", "none")
    for more in ((), LONELY):
        done = run_to_end(tmp_path, *options, *more, env=HERE)
        assert done.status == 1
        assert "--listen" in done.output


def test_twist(start):
    """The other program of Twisted's, with another reactor."""
    server = start(*LONELY, program="twist", flags=["--reactor=poll"], env=HERE)
    serves(server)


def test_daemon(tmp_path):
    """In the background the workers log through their parent, whose log is rotated by SIGUSR1."""
    port, pid_file, log = free_port(), tmp_path / "pid", tmp_path / "log"
    options = ["--listen", f"tcp:{port}:interface=127.0.0.1", "--metrics", "none", *LONELY]
    flags = [f"--pidfile={pid_file}", f"--logfile={log}", f"--rundir={tmp_path}"]
    subprocess.run(
        [str(SCRIPTS / "twistd"), *flags, "txpusher", *options],
        cwd="/",
        env=environment(HERE),
        timeout=60,
        check=True,
    )
    pid = int(pid_file.read_text())
    try:

        def answers():
            with suppress(OSError), HttpConnection(tcp(port)()) as http:
                return http.ask("GET", "/up").text == "OK"

        wait_until(answers, "both workers")
        text = log.read_text()
        assert "[worker 1: txpusher.service#info] txpusher" in text
        assert "[worker 2: txpusher.service#info] txpusher" in text
        os.kill(pid, signal.SIGUSR1)
        wait_until((tmp_path / "log.1").exists, "another log")
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not pid_file.exists(), "its end")
        assert "[worker 2: twisted.internet.base#info] Main loop terminated" in log.read_text()
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert "Traceback" not in text


def test_daemon_that_cannot_start(tmp_path):
    """The command that starts it in the background fails, and says why."""
    flags = [f"--pidfile={tmp_path}/pid", f"--logfile={tmp_path}/log"]
    options = ["--workers", "2", "--metrics", "none", "--adapter", "nonsense://x"]
    options += ["--listen", f"unix:{tmp_path}/s"]
    done = subprocess.run(
        [str(SCRIPTS / "twistd"), *flags, "txpusher", *options],
        cwd=tmp_path,
        env=environment(HERE),
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "--adapter" in done.stderr


def test_a_stop_while_it_starts(tmp_path):
    """SIGTERM in the first second, while the settings are tried, ends with status 0, too, and leaves nobody behind."""
    port = free_port()
    options = ("--listen", f"tcp:{port}:interface=127.0.0.1", "--metrics", "none", *LONELY)
    arguments = command("twistd", (*options, "--app", f"{APP.id}:{APP.key}:{APP.secret}"))
    server = Server(tmp_path, arguments, tcp(port), APP, port=port, env=HERE)
    try:
        (trial,) = wait_until(lambda: pids(server), "the process that tries the settings")
        server.terminate()
        assert server.ended() == 0
    finally:
        server.process.kill()
    assert not alive(trial)
    assert "Traceback" not in server.log
