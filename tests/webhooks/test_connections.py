"""Connections to receivers in memory."""

import pytest
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.web.client import RequestNotSent

from tests.request_doubles import OK, RequestWire
from txpusher.webhooks import connections
from txpusher.webhooks.sender import MOST_OF_ANSWER


def test_a_connection_is_used_again():
    """The next request goes by the same connection, unless too much time has passed."""
    wire = RequestWire()
    wire.connect()
    wire.read(OK)
    wire.written()
    wire.reactor.advance(connections.IDLE_TIME - 0.1)
    again = wire.send()
    assert len(wire.reactor.tcpClients) == 1
    assert wire.written().startswith(b"POST ")
    wire.read(OK)
    assert again == [None]
    wire.reactor.advance(connections.IDLE_TIME)
    assert wire.transport.disconnecting
    wire.protocol.connectionLost(Failure(ConnectionDone()))
    wire.send()
    assert len(wire.reactor.tcpClients) == 2


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"HTTP/1.1 200 OK", True),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close", False),
        (b"HTTP/1.1 200 OK\r\nConnection: TE, Close", False),
        (b"HTTP/1.1 200 OK\r\nConnection: TE\r\nConnection: CLOSE", False),
        (b"HTTP/1.0 200 OK", False),
        (b"HTTP/1.0 204 No Content", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive", True),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive, close", False),
    ],
)
def test_a_receiver_that_closes(head, kept):
    """A connection is used again only when its receiver keeps it, also before its end is noticed."""
    wire = RequestWire()
    wire.connect()
    wire.read(head + b"\r\nContent-Length: 2\r\n\r\nok")
    assert wire.outcome == [None]
    wire.send()
    assert len(wire.reactor.tcpClients) == (1 if kept else 2)
    assert wire.transport.disconnecting is not kept


def test_no_line_per_connection():
    """Connections come and go without a word in the log."""
    wire = RequestWire()
    factory = wire.reactor.tcpClients[-1][2]
    with capturedLogs() as logs:
        factory.doStart()
        wire.connect()
        wire.read(OK)
        factory.doStop()
    assert logs == []


def test_a_head_that_does_not_end():
    """An answer whose head goes on is a failure, and its connection is cut."""
    wire = RequestWire()
    wire.connect()
    wire.read(b"HTTP/1.1 200 OK\r\n")
    wire.read(b"X-A: b\r\n" * (connections.MOST_OF_HEAD // 8 - 3))
    assert not wire.transport.aborted
    wire.read(b"X-A: b\r\n" * 2)
    assert wire.transport.aborted
    wire.protocol.connectionLost(Failure(ConnectionAborted()))
    assert wire.outcome == ["the head of its answer is too long"]
    assert wire.reactor.getDelayedCalls() == []


def test_a_line_that_does_not_end():
    """The same bound holds for one line, and not a smaller one."""
    wire = RequestWire()
    wire.connect()
    wire.read(b"HTTP/1.1 200 OK\r\nX-A: ")
    wire.read(b"x" * (connections.MOST_OF_HEAD - 22))
    assert not wire.transport.disconnecting
    wire.read(b"x")
    assert wire.transport.aborted
    wire.protocol.connectionLost(Failure(ConnectionAborted()))
    assert wire.outcome == ["the head of its answer is too long"]


def test_the_longest_head():
    """A long head that ends is none too many; what follows it is not counted; the next answer has as much room."""
    wire = RequestWire()
    wire.connect()
    for _ in range(2):
        body = b"x" * MOST_OF_ANSWER
        wire.read(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-A: " % len(body))
        wire.read(b"x" * (connections.MOST_OF_HEAD - 100))
        wire.read(b"\r\n\r\n" + body)
        assert wire.outcome == [None]
        wire.outcome = wire.send()
    assert len(wire.reactor.tcpClients) == 1
    assert not wire.transport.disconnecting


def test_informational_answers():
    """What comes before an answer is passed over without a line in the log, but not without end."""
    wire = RequestWire()
    wire.connect()
    with capturedLogs() as logs:
        wire.read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
        wire.read(OK)
        assert wire.outcome == [None]
        again = wire.send()
        wire.read(b"HTTP/1.1 100 Continue\r\n\r\n" * (connections.MOST_OF_HEAD // 25))
        assert not wire.transport.aborted
        wire.read(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert wire.transport.aborted
    wire.protocol.connectionLost(Failure(ConnectionAborted()))
    assert again == ["the head of its answer is too long"]
    assert logs == []


def test_a_request_on_a_connection_that_is_lost():
    """A request that comes too late for its connection fails."""
    wire = RequestWire()
    wire.connect()
    wire.protocol.connectionLost(Failure(ConnectionDone()))
    found = []
    wire.protocol._wrappedProtocol.request(None).addErrback(found.append)
    (failure,) = found
    assert failure.check(RequestNotSent)
