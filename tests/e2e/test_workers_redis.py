"""Workers that meet in a Redis: they are nodes of one cluster, and replacing them loses nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import pytest
from harness import wait_until
from served_apps import APP
from test_workers import complete, restarts, spread
from wire import Client, Closed, HttpConnection

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.redis_server import RedisServer


@pytest.fixture
def pair(start, tmp_path):
    """Two workers of one cluster."""
    with RedisServer(tmp_path) as redis:
        url = f"redis+unix://{redis.path}"
        server = start("--workers", "2", "--adapter", url, "--drain", "1")
        yield complete(server)
        # A server whose Redis has gone would say so, at length.
        server.stop()


def test_one_cluster(pair):
    """Clients of both workers hear what is published on either, and the API counts them all."""
    clients = spread(pair)
    for number, client in enumerate(clients):
        client.subscribe("presence-room", {"user_id": f"u{number % 3}"})
    channel = pair.api().get("/channels/presence-room", info="user_count").json
    assert channel == {"occupied": True, "user_count": 3}
    for client in clients:
        client.so_far()
    pair.api().trigger("presence-room", "hello")
    assert {client.expect("event")["data"] for client in clients} == {"hello"}


def test_a_worker_that_is_killed(pair):
    """Its presence members leave, as those of any node do that dies."""
    clients = spread(pair)
    for number, client in enumerate(clients):
        client.subscribe("presence-room", {"user_id": f"u{number}"})
    listed = Path(f"/proc/{pair.pid}/task/{pair.pid}/children").read_text().split()
    os.kill(int(listed[0]), signal.SIGKILL)
    stay = [client for client in clients if is_open(client)]
    assert 0 < len(stay) < len(clients)

    def left():
        with suppress(OSError):  # what waited for the one that is dead
            answer = pair.api().get("/channels/presence-room", info="user_count").json
            return answer["user_count"] == len(stay)

    wait_until(left, "those who are left", 60)


def is_open(client):
    try:
        client.so_far()
    except (Closed, OSError):
        return False
    return True


LATE = 1000
"""Publishes after which an event that was not heard is lost and not on its way: some tenths of a second."""


class Listener(threading.Thread):
    """Subscribes, comes back when it is sent away, and remembers what it was sure to be told of.

    Attributes:
        periods: when it was subscribed: pairs of the next publish at the beginning, and the last one that was heard,
            or should have been.
        heard: numbers of events.
        problems: what went wrong.
    """

    def __init__(self, server, published, enough):
        super().__init__()
        self.server, self.published, self.enough = server, published, enough
        self.periods, self.heard, self.problems = [], set(), []
        self.subscribed = threading.Event()

    def run(self):
        while not self.enough.is_set():
            try:
                self._stay()
            except Exception as error:  # noqa: BLE001 - told by the test
                self.problems.append(repr(error))

    def _stay(self):
        client = Client(self.server.dial(), f"/app/{APP.key}?protocol=7", APP)
        first, last = None, 0
        try:
            client.established()
            client.subscribe("x")
            first = self.published.begun
            self.subscribed.set()
            while not self.enough.is_set():
                with suppress(TimeoutError):
                    event = client.receive(0.1)
                    if event["event"] == "e":
                        last = int(event["data"])
                        self.heard.add(last)
        except Closed as closed:
            if closed.code not in {1006, 4200}:
                raise
        finally:
            client.drop()
            if first is not None:
                self.periods.append((first, max(last, self.published.begun - LATE)))


class Publisher(threading.Thread):
    """Publishes all the time.

    Attributes:
        begun: how many publishes were begun.
        good: the numbers of those that were answered 200.
        problems: what went wrong.
    """

    def __init__(self, server, enough):
        super().__init__()
        self.server, self.enough = server, enough
        self.begun = 0
        self.good, self.problems, self.unanswered = set(), [], defaultdict(int)

    def run(self):
        while not self.enough.is_set():
            try:
                with HttpConnection(self.server.dial()) as http:
                    self._publish(http)
            except ConnectionRefusedError as error:
                self.problems.append(repr(error))
            except (OSError, AssertionError) as error:
                # A connection that ends between two requests: a client publishes again.
                self.unanswered[type(error)] += 1

    def _publish(self, http):
        while not self.enough.is_set():
            number = self.begun
            self.begun += 1
            event = {"name": "e", "channel": "x", "data": str(number)}
            http.socket.sendall(self.server.api().request("/events", event))
            answer = http.answer()
            if answer.status == 200:
                self.good.add(number)
            else:
                self.problems.append(str(answer))


def test_nothing_is_lost(pair):
    """Workers are replaced under load: no connect is refused, and a publish that was answered 200 is heard."""
    enough = threading.Event()
    publishers = [Publisher(pair, enough)]
    listeners = [Listener(pair, publishers[0], enough) for _ in range(4)]
    for thread in (*publishers, *listeners):
        thread.start()
    try:
        for listener in listeners:
            assert listener.subscribed.wait(10)
        os.kill(pair.pid, signal.SIGUSR2)
        wait_until(lambda: restarts(pair, "replaced") == 2, "two new workers", 60)
        wait_until(lambda: "All workers have been replaced" in pair.log, "the end", 60)
    finally:
        enough.set()
        for thread in (*publishers, *listeners):
            thread.join(20)
    (publisher,) = publishers
    assert publisher.problems == []
    assert len(publisher.good) > 100
    for listener in listeners:
        assert listener.problems == []
        assert len(listener.periods) > 1
        # What is on its way between the nodes when a client is sent away is for its next connection to miss.
        sure = {
            number
            for first, last in listener.periods
            for number in publisher.good
            if first < number < last - 20
        }
        assert sure
        assert sure <= listener.heard
