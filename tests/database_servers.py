"""Real database servers for tests: made in a directory of their own, on a free port, and gone in the end.

They refuse to run as root, and then run as somebody without rights.
"""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "p@ss/word#1"
IN_URL = "p%40ss%2Fword%231"
STARTING = 60.0


def program(*names: str) -> str:
    """Find a program on the PATH or where Debian keeps those of PostgreSQL, or skip the test."""
    places = [os.environ.get("PATH", ""), "/usr/sbin"]
    places += sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    for name in names:
        found = shutil.which(name, path=os.pathsep.join(places))
        if found:
            return found
    return pytest.skip(f"there is no {' or '.join(names)}")


def free_port() -> int:
    """Find a TCP port of the loopback that nobody listens on.

    It is below those of outgoing connections: who tries to connect to one of these long enough connects to himself.
    """
    while True:
        port = random.randrange(20000, 32000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class DatabaseServer:
    """A server, and how to talk to it.

    Args:
        directory: is its own.

    Attributes:
        scheme: of the URLs of app stores.
        driver: the module that connects to it.
        database: the name of the database.
        url: of the database, without parameters.
    """

    scheme = driver = database = ""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"{self.scheme}://shop:{IN_URL}@127.0.0.1:{self.port}/{self.database}"
        self._process: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:
            shutil.chown(directory, "nobody")

    def command(self) -> list[str]:
        """Give the command line of the server, which makes its data first."""
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """Give the arguments of the driver."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._who()
            )
        give_up = time.monotonic() + STARTING
        while True:
            try:
                self.connect().close()
            except Exception:  # noqa: BLE001 - drivers raise what they like
                log_text = (self.directory / "log").read_text(errors="replace")[-2000:]
                assert self._process.poll() is None, log_text
                assert time.monotonic() < give_up, log_text
                time.sleep(0.05)
            else:
                return

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Stop it, and whoever is connected notices."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(STARTING)
            self._process = None

    def hang(self) -> None:
        """Let it take connections and questions, and answer none."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def connect(self) -> Any:
        """Connect to it."""
        return import_module(self.driver).connect(**self.arguments())

    def execute(self, statement: str, values: tuple[Any, ...] = ()) -> None:
        """Run one statement."""
        connection = self.connect()
        try:
            connection.cursor().execute(statement, values)
            connection.commit()
        finally:
            connection.close()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        # Its children as well: they are who answers.
        tree = [str(self._process.pid)]
        for pid in tree:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            tree.extend(children.read_text().split())
        for pid in tree:
            os.kill(int(pid), number)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._who())
        assert done.returncode == 0, done.stdout + done.stderr

    def _who(self) -> dict[str, Any]:
        home = {**os.environ, "HOME": str(self.directory), "LC_ALL": "C"}
        if os.getuid() != 0:
            return {"cwd": self.directory, "env": home}
        nobody = pwd.getpwnam("nobody")
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        return {"cwd": self.directory, "env": home, **who}


class PostgreSQL(DatabaseServer):
    """PostgreSQL, with a password that has to be right."""

    scheme, driver, database = "postgresql", "psycopg", "postgres"

    def command(self) -> list[str]:
        """See `DatabaseServer`."""
        data, password = self.directory / "data", self.directory / "password"
        if not data.exists():
            password.write_text(PASSWORD)
            password.chmod(0o644)
            login = ("--username=shop", f"--pwfile={password}", "--auth=scram-sha-256")
            self._run(program("initdb"), f"--pgdata={data}", "--no-sync", *login)
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.directory,
            "fsync": "off",
        }
        options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        return [program("postgres"), "-D", str(data), "-p", str(self.port), *options]

    def arguments(self) -> dict[str, Any]:
        """See `DatabaseServer`."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "shop",
            "password": PASSWORD,
            "dbname": self.database,
        }

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop it without waiting for whoever is connected."""
        super().stop(how)


class MariaDB(DatabaseServer):
    """MariaDB, with a password that has to be right."""

    scheme, driver, database = "mysql", "pymysql", "shop"

    def command(self) -> list[str]:
        """See `DatabaseServer`."""
        server = program("mariadbd")
        data, setup = self.directory / "data", self.directory / "setup.sql"
        if not data.exists():
            setup.write_text(
                "CREATE DATABASE IF NOT EXISTS shop;\n"
                f"CREATE USER IF NOT EXISTS shop IDENTIFIED BY '{PASSWORD}';\n"
                "GRANT ALL ON shop.* TO shop;\n"
            )
            install = program("mariadb-install-db")
            self._run(install, "--no-defaults", f"--datadir={data}", "--skip-test-db")
        return [
            *(server, "--no-defaults", f"--datadir={data}", f"--init-file={setup}"),
            *(f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve"),
            *(f"--socket={self.directory}/socket", f"--pid-file={self.directory}/pid"),
            *("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"),
        ]

    def arguments(self) -> dict[str, Any]:
        """See `DatabaseServer`."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "shop",
            "password": PASSWORD,
            "database": self.database,
        }


@contextmanager
def served(kind: type[DatabaseServer]) -> Iterator[DatabaseServer]:
    """Run a server for as long as it is needed."""
    pytest.importorskip(kind.driver)
    # Not below pytest's own directory, which nobody else may enter.
    directory = Path(tempfile.mkdtemp(prefix="txpusher-"))
    server = kind(directory)
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(directory, ignore_errors=True)
