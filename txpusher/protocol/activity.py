"""Liveness as arithmetic on ``now``: when to ask a silent client, and when to give it up.

Any byte from the client counts as life: messages, ``pusher:ping``, WebSocket pings and pongs. After
``activity_timeout`` and a little jitter of silence the server sends a WebSocket ping frame, which every
client's WebSocket stack answers by itself (only pusher-js would answer ``pusher:ping``); ``pong_timeout`` later
the client is given up. Source: "Pusher docs: Channels protocol, ping and pong" (120 s and 30 s).
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """What to do about a connection now."""

    WAIT = "wait"
    PING = "ping"
    CLOSE = "close"


class Timeouts(NamedTuple):
    """Seconds of silence until the ping, and from the ping to the end."""

    activity: float
    pong: float


# Of the activity timeout: 10 s of the usual 120, so that the clients of one deploy are not pinged all at once.
JITTER = 1 / 12


def first_check(now: float, timeouts: Timeouts, chance: float) -> float:
    """Say when to look at a new connection first; ``chance`` is drawn from 0 to 1."""
    return now + timeouts.activity * (1 + JITTER * chance)


def check(
    now: float, last_seen: float, asked_at: float | None, timeouts: Timeouts
) -> tuple[Verdict, float]:
    """Decide about a connection.

    Args:
        now: seconds.
        last_seen: when the client was last heard, in seconds.
        asked_at: when it was pinged, or None while no answer is awaited.
        timeouts: see `Timeouts`.

    Returns:
        What to do, and when to look again.
    """
    if asked_at is not None and last_seen <= asked_at:
        given_up_at = asked_at + timeouts.pong
        return (Verdict.CLOSE, now) if now >= given_up_at else (Verdict.WAIT, given_up_at)
    ask_at = last_seen + timeouts.activity
    if now >= ask_at:
        return Verdict.PING, now + timeouts.pong
    return Verdict.WAIT, ask_at
