"""Events that clients send to each other."""

from __future__ import annotations

from works.fanout import DELIVERIES
from works.stage import Stage


def client_events(stage: Stage) -> None:
    """100 clients of a private channel send in turn, each to all others, 4 events at a time."""
    clients, events = 100, stage.bench.some(4000)
    stage.loads.gather(stage.subject.node.port, clients)
    cpu = stage.cpu()
    outcome = stage.loads.talk(events)
    cpu = stage.cpu() - cpu
    stage.done(events * (clients - 1), outcome, cpu, DELIVERIES)
    stage.clear()
