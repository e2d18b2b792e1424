"""The service as a process of its own: what it may do to a process, and an application around it would not want."""

from __future__ import annotations

import sys

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from txpusher.process import tune_garbage_collector
from txpusher.service import PusherService


class Daemon(PusherService):
    """A `PusherService` that owns its process."""

    def privilegedStartService(self) -> None:
        """Bind the listeners; an address that is taken ends the process with one line."""
        try:
            super().privilegedStartService()
        except CannotListenError as error:
            sys.exit(f"txpusher: --listen or --metrics: {error}")

    def startService(self) -> None:
        """Begin to serve, with the garbage collector tuned for many connections."""
        super().startService()
        tune_garbage_collector()

    def stopService(self) -> Deferred[None]:
        """Stop in order; a stop that was asked for by SIGTERM is a success."""
        # twistd would end by the signal that stopped it, which service supervisors report as a failure.
        self.reactor._exitSignal = None  # noqa: SLF001
        return super().stopService()
