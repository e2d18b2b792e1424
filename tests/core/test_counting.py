"""When subscribers are told how many they are."""

import pytest

from tests.doubles import AwayAdapter, InstantClock, LateAdapter, Node, cluster, data, now
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.counting import INTERVAL
from txpusher.core.occurrences import Delivered, MessageDropped, SubscriptionCountChanged
from txpusher.errors import ServiceUnavailable
from txpusher.model import App

COUNTED = App("1", "key", "secret", subscription_count=True)


def counts(client):
    """Give the counts that a client was told, and forget them."""
    told = [data(m)["subscription_count"] for m in client.wire.named("subscription_count")]
    client.wire.clear()
    return told


def crowd(node, size, name="news"):
    clients = [node.connect(COUNTED) for _ in range(size)]
    for client in clients:
        client.subscribe(name)
    return clients


def test_everybody_hears_the_new_count():
    """Each change is told to all, to the newcomer after the confirmation, and on every node."""
    here, there = cluster(2)
    first, second = here.connect(COUNTED), there.connect(COUNTED)
    first.subscribe("news")
    second.subscribe("news")
    assert first.wire.names() == ["subscription_succeeded"] + ["subscription_count"] * 2
    assert first.wire[-1] == {
        "event": "pusher_internal:subscription_count",
        "channel": "news",
        "data": '{"subscription_count":2}',
    }
    assert second.wire.names() == ["subscription_succeeded", "subscription_count"]
    second.unsubscribe("news")
    assert counts(first) == [1, 2, 1]
    assert here.told.of(SubscriptionCountChanged) == [SubscriptionCountChanged("1", "news", 1)]
    assert [fact.subscriptions for fact in there.told.of(SubscriptionCountChanged)] == [2, 1]


def test_a_cached_event_comes_before_the_count():
    """The order on a cache channel is confirmation, event, count."""
    node = Node()
    node.event("e", "cache-x", app=COUNTED)
    client = node.connect(COUNTED)
    client.subscribe("cache-x")
    assert client.wire.names() == ["subscription_succeeded", "e", "subscription_count"]


def test_the_last_one_to_leave():
    """That nobody is left is told to observers; there is no client to hear it."""
    node = Node()
    (client,) = crowd(node, 1)
    node.told.clear()
    client.leave()
    assert node.told.of(SubscriptionCountChanged) == [SubscriptionCountChanged("1", "news", 0)]
    assert not node.told.of(Delivered)


def test_a_vacated_channel_leaves_nothing_on_the_clock():
    """The count that is due for a large channel is not told when everybody has left before."""
    node = Node()
    clients = crowd(node, 102)
    for client in clients:
        client.leave()
    assert not node.clock.getDelayedCalls()


def test_subscribing_again_is_no_change():
    """A second subscription of the same connection is not told to the others."""
    node = Node()
    first, second = crowd(node, 2)
    counts(first)
    second.subscribe("news")
    assert counts(first) == []


@pytest.mark.parametrize("name", ["presence-room", "presence-cache-room"])
def test_presence_channels_are_not_counted(name):
    """On presence channels the members are known anyway."""
    node = Node()
    clients = [node.connect(COUNTED) for _ in range(2)]
    for i, client in enumerate(clients):
        client.subscribe(name, f"user{i}")
    clients[1].leave()
    assert counts(clients[0]) == []
    assert not node.told.of(SubscriptionCountChanged)


def test_apps_without_the_switch_are_not_counted():
    """The event is off unless the app switched it on."""
    node = Node()
    first, second = node.connect(), node.connect()
    first.subscribe("news")
    second.subscribe("news")
    second.leave()
    assert counts(first) == []


