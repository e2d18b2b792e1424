"""Several loads as one: a process that publishes, and others that share the subscribers."""

from __future__ import annotations

from typing import NamedTuple

from exchange import Plan, Run
from load import start_load
from measuring import together
from messages import PRIVATE
from placing import Cores

LISTENERS = 2  # at least; else one for each core
MOST_LISTENERS = 4


class Outcome(NamedTuple):
    """What came of a run of all loads.

    Args:
        seconds: from the first publish to the last delivery and the last answer.
        busy: the part of that time for which the loads used their cores; a rate is theirs when it is near 1.
        milliseconds: that deliveries were on their way, where there was a rate.
    """

    seconds: float
    busy: float
    milliseconds: list[float]


class Loads:
    """The processes.

    Args:
        cores: that they may use.
    """

    def __init__(self, cores: Cores) -> None:
        self._cores = len(cores)
        self._publisher = start_load(cores)
        count = min(MOST_LISTENERS, max(LISTENERS, len(cores)))
        self._listeners = [start_load(cores) for _ in range(count)]

    def subscribe(self, port: int, count: int, per_channel: int = 0, *, tls: bool = False) -> float:
        """Connect clients, as `load.Load.subscribe` does, and give the seconds that it took."""
        begins = [count * n // len(self._listeners) for n in range(len(self._listeners) + 1)]
        return max(
            together(
                [
                    lambda load=load, start=start, end=end: load.subscribe(
                        port, end - start, per_channel, start=start, tls=tls
                    )
                    for load, start, end in zip(self._listeners, begins, begins[1:], strict=False)
                ]
            )
        )

    def publish(self, port: int, plan: Plan) -> Outcome:
        """Publish, and listen until everybody has everything."""
        listening = plan._replace(
            publishers=0, events=0, expected=plan.expected or plan.events, batch=1
        )
        runs = together(
            [
                lambda: self._publisher.run(port, plan._replace(pause=0)),
                *[lambda load=load: load.run(port, listening) for load in self._listeners],
            ]
        )
        return self._outcome(runs)

    def gather(self, port: int, count: int) -> None:
        """Connect clients that will talk to each other, on one private channel."""
        self._publisher.subscribe(port, count, name=PRIVATE)

    def talk(self, events: int) -> Outcome:
        """Let those who were gathered send client events to each other."""
        return self._outcome([self._publisher.talk(events)])

    def rest(self, seconds: float) -> None:
        """Let all clients be silent, but for answers to pings."""
        together([lambda load=load: load.rest(seconds) for load in self._listeners])

    def hang_up(self) -> None:
        """End all clients."""
        together([load.hang_up for load in (self._publisher, *self._listeners)])

    def _outcome(self, runs: list[Run]) -> Outcome:
        seconds = max(run.end for run in runs) - runs[0].begin
        busy = sum(run.cpu for run in runs) / seconds / min(self._cores, len(runs))
        return Outcome(seconds, busy, [ms for run in runs for ms in run.milliseconds])
