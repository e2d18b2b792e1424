"""Connections, subscriptions, presence, caches and publishing, on one node and on two."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.doubles import (
    APP,
    AdapterAwayError,
    Client,
    FailingAdapter,
    InstantClock,
    Node,
    Wire,
    cluster,
    data,
    limited,
    now,
    turn,
)
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.channel import SLICE
from txpusher.core.liveness import Liveness
from txpusher.core.occurrences import (
    CacheMissed,
    ChannelOccupied,
    ChannelVacated,
    ConnectionLost,
    ConnectionOpened,
    Delivered,
    MemberAdded,
    MemberRemoved,
    Subscribed,
    Unsubscribed,
)
from txpusher.core.registry import ChannelRegistry, Options
from txpusher.core.users import terminate
from txpusher.interfaces import Envelope
from txpusher.model import App, Event
from txpusher.protocol.activity import Timeouts
from txpusher.protocol.names import Kind

OTHER = App("2", "other-key", "other-secret")


def failing(*names):
    """Make a node whose adapter fails at this; now it does not fail yet."""
    clock = InstantClock()
    adapter = FailingAdapter(MemoryAdapter(Hub(clock)))
    node = Node(adapter, clock)
    return node, adapter


# Connections


def test_a_client_is_greeted():
    """The first message names the connection's own socket id and the time-out."""
    node = Node(options=Options(activity_timeout=77))
    client = node.connect()
    assert client.greeting["event"] == "pusher:connection_established"
    assert data(client.greeting) == {
        "socket_id": client.connection.socket_id,
        "activity_timeout": 77,
    }
    assert node.told.of(ConnectionOpened) == [ConnectionOpened("1", client.socket_id)]


def test_socket_ids_are_unique_in_an_app():
    """A number that is drawn twice is drawn again."""
    drawn = iter([1, 1, 1, 1, 2, 3])
    clock = InstantClock()
    liveness = Liveness(clock, Timeouts(120, 30), lambda: 0)
    registry = ChannelRegistry(
        MemoryAdapter(Hub(clock)), clock, liveness, lambda _: next(drawn), lambda _: None
    )
    assert [registry.connect(APP, Wire()).socket_id for _ in range(2)] == ["1.1", "2.3"]


def test_connections_are_counted():
    """There are as many connections as have come and not gone, in each app and altogether."""
    node = Node()
    first, second, other = node.connect(), node.connect(), node.connect(OTHER)
    assert (node.registry.connection_count(), node.registry.connection_count("1")) == (3, 2)
    assert node.registry.connection_count("unknown") == 0
    assert set(node.registry.connections()) == {c.connection for c in (first, second, other)}
    first.leave()
    assert (node.registry.connection_count(), node.registry.connection_count("1")) == (2, 1)
    assert node.told.of(ConnectionLost) == [ConnectionLost("1", first.socket_id)]


# Subscriptions


def test_apps_are_known_by_their_clients():
    """An app is known once somebody has connected, as it was for the latest who did."""
    node, changed = Node(), App(APP.id, APP.key, "another secret")
    assert node.registry.app(APP.id) is None
    node.connect()
    assert node.registry.app(APP.id) is APP
    node.connect(changed).leave()
    assert node.registry.app(APP.id) is changed


def test_a_subscription_is_confirmed_and_gets_events():
    """After the confirmation the subscriber reads what is published, with the very same data."""
    node = Node()
    client = node.connect()
    client.subscribe("news")
    node.event("headline", "news", '{ "not": "touched" }')
    assert client.wire == [
        {"event": "pusher_internal:subscription_succeeded", "channel": "news", "data": "{}"},
        {"event": "headline", "channel": "news", "data": '{ "not": "touched" }'},
    ]
    assert node.told.of(Subscribed, ChannelOccupied) == [
        Subscribed("1", "news", Kind.PUBLIC),
        ChannelOccupied("1", "news"),
    ]


