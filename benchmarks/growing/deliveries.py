"""What a delivery costs with more and more subscribers of one channel, and what of that is the kernel's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from growing.bare import FRAME, bare
from growing.bench import Bench
from growing.chart import Chart
from growing.clients import Client, Publisher, Reader, close, connect
from growing.meter import Meter

SUBSCRIBERS = 10, 30, 100, 300, 1000, 3000, 10_000
DELIVERIES, AT_MOST, AT_LEAST = 60_000, 1000, 10
BURST = 20
ONE, MANY = "one event after the other", f"{BURST} events in a row"
KERNEL = "send() alone"


def deliveries(bench: Bench) -> list[Chart]:
    """Publish events, each when the last subscriber has the one before, or each when the one before is answered."""
    chart = Chart("deliveries", "CPU for a delivery", "subscribers of the channel", "µs a delivery")
    with bench.server() as meter:
        for _ in range(bench.rounds):
            clients: list[Client] = []
            for count in bench.some(*SUBSCRIBERS):
                clients += connect(meter.port, count - len(clients), lambda _: ["one"])
                publisher = Publisher(meter.port)
                publisher.publish("one")
                size = len(clients[-1].wait_for(b'x"}'))
                for line, burst in ((ONE, 1), (MANY, BURST)):
                    cost = _cost(meter, lambda p=publisher: p.publish("one"), clients, size, burst)
                    chart.add(line, count, cost)
            close(clients)
            meter.quiet()
    with bare(bench.core) as sender:
        for _ in range(bench.rounds):
            readers: list[Reader] = []
            for count in bench.some(*SUBSCRIBERS):
                readers += sender.connect(count - len(readers))
                chart.add(KERNEL, count, _cost(sender.meter, sender.send, readers, len(FRAME)))
            close(readers)
            sender.forget()
    chart.flat(ONE, 100, 0.25)
    chart.above(ONE, KERNEL, 100)
    chart.no_dearer(MANY, 100, 0.25)
    return [chart]


def _cost(
    meter: Meter, publish: Callable[[], None], readers: Sequence[Reader], size: int, burst: int = 1
) -> float:
    """Give what a delivery costs of some events of so many bytes, so many of them in a row."""
    bursts = max(AT_LEAST, min(AT_MOST, DELIVERIES // len(readers))) // burst or 1

    def publish_all() -> None:
        for _ in range(bursts):
            for _ in range(burst):
                publish()
            readers[-1].take(size * burst)

    cost = meter.cost(publish_all)
    for reader in readers:
        reader.drain()
    return cost / (bursts * burst) / len(readers)
