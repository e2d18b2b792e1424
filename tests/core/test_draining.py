"""How all clients are sent elsewhere when the server stops."""

from twisted.internet.defer import Deferred

from tests.doubles import Node
from txpusher.core.draining import drain


def draining(size, seconds):
    """Begin to drain so many clients."""
    node = Node()
    clients = [node.connect() for _ in range(size)]
    done = []
    Deferred.fromCoroutine(drain(node.registry.connections(), seconds, node.clock)).addBoth(
        done.append
    )
    return node, clients, done


def closed(clients):
    return sum(
        client.wire.closed == (4200, "Server closed. Please reconnect shortly.")
        for client in clients
    )


def test_nobody_to_drain():
    """A server without clients stops at once, however much time it has."""
    for seconds in (0, 10):
        node, _, done = draining(0, seconds)
        assert done == [None]
        assert not node.clock.getDelayedCalls()


def test_a_few_are_drained_at_once():
    """A hundred clients need no spreading; they are told, and have a second for their closing handshakes."""
    node, clients, done = draining(100, 10)
    assert closed(clients) == 100
    assert clients[0].wire[-1]["data"]["code"] == 4200
    node.clock.advance(0.99)
    assert not done
    node.clock.advance(0.01)
    assert done == [None]


def test_many_are_drained_in_slices():
    """Clients that would come back together are closed over the time there is."""
    node, clients, done = draining(1000, 0.5)
    for expected in (200, 400, 600, 800, 1000):
        assert closed(clients) == expected
        node.clock.advance(0.1)
    assert not done
    node.clock.advance(0.4)
    assert done == [None]


def test_slices_are_not_too_small():
    """With much time the slices are still a hundred clients, so that stopping takes no longer than needed."""
    node, clients, _ = draining(250, 3600)
    assert closed(clients) == 100
    node.clock.advance(0.1)
    assert closed(clients) == 200
    node.clock.advance(0.1)
    assert closed(clients) == 250


def test_without_time_all_are_drained_at_once():
    """With no drain time everybody is closed in one go and nothing is waited for."""
    node, clients, done = draining(1000, 0)
    assert closed(clients) == 1000
    node.clock.advance(0)
    assert done == [None]


def test_who_has_gone_meanwhile_is_not_closed():
    """A client that leaves before its slice is left alone."""
    node, clients, done = draining(300, 10)
    clients[-1].leave()
    node.clock.advance(0.1)
    node.clock.advance(0.1)
    assert closed(clients) == 299
    assert clients[-1].wire.closed is None
    node.clock.advance(1)
    assert done == [None]