def test_events_reach_their_channel_only():
    """Subscribers of other channels and of the same channel of another app get nothing."""
    node = Node()
    client, elsewhere, foreign = node.connect(), node.connect(), node.connect(OTHER)
    client.subscribe("news")
    elsewhere.subscribe("weather")
    foreign.subscribe("news")
    node.event("headline", "news")
    node.event("nobody", "cares")
    assert client.wire.names() == ["subscription_succeeded", "headline"]
    assert elsewhere.wire.names() == foreign.wire.names() == ["subscription_succeeded"]


def test_publishing_to_an_unknown_app_is_publishing_to_nobody():
    """Before the first client of an app has come, its events reach nobody."""
    node = Node()
    node.event("headline", "news", app=OTHER)
    now(terminate(node.registry, "2", "ann"))
    assert not node.told


def test_who_unsubscribed_gets_nothing():
    """After unsubscribing the channel is silent, its neighbour is not."""
    node = Node()
    client = node.connect()
    client.subscribe("news")
    client.subscribe("weather")
    client.unsubscribe("news")
    client.wire.clear()
    node.publish(Event("e", ("news", "weather"), "1"))
    assert [m["channel"] for m in client.wire] == ["weather"]
    assert node.told.of(Unsubscribed, ChannelVacated) == [
        Unsubscribed("1", "news", Kind.PUBLIC),
        ChannelVacated("1", "news"),
    ]
    assert list(node.channels()) == ["weather"]


def test_unsubscribing_from_nothing_is_ignored():
    """A client may unsubscribe from a channel it is not on: no answer, no fact."""
    node = Node()
    client = node.connect()
    node.told.clear()
    client.unsubscribe("news")
    assert client.wire == []
    assert not node.told.of(Unsubscribed, ChannelVacated)


def test_subscribing_again_is_confirmed_again():
    """A second subscription is answered and doubles nothing: no events, no counts, no facts."""
    node = Node()
    client = node.connect()
    client.subscribe("news")
    node.told.clear()
    client.subscribe("news")
    node.event("headline", "news")
    assert client.wire.names() == ["subscription_succeeded"] * 2 + ["headline"]
    assert node.counts("news") == (1, 0)
    assert not node.told.of(Subscribed, ChannelOccupied)
    client.unsubscribe("news")
    assert node.counts("news") == (0, 0)


def test_a_burst_ends_as_its_last_message_says():
    """Subscribe, unsubscribe, subscribe without waiting ends subscribed; one unsubscribe more ends it."""
    node = Node()
    client = node.connect()
    for _ in range(2):
        client.subscribe("news")
        client.unsubscribe("news")
    assert node.channels() == {}
    client.subscribe("news")
    node.event("headline", "news")
    assert client.wire.names() == ["subscription_succeeded"] * 3 + ["headline"]


def test_a_thousand_channels_on_one_connection():
    """One connection may be on a thousand channels, and leaves them all."""
    node = Node()
    client = node.connect()
    for i in range(1000):
        client.subscribe(f"c{i}")
    assert client.wire.names() == ["subscription_succeeded"] * 1000
    client.leave()
    assert node.channels() == {}
    assert now(node.adapter.roster.channels("1")) == {}
    assert len(node.told.of(ChannelVacated)) == 1000


def test_the_sender_of_an_event_is_left_out():
    """The socket id of a publish keeps the event from that connection, on whichever node it is."""
    here, there = cluster(2)
    sender, other = there.connect(), there.connect()
    for client in (sender, other):
        client.subscribe("news")
        client.wire.clear()
    here.publish(
        Event("e1", ("news",), "1", sender.socket_id),
        Event("e2", ("news",), "2"),
        Event("e3", ("news",), "3", "99.99"),
    )
    assert sender.wire.names() == ["e2", "e3"]
    assert other.wire.names() == ["e1", "e2", "e3"]


