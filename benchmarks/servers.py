"""The servers under test: a Redis and nodes of txpusher, real processes on free ports of the loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from messages import APP_ID, DEADLINE, KEY, LOOPBACK, SECRET
from placing import Cores, children, cpu_seconds, placed

# With a subscription come and go; other commands are run by scripts, or are signs of life.
SENT_BY_NODES = ("evalsha", "publish", "subscribe", "unsubscribe")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Asks the loopback, whatever proxy the environment names."""


class Redis:
    """A Redis that keeps nothing on disk.

    Args:
        process: the server.
        port: where it listens.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.url = f"redis://{LOOPBACK}:{port}"
        self._connection = socket.create_connection((LOOPBACK, port), DEADLINE)
        # What Redis sent to this connection, which is not the nodes'.
        self._read = 0

    def ask(self, *command: str) -> str:
        """Send a command that is answered by one bulk string or one line, and give that."""
        self._connection.sendall(" ".join(command).encode() + b"\r\n")
        reply = b""
        while b"\r\n" not in reply or len(reply) < _length(reply):
            reply += self._connection.recv(1 << 16)
        self._read += len(reply)
        return reply.decode()

    def info(self, section: str) -> dict[str, str]:
        """Give a section of INFO."""
        lines = self.ask("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def commands(self) -> dict[str, int]:
        """Give how often each command ran so far, also within scripts, except for those of `info`."""
        stats = self.info("commandstats")
        calls = {name[8:]: int(text.split(",")[0][6:]) for name, text in stats.items()}
        return {name: count for name, count in calls.items() if name != "info"}

    def asked(self) -> int:
        """Give how many commands the nodes have sent so far; a script is one."""
        return sum(self.commands().get(name, 0) for name in SENT_BY_NODES)

    def bytes_sent(self) -> int:
        """Give how many bytes it has sent to the nodes so far."""
        before = self._read
        return int(self.info("stats")["total_net_output_bytes"]) - before

    def memory(self) -> int:
        """Give the bytes it uses."""
        return int(self.info("memory")["used_memory"])

    def cpu(self) -> float:
        """Give the CPU seconds it has used."""
        return cpu_seconds(self.process.pid)


def _length(reply: bytes) -> int:
    """Give how long a reply is, its head included."""
    head = reply.index(b"\r\n") + 2
    return head + int(reply[1 : head - 2]) + 2 if reply.startswith(b"$") else head


class Node:
    """One server of txpusher, of one process or of several workers.

    Args:
        process: the one that was started.
        port: where it listens.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def pids(self) -> list[int]:
        """Give the processes that have clients."""
        return children(self.process.pid) or [self.process.pid]

    def cpu(self) -> list[float]:
        """Give the CPU seconds that each of them has used."""
        return [cpu_seconds(pid) for pid in self.pids()]

    def answers(self) -> bool:
        """Tell whether it serves, with all that belongs to it."""
        url = f"http://{LOOPBACK}:{self.port}/up"
        with suppress(urllib.error.URLError, ConnectionError), DIRECT.open(url, timeout=5) as up:
            return bool(up.read() == b"OK")
        return False


@contextmanager
def redis(directory: Path, cores: Cores) -> Iterator[Redis]:
    """Run a Redis."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        sys.exit("cluster.py: there is no redis-server; Debian has it in the package redis-server")
    port = free_port()
    listen = ("--port", str(port), "--bind", LOOPBACK)
    command = [program, *listen, "--save", "", "--appendonly", "no", "--dir", str(directory)]
    with _running(command, directory / "redis.log", cores) as process:
        _wait(process, lambda: _listens(port), directory / "redis.log")
        yield Redis(process, port)


@contextmanager
def node(
    directory: Path, cores: Cores, adapter: str, workers: int = 1, further: Sequence[str] = ()
) -> Iterator[Node]:
    """Run a node, or one for each of several workers; further options overrule ours."""
    port = free_port()
    options = (
        *("--listen", f"tcp:{port}:interface={LOOPBACK}", "--metrics", "none", "--drain", "0"),
        *("--app", f"{APP_ID}:{KEY}:{SECRET}", "--adapter", adapter, "--workers", str(workers)),
        *further,
    )
    twistd = Path(sys.executable).parent / "twistd"
    log = directory / f"node-{port}.log"
    command = [str(twistd), "--nodaemon", "--pidfile=", "txpusher", *options]
    with _running(command, log, cores) as process:
        started = Node(process, port)
        _wait(process, started.answers, log)
        yield started


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], log: Path, cores: Cores) -> Iterator[subprocess.Popen[bytes]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TXPUSHER_")}
    with log.open("wb") as output, placed(cores):
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    give_up = time.monotonic() + DEADLINE
    while not ready():
        if process.poll() is not None or time.monotonic() > give_up:
            sys.exit(f"cluster.py: a server did not start:\n{log.read_text()}")
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with suppress(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port), DEADLINE).close()
        return True
    return False
