"""What all parts share: how much is measured, and the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from growing.meter import Meter
from servers import node


class Bench(NamedTuple):
    """How much is measured, and where.

    Args:
        rounds: how often.
        most: points that need more of something than this are left out.
        core: of the server.
        directory: where the servers run.
    """

    rounds: int
    most: int
    core: int
    directory: Path

    def some(self, *numbers: int) -> list[int]:
        """Leave out what is too much; the least is always left."""
        return [number for number in numbers if number <= max(self.most, numbers[0])]

    @contextmanager
    def server(self, *options: str) -> Iterator[Meter]:
        """Run a server that has done nothing yet."""
        with node(self.directory, {self.core}, "memory://", options=options) as started:
            yield Meter(started.port, *started.pids())
