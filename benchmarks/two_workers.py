"""One worker on one core, and two on two: what a second core gains.

The load is on the same cores, one process of it for each worker, with subscribers and publishers in proportion. So it
takes as large a part of one core as of two.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from exchange import Plan
from load import start_load
from measuring import FANOUT, Bench, settle, together
from placing import all_cores, pin
from servers import Node, node, redis

PUBLISHERS = 4  # of each load
RATE = 50  # publishes of all loads, a second


def two_workers(bench: Bench, stack: ExitStack) -> None:
    """Measure both in turns."""
    cores = all_cores()[:2]
    if len(cores) < 2:
        print("\nTwo workers: left out, as there is one core")
        return
    store = stack.enter_context(redis(bench.directory, set(cores)))
    loads = [start_load({core}) for core in cores]
    one = stack.enter_context(node(bench.directory, {cores[0]}, store.url))
    two = stack.enter_context(node(bench.directory, set(cores), store.url, workers=2))
    for pid, core in zip(two.pids(), cores, strict=True):
        pin(pid, {core})
    for _ in range(bench.rounds):
        for name, server, used in (("1 worker", one, loads[:1]), ("2 workers", two, loads)):
            _measure(bench, name, server, used)
    for what in ("rate", "capacity", "capacity at a rate"):
        names = [f"fanout, {name}: {what}" for name in ("2 workers", "1 worker")]
        bench.figures.ratio(f"fanout, 2 workers to 1 by {what}", *names)
    bench.figures.show(
        "Two workers on two cores, one worker on one core",
        f"Fanout to {FANOUT.subscribers}. Rate: load and servers on the same one or two cores, {PUBLISHERS} publishers "
        "for each. Capacity: deliveries for each CPU second of the busiest worker, which is what all reach when each "
        f"has a core to itself; of the same run, and of one with {RATE} events a second.",
    )


def _measure(bench: Bench, name: str, server: Node, loads: list[Any]) -> None:
    for load in loads:
        load.subscribe(server.port, FANOUT.subscribers // len(loads))
    settle(server)
    events = bench.some(FANOUT.events * 2)
    plan = Plan(PUBLISHERS, events // len(loads), expected=events)
    seconds, capacity = _publish(server, loads, plan)
    bench.figures.add(
        f"fanout, {name}: rate", events * FANOUT.subscribers / seconds, "deliveries/s"
    )
    bench.figures.add(f"fanout, {name}: capacity", capacity, "deliveries/CPU s")
    events = bench.some(2 * RATE)
    plan = Plan(PUBLISHERS, events // len(loads), rate=RATE / len(loads), expected=events)
    _, capacity = _publish(server, loads, plan)
    bench.figures.add(f"fanout, {name}: capacity at a rate", capacity, "deliveries/CPU s")
    for load in loads:
        load.hang_up()
    settle(server)


def _publish(server: Node, loads: list[Any], plan: Plan) -> tuple[float, float]:
    """Give the seconds it took, and the deliveries for each CPU second of the busiest worker."""
    before, begin = server.cpu(), time.monotonic()
    together([lambda load=load: load.run(server.port, plan) for load in loads])
    seconds = time.monotonic() - begin
    settle(server)
    busiest = max(after - used for after, used in zip(server.cpu(), before, strict=True))
    return seconds, plan.expected * FANOUT.subscribers / busiest
