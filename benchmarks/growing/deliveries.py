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
SERVER, KERNEL = "txpusher, the publish included", "send() alone"


def deliveries(bench: Bench) -> list[Chart]:
    """Publish one event after the other, each when the last subscriber has the one before."""
    chart = Chart("deliveries", "CPU for a delivery", "subscribers of the channel", "µs a delivery")
    with bench.server() as meter:
        for _ in range(bench.rounds):
            clients: list[Client] = []
            for count in bench.some(*SUBSCRIBERS):
                clients += connect(meter.port, count - len(clients), lambda _: ["one"])
                publisher = Publisher(meter.port)
                publisher.publish("one")
                size = len(clients[-1].wait_for(b'x"}'))
                cost = _cost(meter, lambda p=publisher: p.publish("one"), clients, size)
                chart.add(SERVER, count, cost)
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
    chart.flat(SERVER, 100, 0.25)
    chart.above(SERVER, KERNEL, 100)
    return [chart]


def _cost(meter: Meter, publish: Callable[[], None], readers: Sequence[Reader], size: int) -> float:
    """Give what a delivery costs of some events of so many bytes."""
    events = max(AT_LEAST, min(AT_MOST, DELIVERIES // len(readers)))

    def publish_all() -> None:
        for _ in range(events):
            publish()
            readers[-1].take(size)

    cost = meter.cost(publish_all)
    for reader in readers:
        reader.drain()
    return cost / events / len(readers)
