"""A connection changes hands, and nothing that was read or comes later is lost."""

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from txpusher.handover import hand_over


class Recorder(Protocol):
    """Remembers what it is told."""

    def __init__(self):
        self.seen = []

    def connectionMade(self):
        self.seen.append("made")

    def dataReceived(self, data):
        self.seen.append(data)

    def connectionLost(self, reason):
        self.seen.append("lost")


class Transport(StringTransport):
    """A transport that knows its protocol by some name, as sockets and TLS do, or only by heart."""

    def __init__(self, protocol, attribute):
        super().__init__()
        self.attribute = attribute
        self.only = protocol
        if attribute:
            setattr(self, attribute, protocol)
        protocol.makeConnection(self)

    def current(self):
        return getattr(self, self.attribute) if self.attribute else self.only


@pytest.fixture(params=["protocol", "wrappedProtocol", None])
def attribute(request):
    """How the transport calls its protocol."""
    return request.param


def test_the_new_one_gets_everything(attribute):
    """The new protocol is connected, gets what was read already, what comes later, and the end."""
    old, new = Recorder(), Recorder()
    transport = Transport(old, attribute)
    hand_over(old, new, b"one")
    assert new.transport is transport
    transport.current().dataReceived(b"two")
    transport.current().connectionLost(Failure(ConnectionError()))
    assert new.seen == ["made", b"one", b"two", "lost"]
    assert old.seen == ["made"]


def test_nothing_was_read_yet(attribute):
    """Without bytes that were read, the new protocol is not given empty ones."""
    old, new = Recorder(), Recorder()
    Transport(old, attribute)
    hand_over(old, new, b"")
    assert new.seen == ["made"]


def test_the_new_one_hands_over_too(attribute):
    """A connection may change hands more than once, also in the very moment it is handed over."""

    class Middle(Recorder):
        def dataReceived(self, data):
            super().dataReceived(data)
            hand_over(self, last, data)

    for first_data in (b"one", b""):
        old, middle, last = Recorder(), Middle(), Recorder()
        transport = Transport(old, attribute)
        hand_over(old, middle, first_data)
        for data in (b"two", b"three"):
            transport.current().dataReceived(data)
        transport.current().connectionLost(Failure(ConnectionError()))
        assert last.seen == ["made", *([b"one"] if first_data else []), b"two", b"three", "lost"]
        assert middle.seen == ["made", first_data or b"two"]


def test_a_wrapper_around_another_transport():
    """Only the protocol that hands over is replaced: what is around it stays."""
    old, new, wrapper = Recorder(), Recorder(), Recorder()
    transport = Transport(old, "wrappedProtocol")
    transport.protocol = wrapper
    hand_over(old, new, b"one")
    assert transport.protocol is wrapper
    assert transport.wrappedProtocol is new