def test_above_a_hundred_every_five_seconds():
    """A large channel hears its count at most every five seconds, and only while there is change."""
    node = Node()
    clients = crowd(node, 100)
    assert counts(clients[0])[-1] == 100
    crowd(node, 2)
    assert counts(clients[0]) == []
    node.clock.advance(4.9)
    crowd(node, 1)
    assert counts(clients[0]) == []
    node.clock.advance(0.1)
    assert counts(clients[0]) == [103]
    node.clock.advance(60)
    assert counts(clients[0]) == []
    crowd(node, 1)
    node.clock.advance(5)
    assert counts(clients[0]) == [104]


def test_back_below_a_hundred_at_once():
    """A channel that shrinks to a hundred hears each change at once again."""
    node = Node()
    clients = crowd(node, 101)
    counts(clients[0])
    clients[-1].leave()
    assert counts(clients[0]) == [100]
    clients[-2].leave()
    assert counts(clients[0]) == [99]


def test_a_channel_that_emptied_meanwhile():
    """When all have left before the count is due, nobody is told anything."""
    node = Node()
    for client in crowd(node, 101):
        client.leave()
    node.told.clear()
    node.clock.advance(5)
    assert not node.told.of(SubscriptionCountChanged)


def test_the_count_of_the_cluster_decides():
    """It is the subscriptions on all nodes that make a channel large."""
    clock = InstantClock()
    here, there = cluster(2, clock)
    crowd(here, 60)
    clients = crowd(there, 41)
    assert counts(clients[0])[-1] == 100
    clock.advance(5)
    assert counts(clients[0]) == [101]


# With other nodes


def test_the_last_number_is_the_true_one():
    """What a node tells late is the number at that moment, not that of the change."""
    clock = InstantClock()
    hub = Hub(clock)
    adapter = LateAdapter(MemoryAdapter(hub), {"publish_count"})
    here, there = Node(adapter, clock), Node(MemoryAdapter(hub), clock)
    (first,) = crowd(here, 1)
    (second,) = crowd(there, 1)
    adapter.answer("publish_count")
    assert counts(first) == [2, 2]
    assert counts(second) == [2, 2]
    assert here.told.of(SubscriptionCountChanged)[-1] == SubscriptionCountChanged("1", "news", 2)


def test_a_number_that_could_not_be_told():
    """It is told a while later, as it is then; the client that caused it stays."""
    clock = InstantClock()
    hub = Hub(clock)
    adapter = AwayAdapter(MemoryAdapter(hub))
    here, there = Node(adapter, clock), Node(MemoryAdapter(hub), clock)
    (other,) = crowd(there, 1)
    counts(other)
    real, adapter.bus.publish_count = adapter.bus.publish_count, refuse
    (client,) = crowd(here, 1)
    assert (counts(client), counts(other)) == ([], [])
    assert client.wire.closed is None
    clock.advance(INTERVAL)
    adapter.bus.publish_count = real
    clock.advance(INTERVAL)
    assert (counts(client), counts(other)) == ([2], [2])
    assert not clock.getDelayedCalls()


async def refuse(*_):
    raise ServiceUnavailable("away")


def test_what_is_due_at_the_end():
    """The others are told at once when a server stops that owes it to them, and nothing is left on the clock."""
    here, there = cluster(2)
    (other,) = crowd(there, 1)
    crowd(here, 101)
    counts(other)
    now(here.registry.counting.tell_all())
    assert counts(other) == [102]
    assert not here.clock.getDelayedCalls()


def test_what_cannot_be_told_at_the_end():
    """It is counted."""
    node = Node()
    crowd(node, 101)
    node.adapter.bus.publish_count = refuse
    now(node.registry.counting.tell_all())
    assert node.told.of(MessageDropped) == [MessageDropped("1", "bus_away")]
    assert not node.clock.getDelayedCalls()


def test_nothing_is_told_after_the_end():
    """What has become due since is left out."""
    node = Node()
    clients = crowd(node, 101)
    counts(clients[0])
    node.registry.counting.stop()
    assert not node.clock.getDelayedCalls()
    node.clock.advance(INTERVAL)
    assert counts(clients[0]) == []
