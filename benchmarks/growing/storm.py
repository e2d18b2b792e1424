"""How long somebody new waits while thousands of connections end at once, as when a proxy dies."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from growing.bench import Bench
from growing.chart import Chart
from growing.clients import connect

CONNECTIONS = 100, 1000, 3000, 10_000
TOGETHER = 20  # clients of one channel
KINDS = {"public channels": False, "presence channels": True}
SECONDS = 2.0
PAUSE = 0.002  # between one who comes and the next


def storm(bench: Bench) -> list[Chart]:
    """Kill the process that has the connections, and connect and subscribe again and again meanwhile."""
    chart = Chart(
        "storm",
        f"Connect and subscribe while others end at once, {TOGETHER} on a channel",
        "connections that end",
        "ms",
    )
    with bench.server() as meter:
        for _ in range(bench.rounds):
            for count in bench.some(*CONNECTIONS):
                for kind, presence in KINDS.items():
                    with _held(meter.port, count, presence=presence) as process:
                        meter.quiet()
                        process.kill()
                        waits = list(_waits(meter.port))
                    chart.add(f"slowest, {kind}", count, max(waits))
                    meter.quiet()
    for line in chart.lines:
        chart.below(line, 100)
    return [chart]


@contextmanager
def _held(port: int, count: int, *, presence: bool) -> Iterator[multiprocessing.Process]:
    """Have another process hold subscribed connections."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_hold, args=(there, port, count, presence))
    process.start()
    there.close()
    try:
        here.recv()
        yield process
    finally:
        process.kill()
        process.join()


def _hold(ready: Connection, port: int, count: int, presence: bool) -> None:
    if presence:
        clients = connect(port, count, lambda _: [])
        for number, client in enumerate(clients):
            client.join(f"presence-{number % (count // TOGETHER)}", str(number))
        for client in clients:
            client.drain()
    else:
        clients = connect(port, count, lambda number: [f"channel-{number // TOGETHER}"])
    ready.send(len(clients))
    time.sleep(3600)


def _waits(port: int) -> Iterator[float]:
    """Give the milliseconds of each connect until its subscription is confirmed."""
    end = time.monotonic() + SECONDS
    while (begin := time.monotonic()) < end:
        (client,) = connect(port, 1, lambda _: ["newcomers"])
        yield (time.monotonic() - begin) * 1e3
        client.close()
        time.sleep(PAUSE)