def test_a_batch_is_one_write_a_channel_and_keeps_its_order():
    """The events of a batch arrive in their order, joined by channel."""
    node = Node()
    client = node.connect()
    for name in ("a", "b"):
        client.subscribe(name)
    client.wire.clear()
    client.wire.writes.clear()
    node.publish(Event("1", ("a", "b"), ""), Event("2", ("a",), ""), Event("3", ("b",), ""))
    assert [(m["channel"], m["event"]) for m in client.wire] == [
        ("a", "1"),
        ("a", "2"),
        ("b", "1"),
        ("b", "3"),
    ]
    assert len(client.wire.writes) == 2
    assert [(d.messages, d.kind) for d in node.told.of(Delivered)] == [(2, Kind.PUBLIC)] * 2


# Two nodes


def test_events_cross_the_cluster_once():
    """Subscribers on every node get each event exactly once, and only nodes that care are asked."""
    nodes = cluster(3)
    clients = [node.connect() for node in nodes[:2]]
    for client in clients:
        client.subscribe("news")
    for node in nodes:
        node.event("headline", "news")
    assert all(client.wire.names()[1:] == ["headline"] * 3 for client in clients)


@pytest.mark.parametrize("alone", [True, False])
def test_nothing_is_handed_on_where_nobody_is(alone):
    """What is published goes to the bus only if there may be another node; subscribers here get it anyway."""
    node = Node()
    handed = []

    async def publish(envelope):
        handed.append(envelope.channel)

    node.adapter.bus.publish = publish
    node.adapter.bus.is_alone = lambda: alone
    sender, client = node.connect(), node.connect()
    for one in (sender, client):
        one.subscribe("private-news")
    client.wire.clear()
    node.event("one", "private-news")
    sender.trigger("client-two", "private-news")
    turn(node.clock)
    assert [message["event"] for message in client.wire] == ["one", "client-two"]
    assert handed == ([] if alone else ["private-news", "private-news"])


def test_occupied_and_vacated_are_facts_of_the_cluster():
    """Only the first subscription on any node occupies a channel, and only the last one vacates it."""
    here, there = cluster(2)
    a, b = here.connect(), there.connect()
    a.subscribe("news")
    b.subscribe("news")
    assert here.told.of(ChannelOccupied) == [ChannelOccupied("1", "news")]
    assert not there.told.of(ChannelOccupied)
    assert here.counts("news") == there.counts("news") == (2, 0)
    a.leave()
    assert not here.told.of(ChannelVacated)
    b.leave()
    assert there.told.of(ChannelVacated) == [ChannelVacated("1", "news")]


def test_an_envelope_for_a_channel_nobody_is_on_any_more_is_dropped():
    """What another node sends for a channel that was left meanwhile harms nobody."""
    node = Node()
    node.connect()
    node.registry.receive(Envelope("1", "news", [(b"\x81\x00", None)]))
    node.registry.receive(Envelope("unknown", "news", [(b"\x81\x00", None)]))
    node.registry.receive(Envelope("1", "#server-to-user-ann", terminate=True))
    assert not node.told.of(Delivered)


# Presence


@pytest.mark.parametrize("size", [1, 2])
def test_members_come_and_go(size):
    """The others hear of a user's first connection and of the end of the last, on all nodes; the user does not."""
    nodes = cluster(size)
    ann, bob = nodes[0].connect(), nodes[-1].connect()
    ann.subscribe("presence-room", "ann", {"name": "Ann"})
    assert ann.members("presence-room") == {"ann": {"name": "Ann"}}
    bob.subscribe("presence-room", 10)
    assert bob.members("presence-room") == {"ann": {"name": "Ann"}, "10": {}}
    assert bob.wire.names() == ["subscription_succeeded"]
    bob.unsubscribe("presence-room")
    assert ann.wire.names() == ["subscription_succeeded", "member_added", "member_removed"]
    assert data(ann.wire[1]) == {"user_id": "10", "user_info": {}}
    assert data(ann.wire[2]) == {"user_id": "10"}
    ann.leave()
    facts = [fact for node in nodes for fact in node.told.of(MemberAdded, MemberRemoved)]
    assert sorted(facts) == sorted(
        kind("1", "presence-room", user)
        for kind in (MemberAdded, MemberRemoved)
        for user in ("ann", "10")
    )


