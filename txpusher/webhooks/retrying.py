"""When to try again, and when to stop trying, as arithmetic.

Source: "Pusher docs: Webhooks, responding": five minutes of retries with exponential back-off. The official libraries
refuse webhooks that are older than that.
"""

from __future__ import annotations

from collections.abc import Callable

GIVE_UP_AFTER = 300.0
"""Seconds from an event's creation."""
LONGEST_PAUSE = 60.0
JITTER = 0.25


def pause_after(failures: int, random: Callable[[], float]) -> float:
    """Give the seconds until the next attempt: 1, 2, 4, ... up to a minute, less up to a quarter.

    Args:
        failures: attempts that have failed in a row, one or more.
        random: a function like `random.random`; targets that failed together come back apart.
    """
    # The exponent is bounded, as failures are not.
    pause = min(LONGEST_PAUSE, 2.0 ** min(failures - 1, 10))
    return pause * (1 - JITTER * random())


def is_over(created: float, now: float) -> bool:
    """Tell whether an event of this age is sent no more; both are seconds."""
    return now - created >= GIVE_UP_AFTER
