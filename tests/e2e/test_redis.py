"""Several nodes that meet in a real Redis, and what happens when one of them, or Redis, is gone.

Leases are short here, so that nobody waits long for a death.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from harness import Server, free_port, run_to_end, running, wait_until
from served_apps import APP, QUOTA, write_apps
from wire import Client

from tests.redis_server import RedisServer

LEASE = 1.0
PARAMETERS = f"heartbeat=0.25&lease={LEASE}&timeout=0.8"
ROOM = "presence-room"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    with RedisServer(tmp_path) as server:
        yield server


class Cluster:
    """Nodes on one Redis, which a test may kill."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._apps = write_apps(directory)

    def node(self, url: str, *options: str) -> Server:
        """Start one node, and wait until it is well."""
        server = self._stack.enter_context(
            running(
                self._directory,
                *("--adapter", url, "--apps", self._apps, "--drain", "0.2", *options),
                app=APP,
                configured=True,
            )
        )
        well(server)
        return server

    def kill(self, server: Server) -> None:
        """End a node at once; its clients are dropped with it."""
        server.process.kill()
        server.process.wait(10)
        server.hang_up()
        # Whoever stops it later finds what it wants.
        server.ended = lambda: 0  # type: ignore[method-assign]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Start nodes; they are stopped in the end."""
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


@pytest.fixture
def nodes(cluster: Cluster, redis: RedisServer) -> Callable[[int], list[Server]]:
    """Start so many nodes on one Redis."""
    return lambda count, *options: [cluster.node(url(redis), *options) for _ in range(count)]


def url(redis: RedisServer, more: str = "") -> str:
    """Give the URL of a Redis."""
    return f"redis+unix://{redis.path}?{PARAMETERS}{more}"


def health(server: Server) -> str:
    """Ask how a node is."""
    return server.get("/up").text


def well(server: Server) -> None:
    """Wait until a node is well."""
    wait_until(lambda: health(server) == "OK", "a node that is well")


def join(client: Client, user: str, channel: str = ROOM) -> set[str]:
    """Subscribe as a user, and give who is there."""
    presence = client.subscribe(channel, {"user_id": user})["presence"]
    assert presence["count"] == len(presence["ids"])
    return set(presence["ids"])


def member(client: Client, event: str) -> str:
    """Read the next event, which tells of a member, and give its user id."""
    return json.loads(client.expect(f"pusher_internal:member_{event}")["data"])["user_id"]


def users(server: Server, channel: str = ROOM) -> set[str]:
    """Ask a node who is on a presence channel."""
    answer = server.api().get(f"/channels/{channel}/users")
    assert answer.status == 200, answer
    ids = [user["id"] for user in answer.json["users"]]
    assert len(ids) == len(set(ids))
    return set(ids)


def counts(server: Server, channel: str) -> tuple[int, int]:
    """Ask a node for a channel's subscriptions and users."""
    info = (
        "subscription_count,user_count" if channel.startswith("presence-") else "subscription_count"
    )
    answer = server.api().get(f"/channels/{channel}", info=info).json
    return answer.get("subscription_count", 0), answer.get("user_count", 0)


def subscribe_all(channel: str, *clients: Client) -> None:
    """Subscribe clients to a channel without members, and wait until each was told that all are there."""
    for client in clients:
        client.subscribe(channel)
    for client in clients:
        told = 0
        while told != len(clients):
            message = client.expect("pusher_internal:subscription_count", channel)
            told = json.loads(message["data"])["subscription_count"]


def events(client: Client) -> list[str]:
    """Read all there is, and give the data of the application's events."""
    return [message["data"] for message in client.so_far() if message["event"] == "event"]


# -- what a cluster does


def test_two_nodes_and_one_presence_channel(nodes):
    """Members of both nodes know each other, and each node counts both."""
    one, two = nodes(2)
    ann, bob = one.connect(), two.connect()
    assert join(ann, "ann") == {"ann"}
    assert join(bob, "bob") == {"ann", "bob"}
    assert member(ann, "added") == "bob"
    for server in (one, two):
        assert users(server) == {"ann", "bob"}
        assert counts(server, ROOM) == (2, 2)
        assert server.api().get("/channels", filter_by_prefix="presence-").json == {
            "channels": {ROOM: {}}
        }
    bob.drop()
    assert member(ann, "removed") == "bob"
    wait_until(lambda: users(one) == users(two) == {"ann"}, "bob gone everywhere")