@pytest.mark.parametrize("size", [1, 2])
def test_a_user_with_two_tabs_is_one_member(size):
    """A second connection of a user is told to nobody, nor the end of one of the two."""
    nodes = cluster(size)
    watcher, first, second = nodes[0].connect(), nodes[0].connect(), nodes[-1].connect()
    watcher.subscribe("presence-room", "watcher")
    first.subscribe("presence-room", "ann", {"tab": 1})
    second.subscribe("presence-room", "ann", {"tab": 2})
    assert second.members("presence-room") == {"watcher": {}, "ann": {"tab": 1}}
    assert nodes[0].counts("presence-room") == (3, 2)
    first.leave()
    assert watcher.wire.names()[1:] == ["member_added"]
    assert second.wire.names() == ["subscription_succeeded"]
    second.leave()
    assert watcher.wire.names()[1:] == ["member_added", "member_removed"]


def test_a_full_presence_channel():
    """The last place is given, the next user is refused, a second tab of a member is not."""
    here, there = cluster(2)
    app = limited(max_presence_members=2)
    ann, bob, cid, tab = (node.connect(app) for node in (here, there, there, here))
    ann.subscribe("presence-room", "ann")
    bob.subscribe("presence-room", "bob")
    here.told.clear()
    there.told.clear()
    cid.subscribe("presence-room", "cid")
    error, generic = cid.wire.take()
    assert error["event"] == "pusher:subscription_error"
    assert (error["data"]["type"], error["data"]["status"]) == ("LimitReached", 403)
    assert "max_presence_members" in generic["data"]["message"]
    assert not there.told.of(Subscribed, MemberAdded, ChannelOccupied)
    assert ann.wire.names() == ["subscription_succeeded", "member_added"]
    tab.subscribe("presence-room", "bob")
    assert tab.members("presence-room").keys() == {"ann", "bob"}
    bob.leave()
    cid.subscribe("presence-room", "cid")
    assert cid.wire.names() == ["subscription_error", "error"]
    tab.leave()
    cid.wire.clear()
    cid.subscribe("presence-room", "cid")
    assert cid.members("presence-room").keys() == {"ann", "cid"}


def test_a_refused_member_leaves_no_channel_behind():
    """A channel that nobody may join is not occupied, and not kept."""
    node = Node()
    client = node.connect(limited(max_presence_members=0))
    client.subscribe("presence-room", "ann")
    assert client.wire.names() == ["subscription_error", "error"]
    assert node.channels() == {}
    assert now(node.adapter.roster.channels("1")) == {}
    assert not node.told.of(ChannelOccupied, ChannelVacated)


def test_subscribing_to_presence_again_gives_the_present_members():
    """A second subscription of the same socket names who is there now, and is told to nobody."""
    node = Node()
    ann, bob = node.connect(), node.connect()
    ann.subscribe("presence-room", "ann", {"was": "first"})
    bob.subscribe("presence-room", "bob")
    ann.subscribe("presence-room", "ann", {"is": "second"})
    assert ann.members("presence-room") == {"ann": {"was": "first"}, "bob": {}}
    assert bob.wire.names() == ["subscription_succeeded"]
    ann.unsubscribe("presence-room")
    assert bob.wire.names() == ["subscription_succeeded", "member_removed"]


def test_presence_subscribes_without_channel_data_as_the_signed_in_user():
    """Who has signed in needs no channel_data: the user's id and info are the member's."""
    node = Node()
    client = node.connect()
    client.sign_in("ann", user_info={"name": "Ann"})
    client.subscribe("presence-room")
    assert client.members("presence-room") == {"ann": {"name": "Ann"}}
    client.wire.clear()
    client.unsubscribe("presence-room")
    client.subscribe("presence-room", "somebody else")
    assert client.members("presence-room") == {"somebody else": {}}


# Cache channels


