"""What all measurements share: how much is done, and waiting for servers and loads."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from figures import Figures
from servers import Node


class Bench(NamedTuple):
    """How much is measured, and where it goes.

    Args:
        rounds: how often.
        scale: multiplies how much is sent.
        directory: where the servers run.
        figures: take the results.
    """

    rounds: int
    scale: float
    directory: Path
    figures: Figures

    def some(self, number: int) -> int:
        """Scale a number; tens stay tens, as batches are."""
        return max(10, int(number * self.scale) // 10 * 10)

    def clients(self, number: int) -> int:
        """Scale a number of clients: there may be fewer, but not more."""
        return max(10, int(number * min(1, self.scale)) // 10 * 10)


class Work(NamedTuple):
    """Events published to one channel, as fast as they are answered."""

    subscribers: int
    publishers: int
    events: int
    batch: int = 1


FANOUT = Work(500, 2, 600)


def together(calls: list[Callable[[], Any]]) -> list[Any]:
    """Let loads work at the same time; each is a process, the threads here only wait."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def settle(server: Node) -> None:
    """Wait until a server has nothing left to do, at most five seconds."""
    give_up, before = time.monotonic() + 5, -1.0
    while (now := sum(server.cpu())) - before > 0.001 and time.monotonic() < give_up:
        before = now
        time.sleep(0.05)
