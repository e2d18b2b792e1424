"""Ends the sockets of clients that have gone, some in each turn of the reactor, however many go at once.

The reactor reports all of them in one turn, and to end one takes about 20 microseconds, most of them the kernel's.
When a proxy dies with ten thousand clients, nobody new would be served for a quarter of a second; so they take turns.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from txpusher.interfaces import Call, Clock

SLICE = 25
"""Sockets that end in one turn: half a millisecond, or some where each is a member who is told to others."""

_log = Logger()


class Departing:
    """A queue of transports that nobody reads any more.

    Args:
        clock: begins the next turn.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[tuple[Any, Failure]] = deque()
        self._under_way = False
        self._call: Call

    def end(self, transport: Any, reason: Failure) -> None:
        """Let a transport's ``connectionLost`` be called, in the next turn or when those before it have ended."""
        self._waiting.append((transport, reason))
        if not self._under_way:
            self._under_way = True
            self._call = self._clock.callLater(0, self._turn)

    def end_all(self) -> None:
        """End those that wait, now."""
        if self._under_way:
            self._call.cancel()
            self._end(len(self._waiting))
            self._under_way = False

    def _turn(self) -> None:
        self._end(min(SLICE, len(self._waiting)))
        if self._waiting:
            self._call = self._clock.callLater(0, self._turn)
        else:
            self._under_way = False

    def _end(self, count: int) -> None:
        for _ in range(count):
            transport, reason = self._waiting.popleft()
            try:
                transport.connectionLost(reason)
            except Exception:  # noqa: BLE001 - a bug must end this connection only
                _log.failure("Bug while the socket of a client was ended that has gone")
