"""Waiting for what happens once, with a limit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from txpusher.interfaces import Clock


class Moment:
    """Something that happens once, and that many may wait for.

    Attributes:
        come: whether it has happened.
    """

    def __init__(self) -> None:
        self.come = False
        self._calls: list[Callable[[], object]] = []

    def happen(self) -> None:
        """Let it happen; again does nothing."""
        self.come = True
        calls, self._calls = self._calls, []
        for call in calls:
            call()

    def then(self, call: Callable[[], object]) -> None:
        """Call something when it happens, or now if it has happened."""
        if self.come:
            call()
        else:
            self._calls.append(call)


async def within(seconds: float, clock: Clock, *moments: Moment) -> bool:
    """Wait for the first of several moments.

    Args:
        seconds: for how long.
        clock: measures them.
        moments: one is enough.

    Returns:
        Whether one has come.
    """
    first: Deferred[None] = Deferred()
    either = Moment()
    either.then(lambda: first.callback(None))
    for moment in moments:
        moment.then(either.happen)
    limit = clock.callLater(seconds, either.happen)
    await first
    come = any(moment.come for moment in moments)
    if come:
        limit.cancel()
    return come