@pytest.mark.parametrize(
    "name", ["cache-x", "private-cache-x", "private-encrypted-cache-x", "presence-cache-x"]
)
def test_a_cache_channel_replays_its_last_event(name):
    """A new subscriber on any node gets the newest event right after the confirmation."""
    here, there = cluster(2)
    here.publish(Event("old", (name,), "1"), Event("new", (name,), "2", "1.1"))
    client = there.connect()
    client.subscribe(name, "ann" if name.startswith("presence") else None)
    assert client.wire.names() == ["subscription_succeeded", "new"]
    assert client.wire[1] == {"event": "new", "channel": name, "data": "2"}
    assert not there.told.of(CacheMissed)


def test_an_empty_cache_is_a_miss():
    """Without a last event the subscriber and the observers are told of the miss."""
    node = Node()
    client = node.connect()
    client.subscribe("cache-x")
    assert client.wire.names() == ["subscription_succeeded", "cache_miss"]
    assert client.wire[1] == {"event": "pusher:cache_miss", "channel": "cache-x", "data": "{}"}
    assert node.told.of(CacheMissed) == [CacheMissed("1", "cache-x")]


def test_a_cache_forgets_after_its_time():
    """The last event is replayed until its time to live is over, also when the channel was vacated."""
    node = Node()
    app = limited(cache_ttl=60)
    node.event("e", "cache-x", app=app)
    for seconds, answer in ((0, "e"), (59.5, "e"), (0.5, "cache_miss")):
        node.clock.advance(seconds)
        client = node.connect(app)
        client.subscribe("cache-x")
        assert client.wire.names() == ["subscription_succeeded", answer]
        client.leave()


def test_only_cache_channels_remember():
    """A channel with "cache-" in the middle of its name has no memory, nor have other apps."""
    node = Node()
    node.event("e", "my-cache-x")
    node.event("e", "cache-x", app=OTHER)
    client = node.connect()
    client.subscribe("my-cache-x")
    client.subscribe("cache-x")
    assert client.wire.names() == ["subscription_succeeded", "subscription_succeeded", "cache_miss"]


def test_client_events_are_not_remembered():
    """What clients send to each other on a cache channel is not replayed."""
    node = Node()
    sender, late = node.connect(), node.connect()
    sender.subscribe("private-cache-x")
    sender.trigger("client-hi", "private-cache-x")
    late.subscribe("private-cache-x")
    assert late.wire.names() == ["subscription_succeeded", "cache_miss"]


# Users


def test_a_user_is_reached_on_every_connection():
    """Events for a user arrive on all connections signed in as that user, on all nodes, and on no other."""
    here, there = cluster(2)
    first, second, other = here.connect(), there.connect(), there.connect()
    first.sign_in("ann")
    second.sign_in("ann")
    other.sign_in("bob")
    for client in (first, second, other):
        assert client.wire.take()[0]["event"] == "pusher:signin_success"
    here.event("hello", "#server-to-user-ann", "1")
    assert (
        first.wire
        == second.wire
        == [{"event": "hello", "channel": "#server-to-user-ann", "data": "1"}]
    )
    assert other.wire == []
    assert not here.told.of(Subscribed, ChannelOccupied)
    for client in (first, second, other):
        client.leave()
    assert here.channels() == there.channels() == {}


def test_terminating_a_user_with_many_connections():
    """What they were sent before reaches all of them, also those whose turn has not come."""
    node = Node(clock=Clock())
    clients = [node.connect() for _ in range(SLICE + 1)]
    for client in clients:
        client.sign_in("ann")
    node.event("e", "#server-to-user-ann")
    turn(node.clock)
    now(terminate(node.registry, "1", "ann"))
    for client in clients:
        assert [message["event"] for message in client.wire][-2:] == ["e", "pusher:error"]


