"""Connections: how fast they come, and what they cost while they are there."""

from __future__ import annotations

from measuring import settle
from placing import resident_bytes
from works.stage import Stage

PER_CHANNEL = 10


def connect(stage: Stage) -> None:
    """3,000 clients connect and subscribe, 10 to a channel, 200 of each load at a time."""
    count = stage.bench.clients(3000)
    cpu = stage.cpu()
    seconds = stage.loads.subscribe(stage.subject.node.port, count, PER_CHANNEL)
    stage.add("rate", count / seconds, "connects/s")
    stage.add("CPU", (stage.cpu() - cpu) / count * 1e6, "µs a connect")
    stage.clear()


def memory(stage: Stage) -> None:
    """5,000 subscribed connections of a server that had none before, 10 to a channel."""
    count = stage.bench.clients(5000)
    with stage.subject.serve() as server:
        (pid,) = server.pids()
        before = resident_bytes(pid)
        stage.loads.subscribe(server.port, count, PER_CHANNEL)
        settle(server)
        stage.add("resident", (resident_bytes(pid) - before) / count, "bytes a connection")
        stage.loads.hang_up()


def idle(stage: Stage) -> None:
    """10,000 subscribed connections that say nothing but answer pings, for the seconds of ``--idle``."""
    stage.loads.subscribe(stage.subject.node.port, stage.bench.clients(10_000), PER_CHANNEL)
    cpu = stage.cpu()
    stage.loads.rest(stage.idle)
    cpu = sum(stage.subject.node.cpu()) - cpu
    stage.add("CPU", cpu / stage.idle * 100, "% of a core")
    stage.clear()
