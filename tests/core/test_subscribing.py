"""Subscribing while answers are late: nothing is missed, nothing comes twice, nothing comes too early."""

import pytest

from tests.doubles import (
    APP,
    Client,
    FailingAdapter,
    InstantClock,
    LateAdapter,
    Node,
    data,
    limited,
)
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.occurrences import CacheMissed
from txpusher.model import App

ROOM = "presence-room"


class Late:
    """Two nodes, the first of which gets late answers.

    Args:
        late: the names of the methods that answer late.
    """

    def __init__(self, *late):
        clock = InstantClock()
        hub = Hub(clock)
        self.adapter = LateAdapter(MemoryAdapter(hub), late)
        self.here = Node(self.adapter, clock)
        self.there = Node(MemoryAdapter(hub), clock)


@pytest.fixture
def late():
    return Late("join", "get")


def names(client: Client) -> list[str]:
    """Give the names of what a client has read."""
    return client.wire.names()


def test_who_joins_elsewhere_before_the_answer_arrives(late):
    """A member who comes after the roster has answered, and before the answer is here, is not missed."""
    client = late.here.connect()
    client.subscribe(ROOM, "ann")
    late.adapter.questions[0].happen()
    late.there.connect().subscribe(ROOM, "bob")
    assert names(client) == []
    late.adapter.answer("join")
    assert names(client) == ["subscription_succeeded", "member_added"]
    assert client.members(ROOM).keys() == {"ann"}
    assert data(client.wire[1])["user_id"] == "bob"


def test_who_joins_elsewhere_before_the_roster_is_asked(late):
    """A member who is on the list is not told of again."""
    client = late.here.connect()
    client.subscribe(ROOM, "ann")
    late.there.connect().subscribe(ROOM, "bob")
    late.adapter.answer("join")
    assert names(client) == ["subscription_succeeded"]
    assert client.members(ROOM).keys() == {"ann", "bob"}


def test_who_leaves_elsewhere_meanwhile(late):
    """Somebody who is on the list and gone has left; somebody who is not on it was never there."""
    bob, cid = late.there.connect(), late.there.connect()
    bob.subscribe(ROOM, "bob")
    cid.subscribe(ROOM, "cid")
    client = late.here.connect()
    client.subscribe(ROOM, "ann")
    bob.leave()
    late.adapter.questions[0].happen()
    cid.leave()
    late.adapter.answer("join")
    assert names(client) == ["subscription_succeeded", "member_removed"]
    assert client.members(ROOM).keys() == {"ann", "cid"}
    assert data(client.wire[1])["user_id"] == "cid"


def test_events_wait_for_the_confirmation(late):
    """What is published while the answer is on its way comes after the confirmation, in order."""
    client = late.here.connect()
    client.subscribe("news")
    late.there.event("e", "news", "1")
    late.here.event("e", "news", "2")
    assert names(client) == []
    late.adapter.answer("join")
    late.there.event("e", "news", "3")
    assert names(client) == ["subscription_succeeded", "e", "e", "e"]
    assert [m["data"] for m in client.wire.named("e")] == ["1", "2", "3"]


def test_a_live_event_and_its_replay(late):
    """An event that is cached and arrives by itself is read once, in its place."""
    client = late.here.connect()
    client.subscribe("cache-news")
    late.adapter.answer("join")
    for text in "123":
        late.there.event("e", "cache-news", text)
    late.adapter.answer("get")
    assert [m["data"] for m in client.wire.named("e")] == ["1", "2", "3"]


def test_a_replay_and_later_events(late):
    """What was published after the replayed event was looked up comes after it."""
    late.there.event("e", "cache-news", "old")
    client = late.here.connect()
    client.subscribe("cache-news")
    late.adapter.answer("join")
    late.adapter.questions[0].happen()
    late.there.event("e", "cache-news", "new")
    late.adapter.answer("get")
    assert [m["data"] for m in client.wire.named("e")] == ["old", "new"]


def test_a_miss_and_later_events(late):
    """A cache miss comes before what is published after it."""
    client = late.here.connect()
    client.subscribe("cache-news")
    late.adapter.answer("join")
    late.adapter.questions[0].happen()
    late.there.event("e", "cache-news", "new")
    late.adapter.answer("get")
    assert names(client) == ["subscription_succeeded", "cache_miss", "e"]


def test_a_refused_joiner_reads_nothing(late):
    """Somebody who is turned away at a full channel gets nothing of what was said there meanwhile."""
    app = limited(max_presence_members=1)
    late.there.connect(app).subscribe(ROOM, "bob")
    client = late.here.connect(app)
    client.subscribe(ROOM, "ann")
    late.there.event("e", ROOM, "secret")
    late.adapter.answer("join")
    assert names(client) == ["subscription_error", "error"]
    late.there.event("e", ROOM, "secret")
    assert names(client) == ["subscription_error", "error"]
    assert late.here.channels() == {}


def test_a_failing_join_leaves_nobody_on_the_channel():
    """A subscription that ends in a bug is none, and the channel goes."""
    adapter = FailingAdapter(MemoryAdapter(Hub(InstantClock())), "join")
    node = Node(adapter)
    client = node.connect()
    client.subscribe("news")
    assert client.wire.closed is not None
    assert node.channels() == {}


def test_a_joiner_who_is_gone_by_the_time_of_the_answer(late):
    """A client that is cut off while the answer is on its way is on nothing afterwards, and reads nothing."""
    client = late.here.connect()
    client.subscribe(ROOM, "ann")
    client.leave()
    late.there.event("e", ROOM, "1")
    late.adapter.answer_all()
    assert client.wire == []
    assert late.there.counts(ROOM) == (0, 0)
    assert late.here.channels() == {}


def test_subscribing_again_reads_on(late):
    """A second confirmation holds nothing back and changes nothing."""
    client = late.here.connect()
    client.subscribe("news")
    late.adapter.answer("join")
    client.subscribe("news")
    late.there.event("e", "news", "1")
    assert names(client) == ["subscription_succeeded", "e"]
    late.adapter.answer("join")
    assert names(client) == ["subscription_succeeded", "e", "subscription_succeeded"]


def test_the_cache_does_not_hold_up_delivery():
    """An event is delivered here, and handed on, before the cache has taken it; the publish ends when it has."""
    late = Late("put")
    app = App("1", "key", "secret")
    here, there = late.here.connect(app), late.there.connect(app)
    for client in (here, there):
        client.subscribe("cache-news")
        client.wire.clear()
    with pytest.raises(AssertionError, match="waits"):
        late.here.event("e", "cache-news", "1")
    for client in (here, there):
        assert [m["data"] for m in client.wire] == ["1"]
    late.adapter.answer("put")
    newcomer = late.there.connect(APP)
    newcomer.subscribe("cache-news")
    assert [m["data"] for m in newcomer.wire.named("e")] == ["1"]
    assert CacheMissed("1", "cache-news") in late.here.told
