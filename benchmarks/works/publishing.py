"""Signed requests to publish: what one costs, and how many there are a second."""

from __future__ import annotations

from exchange import Plan
from works.stage import Stage

PUBLISHES = "publishes", "publish"
EACH = 16  # events on each of the channels


def publish(stage: Stage) -> None:
    """8 publishers, one subscriber, 100 bytes an event."""
    _publish(stage, 1, Plan(8, 20_000))


def channels(stage: Stage) -> None:
    """8 publishers to 1,000 channels in turn, 2 subscribers on each."""
    count = stage.bench.clients(1000)
    _publish(stage, 2 * count, Plan(8, EACH * count, channels=count, expected=EACH))


def _publish(stage: Stage, subscribers: int, plan: Plan) -> None:
    if not plan.channels:
        plan = plan._replace(events=stage.bench.some(plan.events))
    port = stage.subject.node.port
    stage.loads.subscribe(port, subscribers, per_channel=2 if plan.channels else 0)
    cpu = stage.cpu()
    outcome = stage.loads.publish(port, plan)
    cpu = stage.cpu() - cpu
    stage.done(plan.events, outcome, cpu, PUBLISHES)
    stage.clear()