def test_terminating_a_user():
    """All connections signed in as the user end with 4009 on every node; members who did not sign in stay."""
    here, there = cluster(2)
    first, second, tab, member, other = (
        node.connect() for node in (here, there, there, there, here)
    )
    for client in (first, second, tab):
        client.sign_in("ann")
    other.sign_in("bob")
    member.subscribe("presence-room", "ann")
    now(terminate(there.registry, "1", "ann"))
    now(terminate(there.registry, "1", "nobody"))
    for client in (first, second, tab):
        assert client.wire.closed == (4009, "You got disconnected by the app.")
        assert client.wire[-1]["data"] == {
            "code": 4009,
            "message": "You got disconnected by the app.",
        }
        assert client.connection.closed
    assert member.wire.closed is other.wire.closed is None
    assert here.registry.connection_count() == 1
    assert there.registry.connection_count() == 1


# When the adapter fails


def test_a_watch_that_fails_leaves_no_deaf_channel():
    """When the bus cannot watch, the next subscriber tries again and then hears the other nodes."""
    clock = InstantClock()
    hub = Hub(clock)
    adapter = FailingAdapter(MemoryAdapter(hub), "watch")
    here, there = Node(adapter, clock), Node(MemoryAdapter(hub), clock)
    unlucky, lucky = here.connect(), here.connect()
    with capturedLogs():
        unlucky.subscribe("news")
    assert unlucky.wire.closed == (4100, "Internal error, please reconnect")
    assert here.channels() == {}
    adapter.failing.clear()
    lucky.subscribe("news")
    there.event("headline", "news")
    assert lucky.wire.names() == ["subscription_succeeded", "headline"]


@pytest.mark.parametrize("broken", ["join", "publish", "get"])
def test_a_subscription_that_fails_is_cleaned_up(broken):
    """Whatever fails on the way, the connection ends, others stay, and facts come in pairs."""
    node, adapter = failing()
    client, other = node.connect(), node.connect()
    other.subscribe("presence-cache-x", "bob")
    node.told.clear()
    adapter.failing.add(broken)
    with capturedLogs() as logs:
        client.subscribe("presence-cache-x", "ann")
    assert client.wire.closed == (4100, "Internal error, please reconnect")
    assert logs
    assert other.wire.closed is None
    adapter.failing.clear()
    assert node.counts("presence-cache-x") == (1, 1)
    assert len(node.told.of(Subscribed)) == len(node.told.of(Unsubscribed))
    assert len(node.told.of(MemberAdded)) == len(node.told.of(MemberRemoved))
    other.leave()
    assert node.channels() == {}


def test_leaving_one_channel_may_fail_and_the_others_are_left():
    """When the roster fails for a while, a lost connection is not kept anywhere in this process."""
    node, adapter = failing()
    client, stays = node.connect(), node.connect()
    client.sign_in("ann")
    for name in ("a", "b", "c"):
        client.subscribe(name)
    stays.subscribe("b")
    answers = iter([True, False, False, True])
    leave = adapter.roster.leave

    def sometimes(*args):
        adapter.failing = {"leave"} if next(answers) else set()
        return leave(*args)

    adapter.roster.leave = sometimes
    with capturedLogs() as logs:
        client.leave()
    assert [log.get("channel") for log in logs] == ["a", None]
    assert "could not be signed out" in logs[1]["log_format"]
    assert node.channels().keys() == {"b"}
    assert node.counts("b") == (1, 0)
    assert node.counts("c") == (0, 0)
    assert len(node.told.of(Unsubscribed)) == 3


def test_the_facts_of_a_departure_are_told_although_the_others_cannot_be():
    """A member who leaves while the bus is away is still told to the observers."""
    node, adapter = failing()
    client = node.connect()
    client.subscribe("presence-room", "ann")
    adapter.failing.add("publish")
    with capturedLogs():
        client.leave()
    assert node.told.of(MemberRemoved, ChannelVacated) == [
        MemberRemoved("1", "presence-room", "ann"),
        ChannelVacated("1", "presence-room"),
    ]
    assert node.channels() == {}


def test_a_publish_that_fails_says_so():
    """Local subscribers have their event; the publisher hears that the other nodes may not."""
    node, adapter = failing()
    client = node.connect()
    client.subscribe("news")
    adapter.failing.add("publish")
    with pytest.raises(AdapterAwayError):
        node.event("headline", "news")
    assert client.wire.names() == ["subscription_succeeded", "headline"]


