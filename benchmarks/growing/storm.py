"""How long somebody new waits while thousands of connections end at once, as when a proxy dies."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple

from growing.bench import Bench
from growing.chart import Chart
from growing.clients import Client, Publisher, connect

CONNECTIONS = 100, 1000, 3000, 10_000
TOGETHER = 20  # clients of one channel
SECONDS = 2.0
PAUSE = 0.002  # between one who comes and the next


class Kind(NamedTuple):
    """What is held, and how it ends.

    Args:
        presence: the channels are presence channels.
        resets: each client has an event that it has not read, so that its kernel sends a reset.
    """

    presence: bool
    resets: bool

    def channels(self, count: int) -> list[str]:
        """Name the channels of so many clients."""
        prefix = "presence" if self.presence else "channel"
        return [f"{prefix}-{number}" for number in range(count // TOGETHER)]


LINES = {
    "slowest, public channels": Kind(presence=False, resets=False),
    "slowest, presence channels": Kind(presence=True, resets=False),
    "resets, public channels": Kind(presence=False, resets=True),
    "resets, presence channels": Kind(presence=True, resets=True),
}


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
                for line, kind in LINES.items():
                    with _held(meter.port, count, kind) as process:
                        meter.quiet()
                        process.kill()
                        waits = list(_waits(meter.port))
                    chart.add(line, count, max(waits))
                    meter.quiet()
    for line in LINES:
        chart.below(line, 100)
    return [chart]


@contextmanager
def _held(port: int, count: int, kind: Kind) -> Iterator[multiprocessing.Process]:
    """Have another process hold subscribed connections."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_hold, args=(there, port, count, kind))
    process.start()
    there.close()
    try:
        here.recv()
        yield process
    finally:
        process.kill()
        process.join()


def _hold(ready: Connection, port: int, count: int, kind: Kind) -> None:
    clients = subscribed(port, count, kind)
    ready.send(len(clients))
    time.sleep(3600)


def subscribed(port: int, count: int, kind: Kind) -> list[Client]:
    """Connect clients, who have read everything, or all but one event.

    Args:
        port: of the server.
        count: how many; all channels have as many.
        kind: of their channels, and of their end.
    """
    channels = kind.channels(count)
    if kind.presence:
        clients = connect(port, count, lambda _: [])
        # In turns, so that those who are left when they end are told of each who went.
        for number, client in enumerate(clients):
            client.join(channels[number % len(channels)], str(number))
        for client in clients:
            client.drain()
    else:
        clients = connect(port, count, lambda number: [channels[number // TOGETHER]])
    if kind.resets:
        publisher = Publisher(port)
        for channel in channels:
            publisher.publish(channel)
    return clients


def _waits(port: int) -> Iterator[float]:
    """Give the milliseconds of each connect until its subscription is confirmed."""
    end = time.monotonic() + SECONDS
    while (begin := time.monotonic()) < end:
        (client,) = connect(port, 1, lambda _: ["newcomers"])
        yield (time.monotonic() - begin) * 1e3
        client.close()
        time.sleep(PAUSE)
