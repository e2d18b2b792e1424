"""Ends connections that do nothing, or do not end: one sweep a second for all of them, no timer per socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from txpusher.interfaces import Call, Clock


class Idler(Protocol):
    """Somebody who may be idle for too long."""

    def timed_out(self) -> None:
        """The time is over."""


class IdleSweep:
    """Calls ``timed_out`` on those who were not touched for ``timeout`` seconds.

    They are kept in the order of their last touch, so a sweep looks only at those whose time is over.
    """

    def __init__(self, clock: Clock, timeout: float) -> None:
        self._clock = clock
        self._timeout = timeout
        self._touched: dict[Idler, float] = {}
        self._call: Call | None = None

    def start(self) -> None:
        """Begin to sweep."""
        self._call = self._clock.callLater(1, self._sweep)

    def stop(self) -> None:
        """Sweep no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def touch(self, idler: Idler) -> None:
        """Give it the whole time again."""
        self._touched.pop(idler, None)
        self._touched[idler] = self._clock.seconds()

    def forget(self, idler: Idler) -> None:
        """Look after it no longer."""
        self._touched.pop(idler, None)

    def _sweep(self) -> None:
        # First, so that no error may end the sweeping.
        self._call = self._clock.callLater(1, self._sweep)
        oldest = self._clock.seconds() - self._timeout
        while self._touched:
            idler, touched = next(iter(self._touched.items()))
            if touched > oldest:
                break
            del self._touched[idler]
            idler.timed_out()


class Closing(IdleSweep):
    """Closes connections politely, and for good when the other side does not go along.

    A TLS connection ends when its peer agrees and any connection when its peer has read what was sent; a peer that
    vanished does neither.
    """

    def close(self, transport: Any) -> None:
        """Flush and close a connection, within the time."""
        transport.loseConnection()
        self.touch(_Closed(transport))


class _Closed:
    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def timed_out(self) -> None:
        if self._transport.connected:
            self._transport.abortConnection()
