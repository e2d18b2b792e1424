"""What a registry holds at the moment it is asked."""

from tests.doubles import APP, Node
from txpusher.interfaces import Figures
from txpusher.metrics.snapshot import take
from txpusher.model import App

OTHER = App("2", "key2", "secret2")


def test_an_empty_server():
    """A server that nobody came to has nothing, and zeros for the apps that are known."""
    assert take(Node().registry, (), {}) == ({}, {}, {}, {}, 0, True, True, Figures())
    assert take(Node().registry, ("1", "2"), {}).connected == {"1": 0, "2": 0}


def test_the_app_store():
    """Apps that are gone are not known, though they had clients once; and the store may have troubles."""
    node = Node()
    node.connect()
    snapshot = take(node.registry, ("2", "3"), {}, store_ok=False)
    assert (snapshot.apps_known, snapshot.app_store_ok) == (2, False)


def test_connections_channels_and_subscriptions():
    """Connections and subscriptions are counted by app, channels by app and kind."""
    node = Node()
    first, second, other = node.connect(), node.connect(), node.connect(OTHER)
    for client, channels in ((first, ("a", "b", "private-a")), (second, ("a",)), (other, ("a",))):
        for channel in channels:
            client.subscribe(channel)
    first.subscribe("presence-a", "ann")
    second.subscribe("presence-a", "ann")
    snapshot = take(node.registry, ("3",), {("1", "client_event"): 2})
    assert snapshot.connected == {"1": 2, "2": 1, "3": 0}
    assert snapshot.channels == {
        "1": {"public": 2, "private": 1, "presence": 1},
        "2": {"public": 1},
    }
    assert snapshot.subscriptions == {"1": 6, "2": 1}
    assert snapshot.webhooks == {("1", "client_event"): 2}


def test_what_is_gone_does_not_count():
    """Who left is counted no more, and the app stays, with zeros."""
    node = Node()
    client = node.connect()
    client.subscribe("a")
    client.leave()
    snapshot = take(node.registry, (), {})
    assert (snapshot.connected, snapshot.channels, snapshot.subscriptions) == (
        {APP.id: 0},
        {APP.id: {}},
        {APP.id: 0},
    )


def test_a_snapshot_does_not_change():
    """What was counted stays as it was counted."""
    node = Node()
    client = node.connect()
    snapshot = take(node.registry, (), {})
    client.subscribe("a")
    client.leave()
    assert snapshot.connected == {"1": 1}
    assert snapshot.subscriptions == {"1": 0}
