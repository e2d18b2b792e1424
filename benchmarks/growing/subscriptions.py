"""What subscriptions cost that one connection has: to make, and to leave when it ends."""

from __future__ import annotations

from growing.bench import Bench
from growing.chart import Chart
from growing.clients import close, connect
from growing.meter import Meter

SUBSCRIPTIONS = 1, 10, 100, 1000
ALTOGETHER, AT_MOST = 4000, 200


def subscriptions(bench: Bench) -> list[Chart]:
    """Let each of several connections subscribe to channels that nobody else is on, then end them."""
    chart = Chart(
        "subscriptions",
        "CPU for each subscription of one connection",
        "subscriptions of the connection",
        "µs a subscription",
    )
    with bench.server() as meter:
        for _ in range(bench.rounds):
            for count in bench.some(*SUBSCRIPTIONS):
                _measure(chart, meter, count)
    return [chart]


def _measure(chart: Chart, meter: Meter, count: int) -> None:
    clients = connect(meter.port, min(AT_MOST, ALTOGETHER // count), lambda _: [])

    def subscribe() -> None:
        for number, client in enumerate(clients):
            client.subscribe([f"channel-{number}-{n}" for n in range(count)])

    altogether = count * len(clients)
    chart.add("subscribe", count, meter.cost(subscribe) / altogether)
    chart.add("disconnect", count, meter.cost(lambda: close(clients)) / altogether)
