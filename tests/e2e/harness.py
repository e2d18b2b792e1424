"""The real server as a process: started, asked whether it is ready, watched, stopped.

Nothing here sleeps in place of a condition, and nothing waits without a deadline.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from wire import Answer, Api, Client, Credentials, Dial, HttpConnection, WebSocket

SCRIPTS = Path(sys.executable).parent
STARTING = 30.0  # seconds that a server may take to start, and to stop
DEADLINE = 10.0  # seconds for anything else
LOOPBACK = "127.0.0.1"

T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, deadline: float = DEADLINE) -> T:
    """Ask again and again until the condition holds, and give what it gave.

    Args:
        condition: is asked; anything true ends the waiting.
        what: is waited for, for the message.
        deadline: seconds.
    """
    give_up = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < give_up, f"after {deadline} s there is still not: {what}"
        time.sleep(0.02)


def free_port() -> int:
    """Find a TCP port of the loopback that nobody listens on, below those of outgoing connections."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)):
            return port


def tcp(port: int) -> Dial:
    """Connect to a port of the loopback."""

    def dial() -> socket.socket:
        connection = socket.create_connection((LOOPBACK, port), timeout=DEADLINE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    return dial


def unix(path: Path) -> Dial:
    """Connect to a UNIX socket."""

    def dial() -> socket.socket:
        with contextlib.ExitStack() as opened:
            connection = opened.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(DEADLINE)
            connection.connect(str(path))
            opened.pop_all()
            return connection

    return dial


def tls(port: int, authority: Path) -> Dial:
    """Connect to a port by TLS, and trust one certificate."""
    context = ssl.create_default_context(cafile=authority)
    return lambda: context.wrap_socket(tcp(port)(), server_hostname="localhost")


def behind_proxy(port: int, header: bytes) -> Dial:
    """Connect as HAProxy does: with a header before everything else."""

    def dial() -> socket.socket:
        connection = tcp(port)()
        connection.sendall(header)
        return connection

    return dial


@dataclass
class Finished:
    """A server that ended by itself."""

    status: int
    output: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give the environment of a server: ours without settings of txpusher, and ``extra``."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TXPUSHER_")}
    return {**inherited, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", **(extra or {})}


def command(program: str, options: Iterable[str], flags: Iterable[str] = ()) -> list[str]:
    """Give the command line that starts txpusher by ``twistd`` or ``twist``, which have flags of their own."""
    own = ["--nodaemon", "--pidfile="] if program == "twistd" else []
    return [str(SCRIPTS / program), *own, *flags, "txpusher", *options]


def run_to_end(
    directory: Path,
    *options: str,
    program: str = "twistd",
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Start a server that is expected to end by itself, as after a mistake in an option."""
    done = subprocess.run(
        command(program, options),
        cwd=directory,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STARTING,
        check=False,
    )
    return Finished(done.returncode, done.stdout + done.stderr)


class Server:
    """One server process and how it is reached.

    Args:
        directory: where it runs and logs.
        arguments: its command line.
        dial: connects to its public port.
        credentials: of the app that is used unless another is named.
        port: where it listens, as its metrics are labelled.
        metrics_port: where its metrics are, if anywhere.
        env: further variables of its environment.
        pass_fds: file descriptors it inherits.
    """

    def __init__(
        self,
        directory: Path,
        arguments: list[str],
        dial: Dial,
        credentials: Credentials,
        *,
        port: int | str = 0,
        metrics_port: int = 0,
        env: Mapping[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.dial = dial
        self.port = port
        self.metrics_port = metrics_port
        self.app = credentials
        self.secrets = {credentials.secret}
        self.bugs_allowed = False
        self._log = directory / f"server-{time.monotonic_ns()}.log"
        self._clients: list[WebSocket] = []
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                arguments,
                cwd=directory,
                env=environment(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
            )

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def ready(self) -> Server:
        """Wait until it answers on its public port."""
        wait_until(self._answers, "an answer from /up", STARTING)
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, (
            f"the server ended with {self.process.returncode}:\n{self.log}"
        )
        with contextlib.suppress(OSError):
            return self.get("/up").status > 0
        return False

    def get(self, path: str, **headers: str) -> Answer:
        """Ask without a signature."""
        with HttpConnection(self.dial()) as http:
            return http.ask("GET", path, headers=headers)

    def api(self, credentials: Credentials | None = None, prefix: str = "") -> Api:
        """Give the signed HTTP API of an app."""
        return Api(self.dial, credentials or self.app, prefix)

    def open(self, path: str, headers: Mapping[str, str] | None = None) -> WebSocket:
        """Open a WebSocket on any path."""
        websocket = WebSocket(self.dial(), path, headers)
        self._clients.append(websocket)
        return websocket

    def connect(self, credentials: Credentials | None = None, query: str = "protocol=7") -> Client:
        """Connect a client and wait until it is established."""
        app = credentials or self.app
        client = Client(self.dial(), f"/app/{app.key}?{query}", app)
        self._clients.append(client)
        return client.established()

    def metrics(self) -> dict[str, float]:
        """Scrape it: samples by name and labels, as ``connected{app_id="1"}`` without prefix and port."""
        with HttpConnection(tcp(self.metrics_port)()) as http:
            answer = http.ask("GET", "/metrics")
        assert answer.status == 200, answer
        samples = {}
        for line in answer.text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name = name.removeprefix("txpusher_")
                for label in (
                    f',port="{self.port}"',
                    f'port="{self.port}",',
                    f'port="{self.port}"',
                ):
                    name = name.replace(label, "")
                samples[name.removesuffix("{}")] = float(value)
        return samples

    def hang_up(self) -> None:
        """End all clients that were opened through this object."""
        for client in self._clients:
            client.drop()
        self._clients.clear()

    def terminate(self) -> None:
        """Ask it to stop, and do not wait."""
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Wait for its end and give its exit status."""
        return self.process.wait(STARTING)

    def stop(self) -> None:
        """Stop it: it has to end well, without having logged a bug or a secret."""
        try:
            self.hang_up()
            if self.process.poll() is None:
                self.terminate()
            status = self.ended()
        finally:
            self.process.kill()
            self.process.wait(STARTING)
        log = self.log
        assert status == 0, f"the server ended with {status}:\n{log}"
        if not self.bugs_allowed:
            for sign in ("Traceback", "Unhandled", "Warning:", "Bug while"):
                assert sign not in log, f"the server logged a bug:\n{log}"
        for secret in self.secrets:
            assert secret not in log, "the server logged a secret"


@contextlib.contextmanager
def running(
    directory: Path,
    *options: str,
    app: Credentials,
    configured: bool = False,
    program: str = "twistd",
    flags: Iterable[str] = (),
    port: int = 0,
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run a server on free ports of the loopback.

    Args:
        directory: where it runs.
        options: of txpusher.
        app: used by default; served by ``--app`` unless ``configured``.
        configured: the options name the apps already.
        program: ``twistd`` or ``twist``.
        flags: of the program.
        port: to listen on; a free one unless it has to be this one.
        env: further variables.
    """
    port, metrics_port = port or free_port(), free_port()
    apps = () if configured else ("--app", f"{app.id}:{app.key}:{app.secret}")
    arguments = command(
        program,
        (
            *("--listen", f"tcp:{port}:interface={LOOPBACK}"),
            *("--metrics", f"tcp:{metrics_port}:interface={LOOPBACK}"),
            *apps,
            *options,
        ),
        flags,
    )
    server = Server(
        directory, arguments, tcp(port), app, port=port, metrics_port=metrics_port, env=env
    )
    with managed(server):
        yield server


@contextlib.contextmanager
def managed(server: Server) -> Iterator[Server]:
    """Wait until a server is ready, and stop it in any case."""
    try:
        yield server.ready()
    except BaseException:
        server.hang_up()
        server.process.kill()
        server.process.wait(STARTING)
        print(server.log)
        raise
    server.stop()
