"""What it costs to join a presence channel with more and more members: the answer carries them all."""

from __future__ import annotations

from growing.bench import Bench
from growing.chart import Chart
from growing.clients import Client, close, connect
from growing.meter import Meter

ROOMS = [f"presence-room-{number}" for number in range(40)]
MEMBERS = 10, 20, 50, 99  # one more joins, and 100 is the limit


def members(bench: Bench) -> list[Chart]:
    """Let a new member join and leave, which all others are told; and one in a second tab, which nobody is told."""
    chart = Chart("members", "CPU for joining a presence channel", "members", "µs")
    with bench.server() as meter:
        for _ in range(bench.rounds):
            there: list[Client] = []
            for count in bench.some(*MEMBERS):
                newcomers = connect(meter.port, count - len(there), lambda _: [])
                for number, client in enumerate(newcomers, len(there)):
                    _join(client, f"user-{number}")
                there += newcomers
                _measure(chart, meter, there)
            close(there)
            meter.quiet()
    return [chart]


def _measure(chart: Chart, meter: Meter, there: list[Client]) -> None:
    """Have one connection join every room; the others have read what they were told before."""
    for line, user_id in (("a new member", "new"), ("a second tab of a member", "user-0")):
        for client in there:
            client.drain()
        (newcomer,) = connect(meter.port, 1, lambda _: [])
        cost = meter.cost(lambda client=newcomer, user_id=user_id: _join(client, user_id))
        chart.add(line, len(there), cost / len(ROOMS))
        cost = meter.cost(newcomer.close)
        if user_id == "new":
            chart.add("its leaving", len(there), cost / len(ROOMS))


def _join(client: Client, user_id: str) -> None:
    for room in ROOMS:
        client.join(room, user_id)
