"""One port for everything: connections are told apart by their first bytes."""

from types import SimpleNamespace

import pytest
from autobahn.twisted.websocket import WebSocketServerProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.protocols.policies import WrappingFactory

from tests.doubles import RecordingObserver
from tests.socket_doubles import FakeSocket, Reactor
from tests.wire_doubles import (
    Api,
    HttpClient,
    Line,
    SlowClient,
    SocketClient,
    event,
    http,
    publish,
    upgrade,
)
from txpusher.core.occurrences import ConnectionRefused, MessageDropped
from txpusher.core.turn import Turn
from txpusher.http.fast_lane import FastLane
from txpusher.http.requests import ApiChannel
from txpusher.listening import MAX_HEAD, PublicPort, Sniffer
from txpusher.transport import EagerTCPServer

UP = http("GET", "/up")
HERE = ("127.0.0.1", 2)


class Taker(Protocol):
    """Takes a connection and remembers what it read."""

    def __init__(self, kind):
        self.kind = kind
        self.read = b""

    def dataReceived(self, data):
        self.read += data


class Idle(dict):
    """An `IdleSweep` that only remembers whom it looks after."""

    def touch(self, idler):
        self[idler] = True

    def forget(self, idler):
        self.pop(idler, None)


def port():
    told, idle = RecordingObserver(), Idle()
    return PublicPort(
        lambda: Taker("websocket"),
        lambda: Taker("publishing"),
        lambda: Taker("http"),
        idle,
        told,
        Turn(Clock()),
    )


def test_a_request_that_came_with_the_connection():
    """It is handed over at the end of the turn in which the connection was accepted."""
    public, sock = port(), FakeSocket()
    sock.received = UP
    sniffer = public.buildProtocol(None)
    transport = EagerTCPServer(
        sock, sniffer, HERE, SimpleNamespace(_realPortNumber=1), 0, Reactor()
    )
    sniffer.makeConnection(transport)
    assert transport.protocol is sniffer
    public.turn.clock.advance(0)
    assert isinstance(transport.protocol, Taker)
    assert (transport.protocol.kind, transport.protocol.read) == ("http", UP)
    assert public.idle == {}


def taken(data, piece=0):
    public = port()
    line = Line(public.buildProtocol(None))
    line.receive(data, piece)
    assert isinstance(line.protocol, Taker), line.protocol
    assert line.protocol.read == data
    assert line.protocol.transport is line
    assert public.idle == {}
    return line.protocol.kind


CASES = {
    "publishing": [
        publish(event()),
        b"POST ",
        b"POST /nonsense",
        b"POST / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
    ],
    "websocket": [
        upgrade("/app/key"),
        upgrade("/nowhere"),
        b"GET /app/key HTTP/1.1\r\nupgrade:websocket\r\n\r\n",
        b"GET /app/key HTTP/1.1\r\nUPGRADE:   h2c, WebSocket\r\nX: y\r\n\r\n\x81\x80",
    ],
    "http": [
        UP,
        b"GET /app/key HTTP/1.1\r\nX-Upgrade: websocket\r\n\r\n",
        b"GET /app/key HTTP/1.1\r\nUpgrade: h2c\r\n\r\nupgrade: websocket",
        b"GET /app/key HTTP/1.1\r\nUpgrade:\r\n websocket\r\n\r\n",
        http("OPTIONS", "/up"),
        http("HEAD", "/up"),
        b"GET nonsense",
        b"GET http://localhost/up HTTP/1.1\r\n\r\n",
        b"get /up HTTP/1.1\r\n\r\n",
        b"POSTING / HTTP/1.1\r\n\r\n",
        b"\r\nGET /up HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"X",
    ],
}


@pytest.mark.parametrize(
    ("kind", "data"), [(kind, data) for kind, cases in CASES.items() for data in cases]
)
def test_connections_are_told_apart(kind, data):
    """What a connection wants is recognized, however its bytes are cut, and whoever takes it reads all of them."""
    for piece in (0, 1, 2, 5, 17):
        assert taken(data, piece) == kind
    for cut in range(1, len(data)):
        public = port()
        line = Line(public.buildProtocol(None))
        line.receive(data[:cut])
        line.receive(data[cut:])
        assert (line.protocol.kind, line.protocol.read) == (kind, data)


