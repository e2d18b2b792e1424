"""What an adapter tells a node: losses, and the end of another node."""

import pytest

from tests.doubles import InstantClock, Node, data, now
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.counting import INTERVAL
from txpusher.core.occurrences import (
    ChannelVacated,
    MemberRemoved,
    MessageDropped,
    SubscriptionCountChanged,
)
from txpusher.errors import ServiceUnavailable
from txpusher.interfaces import Envelope, Left
from txpusher.model import App, Counts, PresenceMember

COUNTING = App("1", "key", "secret", subscription_count=True, watchlist_events=True)
ANN = PresenceMember("ann")
ROOM = "presence-room"


@pytest.fixture
def nodes():
    """Make two nodes, the first of which buries a third; a bus brings what is said for a dead node to everybody."""
    clock = InstantClock()
    hub = Hub(clock)
    one, two = (Node(MemoryAdapter(hub), clock) for _ in range(2))
    publish = one.adapter.bus.publish

    async def publish_for(envelope: Envelope) -> None:
        await publish(envelope)
        if envelope.sender:
            assert envelope.sender == "dead"
            one.cluster.receive(envelope)

    one.adapter.bus.publish = publish_for
    return one, two


def departed(node, channel, left):
    """Bury one subscription."""
    now(node.cluster.departed("1", channel, left, "dead"))


def test_a_member_is_gone(nodes):
    """The fact is told by one node, and the clients of all nodes are told once."""
    clients = [node.connect(COUNTING) for node in nodes]
    for i, client in enumerate(clients):
        client.subscribe(ROOM, f"user{i}")
    for client in clients:
        client.wire.clear()
    departed(nodes[0], ROOM, Left(False, ANN, Counts(2, 2)))
    for client in clients:
        (message,) = client.wire
        assert message["event"] == "pusher_internal:member_removed"
        assert data(message) == {"user_id": "ann"}
    assert nodes[0].told.of(MemberRemoved) == [MemberRemoved("1", ROOM, "ann")]
    assert nodes[1].told.of(MemberRemoved) == []


def test_a_channel_is_vacant(nodes):
    """A channel that nobody is on any more is told vacant, by one node, also one that never had it."""
    departed(nodes[0], ROOM, Left(True, ANN, Counts()))
    departed(nodes[0], "news", Left(True, None, Counts()))
    facts = nodes[0].told.of(MemberRemoved, ChannelVacated)
    assert facts == [
        MemberRemoved("1", ROOM, "ann"),
        ChannelVacated("1", ROOM),
        ChannelVacated("1", "news"),
    ]
    assert not nodes[1].told.of(MemberRemoved, ChannelVacated)


def test_one_of_several_sockets(nodes):
    """A member who is there on another node is told of to nobody."""
    client = nodes[0].connect(COUNTING)
    client.subscribe(ROOM, "bob")
    client.wire.clear()
    departed(nodes[0], ROOM, Left(False, None, Counts(2, 2)))
    assert client.wire == []
    assert not nodes[0].told.of(MemberRemoved, ChannelVacated)


@pytest.mark.parametrize("where", [0, 1])
def test_counts(nodes, where):
    """Subscribers are told their number, whether the node that buries has any of them or not."""
    nodes[0].connect(COUNTING)  # so that the app is known there
    client = nodes[where].connect(COUNTING)
    client.subscribe("news")
    client.wire.clear()
    nodes[0].told.clear()
    departed(nodes[0], "news", Left(False, None, Counts(1)))
    (message,) = client.wire
    assert data(message) == {"subscription_count": 1}
    assert nodes[0].told.of(SubscriptionCountChanged) == [SubscriptionCountChanged("1", "news", 1)]


def test_large_counts_are_not_told_one_by_one(nodes):
    """A thousand sockets that die at once do not make a thousand messages, but one, when it is over."""
    nodes[0].connect(COUNTING)
    client = nodes[1].connect(COUNTING)
    client.subscribe("news")
    client.wire.clear()
    roster = nodes[1].adapter.roster
    now(roster.restore("1", "news", [(f"{i}.1", None) for i in range(101)]))
    for left in (103, 102):
        departed(nodes[0], "news", Left(False, None, Counts(left)))
    assert client.wire == []
    nodes[0].clock.advance(INTERVAL)
    (message,) = client.wire
    assert data(message) == {"subscription_count": 102}


def test_counts_of_an_app_that_has_no_client_here(nodes):
    """What such an app wants is looked up."""
    client = nodes[1].connect(COUNTING)
    client.subscribe("news")
    client.wire.clear()
    nodes[0].apps = [COUNTING]
    departed(nodes[0], "news", Left(False, None, Counts(1)))
    assert nodes[0].told.of(SubscriptionCountChanged) == [SubscriptionCountChanged("1", "news", 1)]
    assert client.wire.names() == ["subscription_count"]


def test_counts_of_an_app_that_cannot_be_looked_up(nodes):
    """Nobody knows whether an app wants them that is in no store, or in one that is away."""

    async def away(_):
        raise ServiceUnavailable("away")

    departed(nodes[0], "news", Left(False, None, Counts(1)))
    nodes[0].by_id = away
    departed(nodes[0], "news", Left(False, None, Counts(1)))
    assert nodes[0].told.of(SubscriptionCountChanged) == []


def test_a_user_is_offline(nodes):
    """Watchers on all nodes are told once of a user whose last connection was on the dead node."""
    clients = [node.connect(COUNTING) for node in nodes]
    for i, client in enumerate(clients):
        client.sign_in(f"user{i}", watchlist=["ann"])
        client.wire.clear()
    departed(nodes[0], "#server-to-user-ann", Left(False, None, Counts(1)))
    assert not any(client.wire for client in clients)
    departed(nodes[0], "#server-to-user-ann", Left(True, None, Counts()))
    for client in clients:
        (message,) = client.wire
        assert message["data"]["events"] == [{"name": "offline", "user_ids": ["ann"]}]
    assert not nodes[0].told.of(ChannelVacated)


def test_losses_are_counted(nodes):
    """What was lost between the nodes is counted with its reason."""
    nodes[0].cluster.dropped("1", "bus_away")
    assert nodes[0].told.of(MessageDropped) == [MessageDropped("1", "bus_away")]
