#!/usr/bin/env python3
"""Time the parts of the installed txpusher that are on the hot path, without sockets.

    python benchmarks/run.py [--json FILE]

Each line is the best of five repeats, in microseconds a call: the parts alone, then whole publishes and broadcasts over
transports that throw everything away. What a real server reaches also depends on the kernel; these figures tell which
part a change made slower.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from txpusher.adapters.memory import create
from txpusher.apps.memory import MemoryApps
from txpusher.core.admission import Admission
from txpusher.core.liveness import Liveness
from txpusher.core.registry import ChannelRegistry
from txpusher.core.telling import teller
from txpusher.http.facade import ApiOptions, HttpApi
from txpusher.idle import Closing
from txpusher.metrics.observer import MetricsObserver
from txpusher.model import App, Limits
from txpusher.protocol import api, codec, signatures
from txpusher.protocol.activity import Timeouts

APP = App(
    "1", "key", "secret", client_events=True, limits=Limits(max_client_events_per_second=None)
)
DATA = "x" * 100
BODY = json.dumps({"name": "event", "channels": ["bench"], "data": DATA}).encode()


class Nowhere:
    """A transport and a wire that take everything and keep nothing."""

    def write(self, data: bytes) -> None:
        """Take bytes of HTTP."""

    def send(self, frame: bytes) -> None:
        """Take a frame."""


def request() -> bytes:
    """Make a signed publish as it comes over the network."""
    query = (
        f"auth_key={APP.key}&auth_timestamp={int(time.time())}&auth_version=1.0"
        f"&body_md5={hashlib.md5(BODY, usedforsecurity=False).hexdigest()}"
    )
    text = signatures.request_text("POST", "/apps/1/events", signatures.parse_query(query))
    query += f"&auth_signature={signatures.sign(APP.secret, text)}"
    head = f"POST /apps/1/events?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n\r\n"
    return head.encode() + BODY


def server(subscribers: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Build a server without sockets, with subscribers of the channel ``bench``.

    Returns:
        A function that publishes once over HTTP, and one that broadcasts once.
    """
    clock, tell = Clock(), teller(MetricsObserver())
    liveness = Liveness(clock, Timeouts(120, 30), lambda: 0.5)
    registry = ChannelRegistry(create("memory://", clock), clock, liveness, secrets.randbelow, tell)
    for _ in range(subscribers):
        connection = registry.connect(APP, Nowhere())
        connection.received(b'{"event":"pusher:subscribe","data":{"channel":"bench"}}')
    apps = MemoryApps([APP])
    admission, closing = Admission(apps, registry), Closing(clock, 5)
    options = ApiOptions(
        "", 2 * 1024 * 1024, None, 0, ("*",), allow_reserved_events=False, shared_limits=False
    )
    api_calls = HttpApi(registry, apps, admission, (), tell, clock, closing, options)
    publisher: Any = api_calls.publishing()
    publisher.transport = Nowhere()
    signed = request()
    frame = [(codec.channel_event("event", "bench", DATA), None)]

    def end_turns() -> None:
        while clock.getDelayedCalls() and clock.getDelayedCalls()[0].getTime() <= clock.seconds():
            clock.advance(0)

    def publish() -> None:
        publisher.dataReceived(signed)
        end_turns()

    def broadcast() -> None:
        registry.deliver("1", "bench", frame)
        end_turns()

    return publish, broadcast


def cases() -> dict[str, Callable[[], object]]:
    """Name what is timed."""
    signed = request()
    query = signed.partition(b"?")[2].partition(b" ")[0].decode()
    pairs = signatures.parse_query(query)
    subscribe = b'{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"key:0"}}'
    publish, _ = server(1)
    _, broadcast_500 = server(500)
    _, broadcast_10000 = server(10_000)
    return {
        "codec: decode a subscribe": lambda: codec.decode(subscribe),
        "codec: frame an event": lambda: codec.channel_event("event", "bench", DATA),
        "signatures: parse a query": lambda: signatures.parse_query(query),
        "signatures: text of a request": lambda: signatures.request_text(
            "POST", "/apps/1/events", pairs
        ),
        "signatures: sign 150 bytes": lambda: signatures.sign("secret", DATA),
        "api: parse a publish": lambda: api.parse_event(BODY, APP.limits, allow_reserved=False),
        "a signed publish to 1 subscriber": publish,
        "a broadcast to 500": broadcast_500,
        "a broadcast to 10,000": broadcast_10000,
    }


def best(function: Callable[[], object]) -> float:
    """Give the microseconds of one call, the best of five repeats of at least 50 ms."""
    timer = timeit.Timer(function)
    number, took = timer.autorange()
    number = max(1, int(number * 0.05 / took))
    return min(timer.repeat(5, number)) / number * 1e6


def main() -> None:
    """Time everything and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    figures = {}
    for name, function in cases().items():
        figures[name] = round(best(function), 3)
        print(f"{name:36} {figures[name]:12,.2f} us", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
