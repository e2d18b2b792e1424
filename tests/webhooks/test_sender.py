"""Requests as they go out, to receivers in memory."""

import ssl

import pytest
from OpenSSL import SSL
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectionDone, DNSLookupError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.web.client import RequestTransmissionFailed, ResponseFailed, ResponseNeverReceived
from twisted.web.resource import Resource

from txpusher.webhooks import sender as sender_module
from txpusher.webhooks.request import Request
from txpusher.webhooks.sender import Sender

REQUEST = Request(
    "http://127.0.0.1:9/hook?token=t",
    (("Content-Type", "application/json"), ("X-Pusher-Key", "key"), ("X-Two", "1"), ("X-Two", "2")),
    b'{"time_ms":1,"events":[]}',
    10.0,
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


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


def outcome(task):
    """Start sending, and give the list that what comes of it will be in."""
    found = []
    Deferred.fromCoroutine(task).addBoth(found.append)
    return found


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


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304, 400, 401, 404, 410, 429, 500, 503])
def test_not_accepted(status):
    """Anything else is none; and redirects are not followed."""
    hook = Hook(status, headers=((b"location", b"http://127.0.0.1:9/elsewhere"),))
    assert to(hook) == f"it answered {status}"
    assert len(hook.requests) == 1


class Wire:
    """A sender on a reactor in memory, and what its connections write and read.

    Args:
        request: what is sent at once.
    """

    def __init__(self, request=REQUEST):
        self.reactor = MemoryReactorClock()
        self.sender = Sender(self.reactor)
        self.outcome = self.send(request)

    def send(self, request=REQUEST):
        return outcome(self.sender.send(request))

    def connect(self):
        """Let the newest connection be established."""
        host, port, factory, *_ = self.reactor.tcpClients[-1]
        self.protocol, self.transport = factory.buildProtocol(None), Transport()
        self.protocol.makeConnection(self.transport)
        return host, port

    def read(self, data):
        self.protocol.dataReceived(data)

    def written(self):
        written = self.transport.value()
        self.transport.clear()
        return written


class Transport(StringTransport):
    """A connection that ends when it is told to."""

    aborted = False

    def abortConnection(self):
        self.aborted = self.disconnecting = True


def test_the_bytes():
    """A request is exactly this on the wire."""
    wire = Wire()
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


def test_a_connection_is_used_again():
    """The next request goes by the same connection, unless too much time has passed."""
    wire = Wire()
    wire.connect()
    wire.read(OK)
    wire.written()
    wire.reactor.advance(sender_module.IDLE_TIME - 0.1)
    again = wire.send()
    assert len(wire.reactor.tcpClients) == 1
    assert wire.written().startswith(b"POST ")
    wire.read(OK)
    assert again == [None]
    wire.reactor.advance(sender_module.IDLE_TIME)
    assert wire.transport.disconnecting
    wire.protocol.connectionLost(Failure(ConnectionDone()))
    wire.send()
    assert len(wire.reactor.tcpClients) == 2


def test_no_line_per_connection():
    """Connections come and go without a word in the log."""
    wire = Wire()
    factory = wire.reactor.tcpClients[-1][2]
    with capturedLogs() as logs:
        factory.doStart()
        wire.connect()
        wire.read(OK)
        factory.doStop()
    assert logs == []


def test_closing():
    """Closed, it keeps no connection and leaves no timer."""
    wire = Wire()
    wire.connect()
    wire.read(OK)
    wire.sender.close()
    assert wire.transport.disconnecting
    assert wire.reactor.getDelayedCalls() == []


def test_nobody_answers():
    """A receiver that takes the request and does not answer in time fails, and the connection is cut."""
    wire = Wire()
    wire.connect()
    wire.reactor.advance(9.9)
    assert wire.outcome == []
    wire.reactor.advance(0.1)
    assert wire.outcome == ["no answer in time"]
    assert wire.transport.aborted


def test_nobody_connects():
    """The time to connect is a part of the whole."""
    wire = Wire()
    wire.reactor.advance(10)
    assert wire.outcome == ["no answer in time"]


def test_an_answer_that_does_not_end():
    """A status is an answer, also when its body does not come to an end; the connection is not kept then."""
    wire = Wire()
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
    wire = Wire()
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
    wire = Wire()
    wire.connect()
    wire.reactor.rightNow += 11
    wire.read(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    wire.reactor.advance(0)
    assert wire.outcome == [None]


def test_a_connection_that_breaks():
    """A connection that ends without an answer is a failure."""
    wire = Wire()
    wire.connect()
    wire.protocol.connectionLost(Failure(ConnectionDone()))
    assert wire.outcome == ["ConnectionDone"]


@pytest.mark.parametrize("answering", [False, True])
def test_cancelling(answering):
    """A request that is cancelled ends its connection, whether its answer has begun or not."""
    wire = Wire()
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
