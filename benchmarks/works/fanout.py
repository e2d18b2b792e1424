"""Broadcasts: what a delivery costs, and how many there are a second."""

from __future__ import annotations

from exchange import Plan
from figures import RATIO
from works.stage import Stage

DELIVERIES = "deliveries", "delivery"
PAUSE = 0.003  # seconds; the loads need less of their core than with shorter ones, and see as much as one in C


def fanout(stage: Stage) -> None:
    """500 subscribers of one channel, 2 publishers, 100 bytes an event."""
    _broadcast(stage, 500, Plan(2, 1000))


def fanout_1k(stage: Stage) -> None:
    """The same with 1 KB an event."""
    _broadcast(stage, 500, Plan(2, 500, size=1024))


def fanout_5000(stage: Stage) -> None:
    """5,000 subscribers of one channel, 1 publisher, 100 bytes an event."""
    _broadcast(stage, 5000, Plan(1, 100))


def batches(stage: Stage) -> None:
    """500 subscribers of one channel, 1 publisher, 10 events of 100 bytes a request."""
    _broadcast(stage, 500, Plan(1, 6000, batch=10))


def tls(stage: Stage) -> None:
    """500 subscribers of one channel by TLS (`ssl:`) and then without, 2 publishers without, 100 bytes an event."""
    by_tls = _broadcast(stage, 500, Plan(2, 500), tls=True)
    plain = _broadcast(stage._replace(name="without tls"), 500, Plan(2, 500))
    stage.add("rate, to that without", by_tls / plain, RATIO)


def _broadcast(stage: Stage, subscribers: int, plan: Plan, *, tls: bool = False) -> float:
    """Publish to one channel, note what came of it, and give the rate."""
    subscribers, events = stage.bench.clients(subscribers), stage.bench.some(plan.events)
    subject = stage.subject
    stage.loads.subscribe(subject.tls_port if tls else subject.node.port, subscribers, tls=tls)
    cpu = stage.cpu()
    outcome = stage.loads.publish(subject.node.port, plan._replace(events=events, pause=PAUSE))
    cpu = stage.cpu() - cpu
    stage.done(events * subscribers, outcome, cpu, DELIVERIES)
    stage.clear()
    return events * subscribers / outcome.seconds
