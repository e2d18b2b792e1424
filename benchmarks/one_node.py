"""One node on one core, alone and with Redis: what Redis costs where it is not needed.

Load and Redis are on the other cores.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from exchange import Plan
from load import start_load
from measuring import FANOUT, Bench, Work, settle
from placing import all_cores, resident_bytes
from servers import Node, Redis, node, redis

WORKS = {
    "fanout": FANOUT,
    "batch": Work(500, 1, 3000, batch=10),
    "publish": Work(1, 8, 8000),
}
CONNECTS, PER_CHANNEL = 3000, 10


def one_node(bench: Bench, stack: ExitStack) -> None:
    """Measure both in turns, each the first in every other round."""
    first, others = {all_cores()[0]}, set(all_cores()[1:] or all_cores())
    store = stack.enter_context(redis(bench.directory, others))
    load = start_load(others)
    servers = {
        "memory": stack.enter_context(node(bench.directory, first, "memory://")),
        "redis": stack.enter_context(node(bench.directory, first, store.url)),
    }
    for name, server in servers.items():
        _memory(bench, name, server, load, store)
    for number in range(bench.rounds):
        turns = list(servers.items())[:: -1 if number % 2 else 1]
        for work_name, work in WORKS.items():
            for name, server in turns:
                _deliveries(bench, f"{work_name}, {name}", work, server, load)
        for name, server in turns:
            _connects(bench, name, server, load, store)
    _compare(bench)
    bench.figures.show(
        "One node on one core, alone and with Redis",
        f"Fanout and batch: {FANOUT.subscribers} subscribers of one channel; publish: one, and 8 publishers. Connect: "
        f"{CONNECTS} clients that subscribe, {PER_CHANNEL} to a channel.",
    )


def _compare(bench: Bench) -> None:
    """Tell what is left with Redis of what there is without."""
    for kind in (*WORKS, "connect"):
        redis_, memory = f"{kind}, redis", f"{kind}, memory"
        ratio = f"{kind}, redis to memory by"
        bench.figures.ratio(f"{ratio} rate", f"{redis_}: rate", f"{memory}: rate")
        bench.figures.ratio(f"{ratio} CPU", f"{memory}: CPU", f"{redis_}: CPU")


def _deliveries(bench: Bench, name: str, work: Work, server: Node, load: Any) -> None:
    """Measure deliveries; those to one subscriber are publishes."""
    events = bench.some(work.events)
    load.subscribe(server.port, work.subscribers)
    settle(server)
    before = sum(server.cpu())
    run = load.run(server.port, Plan(work.publishers, events, work.batch))
    settle(server)
    count = events * work.subscribers
    bench.figures.add(f"{name}: rate", count / run.seconds, "deliveries/s")
    bench.figures.add(f"{name}: CPU", (sum(server.cpu()) - before) / count * 1e6, "µs a delivery")
    load.hang_up()
    settle(server)


def _connects(bench: Bench, name: str, server: Node, load: Any, store: Redis) -> None:
    """Measure connecting and subscribing, and what Redis does meanwhile."""
    count, add = bench.some(CONNECTS), bench.figures.add
    cpu, redis_cpu, asked = sum(server.cpu()), store.cpu(), store.asked()
    seconds = load.subscribe(server.port, count, PER_CHANNEL)
    redis_cpu, asked = store.cpu() - redis_cpu, store.asked() - asked
    add(f"connect, {name}: rate", count / seconds, "connects/s")
    add(f"connect, {name}: CPU", (sum(server.cpu()) - cpu) / count * 1e6, "µs a connect")
    if name == "redis":
        add("connect: commands to Redis", asked / seconds, "commands/s")
        add("connect: CPU of Redis", redis_cpu / seconds * 100, "% of a core")
        add("connect: CPU of Redis, each", redis_cpu / count * 1e6, "µs a connect")
    load.hang_up()
    settle(server)


def _memory(bench: Bench, name: str, server: Node, load: Any, store: Redis) -> None:
    """Measure memory in a server that had no connections yet: later its heap would hide them."""
    count = bench.some(CONNECTS)
    (pid,) = server.pids()
    before, redis_before = resident_bytes(pid), store.memory()
    load.subscribe(server.port, count, PER_CHANNEL)
    settle(server)
    grown = (resident_bytes(pid) - before) / count
    bench.figures.add(f"memory of a node, {name}", grown, "bytes a connection")
    if name == "redis":
        grown = (store.memory() - redis_before) / count
        bench.figures.add("memory of Redis", grown, "bytes a subscription")
    load.hang_up()
    settle(server)
