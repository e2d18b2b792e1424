"""What it costs that one connection ends, with more and more others that stay."""

from __future__ import annotations

from growing.bench import Bench
from growing.chart import Chart
from growing.clients import Client, close, connect
from growing.meter import Meter

CONNECTIONS = 10, 100, 1000, 10_000
LINES = {"on the channel of all others": ["all"], "on ten others": [f"room-{n}" for n in range(10)]}
ENDING = 300


def leaving(bench: Bench) -> list[Chart]:
    """End some connections and divide: those on the channel of all others, and those on ten of their own."""
    chart = Chart("leaving", "CPU for the end of one connection", "other connections", "µs")
    with bench.server() as meter:
        for _ in range(bench.rounds):
            others: list[Client] = []
            for count in bench.some(*CONNECTIONS):
                others += connect(meter.port, count - len(others), lambda _: ["all"])
                for line, names in LINES.items():
                    chart.add(line, count, _cost(meter, names))
            close(others)
            meter.quiet()
    for line in LINES:
        chart.flat(line, 0, 0.1)
    return [chart]


def _cost(meter: Meter, names: list[str]) -> float:
    there = connect(meter.port, ENDING, lambda _: names)
    return meter.cost(lambda: close(there)) / ENDING