def test_one_user_on_both_nodes(nodes):
    """A user on two nodes is there once, comes with the first socket and goes with the last."""
    one, two = nodes(2)
    watcher, first, second = one.connect(), one.connect(), two.connect()
    join(watcher, "watcher")
    join(first, "ann")
    assert member(watcher, "added") == "ann"
    assert join(second, "ann") == {"watcher", "ann"}
    assert counts(two, ROOM) == (3, 2)
    first.drop()
    wait_until(lambda: counts(one, ROOM) == (2, 2), "one socket less")
    assert watcher.is_alive()
    second.drop()
    assert member(watcher, "removed") == "ann"


def test_the_excluded_socket_is_on_another_node(nodes):
    """The socket that caused an event does not get it, wherever the event was published; client events are the same."""
    one, two = nodes(2)
    cause, other = one.connect(), two.connect()
    subscribe_all("private-news", cause, other)
    two.api().trigger("private-news", "1", socket_id=cause.socket_id)
    assert other.expect("event")["data"] == "1"
    two.api().trigger("private-news", "2")
    assert cause.expect("event")["data"] == "2"
    assert other.expect("event")["data"] == "2"
    cause.send("client-typing", {"a": 1}, "private-news")
    assert other.expect("client-typing", "private-news")["data"] == '{"a":1}'
    assert cause.is_alive()


def test_order_and_nothing_twice(nodes):
    """What one publisher publishes arrives on every node in its order, once."""
    one, two = nodes(2)
    readers = [one.connect(), two.connect()]
    subscribe_all("news", *readers)
    api = one.api()
    for i in range(50):
        api.trigger("news", str(i))
    for reader in readers:
        assert [reader.expect("event")["data"] for _ in range(50)] == [str(i) for i in range(50)]
        assert reader.is_alive()


def test_users_of_all_nodes(nodes):
    """Events for a user, watchlists and the end of a user's connections reach every node."""
    one, two = nodes(2)
    watcher, ann = one.connect(), two.connect()
    watcher.sign_in("watcher", watchlist=["ann"])
    assert watcher.expect("pusher_internal:watchlist_events")["data"]["events"] == [
        {"name": "offline", "user_ids": ["ann"]}
    ]
    ann.sign_in("ann")
    assert watcher.expect("pusher_internal:watchlist_events")["data"]["events"] == [
        {"name": "online", "user_ids": ["ann"]}
    ]
    one.api().trigger("#server-to-user-ann", "for ann")
    assert ann.expect("event")["data"] == "for ann"
    assert one.api().post("/users/ann/terminate_connections", {}).status == 200
    assert ann.close_code() == 4009
    assert watcher.expect("pusher_internal:watchlist_events")["data"]["events"] == [
        {"name": "offline", "user_ids": ["ann"]}
    ]


def test_cache_channels_are_shared(nodes):
    """What was published on one node is replayed on the other."""
    one, two = nodes(2)
    one.api().trigger("cache-news", "kept")
    client = two.connect()
    client.subscribe("cache-news")
    assert client.expect("event", "cache-news")["data"] == "kept"


def test_the_connection_quota_is_that_of_the_cluster(nodes, cluster):
    """An app with one connection has one on all nodes together; a place that is free is free everywhere."""
    one, two = nodes(2)
    client = one.connect(QUOTA)
    refused = two.open(f"/app/{QUOTA.key}?protocol=7")
    assert refused.expect("pusher:error")["data"]["code"] == 4004
    client.drop()

    def connects():
        second = two.open(f"/app/{QUOTA.key}?protocol=7")
        return second.receive()["event"] == "pusher:connection_established"

    wait_until(connects, "a free place")


def churn(servers: list[Server], seed: int, seconds: float) -> dict[str, list[Client]]:
    """Let users come and go on all nodes, and give who is there in the end."""
    chance, there = random.Random(seed), {}
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        user = f"user{chance.randrange(4)}-{seed % 2}"
        clients = there.setdefault(user, [])
        if clients and chance.random() < 0.5:
            client = clients.pop()
            chance.choice([client.drop, lambda client=client: client.unsubscribe(ROOM)])()
        else:
            client = chance.choice(servers).connect()
            client.ask_to_subscribe(ROOM, {"user_id": user})
            clients.append(client)
    return there


