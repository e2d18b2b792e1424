"""What a delivery costs with more and more bytes in it."""

from __future__ import annotations

from growing.bench import Bench
from growing.chart import Chart
from growing.clients import Client, Publisher, close, connect
from growing.meter import Meter

BYTES = 10, 100, 1000, 10_000, 100_000
SUBSCRIBERS = 100
BYTES_OF_A_RUN, AT_MOST, AT_LEAST = 100_000_000, 500, 10


def payloads(bench: Bench) -> list[Chart]:
    """Publish events of one size to a hundred subscribers, each when all have read the one before."""
    chart = Chart(
        "payloads",
        f"CPU for a delivery to one of {SUBSCRIBERS} subscribers",
        "bytes of data",
        "µs a delivery",
    )
    with bench.server() as meter:
        clients = connect(meter.port, SUBSCRIBERS, lambda _: ["one"])
        for _ in range(bench.rounds):
            for size in bench.some(*BYTES):
                chart.add("the publish included", size, _cost(meter, clients, size))
        close(clients)
    return [chart]


def _cost(meter: Meter, clients: list[Client], size: int) -> float:
    events = max(AT_LEAST, min(AT_MOST, BYTES_OF_A_RUN // size // SUBSCRIBERS))
    publisher = Publisher(meter.port)
    publisher.publish("one", size)
    frame = len(clients[0].wait_for(b'x"}'))
    for client in clients[1:]:
        client.take(frame)

    def publish_all() -> None:
        for _ in range(events):
            publisher.publish("one", size)
            for client in clients:
                client.take(frame)

    return meter.cost(publish_all) / events / SUBSCRIBERS