@pytest.mark.parametrize(
    "data", [b"P", b"POST", b"G", b"GET /", b"GET /app/key HTTP/1.1\r\nUpgrade: websocket\r\n"]
)
def test_undecided(data):
    """A connection that has not said enough is waited for."""
    public = port()
    line = Line(public.buildProtocol(None))
    line.receive(data)
    assert isinstance(line.protocol, Sniffer)
    assert list(public.idle) == [line.protocol]


def test_a_head_that_never_ends():
    """A head larger than 16 KiB is left to twisted.web, which answers it 431."""
    data = b"GET /app/key HTTP/1.1\r\nUpgrade: websocket\r\nX: " + b"x" * MAX_HEAD
    for piece in (0, 1000):
        assert taken(data, piece) == "http"
    api = Api()
    client = api.public_port()
    client.receive(data)
    (response,) = client.responses()
    assert response.status == 431
    assert response.headers["connection"] == "close"


def test_a_head_of_just_the_right_size():
    """A head may be as large as the limit; one byte more is too much, also when it comes at once."""
    for size, kind in ((MAX_HEAD, "websocket"), (MAX_HEAD + 1, "http")):
        head = b"GET /app/key HTTP/1.1\r\nUpgrade: websocket\r\nX: "
        head += b"x" * (size - len(head) - 4) + b"\r\n\r\n"
        assert taken(head) == kind


def test_somebody_who_says_nothing():
    """A connection that does not say what it wants in time is ended, and counted."""
    api = Api()
    client = api.public_port()
    api.clock.pump([1] * 9)
    assert not client.disconnecting
    client.receive(b"GET /app/key HTTP/1.1\r\n")
    api.clock.pump([1] * 2)
    assert client.disconnected
    assert api.told == [ConnectionRefused("", "handshake_timeout")]


def test_somebody_who_goes_away():
    """A connection that ends before it says anything is forgotten, and nothing is logged."""
    public = port()
    line = Line(public.buildProtocol(None))
    with capturedLogs() as logs:
        line.go_away()
    assert public.idle == {}
    assert not logs


def test_everything_by_the_same_port():
    """A WebSocket, a publish and a question come by one port, and each gets there."""
    api = Api()
    socket = SocketClient(api.port.buildProtocol(None))
    assert socket.messages()[0]["event"] == "pusher:connection_established"
    assert isinstance(socket.protocol, WebSocketServerProtocol)
    publisher, asker = api.public_port(), api.public_port()
    assert publisher.ask(publish(event())).status == 200
    assert isinstance(publisher.protocol, FastLane)
    assert asker.ask(UP).body == b"OK"
    assert isinstance(asker.protocol, ApiChannel)


def test_below_a_wrapper():
    """Below TLS, or the PROXY protocol, the same port serves the same, and slow clients are found out, too."""
    api = Api(max_backlog=1000)
    port = WrappingFactory(api.port)
    assert HttpClient(port.buildProtocol(None)).ask(publish(event())).status == 200
    client = HttpClient(port.buildProtocol(None))
    client.receive(publish(event()) + UP + publish(event()))
    assert [response.status for response in client.responses()] == [200] * 3
    socket = SlowClient(port.buildProtocol(None))
    socket.say("pusher:subscribe", {"channel": "news"})
    for _ in range(20):
        api.fast_lane().ask(publish(event(data="x" * 100)))
    assert socket.disconnected
    assert api.told.of(MessageDropped) == [MessageDropped("1", "slow_client")]


def test_a_connection_keeps_its_place():
    """A connection that publishes may ask questions afterwards, though not become a WebSocket."""
    api = Api()
    client = api.public_port()
    client.receive(publish(event()) + UP + upgrade("/app/key"))
    assert [response.status for response in client.responses()] == [200, 200, 426]


def test_a_socket_speaks_at_once():
    """What a client sends together with its handshake is not lost."""
    api = Api()
    line = Line(api.port.buildProtocol(None))
    line.receive(upgrade("/app/key?protocol=7") + b"\x89\x80\x00\x00\x00\x00")
    assert line.take().endswith(b"\x8a\x00")
