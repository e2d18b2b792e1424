"""Sending all clients elsewhere, a slice at a time.

pusher-js reconnects at once and without jitter after 4200, so clients that are closed together come back together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from txpusher.errors import ConnectionEnded, ShuttingDown

if TYPE_CHECKING:
    from txpusher.core.connection import Connection
    from txpusher.interfaces import Clock

PAUSE = 0.1
AT_LEAST = 100
CLOSING_TIME = 1.0
"""Seconds that the last slice has for its closing handshakes."""


async def drain(
    connections: Sequence[Connection],
    seconds: float,
    clock: Clock,
    problem: ConnectionEnded = ShuttingDown(),  # noqa: B008 - never changed
    go_on: Callable[[], bool] = lambda: True,
) -> None:
    """Close connections, spread over a time; a few hundred need no spreading.

    Args:
        connections: all of them.
        seconds: how long it may take.
        clock: waits between slices.
        problem: tells clients why, and whether to come back.
        go_on: is asked before each slice; the rest stays when it says no.
    """
    size = (
        max(AT_LEAST, ceil(len(connections) * PAUSE / seconds))
        if seconds
        else max(1, len(connections))
    )
    for begin in range(0, len(connections), size):
        if begin:
            await _wait(clock, PAUSE)
        if not go_on():
            return
        for connection in connections[begin : begin + size]:
            connection.end(problem)
    if connections:
        await _wait(clock, min(CLOSING_TIME, seconds))


def _wait(clock: Clock, seconds: float) -> Deferred[None]:
    waiting: Deferred[None] = Deferred()
    clock.callLater(seconds, waiting.callback, None)
    return waiting