def test_exact_counts_after_churn_on_three_nodes(nodes):
    """However users come and go, all nodes have the same exact numbers when it is over."""
    servers = nodes(3)
    found = [{}, {}, {}]

    def run(i):
        found[i] = churn(servers, i, 2.0)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    sockets = sum(len(clients) for there in found for clients in there.values())
    present = {user for there in found for user, clients in there.items() if clients}
    for server in servers:
        wait_until(
            lambda s=server: counts(s, ROOM) == (sockets, len(present)), f"{sockets} sockets"
        )
        assert users(server) == present


# -- the end of a node


def test_a_killed_node(nodes, cluster):
    """The others' clients see each of its members leave once, and nobody is a ghost."""
    one, two, three = nodes(3)
    watchers = [one.connect(), two.connect()]
    for i, watcher in enumerate(watchers):
        join(watcher, f"watcher{i}")
    doomed = [three.connect() for _ in range(5)]
    for i, client in enumerate(doomed):
        join(client, f"doomed{i}")
    signed_in = three.connect()
    signed_in.sign_in("ann")
    join(two.connect(), "doomed0")  # is there on a node that lives on
    three.connect().subscribe("lonely")
    wait_until(lambda: counts(one, "lonely") == (1, 0), "somebody on the channel")
    for watcher in watchers:
        watcher.so_far()
    watchers[0].sign_in("watcher", watchlist=["ann"])
    watchers[0].so_far()
    begun = time.monotonic()
    cluster.kill(three)
    expected = {f"doomed{i}" for i in range(1, 5)}
    for watcher in watchers:
        seen = []
        while not expected <= set(seen):
            message = watcher.receive()
            if message["event"] == "pusher_internal:member_removed":
                seen.append(json.loads(message["data"])["user_id"])
        assert sorted(seen) == sorted(expected)
    assert time.monotonic() - begun < LEASE + 3
    for server in (one, two):
        assert users(server) == {"watcher0", "watcher1", "doomed0"}
        wait_until(lambda s=server: counts(s, "lonely") == (0, 0), "a vacant channel")
    rest = [m for watcher in watchers for m in watcher.so_far()]
    assert not [m for m in rest if "member" in m["event"]]
    reaped = sum(s.metrics()["adapter_reaped_nodes_total"] for s in (one, two))
    assert reaped == 1


def test_the_connections_of_a_killed_node_are_free(nodes, cluster):
    """The places that a dead node's connections have in a quota are given back."""
    one, two = nodes(2)
    one.connect(QUOTA)

    def connects():
        client = two.open(f"/app/{QUOTA.key}?protocol=7")
        return client.receive()["event"] == "pusher:connection_established"

    assert not connects()
    cluster.kill(one)
    wait_until(connects, "a free place")


def test_a_node_that_seemed_dead(nodes):
    """A node that stands still longer than its lease is gone for the others, and back when it goes on; each once."""
    one, two = nodes(2)
    watcher, client = one.connect(), two.connect()
    join(watcher, "watcher")
    join(client, "ann")
    assert member(watcher, "added") == "ann"
    two.process.send_signal(signal.SIGSTOP)
    try:
        assert member(watcher, "removed") == "ann"
        assert users(one) == {"watcher"}
    finally:
        two.process.send_signal(signal.SIGCONT)
    assert member(watcher, "added") == "ann"
    well(two)
    for server in (one, two):
        assert users(server) == {"watcher", "ann"}
        assert counts(server, ROOM) == (2, 2)
    one.api().trigger(ROOM, "still here")
    # Nobody has told ann that ann was gone.
    for one_of_them in (watcher, client):
        assert one_of_them.expect("event")["data"] == "still here"
        assert one_of_them.is_alive()


def test_a_node_that_stops(nodes):
    """A node that is stopped leaves the roster at once; nobody waits for its lease."""
    one, two = nodes(2)
    watcher, client = one.connect(), two.connect()
    join(watcher, "watcher")
    join(client, "ann")
    assert member(watcher, "added") == "ann"
    two.terminate()
    assert member(watcher, "removed") == "ann"
    assert two.ended() == 0
    assert users(one) == {"watcher"}


# -- the end of Redis


def confirmed(messages: list[dict[str, Any]]) -> set[str]:
    """Give the members of the last confirmation among messages, none of which may tell of a member twice."""
    told = [m["data"] for m in messages if m["event"] == "pusher_internal:member_added"]
    assert len(told) == len(set(told))
    lists = [m for m in messages if m["event"] == "pusher_internal:subscription_succeeded"]
    return set(json.loads(lists[-1]["data"])["presence"]["ids"]) if lists else set()


