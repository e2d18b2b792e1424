"""A real Redis of the test's own, on a UNIX socket or a port of the loopback."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest

DEADLINE = 10.0
LOOPBACK = "127.0.0.1"


def redis_server() -> str:
    """Give the path of redis-server or valkey-server, or skip the test."""
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path is not None:
            return path
    pytest.skip("there is no redis-server")


class RedisServer:
    """One server, which keeps nothing on disk.

    Args:
        directory: where its socket is.
        port: of the loopback it listens on as well; 0 for none.
        options: more of them, as on its command line.
        config: a file with yet more of them.
    """

    def __init__(
        self, directory: Path, port: int = 0, *options: str, config: Path | None = None
    ) -> None:
        self.path = directory / "redis.sock"
        self.port = port
        self._log = directory / "redis.log"
        self._command = [
            *(redis_server(), *([str(config)] if config else [])),
            *("--port", str(port), "--bind", LOOPBACK, "--save", ""),
            *("--unixsocket", str(self.path), "--dir", str(directory), "--appendonly", "no"),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.path.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        give_up = time.monotonic() + DEADLINE
        while not self._answers():
            assert time.monotonic() < give_up, self._log.read_text()
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.01)

    def stop(self) -> None:
        """End it at once; what it knows is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE)
            self._process = None

    def pause(self) -> None:
        """Let it keep its connections and do nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *command: str) -> bytes:
        """Send a command and give the raw reply, as much of it as comes at once."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE)
            connection.connect(str(self.path))
            parts = [f"${len(part.encode())}\r\n{part}\r\n" for part in command]
            connection.sendall("".join([f"*{len(command)}\r\n", *parts]).encode())
            return connection.recv(1 << 20)

    def _answers(self) -> bool:
        try:
            return self.ask("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
