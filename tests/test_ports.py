"""Listening on endpoints, and stopping to."""

import pytest
from twisted.internet import tcp
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock

from tests.doubles import now
from tests.socket_doubles import Client, Reactor, connected
from txpusher.errors import ConfigError
from txpusher.ports import BACKLOG, Ports
from txpusher.transport import (
    BufferingTCPServer,
    EagerTCPServer,
    EagerUNIXServer,
)

TCP = "tcp:6001:interface=127.0.0.1"


def ports(*descriptions, reactor=None, **more):
    reactor = reactor or Reactor()
    factory = Factory.forProtocol(Client)
    return reactor, Ports(reactor, descriptions, factory, "--listen", **more)


# Listening


def test_every_endpoint_is_listened_on():
    """All endpoints get the same factory, and are told as people write addresses."""
    reactor, public = ports(TCP, "tcp:6002", "tcp6:6003:interface=\\:\\:1", "unix:/run/x.sock")
    assert public.addresses() == []
    public.listen()
    assert public.addresses() == [
        "127.0.0.1:6001",
        "0.0.0.0:6002",
        "[::1]:6003",
        "unix:/run/x.sock",
    ]
    assert len({port.factory for port in reactor.ports}) == 1


def test_listening_again_does_nothing():
    """Who listens already does not listen twice."""
    reactor, public = ports(TCP)
    public.listen()
    public.listen()
    assert len(reactor.ports) == 1


@pytest.mark.parametrize(
    "text", ["", "6001", "tcp:", "tcp:x", "nonsense:1", "tcp:1:2:3:4", "tcp:6001:x=y"]
)
def test_what_is_no_endpoint(text):
    """A string that is no endpoint is refused at once, with the option it came by and the string."""
    with pytest.raises(ConfigError) as caught:
        ports(TCP, text)
    assert str(caught.value).startswith(f"--listen: {text!r} is not a usable endpoint: ")


def test_an_address_that_is_taken():
    """An address that cannot be listened on is an error for whoever wants to listen."""
    reactor, public = ports(TCP)
    reactor.taken[6001] = CannotListenError("127.0.0.1", 6001, OSError("taken"))
    with pytest.raises(ConfigError, match=r"^--listen: tcp:6001.*taken"):
        public.listen()
    assert public.addresses() == []


# What is done to ports


def test_more_may_wait_to_be_accepted():
    """A port is given a longer queue than Twisted's, unless its endpoint says how long it is to be."""
    reactor, public = ports(TCP, "tcp:6002:backlog=7", "unix:/run/x.sock", eager=True)
    public.listen()
    assert [port.socket.backlogs for port in reactor.ports] == [[BACKLOG], [], [BACKLOG]]


def test_connections_are_ours():
    """Connections send at once, or leave it to Twisted, as it was asked for."""
    for eager, kinds in (
        (True, [EagerTCPServer, EagerUNIXServer]),
        (False, [BufferingTCPServer]),
    ):
        reactor, public = ports(TCP, "unix:/run/x.sock", eager=eager)
        public.listen()
        assert [port.transport for port in reactor.ports][: len(kinds)] == kinds


def test_ports_that_are_left_alone():
    """Without a wish about sending, a port is left as Twisted made it."""
    reactor, private = ports(TCP)
    private.listen()
    assert [port.transport for port in reactor.ports] == [tcp.Server]
    assert reactor.ports[0].socket.backlogs == []


def test_ports_of_another_kind():
    """A port without a socket of its own, such as a plug-in may make, is served all the same."""
    _, public = ports(TCP, reactor=MemoryReactorClock(), eager=True)
    public.listen()
    assert public.addresses() == ["0.0.0.0:6001"]
    now(public.stop_listening())
    public.close_connections()
    assert public.addresses() == []


@pytest.mark.parametrize(
    ("host", "text"), [("something else", "something else"), (("inet", 1), "('inet', 1)")]
)
def test_addresses_of_another_kind(host, text):
    """Any address can be told."""
    reactor, public = ports(TCP)
    public.listen()
    reactor.ports[0].host = host
    assert public.addresses() == [text]


# Stopping


def test_stopping_closes_the_listeners():
    """After the stop nothing is listened on, and the connections are still there."""
    reactor, public = ports(TCP, "tcp:6002", eager=True)
    public.listen()
    connection = connected(EagerTCPServer, reactor=reactor, port=reactor.ports[0])
    now(public.stop_listening())
    assert [port.connected for port in reactor.ports] == [False, False]
    assert public.addresses() == []
    assert not connection.disconnecting


def test_stopping_takes_as_long_as_the_slowest():
    """The stop is over when every listener is closed."""
    reactor, public = ports(TCP, "tcp:6002", eager=True)
    public.listen()
    reactor.ports[1].late = True
    with pytest.raises(AssertionError, match="it waits"):
        now(public.stop_listening())
    reactor.ports[1].stopped.callback(None)


def test_closing_the_connections():
    """The connections that were accepted here are closed, those of others are not."""
    reactor, public = ports(TCP, eager=True)
    _, others = ports("tcp:6002", reactor=reactor)
    public.listen()
    others.listen()
    mine = [connected(EagerTCPServer, reactor=reactor, port=reactor.ports[0]) for _ in range(3)]
    theirs = connected(EagerTCPServer, reactor=reactor, port=reactor.ports[1])
    reactor.addReader(object())
    deaf = connected(EagerTCPServer, reactor=reactor, port=reactor.ports[0])
    reactor.removeReader(deaf)
    reactor.addWriter(deaf)
    now(public.stop_listening())
    public.close_connections()
    reactor.advance(0)
    assert deaf.disconnected
    assert all(connection.disconnecting for connection in mine)
    assert not theirs.disconnecting
    public.close_connections()


def test_stopping_before_listening():
    """Who never listened has nothing to stop."""
    _, public = ports(TCP)
    now(public.stop_listening())
    public.close_connections()
    assert public.addresses() == []


def test_listening_again_after_the_stop():
    """After a stop, the same endpoints can be listened on again."""
    reactor, public = ports(TCP, eager=True)
    public.listen()
    now(public.stop_listening())
    public.close_connections()
    public.listen()
    assert [port.connected for port in reactor.ports] == [False, True]
    assert public.addresses() == ["127.0.0.1:6001"]
