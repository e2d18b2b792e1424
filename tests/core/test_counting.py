"""When subscribers are told how many they are."""

from itertools import pairwise
from random import Random

import pytest
from twisted.internet.defer import Deferred

from tests.doubles import AwayAdapter, InstantClock, LateAdapter, Node, cluster, data, now
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.counting import INTERVAL
from txpusher.core.occurrences import Delivered, MessageDropped, SubscriptionCountChanged
from txpusher.errors import ServiceUnavailable, Unanswered
from txpusher.interfaces import CountTold
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
    node.clock.advance(INTERVAL)
    assert counts(clients[0]) == []
    assert not node.clock.getDelayedCalls()


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


def answer_with(node, *answers):
    """Let the bus of a node answer with these, then as usual, when it is asked for numbers that are due."""
    real, left = node.adapter.bus.publish_due_count, list(answers)

    async def publish_due_count(*place):
        answer = left.pop(0) if left else await real(*place)
        if isinstance(answer, Exception):
            raise answer
        return await answer if isinstance(answer, Deferred) else answer

    node.adapter.bus.publish_due_count = publish_due_count


def test_what_is_due_at_the_end():
    """The others are told at once when a server stops that owes it to them, and nothing is left on the clock."""
    here, there = cluster(2)
    (other,) = crowd(there, 1)
    crowd(here, 101)
    counts(other)
    now(here.registry.counting.tell_all())
    assert counts(other) == [102]
    assert not here.clock.getDelayedCalls()


@pytest.mark.parametrize("changed", [False, True])
def test_what_another_node_has_told_before_the_end(changed):
    """A server that stops tells a number that was told only if it is another one since."""
    here, there = cluster(2)
    (other,) = crowd(there, 1)
    crowd(here, 100)
    crowd(there, 1)
    now(there.registry.counting.tell_all())
    assert counts(other)[-1] == 102
    if changed:
        crowd(here, 1)
    now(here.registry.counting.tell_all())
    assert counts(other) == ([103] if changed else [])
    assert [fact.subscriptions for fact in here.told.of(SubscriptionCountChanged)][99:] == (
        [103] if changed else []
    )


def test_what_is_owed_at_the_end():
    """What nobody knows to have been told is told, whatever the bus says of it."""
    node = Node()
    (client, *_) = crowd(node, 101)
    answer_with(node, Unanswered("lost"))
    node.clock.advance(INTERVAL)
    counts(client)
    answer_with(node, CountTold(0))
    now(node.registry.counting.tell_all())
    assert counts(client) == [101]


def test_what_cannot_be_told_at_the_end():
    """It is counted."""
    node = Node()
    crowd(node, 101)
    answer_with(node, ServiceUnavailable("away"))
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


# A large channel on several nodes


def test_one_number_in_five_seconds():
    """While clients come and go on three nodes, all subscribers hear the same, and each number is told by one node."""
    clock, random = InstantClock(), Random(7)
    nodes = cluster(3, clock)
    watchers = [client for node in nodes for client in crowd(node, 1)]
    for node in nodes:
        crowd(node, 40)
    for who in [*watchers, *nodes]:
        (who.told if isinstance(who, Node) else who.wire).clear()
    heard, clients = (
        [[] for _ in watchers],
        [random.choice(nodes).connect(COUNTED) for _ in range(150)],
    )
    for step in range(300):
        client = random.choice(clients)
        if client.connection.subscriptions:
            client.unsubscribe("news")
        else:
            client.subscribe("news")
        clock.advance(0.3 if step < 299 else 2 * INTERVAL)
        for numbers, watcher in zip(heard, watchers, strict=True):
            numbers += [(clock.seconds(), number) for number in counts(watcher)]
    assert heard[0] == heard[1] == heard[2]
    times, numbers = zip(*heard[0], strict=True)
    assert all(later - earlier >= INTERVAL for earlier, later in pairwise(times))
    assert numbers[-1] == nodes[0].counts("news")[0]
    facts = [
        fact.subscriptions for node in nodes for fact in node.told.of(SubscriptionCountChanged)
    ]
    assert sorted(facts) == sorted(numbers)
    assert not clock.getDelayedCalls()


def test_a_newcomer_hears_it_in_five_seconds():
    """A node that may not tell a number yet tells it as soon as it may, unless another one does."""
    clock = InstantClock()
    here, there = cluster(2, clock)
    (client, *_) = crowd(here, 101)
    clock.advance(4)
    crowd(there, 1)
    clock.advance(1)
    assert counts(client)[-1] == 102
    clock.advance(1)
    (newcomer,) = crowd(here, 1)
    clock.advance(3.9)
    assert counts(client) == []
    clock.advance(0.1)
    assert counts(client) == counts(newcomer) == [103]
    assert there.told.of(SubscriptionCountChanged)[-1].subscriptions == 103
    clock.advance(60)
    assert counts(client) == []
    assert not clock.getDelayedCalls()


def test_the_earlier_time_counts():
    """What has changed while the bus was asked is told with what had changed before."""
    node, answer = Node(), Deferred()
    crowd(node, 101)
    answer_with(node, answer)
    node.clock.advance(INTERVAL)
    crowd(node, 1)
    answer.callback(CountTold(0, 1.5))
    (call,) = node.clock.getDelayedCalls()
    assert call.getTime() == INTERVAL + 1.5


def test_a_number_that_is_due_while_the_bus_is_away():
    """It is told a while later, unless another node has told it."""
    clock = InstantClock()
    here, there = cluster(2, clock)
    (client, *_) = crowd(here, 101)
    crowd(there, 1)
    counts(client)
    answer_with(here, ServiceUnavailable("away"))
    clock.advance(INTERVAL)
    assert counts(client) == [102]
    clock.advance(INTERVAL)
    assert counts(client) == []
    answer_with(here, ServiceUnavailable("away"))
    crowd(here, 1)
    clock.advance(INTERVAL)
    assert counts(client) == []
    clock.advance(INTERVAL)
    assert counts(client) == [103]


def test_a_number_of_which_nobody_knows_whether_it_was_told():
    """It is told once more, as observers have heard of none."""
    node = Node()
    (client, *_) = crowd(node, 101)
    node.told.clear()
    answer_with(node, Unanswered("lost"))
    node.clock.advance(INTERVAL)
    node.clock.advance(INTERVAL)
    assert counts(client)[-1] == 101
    assert node.told.of(SubscriptionCountChanged) == [SubscriptionCountChanged("1", "news", 101)]
    assert not node.clock.getDelayedCalls()
