"""Waiting that can be cut short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from txpusher.interfaces import Call, Clock


class Pause:
    """Lets one at a time wait for a while.

    Args:
        clock: tells when the time is over.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: Deferred[None] = Deferred()
        self._call: Call | None = None  # while there is something to cut short

    async def wait(self, seconds: float) -> None:
        """Wait as long, and never less than this turn of the reactor."""
        self._waiting = Deferred()
        call = self._clock.callLater(seconds, self._over)
        self._call = call if seconds else None
        await self._waiting

    def cut_short(self) -> None:
        """End the wait with this turn of the reactor; does nothing when nobody waits for longer than that."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
            self._clock.callLater(0, self._over)

    def _over(self) -> None:
        self._call = None
        self._waiting.callback(None)
