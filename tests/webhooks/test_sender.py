"""Requests as they go out, to receivers in memory."""

import ssl

import pytest
from OpenSSL import SSL
from service_identity import VerificationError
from treq.testing import RequestTraversalAgent
from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionDone, DNSLookupError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived
from twisted.web.resource import Resource

from tests.request_doubles import OK, REQUEST, RequestWire, outcome
from txpusher.webhooks import resolving
from txpusher.webhooks import sender as sender_module
from txpusher.webhooks.sender import Sender


class Hook(Resource):
    """A receiver that answers with a status and a body."""

    isLeaf = True

    def __init__(self, status, body=b"ok", headers=()):
        super().__init__()
        self.status, self.body, self.headers = status, body, headers
        self.requests = []

    def render(self, request):
        self.requests.append((request.method, request.uri, request.content.read()))
        request.setResponseCode(self.status)
        for name, value in self.headers:
            request.setHeader(name, value)
        return self.body


def to(hook):
    """Send to a receiver in memory."""
    agent = RequestTraversalAgent(hook)
    found = outcome(Sender(MemoryReactorClock(), agent).send(REQUEST))
    agent.flush()
    (problem,) = found
    return problem


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_accepted(status):
    """Any 2xx is an acceptance."""
    hook = Hook(status, b"" if status == 204 else b"thank you")
    assert to(hook) is None
    assert hook.requests == [(b"POST", b"/hook?token=t", REQUEST.body)]


@pytest.mark.parametrize(
    "status", [300, 301, 302, 307, 308, 304, 400, 401, 404, 410, 429, 500, 503]
)
def test_not_accepted(status):
    """Anything else is none; and redirects are not followed."""
    hook = Hook(status, headers=((b"location", b"http://127.0.0.1:9/elsewhere"),))
    assert to(hook) == f"it answered {status}"
    assert len(hook.requests) == 1


def test_the_bytes():
    """A request is exactly this on the wire."""
    wire = RequestWire()
    assert wire.connect() == ("127.0.0.1", 9)
    head, _, body = wire.written().partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /hook?token=t HTTP/1.1"
    assert sorted(lines) == [
        b"Content-Length: 25",
        b"Content-Type: application/json",
        b"Host: 127.0.0.1:9",
        b"X-Pusher-Key: key",
        b"X-Two: 1",
        b"X-Two: 2",
    ]
    assert body == REQUEST.body
    wire.read(OK)
    assert wire.outcome == [None]


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://127.0.0.1:9", b"/"),
        ("http://127.0.0.1:9?token=t", b"/?token=t"),
        ("http://127.0.0.1:9/a;b=c?d=%7E&e=[1]", b"/a;b=c?d=%7E&e=[1]"),
        ("http://127.0.0.1:9/?", b"/"),
        ("http://127.0.0.1:9/a#part", b"/a"),
    ],
)
def test_the_address(url, asked):
    """What is asked for is what the address says, and begins with a slash."""
    wire = RequestWire(REQUEST._replace(url=url))
    wire.connect()
    assert wire.written().startswith(b"POST " + asked + b" HTTP/1.1\r\n")


def test_closing():
    """Closed, it keeps no connection and leaves no timer."""
    wire = RequestWire()
    wire.connect()
    wire.read(OK)
    wire.sender.close()
    assert wire.transport.disconnecting
    assert wire.reactor.getDelayedCalls() == []


def test_nobody_answers():
    """A receiver that takes the request and does not answer in time fails, and the connection is cut."""
    wire = RequestWire()
    wire.connect()
    wire.reactor.advance(9.9)
    assert wire.outcome == []
    wire.reactor.advance(0.1)
    assert wire.outcome == ["no answer in time"]
    assert wire.transport.aborted


def test_nobody_connects():
    """The time to connect is a part of the whole."""
    wire = RequestWire()
    wire.reactor.advance(10)
    assert wire.outcome == ["no answer in time"]