def test_no_secret_leaves_the_node():
    """The frames that go to other nodes carry neither the app's key nor its secret."""
    here, there = cluster(2)
    heard = []
    there.adapter.bus.receive = heard.append
    watcher = there.connect()
    watcher.subscribe("presence-room", "bob")
    client = Client(here, APP)
    client.subscribe("presence-room", "ann")
    client.trigger("client-hi", "presence-room", "x")
    here.event("e", "presence-room")
    assert len(heard) == 3
    text = repr(heard)
    assert APP.key not in text
    assert APP.secret not in text


# Apps that change


def test_the_app_as_it_is_now():
    """The registry knows the apps that somebody was connected to."""
    node = Node()
    assert node.registry.app("1") is None
    node.connect().leave()
    assert node.registry.app("1") == APP
    changed = limited(max_event_name_length=1)
    node.registry.app_changed("1", changed)
    assert node.registry.app("1") is changed
    node.registry.app_changed("1", None)
    assert node.registry.app("1") is None


def test_an_app_nobody_was_connected_to_may_change():
    """A change of an app that is not in use here is nobody's matter."""
    node = Node()
    node.registry.app_changed("2", OTHER)
    assert node.registry.app("2") is None


def test_other_settings_hold_for_who_is_there():
    """Connections go on under the app's new settings, with a whole new burst only where the rate is another."""
    node = Node()
    client = node.connect(limited(max_client_events_per_second=1))
    client.subscribe("private-x")
    client.wire.clear()
    client.trigger("client-e", "private-x")
    node.registry.app_changed("1", limited(max_client_events_per_second=1, cache_ttl=9))
    client.trigger("client-e", "private-x")
    assert client.wire.names() == ["error"]
    node.registry.app_changed("1", limited(max_client_events_per_second=2))
    for _ in range(3):
        client.trigger("client-e", "private-x")
    assert client.wire.names() == ["error", "error"]
    assert client.wire.closed is None


@pytest.mark.parametrize(
    ("app", "closed"),
    [
        (None, (4001, "Application does not exist")),
        (App("1", "key", "secret", enabled=False), (4003, "Application disabled")),
    ],
)
def test_the_clients_of_an_app_that_is_gone_or_switched_off(app, closed):
    """They are told why and sent away, a slice at a time; those of other apps stay."""
    node = Node()
    clients, other = [node.connect() for _ in range(150)], node.connect(OTHER)
    node.registry.app_changed("1", app)
    assert sum(client.wire.closed is not None for client in clients) == 100
    node.clock.advance(0.1)
    assert {client.wire.closed for client in clients} == {closed}
    assert clients[0].wire.names() == ["error"]
    assert other.wire.closed is None
    node.clock.advance(5)
    assert not node.clock.getDelayedCalls()


def test_an_app_that_is_back_in_time():
    """Clients that were not sent away yet stay when the app is there again."""
    node = Node()
    clients = [node.connect() for _ in range(150)]
    node.registry.app_changed("1", None)
    node.registry.app_changed("1", APP)
    node.clock.advance(5)
    assert sum(client.wire.closed is None for client in clients) == 50


def test_a_lookup_that_is_older_than_a_change():
    """What the store told counts, not what somebody had looked up before."""
    node = Node()
    node.connect()
    changed = limited(cache_ttl=9)
    assert node.registry.latest(APP) is APP
    node.registry.app_changed("1", changed)
    assert node.registry.latest(APP) is changed
    node.connect(APP)
    assert node.registry.app("1") is changed
    node.registry.app_changed("1", None)
    assert node.registry.latest(APP) is None


def test_the_latest_lookup_counts_where_nothing_is_told():
    """With a store that tells no changes the app is what was looked up last."""
    node = Node()
    node.connect()
    changed = limited(cache_ttl=9)
    node.connect(changed)
    assert node.registry.app("1") is changed
