#!/usr/bin/env python3
"""Measure what compression costs the installed txpusher, and what it saves: broadcasts of JSON, small to large.

    python benchmarks/compression.py [--rounds N] [--subscribers N] [--scale FACTOR] [--json FILE]

Three crowds in turns: clients of a server without ``--compression``, and clients of servers with it that offer nothing,
and that offer ``permessage-deflate``. Every event is another one, and is published when the one before has come to
everybody. Each server has a core to itself. "CPU" is what the kernel counted for it: on the loopback the way of the
bytes to the receiver is in it, which elsewhere is the network card's and the other machine's.

It needs Linux, listens on free ports of the loopback and takes about a minute.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import socket
import sys
import tempfile
import timeit
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from figures import Figures
from measuring import settle
from messages import HANDSHAKE, dial, frame_size, post, subscription
from placing import all_cores, placed, resident_bytes
from servers import Node, node

from txpusher.protocol import codec, deflate

CHANNEL = "bench-0"
OFFER = b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
SIZES = {"200 B": 200, "1 KB": 1000, "10 KB": 10_000}
PUBLISHES = 200  # a round; of the largest, half as many
IDLE = 2000  # connections whose memory is measured


def orders(size: int) -> str:
    """Make JSON of this length, of a shop: keys that come again, values that do not."""
    pick, rows = random.choice, list[dict[str, object]]()
    while len(text := json.dumps(rows, separators=(",", ":"))) < size:
        time = f"2026-03-{random.randint(10, 28)}T{random.randint(10, 23)}:{random.randint(10, 59)}:00Z"
        name = pick(("anna", "bert", "carla", "david", "emma")) + str(random.randrange(1000))
        price = round(random.uniform(1, 999), 2)
        order = {"id": random.randrange(10**6), "user": name, "price": price, "at": time}
        rows.append({**order, "state": pick(("open", "paid", "sent"))})
    return text[:size]


class Crowd:
    """Subscribers of one channel, who read everything.

    Args:
        server: where they are.
        count: how many.
        offer: whether they offer compression.
    """

    def __init__(self, server: Node, count: int, *, offer: bool) -> None:
        self._buffer = bytearray(1 << 16)
        self._publisher = dial(server.port)
        self._sockets = [dial(server.port) for _ in range(count)]
        handshake = HANDSHAKE.replace(b"\r\n\r\n", OFFER) if offer else HANDSHAKE
        for client in self._sockets:
            client.sendall(handshake)
            answer = _until(client, b"connection_established")
            if offer != (b"permessage-deflate" in answer):
                raise RuntimeError(f"compression was not agreed on as expected: {answer!r}")
            client.sendall(subscription(CHANNEL))
            _until(client, b"subscription_succeeded")

    def broadcast(self, data: str) -> int:
        """Publish and let all read; give the bytes that each was sent."""
        body = json.dumps({"name": "update", "channel": CHANNEL, "data": data})
        self._publisher.sendall(post("events", body.encode()))
        first, *others = self._sockets
        length = first.recv_into(self._buffer)
        size = frame_size(self._buffer)
        self._read(first, size - length)
        for client in others:
            self._read(client, size)
        _until(self._publisher, b"200 OK")
        return size

    def _read(self, client: socket.socket, size: int) -> None:
        while size:
            length = client.recv_into(self._buffer, size)
            if not length:
                raise RuntimeError("the server closed a connection")
            size -= length

    def hang_up(self) -> None:
        """End all clients."""
        for client in (self._publisher, *self._sockets):
            client.close()


def _until(client: socket.socket, text: bytes) -> bytes:
    answer = b""
    while text not in answer:
        data = client.recv(1 << 16)
        if not data:
            raise RuntimeError(f"the server closed a connection after {answer!r}")
        answer += data
    return answer


def measure(options: argparse.Namespace, figures: Figures, stack: ExitStack) -> None:
    """Measure everything, and print as it comes."""
    first, others = {all_cores()[0]}, set(all_cores()[1:] or all_cores())
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    stack.enter_context(placed(others))
    servers = {
        name: (stack.enter_context(node(directory, first, "memory://", 1, switches)), offer)
        for name, switches, offer in (
            ("off", (), False),
            ("on, not taken", ("--compression",), False),
            ("on", ("--compression",), True),
        )
    }
    for name, (server, offer) in servers.items():
        memory(name, server, figures, int(IDLE * options.scale), offer=offer)
    figures.show("Memory", f"Of a connection that is subscribed and silent, of {IDLE}.")
    for label, size in SIZES.items():
        for number in range(options.rounds):
            for name, (server, offer) in list(servers.items())[:: -1 if number % 2 else 1]:
                broadcasts(f"{label}, {name}", size, server, options, figures, offer=offer)
        for name in ("on, not taken", "on"):
            of, to = f"{label}, {name}: CPU", f"{label}, off: CPU"
            figures.ratio(f"{of} to off", of, to)
        figures.ratio(f"{label}, on: bytes to off", f"{label}, on: bytes", f"{label}, off: bytes")
        figures.add(f"{label}: compressing once", once(size), "µs an event")
        how = f"{label} of JSON to {options.subscribers} subscribers, one event after the other."
        figures.show(f"Broadcasts of {label}", how)


def memory(name: str, server: Node, figures: Figures, count: int, *, offer: bool) -> None:
    """Measure memory in a server that had no connections yet: later its heap would hide them."""
    (pid,) = server.pids()
    before = resident_bytes(pid)
    crowd = Crowd(server, count, offer=offer)
    settle(server)
    grown = (resident_bytes(pid) - before) / count
    figures.add(f"memory, {name}", grown, "bytes a connection")
    crowd.hang_up()
    settle(server)


def broadcasts(
    name: str,
    size: int,
    server: Node,
    options: argparse.Namespace,
    figures: Figures,
    *,
    offer: bool,
) -> None:
    """Measure broadcasts of one size to one crowd."""
    count = max(5, int(PUBLISHES * options.scale) // (2 if size > 5000 else 1))
    crowd = Crowd(server, options.subscribers, offer=offer)
    events = list(_events(size, count))
    settle(server)
    before = sum(server.cpu())
    sent = sum(crowd.broadcast(data) for data in events)
    settle(server)
    cpu = sum(server.cpu()) - before
    figures.add(f"{name}: bytes", sent / count, "bytes a delivery")
    figures.add(f"{name}: CPU", cpu / count * 1e6, "µs a publish")
    crowd.hang_up()
    settle(server)


def once(size: int) -> float:
    """Measure how many microseconds compressing one event takes, without a server."""
    frames = [codec.channel_event("update", CHANNEL, data) for data in _events(size, PUBLISHES)]
    window = deflate.WINDOW
    seconds = timeit.timeit(lambda: [deflate.compressed(f, window) for f in frames], number=5)
    return seconds / 5 / PUBLISHES * 1e6


def _events(size: int, count: int) -> Iterator[str]:
    random.seed(size)  # the same ones for every crowd
    return (orders(size) for _ in range(count))


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument("--subscribers", type=int, default=500, metavar="N", help="default 500")
    parser.add_argument("--scale", type=float, default=1, metavar="FACTOR", help="of what is sent")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("compression.py: it needs Linux, for /proc")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # The servers are ended in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("compression.py: terminated"))
    figures = Figures()
    with ExitStack() as stack:
        measure(options, figures, stack)
    if options.json:
        figures.write(options.json)


if __name__ == "__main__":
    main()
