"""The service as a process of its own: what it may do to a process, and an application around it would not want."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from txpusher.process import CannotStart, tune_garbage_collector
from txpusher.service import PusherService


class Daemon(PusherService):
    """A `PusherService` that owns its process."""

    def privilegedStartService(self) -> None:
        """Bind the listeners; an address that is taken ends the process with one line."""
        with _one_line():
            super().privilegedStartService()

    def startService(self) -> None:
        """Begin to serve, with the garbage collector tuned for many connections."""
        with _one_line():  # again: twist binds only here
            super().startService()
        tune_garbage_collector()

    def stopService(self) -> Deferred[None]:
        """Stop in order; a stop that was asked for by SIGTERM is a success."""
        # twistd would end by the signal that stopped it, which service supervisors report as a failure.
        self.reactor._exitSignal = None  # noqa: SLF001
        return super().stopService()


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except (CannotListenError, OSError) as error:  # OSError: the lock of a UNIX socket
        raise CannotStart(f"--listen or --metrics: {error}") from error
