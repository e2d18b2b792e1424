"""Several nodes: how much later an event is on another one, and what Redis is asked and sends."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from exchange import Plan
from figures import percentile
from load import start_load
from measuring import Bench, settle, together
from placing import all_cores
from servers import Node, Redis, node, redis

SUBSCRIBERS, RATE, SECONDS = 200, 50, 4
PUBLISHES = 2000


def three_nodes(bench: Bench, stack: ExitStack) -> None:
    """Measure latency between two of them, then let one after the other have a subscriber."""
    cores = all_cores()
    store = stack.enter_context(redis(bench.directory, set(cores)))
    # Signs of life would be counted, too.
    url = f"{store.url}?heartbeat=120&lease=360"
    nodes = [
        stack.enter_context(node(bench.directory, {cores[n % len(cores)]}, url)) for n in range(3)
    ]
    loads = [start_load(set(cores)) for _ in nodes]
    for _ in range(bench.rounds):
        _latency(bench, nodes[:2], loads[:2])
    time.sleep(1.5)  # a node listens to a channel for a second after the last subscriber has gone
    for count in (1, 2, 3):
        _traffic(bench, nodes[:count], loads[:count], store)
    bench.figures.show(
        "Three nodes and Redis",
        f"Latency: {SUBSCRIBERS} subscribers on each of two nodes hear {RATE} events a second, so "
        f"{2 * SUBSCRIBERS * RATE:,} deliveries/s; every tenth is timed. Traffic: what Redis got and sent while one, "
        "two or three nodes had a subscriber.",
    )


def _latency(bench: Bench, nodes: list[Node], loads: list[Any]) -> None:
    """Time deliveries of what is published on the first node."""
    for server, load in zip(nodes, loads, strict=True):
        load.subscribe(server.port, SUBSCRIBERS)
        settle(server)
    events = bench.some(RATE * SECONDS)
    publishing = Plan(4, events, rate=RATE, every=10)
    listening = Plan(rate=RATE, expected=events, every=10)
    runs = together(
        [
            lambda: loads[0].run(nodes[0].port, publishing),
            lambda: loads[1].run(nodes[1].port, listening),
        ]
    )
    for name, run in zip(("its node", "another"), runs, strict=True):
        for percent in (50, 99):
            value = percentile(run.milliseconds, percent)
            bench.figures.add(f"latency on {name}, p{percent}", value, "ms")
    local, remote = (percentile(run.milliseconds, 99) for run in runs)
    bench.figures.add("latency on another above its node, p99", remote - local, "ms")
    for server, load in zip(nodes, loads, strict=True):
        load.hang_up()
        settle(server)


def _traffic(bench: Bench, nodes: list[Node], loads: list[Any], store: Redis) -> None:
    """Count what Redis does for each publish, with one more node that has a subscriber."""
    loads[-1].subscribe(nodes[-1].port, 1)
    settle(nodes[-1])
    events = bench.some(PUBLISHES)
    sent, commands, cpu = store.bytes_sent(), sum(store.commands().values()), store.cpu()
    plans = [Plan(4, events), *[Plan(expected=events)] * (len(nodes) - 1)]
    together(
        [
            lambda load=load, plan=plan: load.run(nodes[0].port, plan)
            for load, plan in zip(loads, plans, strict=True)
        ]
    )
    settle(nodes[0])
    cpu, commands = store.cpu() - cpu, sum(store.commands().values()) - commands
    add, name = bench.figures.add, f"publish, {len(nodes)} of 3 nodes subscribed"
    add(f"{name}: commands", commands / events, "a publish")
    add(f"{name}: sent", (store.bytes_sent() - sent) / events, "bytes a publish")
    add(f"{name}: CPU of Redis", cpu / events * 1e6, "µs a publish")