def test_redis_away(nodes, redis):
    """Clients of one node go on without Redis; when it is back, everybody is there again and nobody is told twice."""
    one, two = nodes(2)
    ann, bob = one.connect(), two.connect()
    join(ann, "ann")
    join(bob, "bob")
    assert member(ann, "added") == "bob"
    redis.stop()
    wait_until(lambda: health(one) == health(two) == "DEGRADED", "nodes that miss Redis")
    one.api().trigger(ROOM, "here")
    assert ann.expect("event")["data"] == "here"
    late = one.connect()
    assert join(late, "late") == {"ann", "late"}
    assert member(ann, "added") == "late"
    gone = one.connect()
    join(gone, "gone")
    assert member(ann, "added") == "gone"
    gone.drop()
    assert member(ann, "removed") == "gone"
    dropped = one.metrics()[f'messages_dropped_total{{app_id="{APP.id}",reason="bus_away"}}']
    assert dropped >= 1
    redis.start()
    for server in (one, two):
        well(server)
        wait_until(lambda s=server: users(s) == {"ann", "bob", "late"}, "everybody")
        assert counts(server, ROOM) == (3, 3)
    # Whatever was not heard meanwhile: in the end everybody has the right list.
    for client in (ann, bob, late):
        wait_until(lambda c=client: confirmed(c.so_far()) == {"ann", "bob", "late"}, "a list")
    two.api().trigger(ROOM, "again")
    for client in (ann, bob, late):
        assert client.expect("event")["data"] == "again"
        assert client.is_alive()


def test_redis_returns_with_an_older_state(cluster, tmp_path):
    """Who has left since that state was saved is no ghost, and who has come since is there; nobody is buried."""
    with RedisServer(tmp_path, 0, "--dbfilename", "dump.rdb") as saving:
        # Both are back within a lease, also when they have waited between two attempts.
        lease = 3 * LEASE
        patient = url(saving).replace(f"lease={LEASE}", f"lease={lease}")
        one, two = (cluster.node(patient) for _ in range(2))
        ann, bob, old = one.connect(), two.connect(), one.connect()
        for client, user in ((ann, "ann"), (bob, "bob"), (old, "old")):
            join(client, user)
        saving.ask("SAVE")
        old.drop()
        late = two.connect()
        join(late, "late")
        wait_until(lambda: users(one) == {"ann", "bob", "late"}, "the latest state")
        saving.stop()
        wait_until(lambda: health(one) == health(two) == "DEGRADED", "nodes that miss Redis")
        time.sleep(lease)  # all leases are over by now, and so they were in what was saved
        saving.start()
        for server in (one, two):
            well(server)
            wait_until(lambda s=server: users(s) == {"ann", "bob", "late"}, "the latest state")
            assert counts(server, ROOM) == (3, 3)
            assert server.metrics()["adapter_reaped_nodes_total"] == 0
        for client in (ann, bob, late):
            wait_until(lambda c=client: last_list(c) == {"ann", "bob", "late"}, "a list")


def last_list(client: Client) -> set[str]:
    """Read all there is; that late has come may be told again, as Redis has forgotten it."""
    return confirmed([m for m in client.so_far() if "member_added" not in m["event"]])


def test_redis_stands_still(nodes, redis):
    """A Redis that does not answer is away: nothing hangs, and nothing is lost that was local."""
    one, two = nodes(2)
    client, other = one.connect(), two.connect()
    subscribe_all("news", client, other)
    redis.pause()
    try:
        begun = time.monotonic()
        one.api().trigger("news", "here")
        assert client.expect("event")["data"] == "here"
        late = one.connect()
        late.subscribe("others")
        late.subscribe("news")
        assert time.monotonic() - begun < 5
        wait_until(lambda: health(one) == "DEGRADED", "a node that misses Redis")
    finally:
        redis.resume()
    well(one)
    well(two)
    for server in (one, two):
        wait_until(lambda s=server: counts(s, "news") == (3, 0), "everybody")
    two.api().trigger("news", "again")
    wait_until(lambda: "again" in events(client), "what was published on the other node")


def test_publishes_that_require_the_others(nodes, redis):
    """With --adapter-required a publish that cannot reach the other nodes is refused, and delivered nowhere."""
    (one,) = nodes(1, "--adapter-required")
    client = one.connect()
    client.subscribe("news")
    client.so_far()
    redis.stop()
    wait_until(lambda: health(one) == "DEGRADED", "a node that misses Redis")
    answer = one.api().post("/events", {"name": "e", "channels": ["news"], "data": "1"})
    assert "adapter_required" in answer.problem(503)
    assert client.is_alive()
    redis.start()
    well(one)
    one.api().trigger("news", "2")
    assert client.expect("event")["data"] == "2"


