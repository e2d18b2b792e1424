"""What a server spends on something: the CPU time from before it until the server has nothing left to do."""

from __future__ import annotations

import time
from collections.abc import Callable

from messages import DEADLINE
from placing import cpu_seconds, resident_bytes

TICK = 0.004
"""Seconds between looks; the kernel writes down what a busy process has used about as often."""
STILL = 4
"""Looks without a change that make a server quiet."""


class Meter:
    """Reads one server.

    Args:
        port: where it listens.
        pid: its process.
    """

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self.pid = pid

    def quiet(self) -> float:
        """Wait until the server has nothing left to do.

        Returns:
            The CPU seconds it has used so far.

        Raises:
            TimeoutError: it goes on and on.
        """
        give_up, before, still = time.monotonic() + DEADLINE, -1.0, 0
        while still < STILL:
            if time.monotonic() > give_up:
                raise TimeoutError(f"the server is still busy after {DEADLINE:g} s")
            time.sleep(TICK)
            now = cpu_seconds(self.pid)
            still = still + 1 if now == before else 0
            before = now
        return before

    def cost(self, action: Callable[[], object]) -> float:
        """Give the CPU microseconds that the server spends on an action."""
        before = self.quiet()
        action()
        return (self.quiet() - before) * 1e6

    def resident(self) -> int:
        """Give the bytes of memory that the server has."""
        self.quiet()
        return resident_bytes(self.pid)
