"""The service as a process of its own: what it may do to a process, and an application around it would not want."""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.defer import Deferred

from txpusher.process import one_line, tune_garbage_collector
from txpusher.service import PusherService


class Daemon(PusherService):
    """A `PusherService` that owns its process; SIGHUP reloads its apps."""

    _before: Any = None
    """What SIGHUP did before the start."""

    def privilegedStartService(self) -> None:
        """Bind the listeners; an address that is taken ends the process with one line."""
        with one_line():
            super().privilegedStartService()

    def startService(self) -> None:
        """Begin to serve, with the garbage collector tuned for many connections."""
        with one_line():  # again: twist binds only here
            super().startService()
        tune_garbage_collector()
        if hasattr(signal, "SIGHUP"):
            self._before = signal.signal(signal.SIGHUP, self._hung_up)

    def _hung_up(self, number: int, frame: object) -> None:
        # Python runs this between any two instructions; the rest is done in a turn of the reactor.
        self.reactor.callFromThread(self.reload)

    def stopService(self) -> Deferred[None]:
        """Stop in order; a stop that was asked for by SIGTERM is a success."""
        return super().stopService().addBoth(self._succeeded)

    def _succeeded(self, result: Any) -> Any:
        # twistd would end by the signal that stopped it, which service supervisors report as a failure.
        self.reactor._exitSignal = None  # noqa: SLF001
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None
        return result