def load(sent: list[int]) -> None:
    """Wait until some more was sent."""
    seen = len(sent)
    wait_until(lambda: len(sent) > seen + 50, "a load")


def test_redis_restarted_under_load(nodes, redis):
    """After a restart no subscriber is deaf, nothing comes twice or out of order, and what was lost was counted."""
    one, two = nodes(2)
    reader = two.connect()
    reader.subscribe("news")
    reader.so_far()
    sent, over = [], threading.Event()

    def publish():
        api, i = one.api(), 0
        while not over.is_set():
            api.trigger("news", str(i))
            sent.append(i)
            i += 1

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        for _ in range(2):
            load(sent)
            redis.stop()
            wait_until(lambda: health(one) == "DEGRADED", "a node that misses Redis")
            redis.start()
            well(one)
            well(two)
        load(sent)
    finally:
        over.set()
        publisher.join(30)
    one.api().trigger("news", "end")
    received = []
    while not received or received[-1] != "end":
        message = reader.receive()
        if message["event"] == "event":
            received.append(message["data"])
    numbers = [int(text) for text in received[:-1]]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == sent[-1]
    # What the publishing node could not hand on it counted. Each restart is one gap: nothing else was lost.
    assert one.metrics()[f'messages_dropped_total{{app_id="{APP.id}",reason="bus_away"}}'] > 0
    assert sum(later - earlier > 1 for earlier, later in pairwise(numbers)) <= 2
    assert reader.is_alive()


def test_redis_comes_later(redis, tmp_path):
    """Nodes that start before Redis serve their own clients, who have the list of all when Redis is there."""
    redis.stop()
    with ExitStack() as stack:
        servers, clients = [], []
        for user in ("ann", "bob"):
            (directory := tmp_path / user).mkdir()
            options = ("--adapter", url(redis), "--drain", "0.2")
            servers.append(stack.enter_context(running(directory, *options, app=APP)))
            wait_until(lambda s=servers[-1]: health(s) == "DEGRADED", "a node without Redis")
            clients.append(servers[-1].connect())
            assert join(clients[-1], user) == {user}
        redis.start()
        for server, client in zip(servers, clients, strict=True):
            well(server)
            wait_until(lambda c=client: confirmed(c.so_far()) == {"ann", "bob"}, "a list")
            assert users(server) == {"ann", "bob"}


# -- the URL


def test_wrong_password(cluster, redis, tmp_path):
    """A wrong password is no reason to die, and is not shown; with the right one all is well."""
    redis.ask("CONFIG", "SET", "requirepass", "right")
    address = f"redis+unix://:{{}}@{redis.path}?{PARAMETERS}"
    with running(
        tmp_path, "--adapter", address.format("wrong-one"), "--drain", "0.2", app=APP
    ) as server:
        wait_until(lambda: "WRONGPASS" in server.log, "a word about the password")
        assert health(server) == "DEGRADED"
        assert "wrong-one" not in server.log
        assert server.connect().is_alive()
    cluster.node(address.format("right"))


def test_a_restricted_user(cluster, redis):
    """The rights that the documentation names are enough."""
    text = (Path(__file__).parents[2] / "docs/scaling.rst").read_text()
    (rights,) = (line.split() for line in text.splitlines() if "ACL SETUSER" in line)
    assert redis.ask(*rights) == b"+OK\r\n"
    redis.ask("ACL", "SETUSER", "default", "off")
    address = f"redis+unix://pusher:password@{redis.path}?{PARAMETERS}"
    one, two = cluster.node(address), cluster.node(address)
    ann, bob = one.connect(), two.connect()
    join(ann, "ann")
    join(bob, "bob")
    assert member(ann, "added") == "bob"
    one.api().trigger("cache-news", "kept")
    bob.subscribe("cache-news")
    assert bob.expect("event")["data"] == "kept"
    two.connect(QUOTA)
    cluster.kill(two)
    assert member(ann, "removed") == "bob"


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("redis+cluster://localhost", "Redis Cluster is not supported"),
        ("redis://localhost?prefx=a", "expected prefix, heartbeat, lease"),
        ("rediss://localhost?ca=/nowhere.pem", "cannot read /nowhere.pem"),
    ],
)
def test_wrong_urls(tmp_path, address, problem):
    """A URL that cannot be served ends the start with one line."""
    ended = run_to_end(tmp_path, "--adapter", address)
    assert ended.status != 0
    assert problem in ended.output
    assert "Traceback" not in ended.output


