"""What every work has at hand."""

from __future__ import annotations

from typing import NamedTuple

from figures import BUSY
from loads import Loads, Outcome
from measuring import Bench, settle
from subject import Subject


class Stage(NamedTuple):
    """One work on one version in one round.

    Args:
        name: of the work.
        bench: how much is done, and where the figures go.
        subject: the version.
        loads: clients and publishers.
        idle: seconds of silence that `connections.idle` measures.
    """

    name: str
    bench: Bench
    subject: Subject
    loads: Loads
    idle: float

    def add(self, figure: str, value: float, unit: str) -> None:
        """Note a figure of this work."""
        revision = self.subject.revision
        name = f"{self.name}, {revision}" if revision else self.name
        self.bench.figures.add(f"{name}: {figure}", value, unit)

    def cpu(self) -> float:
        """Give the CPU seconds that the server has used, once it has nothing left to do."""
        settle(self.subject.node)
        return sum(self.subject.node.cpu())

    def clear(self) -> None:
        """Send all clients away."""
        self.loads.hang_up()
        settle(self.subject.node)

    def done(self, count: int, outcome: Outcome, cpu: float, what: tuple[str, str]) -> None:
        """Note the rate of something, what it cost the server, and how busy server and loads were.

        Args:
            count: how often it was done.
            outcome: of the run.
            cpu: seconds of the server.
            what: its plural and its singular.
        """
        many, one = what
        self.add("rate", count / outcome.seconds, f"{many}/s")
        self.add("CPU", cpu / count * 1e6, f"µs a {one}")
        self.add("server", cpu / outcome.seconds * 100, BUSY)
        self.add("load", outcome.busy * 100, BUSY)
