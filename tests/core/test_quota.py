"""Connection quotas over all nodes."""

import pytest

from tests.doubles import AwayAdapter, InstantClock, LateAdapter, Node, now
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.quota import SETTLING
from txpusher.core.running import start
from txpusher.errors import OverQuota, ServiceUnavailable
from txpusher.model import App, Limits

APP = App("1", "key", "secret", limits=Limits(max_connections=2))
FREE = App("2", "free-key", "secret")
STRICT = App("3", "strict-key", "secret", authorized_connections_only=True, limits=APP.limits)


class Cluster:
    """Two nodes; the first one's adapter may be away."""

    def __init__(self, make=AwayAdapter):
        self.clock = InstantClock()
        hub = Hub(self.clock)
        self.adapter = make(MemoryAdapter(hub))
        self.one = Node(self.adapter, self.clock)
        self.two = Node(MemoryAdapter(hub), self.clock)


@pytest.fixture
def cluster():
    return Cluster()


def connect(node, app=APP):
    """Admit and connect a client."""
    now(node.registry.quota.enter(app))
    return node.connect(app)


def test_the_quota_is_that_of_all_nodes(cluster):
    """Two connections are two, wherever they are."""
    connect(cluster.one)
    connect(cluster.two)
    for node in (cluster.one, cluster.two):
        with pytest.raises(OverQuota):
            connect(node)


def test_a_place_that_is_free(cluster):
    """A node knows at once that a place of its own is free, the others after a second."""
    clients = [connect(cluster.one) for _ in range(2)]
    clients[0].leave()
    with pytest.raises(OverQuota):
        connect(cluster.two)
    connect(cluster.one).leave()
    cluster.clock.advance(SETTLING)
    connect(cluster.two)
    with pytest.raises(OverQuota):
        connect(cluster.one)


def test_a_place_that_was_not_taken(cluster):
    """A client that was admitted and is gone before it was established takes nobody's place for long."""
    for _ in range(2):
        now(cluster.one.registry.quota.enter(APP))
        cluster.clock.advance(SETTLING)
    connect(cluster.two)
    connect(cluster.two)
    assert not [
        c for c in cluster.clock.getDelayedCalls() if c.getTime() > cluster.clock.seconds() + 1
    ]


def test_those_who_wait_for_an_answer_count():
    """Of three clients that come at once two get in."""
    cluster = Cluster(lambda real: LateAdapter(real, ["set"]))
    outcomes = []
    for _ in range(3):
        entering = start(cluster.one.registry.quota.enter(APP))
        entering.addBoth(outcomes.append)
    cluster.adapter.answer_all()
    assert [outcome is None for outcome in outcomes] == [True, True, False]
    outcomes[2].trap(OverQuota)


def test_nothing_is_told_after_the_end(cluster):
    """A server that has stopped says no number any more."""
    connect(cluster.one)
    cluster.one.registry.quota.stop()
    assert not cluster.clock.getDelayedCalls()


def test_apps_without_a_quota_are_not_counted():
    """Nobody is asked about them."""
    cluster = Cluster(LateAdapter)
    connect(cluster.one, FREE).leave()
    assert "set" not in cluster.adapter.asked()
    assert now(cluster.one.registry.quota.has_place(FREE))


@pytest.mark.parametrize("before", [Limits(), Limits(max_connections=9)])
def test_a_quota_that_is_set_while_clients_are_there(cluster, before):
    """They count a second later: each node says how many it has, also those that no client comes to any more."""
    old = App("1", "key", "secret", limits=before)
    for node in (cluster.one, cluster.one, cluster.two):
        connect(node, old)
    for node in (cluster.one, cluster.two):
        node.registry.app_changed("1", APP)
    cluster.clock.advance(SETTLING)
    for node in (cluster.one, cluster.two):
        with pytest.raises(OverQuota):
            connect(node)


def test_who_counts_when_an_app_changes(cluster):
    """Those that count no more, or only now, are told to the others, too."""
    connect(cluster.one, STRICT)
    connect(cluster.one, STRICT)
    loose = App("3", "strict-key", "secret", limits=APP.limits)
    cluster.one.registry.app_changed("3", loose)
    cluster.clock.advance(SETTLING)
    with pytest.raises(OverQuota):
        connect(cluster.two, loose)


def test_while_the_others_cannot_be_asked(cluster):
    """Each node keeps the quota on its own, and tells its number when the others are back."""
    cluster.adapter.error = ServiceUnavailable("away")
    connect(cluster.one)
    connect(cluster.one).leave()
    connect(cluster.one)
    with pytest.raises(OverQuota):
        connect(cluster.one)
    cluster.clock.advance(SETTLING)
    connect(cluster.two).leave()
    cluster.adapter.error = None
    now(cluster.one.cluster.returned(forgotten=False, settling=10))
    with pytest.raises(OverQuota):
        connect(cluster.two)


def test_those_who_have_to_prove_something_take_their_place_then(cluster):
    """They get in while there is a place, and are sent away when it is taken by the time of their proof."""
    first, second = connect(cluster.one, STRICT), connect(cluster.two, STRICT)
    third = connect(cluster.two, STRICT)
    first.sign_in("ann")
    second.sign_in("bob")
    third.sign_in("cid")
    assert [client.wire.closed is None for client in (first, second, third)] == [True, True, False]
    assert third.wire.closed[0] == 4004
    with pytest.raises(OverQuota):
        connect(cluster.one, STRICT)