def test_prefixes_are_clusters_of_their_own(cluster, redis):
    """Two clusters on one Redis do not hear each other."""
    one, two = (cluster.node(url(redis, f"&prefix={prefix}")) for prefix in ("a", "b"))
    client = two.connect()
    subscribe_all("news", client)
    one.api().trigger("news")
    assert client.is_alive()
    assert counts(one, "news") == (0, 0)


def test_tcp_and_a_database(cluster, tmp_path):
    """A URL with host, port and database number."""
    port = free_port()
    with RedisServer(tmp_path, port) as redis:
        server = cluster.node(f"redis://127.0.0.1:{port}/3?{PARAMETERS}")
        server.connect().subscribe("news")
        wait_until(lambda: counts(server, "news") == (1, 0), "a subscription")
        assert b"db3:" in redis.ask("INFO", "keyspace")
        assert b"db0:" not in redis.ask("INFO", "keyspace")


def test_tls(cluster, tmp_path, certificate):
    """Redis has to prove who it is, and the authority may be one's own."""
    port, (key, authority) = free_port(), certificate
    options = (
        *("--tls-port", str(port), "--tls-cert-file", str(authority), "--tls-key-file", str(key)),
        *("--tls-auth-clients", "no"),
    )
    with RedisServer(tmp_path, 0, *options):
        address = f"rediss://localhost:{port}?{PARAMETERS}"
        with running(tmp_path, "--adapter", address, "--drain", "0.2", app=APP) as server:
            wait_until(lambda: "certificate verify failed" in server.log, "a word about it")
            assert health(server) == "DEGRADED"
        server = cluster.node(f"{address}&ca={authority}")
        server.connect().subscribe("news")
        assert counts(server, "news") == (1, 0)


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[tuple[int, RedisServer]]:
    """Run a master, a replica and a Sentinel; give the Sentinel's port and the master."""
    ports = [free_port() for _ in range(3)]
    homes = [tmp_path / name for name in ("master", "replica", "sentinel")]
    for home in homes:
        home.mkdir()
    config = homes[2] / "sentinel.conf"
    config.write_text(
        f"sentinel monitor m 127.0.0.1 {ports[0]} 1\n"
        "sentinel down-after-milliseconds m 500\nsentinel failover-timeout m 3000\n"
    )
    with ExitStack() as stack:
        master = stack.enter_context(RedisServer(homes[0], ports[0]))
        replica = RedisServer(homes[1], ports[1], "--replicaof", f"127.0.0.1 {ports[0]}")
        stack.enter_context(replica)
        wait_until(lambda: b"master_link_status:up" in replica.ask("INFO", "replication"), "a copy")
        watch = RedisServer(homes[2], ports[2], "--sentinel", config=config)
        stack.enter_context(watch)
        wait_until(lambda: b"slaves=1" in watch.ask("INFO", "sentinel"), "a replica that is known")
        yield ports[2], master


def test_sentinel_and_a_failover(cluster, sentinel):
    """The nodes follow the master wherever Sentinel says it is; nobody is lost and nobody is told twice."""
    port, master = sentinel
    # Both are back within a lease, however late the one hears of the new master.
    patient = PARAMETERS.replace(f"lease={LEASE}", f"lease={3 * LEASE}")
    address = f"redis+sentinel://127.0.0.1:{port}/m?{patient}"
    one, two = cluster.node(address), cluster.node(address)
    ann, bob = one.connect(), two.connect()
    join(ann, "ann")
    join(bob, "bob")
    assert member(ann, "added") == "bob"
    master.stop()
    wait_until(lambda: health(one) == health(two) == "DEGRADED", "nodes that miss their master")
    for server in (one, two):
        wait_until(lambda s=server: health(s) == "OK", "a node with another master", 30)
        wait_until(lambda s=server: users(s) == {"ann", "bob"}, "everybody")
    for client in (ann, bob):
        wait_until(lambda c=client: confirmed(c.so_far()) == {"ann", "bob"}, "a list")
    one.api().trigger(ROOM, "again")
    for client in (ann, bob):
        assert client.expect("event")["data"] == "again"
        assert client.is_alive()