def test_an_answer_that_does_not_end():
    """A status is an answer, also when its body does not come to an end; the connection is not kept then."""
    wire = RequestWire()
    wire.connect()
    wire.reactor.advance(4)
    wire.read(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")
    wire.reactor.advance(5.9)
    assert wire.outcome == []
    wire.reactor.advance(0.1)
    assert wire.outcome == [None]
    assert wire.transport.disconnecting
    wire.protocol.connectionLost(Failure(ConnectionDone()))
    assert wire.reactor.getDelayedCalls() == []


def test_an_answer_that_is_too_long():
    """Of a very long answer only a part is read."""
    wire = RequestWire()
    wire.connect()
    wire.read(b"HTTP/1.1 500 No\r\nContent-Length: 1000000\r\n\r\n")
    wire.read(b"x" * sender_module.MOST_OF_ANSWER)
    assert not wire.transport.disconnecting
    wire.read(b"x")
    assert wire.transport.disconnecting
    wire.protocol.connectionLost(Failure(ConnectionDone()))
    assert wire.outcome == ["it answered 500"]


def test_a_late_status():
    """A status that comes when the time is just over still counts."""
    wire = RequestWire()
    wire.connect()
    wire.reactor.rightNow += 11
    wire.read(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    wire.reactor.advance(0)
    assert wire.outcome == [None]


def test_a_connection_that_breaks():
    """A connection that ends without an answer is a failure."""
    wire = RequestWire()
    wire.connect()
    wire.protocol.connectionLost(Failure(ConnectionDone()))
    assert wire.outcome == ["ConnectionDone"]


@pytest.mark.parametrize("answering", [False, True])
def test_cancelling(answering):
    """A request that is cancelled ends its connection, whether its answer has begun or not."""
    wire = RequestWire()
    found = []
    task = Deferred.fromCoroutine(wire.sender.send(REQUEST))
    task.addErrback(lambda failure: failure.trap(CancelledError) and None).addBoth(found.append)
    wire.connect()
    if answering:
        wire.read(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")
    task.cancel()
    assert len(found) == 1
    assert wire.transport.disconnecting
    wire.protocol.connectionLost(Failure(ConnectionDone()))


class BrokenAgent:
    def __init__(self, error):
        self.error = error

    def request(self, *args):
        failed = Deferred()
        failed.errback(Failure(self.error))
        return failed


def wrapped(kind, error):
    return kind([Failure(error)])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectError("http://secret"), "ConnectError"),
        (DNSLookupError("secret"), "DNSLookupError"),
        (wrapped(ResponseNeverReceived, ConnectionDone()), "ConnectionDone"),
        (wrapped(ResponseFailed, ValueError("secret")), "ValueError"),
        (wrapped(RequestTransmissionFailed, OSError("secret")), "OSError"),
        (
            wrapped(
                ResponseNeverReceived,
                SSL.Error([("SSL routines", "", "certificate verify failed")]),
            ),
            "TLS: certificate verify failed",
        ),
        (
            wrapped(ResponseNeverReceived, VerificationError(errors=["secret"])),
            "TLS: its certificate is for another host",
        ),
        (SSL.SysCallError(-1, "Unexpected EOF"), "SysCallError"),
        (ssl.SSLError("secret"), "SSLError"),
    ],
)
def test_words(error, words):
    """What went wrong is told by what it is, never by a text that may quote something."""
    sender = Sender(MemoryReactorClock(), BrokenAgent(error))
    assert outcome(sender.send(REQUEST)) == [words]


def test_pausing_changes_nothing():
    """A body goes out at once; there is nothing to pause, resume or stop."""
    body, written = sender_module._Body(b"abc"), StringTransport()
    body.pauseProducing()
    body.resumeProducing()
    body.stopProducing()
    assert body.startProducing(written).called
    assert (written.value(), body.length) == (b"abc", 3)


@pytest.mark.parametrize("url", ["https://my_service/hook", "https://a..b/hook"])
def test_a_name_that_cannot_be_asked_for(url):
    """What the agent refuses at once is a failure like any other."""
    sender = Sender(MemoryReactorClock())
    (problem,) = outcome(sender.send(REQUEST._replace(url=url)))
    assert isinstance(problem, str)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_too_many_hosts(monkeypatch, scheme):
    """A host that is not looked up because too many are is a failure that says so."""
    monkeypatch.setattr(resolving, "MOST_LOOKUPS", 0)
    sender = Sender(MemoryReactorClock())
    found = outcome(sender.send(REQUEST._replace(url=f"{scheme}://a.example/hook")))
    assert found == ["too many hosts are being looked up"]


class LateResolver:
    """A resolver that answers when the test says so."""

    def resolveHostName(self, receiver, host, portNumber):
        self.asked, self.receiver = (host, portNumber), receiver

    def answer(self):
        self.receiver.addressResolved(IPv4Address("TCP", "192.0.2.1", 81))
        self.receiver.resolutionComplete()


@pytest.fixture
def late(monkeypatch):
    """The resolver of all senders that are made."""
    resolver = LateResolver()
    monkeypatch.setattr(sender_module, "ThreadedResolver", lambda reactor: resolver)
    return resolver


def test_a_name(late):
    """A host is looked up by the sender's own resolver, and connected to where that says."""
    wire = RequestWire(REQUEST._replace(url="http://a.example:81/hook"))
    assert late.asked == ("a.example", 81)
    assert wire.reactor.tcpClients == []
    late.answer()
    assert wire.connect() == ("192.0.2.1", 81)
    wire.read(OK)
    assert wire.outcome == [None]


def test_a_name_that_is_found_too_late(late):
    """The time to look a name up is a part of the whole; an answer that comes after it changes nothing."""
    wire = RequestWire(REQUEST._replace(url="http://a.example:81/hook"))
    wire.reactor.advance(10)
    assert wire.outcome == ["no answer in time"]
    late.answer()
    assert wire.reactor.tcpClients == []
    assert wire.reactor.getDelayedCalls() == []
