"""Webhooks of several nodes that meet in a real Redis: told once, in order, whoever dies."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

import pytest
from harness import running, wait_until
from hook_receiver import HookReceiver
from served_apps import APP

from tests.redis_server import RedisServer
from txpusher.core.counting import INTERVAL

DELAY, LEASE = 0.8, 1.0
PARAMETERS = f"heartbeat=0.25&lease={LEASE}&timeout=0.8"
ROOM = "presence-room"
KINDS = ["channel_occupied", "channel_vacated", "member_added", "member_removed", "client_event"]


@pytest.fixture
def hooks():
    with HookReceiver() as receiver:
        yield receiver


@pytest.fixture
def redis(tmp_path):
    with RedisServer(tmp_path) as server:
        yield server


class Cluster:
    """Nodes whose app has one target, and which a test may kill."""

    def __init__(self, directory, stack, redis, hooks, kinds=KINDS, **settings):
        self._directory, self._stack, self._redis = directory, stack, redis
        target = {"url": hooks.url(), "event_types": kinds}
        app = {
            "id": APP.id,
            "key": APP.key,
            "secret": APP.secret,
            "client_events": True,
            "max_client_events_per_second": 0,
            "webhooks": [target],
            **settings,
        }
        self._apps = directory / "hooked.json"
        self._apps.write_text(json.dumps([app]))

    def node(self, *options):
        """Start a node, and wait until it is well."""
        url = f"redis+unix://{self._redis.path}?{PARAMETERS}"
        server = self._stack.enter_context(
            running(
                self._directory,
                *("--adapter", url, "--apps", self._apps.as_uri(), "--drain", "0.2"),
                *("--webhook-delay", str(DELAY), *options),
                app=APP,
                configured=True,
            )
        )
        well(server)
        return server

    def nodes(self, count, *options):
        """Start several."""
        return [self.node(*options) for _ in range(count)]

    def kill(self, server):
        """End a node at once; its clients are dropped with it."""
        server.process.kill()
        server.process.wait(10)
        server.hang_up()
        server.ended = lambda: 0


@pytest.fixture
def cluster(tmp_path, redis, hooks):
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack, redis, hooks)


def well(server):
    wait_until(lambda: server.get("/up").text == "OK", "a node that is well")


def told(hooks):
    """Give name, channel and user of all events, and data of client events."""
    fields = ("name", "channel", "user_id", "data")
    return [tuple(e[f] for f in fields if f in e) for e in hooks.events()]


def wait_for(hooks, *events):
    """Wait for these events, and nothing else after them for as long as something may be late."""
    wait_until(lambda: len(told(hooks)) >= len(events), f"{events}, not {told(hooks)}")
    quiet()
    assert told(hooks) == list(events)


def quiet():
    """Let everything be told that may be told late: after a delay, and a beat."""
    time.sleep(DELAY + 1.5)


def enter(server, user="ann", channel=ROOM):
    client = server.connect()
    client.subscribe(channel, {"user_id": user} if channel.startswith("presence-") else None)
    return client


OCCUPIED, VACATED = ("channel_occupied", ROOM), ("channel_vacated", ROOM)
ADDED, REMOVED = ("member_added", ROOM, "ann"), ("member_removed", ROOM, "ann")


def test_a_page_reload_onto_another_node(cluster, hooks):
    """Who leaves one node and comes to another within the delay was never away."""
    one, two = cluster.nodes(2)
    client = enter(one)
    wait_until(lambda: len(told(hooks)) == 2, "the begin")
    for node in (two, one, two):
        client.drop()
        time.sleep(DELAY / 4)
        client = enter(node)
    wait_for(hooks, OCCUPIED, ADDED)


def test_the_last_one_leaves(cluster, hooks):
    """Who leaves and does not come back is told gone once, after the delay; and who comes then is told of again."""
    one, two, _ = cluster.nodes(3)
    client = enter(one)
    wait_until(lambda: len(told(hooks)) == 2, "the begin")
    client.drop()
    wait_for(hooks, OCCUPIED, ADDED, REMOVED, VACATED)
    enter(two)
    wait_for(hooks, OCCUPIED, ADDED, REMOVED, VACATED, OCCUPIED, ADDED)


def test_the_node_of_the_clients_is_killed(cluster, hooks):
    """What a dead node had is told gone once per channel and user, by one of those that are left."""
    one, _, _ = cluster.nodes(3)
    for user in ("ann", "bob", "ann"):
        enter(one, user)
    enter(one, channel="news")
    wait_until(lambda: len(told(hooks)) == 4, "the begin")
    before = told(hooks)
    cluster.kill(one)
    wait_until(lambda: len(told(hooks)) >= 8, "the end")
    quiet()
    gone = told(hooks)[len(before) :]
    assert sorted(gone) == sorted(
        [REMOVED, ("member_removed", ROOM, "bob"), VACATED, ("channel_vacated", "news")]
    )


def test_a_node_that_is_killed_while_somebody_is_away(cluster, hooks):
    """What a dead node would have told in a moment is told by another one."""
    one, _ = cluster.nodes(2)
    client = enter(one)
    wait_until(lambda: len(told(hooks)) == 2, "the begin")
    client.drop()
    time.sleep(DELAY / 4)
    cluster.kill(one)
    wait_for(hooks, OCCUPIED, ADDED, REMOVED, VACATED)


def test_the_node_that_sends_is_killed(cluster, hooks):
    """What waits for a receiver that fails survives the node that was sending it, in order."""
    one, two, _ = cluster.nodes(3)
    hooks.answer(*[500] * 1000)
    speaker = enter(one)
    for number in range(20):
        speaker.send("client-e", str(number), ROOM)
    enter(two, "bob")
    hooks.got(1)
    speaker.is_alive()
    cluster.kill(one)
    hooks.answer()
    failed = len(told(hooks))
    wait_until(lambda: ("client_event", ROOM, "ann", "19") in told(hooks)[failed:], "the rest")
    quiet()
    ours = told(hooks)[failed:]
    data = [event[3] for event in ours if event[0] == "client_event"]
    assert data == [str(number) for number in range(20)]
    assert ours[0] == OCCUPIED
    assert ours.count(("member_added", ROOM, "bob")) == 1
    assert ours.count(REMOVED) == 1


def test_a_node_is_stopped_and_its_clients_go_to_another(cluster, hooks):
    """A deployment is no news for receivers."""
    one, two = cluster.nodes(2)
    client = enter(one)
    enter(one, channel="news")
    wait_until(lambda: len(told(hooks)) == 3, "the begin")
    one.terminate()
    client.messages_until_close()
    enter(two)
    enter(two, channel="news")
    assert one.ended() == 0
    quiet()
    assert len(told(hooks)) == 3


def test_the_last_node_is_stopped(cluster, hooks):
    """What is to be told when nobody is left is told by the next node."""
    one = cluster.node()
    enter(one)
    wait_until(lambda: len(told(hooks)) == 2, "the begin")
    one.terminate()
    assert one.ended() == 0
    quiet()
    assert len(told(hooks)) == 2
    cluster.node()
    wait_for(hooks, OCCUPIED, ADDED, REMOVED, VACATED)


def test_redis_is_restarted(cluster, hooks, redis):
    """A Redis that has forgotten everything changes nothing for who is there; their end is told once."""
    one, two = cluster.nodes(2)
    client = enter(one)
    wait_until(lambda: len(told(hooks)) == 2, "the begin")
    redis.stop()
    wait_until(lambda: one.get("/up").text != "OK", "an outage")
    client.send("client-e", "meanwhile", ROOM)
    client.is_alive()
    redis.start()
    for node in (one, two):
        well(node)
    meanwhile = ("client_event", ROOM, "ann", "meanwhile")
    wait_for(hooks, OCCUPIED, ADDED, meanwhile)
    client.drop()
    wait_for(hooks, OCCUPIED, ADDED, meanwhile, REMOVED, VACATED)


@pytest.fixture
def counting(tmp_path, redis, hooks):
    with ExitStack() as stack:
        kinds = ["subscription_count"]
        yield Cluster(tmp_path, stack, redis, hooks, kinds, subscription_count=True)


def test_a_number_above_a_hundred(counting, hooks):
    """It is told once, whichever nodes have changed it: to subscribers, and to receivers."""
    nodes = counting.nodes(2)
    watchers = [enter(node, channel="news") for node in nodes]
    crowd = [enter(nodes[i % 2], channel="news") for i in range(102)]
    wait_until(lambda: numbers(hooks)[-1:] == [104], "the number of all")
    for client in crowd[:2]:
        client.drop()
    wait_until(lambda: numbers(hooks)[-1:] == [102], "the number of the others")
    time.sleep(INTERVAL + 1)
    told = [[large for m in watcher.so_far() if (large := number(m)) > 100] for watcher in watchers]
    assert told[0] == told[1] == numbers(hooks)
    assert told[0][-2:] == [104, 102]


def number(message):
    """Give the number that a message tells, or 0."""
    counted = message["event"] == "pusher_internal:subscription_count"
    return json.loads(message["data"])["subscription_count"] if counted else 0


def numbers(hooks):
    """Give the numbers above 100 that the receiver was told."""
    return [e["subscription_count"] for e in hooks.events() if e["subscription_count"] > 100]
