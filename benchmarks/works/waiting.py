"""How long users wait: for an event, and for an answer while others get theirs."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from exchange import Plan
from figures import percentile
from load import Newcomer
from messages import client_frame, dial
from works.stage import Stage

PING = client_frame('{"event":"pusher:ping","data":{}}')
SUBSCRIBERS = 500  # that wait for an event
SILENCE = 0.005  # seconds from a pong to the next ping


def latency(stage: Stage) -> None:
    """100 events a second by 4 publishers to 500 subscribers: 50,000 deliveries/s, of which every fiftieth is timed."""
    port, events = stage.subject.node.port, stage.bench.some(300)
    stage.loads.subscribe(port, SUBSCRIBERS)
    cpu = stage.cpu()
    outcome = stage.loads.publish(port, Plan(4, events, rate=100, every=50))
    _percentiles(stage, outcome.milliseconds)
    stage.add("CPU", (stage.cpu() - cpu) / (events * SUBSCRIBERS) * 1e6, "µs a delivery")
    stage.clear()


def bystander(stage: Stage) -> None:
    """The ping of a client of another channel, while events go to 5,000 subscribers without a pause."""
    port, events = stage.subject.node.port, stage.bench.some(150)
    subscribers = stage.bench.clients(5000)
    stage.loads.subscribe(port, subscribers)
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pings = pool.submit(_ping, port, over)
        try:
            # Who is not watched is read in the end: nothing of the load is in the bystander's way.
            stage.loads.publish(port, Plan(1, events, every=subscribers))
        finally:
            over.set()
        _percentiles(stage, pings.result())
    stage.clear()


def _percentiles(stage: Stage, milliseconds: list[float]) -> None:
    for percent in (50, 99):
        stage.add(f"p{percent}", percentile(milliseconds, percent), "ms")


def _ping(port: int, over: threading.Event) -> list[float]:
    """Ping until it is over, and give the milliseconds that each answer took."""
    client, milliseconds = dial(port), []
    newcomer = Newcomer(client, "bystanders")
    while not newcomer.subscribed():
        pass
    while not milliseconds or not over.wait(SILENCE):
        begin = time.monotonic()
        client.sendall(PING)
        if b"pusher:pong" not in client.recv(4096):
            raise RuntimeError("a ping was not answered by a pong")
        milliseconds.append((time.monotonic() - begin) * 1e3)
    client.close()
    return milliseconds
