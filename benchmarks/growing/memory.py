"""What memory a connection takes with more and more channels."""

from __future__ import annotations

from collections.abc import Callable

from growing.bench import Bench
from growing.chart import Chart
from growing.clients import close, connect

CHANNELS = 1, 10, 100
CONNECTIONS = 1000
TOGETHER = 10


def memory(bench: Bench) -> list[Chart]:
    """Connect a thousand clients to a server that had none, as its heap would hide them later."""
    chart = Chart("memory", "Memory of a connection", "channels of the connection", "bytes")
    for _ in range(bench.rounds):
        for count in bench.some(*CHANNELS):
            for line, group in ((f"{TOGETHER} connections on a channel", TOGETHER), ("alone", 1)):
                chart.add(line, count, _cost(bench, _names(count, group)))
    return [chart]


def _names(count: int, group: int) -> Callable[[int], list[str]]:
    return lambda number: [f"channel-{number // group}-{n}" for n in range(count)]


def _cost(bench: Bench, names: Callable[[int], list[str]]) -> float:
    connections = min(CONNECTIONS, bench.most)
    with bench.server() as meter:
        before = meter.resident()
        clients = connect(meter.port, connections, names)
        grown = meter.resident() - before
        close(clients)
    return grown / connections
