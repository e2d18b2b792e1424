"""What a publish costs with more and more channels, each with a subscriber."""

from __future__ import annotations

import random

from growing.bench import Bench
from growing.chart import Chart
from growing.clients import Client, Publisher, close, connect
from growing.meter import Meter

CHANNELS = 10, 1000, 100_000
CONNECTIONS = 25  # each may have 5,000 subscriptions
EVENTS = 2000
READ = 200  # events after which the subscribers read


def channels(bench: Bench) -> list[Chart]:
    """Publish to one of them, and to another one the next time."""
    chart = Chart(
        "channels", "CPU for a publish to one of many channels", "channels", "µs a publish"
    )
    with bench.server() as meter:
        for _ in range(bench.rounds):
            clients, there = connect(meter.port, CONNECTIONS, lambda _: []), 0
            for count in bench.some(*CHANNELS):
                _subscribe(clients, range(there, count))
                there = count
                chart.add("one subscriber each", count, _cost(meter, clients, count))
            close(clients)
    chart.flat("one subscriber each", 0, 0.1)
    return [chart]


def _subscribe(clients: list[Client], numbers: range) -> None:
    for first, client in enumerate(clients):
        client.subscribe([_name(n) for n in numbers[first :: len(clients)]])


def _cost(meter: Meter, clients: list[Client], count: int) -> float:
    publisher, chance = Publisher(meter.port), random.Random(count)

    def publish_all() -> None:
        for number in range(EVENTS):
            publisher.publish(_name(chance.randrange(count)))
            if number % READ == 0:
                for client in clients:
                    client.drain()

    return meter.cost(publish_all) / EVENTS


def _name(number: int) -> str:
    return f"channel-{number:06d}"
