"""Clients are told how things are, after nobody heard what the other nodes told."""

import pytest

from tests.doubles import AwayAdapter, InstantClock, LateAdapter, Node, data, now
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.running import start_logged
from txpusher.errors import ServiceUnavailable
from txpusher.model import App

COUNTING = App("1", "key", "secret", subscription_count=True, watchlist_events=True)
QUIET = App("2", "key2", "secret")
ROOM = "presence-room"


class Deaf:
    """Two nodes, the first of which hears nothing for a while."""

    def __init__(self):
        clock = InstantClock()
        hub = Hub(clock)
        self.adapter = AwayAdapter(MemoryAdapter(hub))
        self.here = Node(self.adapter, clock)
        self.there = Node(MemoryAdapter(hub), clock)
        self._receive = self.adapter.bus._real.receive

    def deafen(self):
        """Hear nothing."""
        self.adapter.bus._real.receive = lambda _: None

    def listen(self):
        """Hear again, and tell the clients."""
        self.adapter.bus._real.receive = self._receive
        now(self.here.cluster.missed())


@pytest.fixture
def deaf():
    return Deaf()


def test_members(deaf):
    """The clients of a presence channel get its list anew, as it is now."""
    client, bob = deaf.here.connect(QUIET), deaf.there.connect(QUIET)
    client.subscribe(ROOM, "ann")
    bob.subscribe(ROOM, "bob")
    client.wire.clear()
    deaf.deafen()
    bob.leave()
    deaf.there.connect(QUIET).subscribe(ROOM, "cid")
    deaf.listen()
    (message,) = client.wire
    assert message["event"] == "pusher_internal:subscription_succeeded"
    assert client.members(ROOM).keys() == {"ann", "cid"}


def test_news_are_not_overtaken():
    """What subscribers and watchers hear last is true, also when it changes while they are told how things are."""
    clock = InstantClock()
    hub = Hub(clock)
    adapter = LateAdapter(MemoryAdapter(hub), {"publish_count", "publish_while"})
    here, there = Node(adapter, clock), Node(MemoryAdapter(hub), clock)
    client = here.connect(COUNTING)
    client.subscribe("news")
    adapter.answer("publish_count")
    client.wire.clear()
    start_logged(here.cluster.missed(), "It was not told")
    there.connect(COUNTING).subscribe("news")
    adapter.answer("publish_count")
    counts = [m for m in client.wire if m["event"].endswith("subscription_count")]
    assert data(counts[-1]) == {"subscription_count": 2}


def test_counts(deaf):
    """Subscribers are told their number, in apps that want it."""
    clients = [deaf.here.connect(app) for app in (COUNTING, QUIET)]
    for client in clients:
        client.subscribe("news")
    deaf.deafen()
    deaf.there.connect(COUNTING).subscribe("news")
    for client in clients:
        client.wire.clear()
    deaf.listen()
    assert data(clients[0].wire.named("subscription_count")[0]) == {"subscription_count": 2}
    assert clients[1].wire == []


def test_watchlists(deaf):
    """Watchers are told who is online and who is not."""
    client = deaf.here.connect(COUNTING)
    client.sign_in("ann", watchlist=["bob", "cid"])
    client.wire.clear()
    deaf.deafen()
    deaf.there.connect(COUNTING).sign_in("bob")
    deaf.listen()
    assert [e for m in client.wire for e in m["data"]["events"]] == [
        {"name": "online", "user_ids": ["bob"]},
        {"name": "offline", "user_ids": ["cid"]},
    ]


def test_an_app_that_is_gone(deaf):
    """Clients of an app that is gone by now are not told their number."""
    client = deaf.here.connect(COUNTING)
    client.subscribe("news")
    client.wire.clear()
    deaf.here.registry.apps["1"].app = None
    deaf.listen()
    assert client.wire == []


def test_nobody_can_be_asked(deaf):
    """While the roster is away it has to be done later."""
    deaf.here.connect(COUNTING).subscribe("news")
    deaf.adapter.error = ServiceUnavailable("away")
    with pytest.raises(ServiceUnavailable):
        now(deaf.here.cluster.missed())
