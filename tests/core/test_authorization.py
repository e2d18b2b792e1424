"""Connections that have to prove something in time."""

from dataclasses import replace

import pytest

from tests.doubles import APP, Node, now
from txpusher.apps.memory import MemoryApps
from txpusher.core.admission import Admission
from txpusher.core.authorization import AuthorizationSweep
from txpusher.core.occurrences import ConnectionRefused
from txpusher.errors import OverQuota
from txpusher.model import Limits
from txpusher.protocol.handshakes import Handshake

STRICT = replace(APP, authorized_connections_only=True, limits=Limits(authorization_timeout=5))


@pytest.fixture
def node():
    """A node whose connections are looked at."""
    node = Node()
    AuthorizationSweep(node.registry).start()
    return node


def advance(node, seconds):
    for _ in range(seconds):
        node.clock.advance(1)


def test_nothing_proved(node):
    """At the limit a connection that proved nothing is told so and closed with 4009, and counted; not before."""
    client = node.connect(STRICT)
    client.subscribe("news")
    advance(node, 4)
    assert client.wire.closed is None
    advance(node, 1)
    assert client.wire.named("error")[0]["data"]["code"] == 4009
    assert client.wire.closed == (4009, "Connection not authorized within timeout")
    assert node.told.of(ConnectionRefused) == [ConnectionRefused("1", "not_authorized_in_time")]
    assert node.channels() == {}


def prove(client, how):
    if how == "sign-in":
        client.sign_in("ann")
    else:
        client.subscribe(how, *(["ann"] if "presence" in how else []))


@pytest.mark.parametrize(
    "how", ["sign-in", "private-x", "presence-x", "private-cache-x", "private-encrypted-x"]
)
def test_proved(node, how):
    """Signing in is a proof, and so is a subscription that needs an authorization."""
    client = node.connect(STRICT)
    advance(node, 4)
    prove(client, how)
    advance(node, 10)
    assert client.wire.closed is None
    assert not node.told.of(ConnectionRefused)


def test_proofs_that_fail(node):
    """What is refused proves nothing."""
    client = node.connect(STRICT)
    client.say("pusher:subscribe", {"channel": "private-x", "auth": "key:0"})
    client.say("pusher:signin", {"user_data": '{"id":"ann"}', "auth": "key:0"})
    advance(node, 5)
    assert client.wire.closed[0] == 4009


def test_other_apps_are_not_asked(node):
    """Nobody has to prove anything where it is not wanted."""
    client = node.connect()
    advance(node, 100)
    assert client.wire.closed is None


def test_each_has_its_own_time(node):
    """Later connections end later; those that left by themselves are forgotten."""
    first = node.connect(STRICT)
    gone = node.connect(STRICT)
    advance(node, 3)
    second = node.connect(STRICT)
    gone.leave()
    advance(node, 2)
    assert (first.wire.closed is None, second.wire.closed is None) == (False, True)
    advance(node, 3)
    assert second.wire.closed is not None
    assert len(node.told.of(ConnectionRefused)) == 2


def test_stopped():
    """Stopped, the sweep leaves nothing on the clock; stopping again does nothing."""
    node = Node()
    sweep = AuthorizationSweep(node.registry)
    sweep.start()
    sweep.stop()
    sweep.stop()
    assert not node.clock.getDelayedCalls()


def test_the_quota_counts_the_authorized():
    """Who has proved nothing yet takes nobody's place; who proves it when all places are taken is turned away."""
    node = Node()
    app = replace(STRICT, limits=Limits(max_connections=1))
    admission = Admission(MemoryApps([app]), node.registry)
    handshake = Handshake("key", "7", None, None, secure=False)
    first, second = (node.connect(now(admission.admit(handshake))) for _ in range(2))
    first.sign_in("ann")
    with pytest.raises(OverQuota):
        now(admission.admit(handshake))
    second.sign_in("bob")
    assert second.wire.closed[0] == 4004
    assert first.wire.closed is None
    assert ConnectionRefused("1", "over_quota") in node.told
    assert node.registry.counted("1") == 1
    assert node.registry.counted("unknown") == 0


def test_switched_off_meanwhile(node):
    """When the app does not insist any more, whoever is there counts like everybody else and stays."""
    client = node.connect(STRICT)
    node.registry.app_changed("1", replace(STRICT, authorized_connections_only=False))
    assert node.registry.counted("1") == 1
    advance(node, 10)
    assert client.wire.closed is None


def test_switched_on_meanwhile(node):
    """When the app begins to insist, that is asked of those who come from then on."""
    client = node.connect()
    node.registry.app_changed("1", STRICT)
    later = node.connect(STRICT)
    advance(node, 10)
    assert client.wire.closed is None
    assert later.wire.closed[0] == 4009
