"""What is measured: servers of one version of txpusher, each with a plain port and one for TLS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from certificate import certificate
from messages import APP_ID, KEY, LOOPBACK, SECRET
from placing import Cores
from servers import Node, free_port, node

APPS = f"""\
[[app]]
id = "{APP_ID}"
key = "{KEY}"
secret = "{SECRET}"
client_events = true
max_client_events_per_second = 1000000  # asked about, and never reached
"""


class Subject:
    """One version.

    Args:
        revision: its name; none for the installed version.
        python: runs it.
        directory: where its servers run; exists.
        cores: that they may use.
        options: further ones of ``twistd txpusher``.

    Attributes:
        node: the server that most works are measured on.
        tls_port: where it speaks TLS.
    """

    def __init__(
        self, revision: str, python: Path, directory: Path, cores: Cores, options: Sequence[str]
    ) -> None:
        self.revision = revision
        self._python = python
        self._directory = directory
        self._cores = cores
        self._options = options
        (directory / "apps.toml").write_text(APPS)
        self._certificate = certificate(directory)

    def start(self, stack: ExitStack) -> None:
        """Start the server, until the stack is closed."""
        self.tls_port = free_port()
        pem = self._certificate
        tls = f"ssl:{self.tls_port}:privateKey={pem}:certKey={pem}:interface={LOOPBACK}"
        self.node = stack.enter_context(self.serve("--listen", tls))

    @contextmanager
    def serve(self, *options: str) -> Iterator[Node]:
        """Run one more server, which has not done anything yet."""
        with node(
            self._directory,
            self._cores,
            "memory://",
            options=(*options, *self._options),
            apps=("--config", str(self._directory / "apps.toml")),
            python=self._python,
        ) as started:
            yield started
