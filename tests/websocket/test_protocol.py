"""The WebSocket side: handshakes, frames, refusals, endings; with a client that masks and parses by itself."""

import gc
import json
import weakref

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from zope.interface import directlyProvides

from tests.doubles import LateAdapter, data
from tests.wire_doubles import (
    ACCEPT,
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    Api,
    Line,
    SlowClient,
    SocketClient,
    event,
    masked,
    publish,
    read_frames,
    upgrade,
)
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.apps.memory import MemoryApps
from txpusher.core.occurrences import (
    ConnectionLost,
    ConnectionOpened,
    ConnectionRefused,
    MessageDropped,
    MessageReceived,
)
from txpusher.errors import ShuttingDown
from txpusher.model import App, Limits
from txpusher.websocket.departing import Departing

PING_MESSAGE = b'{"event":"pusher:ping"}'
PONG_MESSAGE = {"event": "pusher:pong", "data": {}}


def established(api, **more):
    client = api.socket(**more)
    (greeting,) = client.messages()
    assert greeting["event"] == "pusher:connection_established"
    return client


def refusal(client):
    """Read the error and the closing frame, which have to have the same code."""
    text, close = client.frames()
    message = json.loads(text.payload)
    assert message["event"] == "pusher:error"
    assert message["data"].keys() == {"code", "message"}
    assert (close.code, close.reason) == (message["data"]["code"], message["data"]["message"])
    return close.code


# Handshakes


def test_a_client_is_greeted():
    """A client with a known key is upgraded and greeted with a socket id and the activity timeout, in text in text."""
    client = Api().socket("/app/key?protocol=7&client=js&version=8.6.0&flash=false")
    assert client.answer.startswith("HTTP/1.1 101 ")
    assert f"Sec-WebSocket-Accept: {ACCEPT}" in client.answer
    (greeting,) = client.messages()
    assert data(greeting).keys() == {"socket_id", "activity_timeout"}
    assert data(greeting)["activity_timeout"] == 120


def test_no_subprotocol_without_one():
    """Who asks for no subprotocol, or for none of Pusher's, is given none."""
    for headers in ({}, {"Sec-WebSocket-Protocol": "chat, soap"}):
        client = Api().socket(headers=headers)
        assert "Sec-WebSocket-Protocol" not in client.answer
        assert client.messages()


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ("pusher-channels-protocol-7", "pusher-channels-protocol-7"),
        (
            "chat, pusher-channels-protocol-5, pusher-channels-protocol-7",
            "pusher-channels-protocol-5",
        ),
    ],
)
def test_the_subprotocol_is_echoed(asked, chosen):
    """The first of Pusher's subprotocols that a client asks for is chosen."""
    client = established(Api(), headers={"Sec-WebSocket-Protocol": asked})
    assert f"\r\nSec-WebSocket-Protocol: {chosen}" in client.answer


def test_nothing_is_compressed():
    """Compression is offered by browsers and not taken unless it is switched on."""
    client = established(Api(), headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
    assert "Extensions" not in client.answer


def test_nothing_says_what_the_server_is():
    """No header names the server software."""
    assert "\r\nserver:" not in Api().socket().answer.lower()


@pytest.mark.parametrize("protocol", ["5", "6", "7"])
def test_known_protocols(protocol):
    """Protocols 5 to 7 are spoken, and 7 where a client does not say."""
    established(Api(), path=f"/app/key?protocol={protocol}")
    established(Api(), path="/app/key")
    established(Api(), path="/app/key?protocol=4&protocol=7")


REFUSED = [
    ("/app/key?protocol=4", 4007),
    ("/app/key?protocol=abc", 4007),
    ("/app/key?protocol=7&protocol=99", 4007),
    ("/app/unknown?protocol=7", 4001),
    ("/app/off?protocol=7", 4003),
    ("/app/tls?protocol=7", 4000),
    ("/app/origins?protocol=7", 4009),
    ("/app/full?protocol=7", 4004),
    ("/app?protocol=7", 4005),
    ("/app/?protocol=7", 4005),
    ("/nope?protocol=7", 4005),
    ("/?protocol=7", 4005),
    ("/app/a/b?protocol=7", 4005),
    ("/APP/key?protocol=7", 4005),
]
APPS = [
    App("1", "key", "s"),
    App("2", "off", "s", enabled=False),
    App("3", "tls", "s", tls_only=True),
    App("4", "origins", "s", allowed_origins=("*.example.com",)),
    App("5", "full", "s", limits=Limits(max_connections=0)),
]


@pytest.mark.parametrize(("path", "code"), REFUSED)
def test_refusals_complete_the_handshake(path, code):
    """A refused client is upgraded, told why in pusher:error, and closed with the same code: browsers see no other."""
    api = Api(*APPS)
    client = api.socket(path)
    assert client.answer.startswith("HTTP/1.1 101 ")
    assert refusal(client) == code
    assert len(api.told.of(ConnectionRefused)) == 1
    assert api.told.of(ConnectionOpened, ConnectionLost) == []


def test_a_refused_client_is_not_listened_to():
    """What a refused client sends, together with its handshake or later, is dropped."""
    api = Api()
    line = Line(api.sockets.buildProtocol(None))
    line.receive(upgrade("/app/unknown") + masked(TEXT, PING_MESSAGE) + masked(BINARY, b"x"))
    line.receive(masked(TEXT, PING_MESSAGE))
    _, _, frames = line.take().partition(b"\r\n\r\n")
    assert [frame.opcode for frame in read_frames(frames)] == [TEXT, CLOSE]
    line.receive(masked(CLOSE, (4001).to_bytes(2)))
    assert line.disconnecting
    assert api.told.of(MessageReceived, MessageDropped) == []


def test_a_refused_client_that_does_not_close():
    """A refused client that does not answer the closing handshake is disconnected after a second."""
    api = Api()
    client = api.socket("/app/unknown")
    api.clock.advance(0.9)
    assert not client.disconnecting
    api.clock.advance(0.2)
    assert client.disconnecting


def test_a_full_server():
    """When the process has all connections it may have, others are told to come back; when one leaves, one may come."""
    api = Api(max_connections=1)
    first = established(api)
    assert refusal(api.socket()) == 4100
    first.go_away()
    established(api)


def test_a_stopping_server():
    """While the server stops, nobody is admitted."""
    api = Api()
    api.admission.closing = True
    assert refusal(api.socket()) == 4200


@pytest.mark.parametrize("headers", [{"X-Forwarded-Proto": "https"}, {"X-Forwarded-Proto": "WSS"}])
def test_tls_ends_at_a_proxy(headers):
    """An app that insists on TLS is served behind a proxy that says it speaks TLS."""
    established(Api(*APPS), path="/app/tls", headers=headers)


def test_plain_http_at_a_proxy():
    """A proxy that says it speaks plain HTTP is no TLS."""
    assert refusal(Api(*APPS).socket("/app/tls", headers={"X-Forwarded-Proto": "http"})) == 4000


class TlsClient(SocketClient):
    """A client whose connection is TLS."""

    def __init__(self, *args):
        directlyProvides(self, ISSLTransport)
        super().__init__(*args)


def test_tls_ends_here():
    """An app that insists on TLS is served over TLS."""
    client = TlsClient(Api(*APPS).sockets.buildProtocol(None), "/app/tls")
    assert client.messages()[0]["event"] == "pusher:connection_established"


def test_origins():
    """An app with a list of origins is open to pages of these."""
    established(Api(*APPS), path="/app/origins", headers={"Origin": "https://www.example.com"})
    client = Api(*APPS).socket("/app/origins", headers={"Origin": "https://example.org"})
    assert refusal(client) == 4009


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "file://",
        "https://b.example:8443",
        "http://[::1]:80",
        "capacitor://localhost",
        "app://x",
        "http://x/y",
    ],
)
def test_any_origin_where_there_is_no_list(origin):
    """An app without a list of origins is open to any, also to those of files and of apps on telephones."""
    client = established(Api(), headers={"Origin": origin})
    assert client.answer.startswith("HTTP/1.1 101 ")


def test_a_prefix_and_an_encoded_key():
    """A client below the prefix, with a key that has to be encoded, is admitted to its app."""
    api = Api(App("1", "a b", "s"), path_prefix="/ws")
    for path in ("/ws/app/a%20b", "/app/a%20b/?protocol=7"):
        established(api, path=path)


WANTED = "GET /app/key HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        WANTED,
        WANTED.replace("Connection: Upgrade\r\n", ""),
        WANTED.replace("HTTP/1.1", "HTTP/1.0"),
        WANTED.replace("Host: x\r\n", ""),
        WANTED.replace("/app/key", "/app/key#x"),
        WANTED.replace("Host: x", "Host: \xff"),
        WANTED + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
        WANTED + f"Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: {KEY}\r\n",
        WANTED + f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nOrigin: nonsense\r\n",
        WANTED
        + f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        + "Sec-WebSocket-Extensions: x\r\nSec-WebSocket-Extensions: y\r\n",
        "GET\r\nUpgrade: websocket\r\n",
        "GET /app/\xff HTTP/1.1\r\nHost: \xff\r\nUpgrade: websocket\r\n",
    ],
)
def test_a_handshake_that_is_none(lines):
    """A malformed handshake is answered 4xx or 5xx, disconnected and counted; nothing of it is logged."""
    api = Api()
    line = Line(api.sockets.buildProtocol(None))
    with capturedLogs() as logs:
        line.receive(lines.encode("latin-1") + b"\r\n")
        line.go_away()
    assert line.take().startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert [log for log in logs if log["log_level"] > LogLevel.info] == []
    assert api.told == [ConnectionRefused("", "invalid_handshake")]


# Bugs and late answers while a client is admitted


class BrokenApps(MemoryApps):
    """A store whose answers are errors."""

    async def by_key(self, key):
        raise ValueError("secret")


class LateApps(MemoryApps):
    """A store that answers when the test says so."""

    def __init__(self, apps):
        super().__init__(apps)
        self.waiting = LateAdapter(MemoryAdapter(Hub(Clock())), ["get"])

    async def by_key(self, key):
        await self.waiting.last_events.get("1", "x")
        return await super().by_key(key)


def with_store(store):
    api = Api()
    api.apps = api.admission._apps = store
    return api


def test_a_bug_while_a_client_is_admitted():
    """A bug ends this one connection with 4100, is logged with its traceback, counted, and tells the client nothing."""
    api = with_store(BrokenApps([]))
    with capturedLogs() as logs:
        client = api.socket()
    assert refusal(client) == 4100
    assert [log["log_level"] for log in logs] == [LogLevel.critical]
    assert logs[0]["log_failure"].check(ValueError)
    assert api.told == [ConnectionRefused("", "internal_error")]


def test_a_bug_after_a_while():
    """A bug that comes up late ends the connection in the same way."""
    api = with_store(LateApps([APPS[0]]))
    client = api.socket()
    assert client.frames() == []
    with capturedLogs() as logs:
        api.apps.waiting.fail("get")
    assert refusal(client) == 4100
    assert [log["log_level"] for log in logs] == [LogLevel.critical]
    assert logs[0]["log_failure"].value.args == ("get",)


def test_a_late_admission():
    """A client is greeted when it is known who it is; what it sends before is dropped."""
    api = with_store(LateApps([APPS[0]]))
    client = api.socket()
    client.send(TEXT, PING_MESSAGE)
    client.send(BINARY, b"x")
    assert client.frames() == []
    api.apps.waiting.answer("get")
    assert [m["event"] for m in client.messages()] == ["pusher:connection_established"]
    client.send(TEXT, PING_MESSAGE)
    assert client.messages() == [PONG_MESSAGE]


def test_a_late_refusal():
    """A refusal that comes late is told in the same way."""
    api = with_store(LateApps([]))
    client = api.socket()
    api.apps.waiting.answer("get")
    assert refusal(client) == 4001


@pytest.mark.parametrize("apps", [[APPS[0]], []])
@pytest.mark.parametrize("closing", [True, False])
def test_a_client_that_goes_away_before_it_is_admitted(apps, closing):
    """Somebody who left before the answer came is not connected, nor written to."""
    api = with_store(LateApps(apps))
    client = api.socket()
    if closing:
        client.send(CLOSE, (1000).to_bytes(2))
        client.take()
    else:
        client.go_away()
    with capturedLogs() as logs:
        api.apps.waiting.answer("get")
    assert client.take() == b""
    assert api.told.of(ConnectionOpened) == []
    assert not logs


# Messages


def test_messages_and_answers():
    """A text message is understood and answered."""
    api = Api()
    client = established(api)
    client.say("pusher:ping")
    assert client.messages() == [PONG_MESSAGE]
    assert len(api.told.of(MessageReceived)) == 1


@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
def test_messages_in_pieces(piece):
    """It does not matter how the network cuts frames, nor that several come at once."""
    client = established(Api())
    client.receive(masked(TEXT, PING_MESSAGE) * 3, piece)
    assert client.messages() == [PONG_MESSAGE] * 3


def test_fragmented_messages():
    """A message may come in several frames, with control frames between them."""
    client = established(Api())
    client.send(TEXT, PING_MESSAGE[:5], final=False)
    client.send(PING, b"between")
    client.send(CONTINUATION, b"", final=False)
    client.send(CONTINUATION, PING_MESSAGE[5:])
    assert [frame.opcode for frame in client.frames()] == [PONG, TEXT]


@given(st.text(max_size=300), st.lists(st.integers(1, 100), max_size=5))
@example("é" * 20, [60, 1, 1])
def test_any_text_in_any_fragments(text, cuts):
    """Any text arrives whole, also cut in the middle of a character."""
    api = Api()
    client = established(api)
    payload = json.dumps(
        {"event": "pusher:subscribe", "data": {"channel": text}}, ensure_ascii=False
    )
    payload = payload.encode()
    opcode = TEXT
    for cut in cuts:
        client.send(opcode, payload[:cut], final=False)
        payload, opcode = payload[cut:], CONTINUATION
    client.send(opcode, payload)
    assert len(api.told.of(MessageReceived)) == 1
    # Whether or not it is the name of a channel, the answer has it.
    assert client.messages()[0]["channel"] == text
    client.say("pusher:ping")
    assert client.messages() == [PONG_MESSAGE]


def test_nonsense_does_not_end_a_connection():
    """What is not JSON is answered by pusher:error, and the connection stays usable."""
    client = established(Api())
    client.send(TEXT, b"nonsense")
    client.send(TEXT, b"")
    client.say("pusher:ping")
    assert [m["event"] for m in client.messages()] == [
        "pusher:error",
        "pusher:error",
        "pusher:pong",
    ]


def test_binary_messages():
    """A binary message is answered by pusher:error, also in fragments; the connection stays."""
    api = Api()
    client = established(api)
    client.send(BINARY, b"\xff")
    client.send(BINARY, b"\xff", final=False)
    client.send(CONTINUATION, b"\xfe")
    client.say("pusher:ping")
    messages = client.messages()
    assert [m["event"] for m in messages] == ["pusher:error", "pusher:error", "pusher:pong"]
    assert "Binary" in messages[0]["data"]["message"]
    assert len(api.told.of(MessageDropped)) == 2


def test_pings_are_answered():
    """A WebSocket ping is answered by a pong with the same bytes."""
    client = established(Api())
    for payload in (b"", b"x" * 125):
        client.send(PING, payload)
        assert client.frames() == [(PONG, payload)]


def test_silent_clients_are_pinged():
    """The server pings by a WebSocket frame; the pong, like anything else, shows that the client is there."""
    api = Api()
    api.node.liveness.start()
    client = established(api)
    pings = 0
    for _ in range(1000):
        api.clock.advance(1)
        for frame in client.frames():
            assert frame == (PING, b"")
            api.clock.advance(0.1)
            client.send(PONG)
            pings += 1
    assert pings >= 5
    api.clock.pump([1] * 200)
    ping, _, close = client.frames()
    assert ping == (PING, b"")
    assert close.code == 4201


def test_any_bytes_show_that_a_client_is_there():
    """Also half a frame is a sign of life."""
    api = Api()
    client = established(api)
    api.clock.advance(100)
    client.receive(masked(TEXT, PING_MESSAGE)[:3])
    assert client.protocol.connection.last_seen == 100


def test_events_are_delivered():
    """What is published arrives on the WebSocket, frame by frame."""
    api = Api()
    client = established(api)
    client.say("pusher:subscribe", {"channel": "news"})
    client.take()
    for size in (0, 100, 200, 70_000):
        api.fast_lane().ask(publish(event(data="x" * size)))
        (message,) = client.messages()
        assert message == {"event": "greeting", "channel": "news", "data": "x" * size}


# Too much, and against the rules


def violation(api, client, code, reason="websocket_violation"):
    """A client that broke a rule is closed with this code, has left everything, and is counted."""
    (close,) = client.frames()
    assert close.code == code
    assert api.told.of(MessageDropped) == [MessageDropped("1", reason)]
    assert len(api.told.of(ConnectionLost)) == 1
    assert api.node.registry.connections() == []
    client.send(TEXT, PING_MESSAGE)
    assert client.frames() == []
    api.clock.advance(2)
    assert client.disconnecting
    client.go_away()
    assert len(api.told.of(ConnectionLost)) == 1


def test_a_message_of_just_the_right_size():
    """A message may be as large as the limit."""
    client = established(Api(max_message_size=100))
    client.send(TEXT, PING_MESSAGE.ljust(100))
    assert client.messages() == [PONG_MESSAGE]


def test_a_message_that_is_too_large():
    """A larger one closes with 1009 as soon as its size is announced, and others notice nothing of it."""
    api = Api(max_message_size=100)
    client, other = established(api), established(api)
    client.receive(masked(TEXT, PING_MESSAGE.ljust(101))[:8])
    (close,) = client.frames()
    assert close.code == 1009
    assert api.told.of(MessageDropped) == [MessageDropped("1", "message_too_big")]
    assert len(api.node.registry.connections()) == 1
    other.say("pusher:ping")
    assert other.messages() == [PONG_MESSAGE]


def test_empty_fragments_without_end():
    """A message of ever more empty fragments takes no more memory than its content."""
    client = established(Api())
    client.send(TEXT, PING_MESSAGE[:5], final=False)
    for _ in range(100):
        client.send(CONTINUATION, b"", final=False)
    assert len(client.protocol.message_data) == 1
    client.send(CONTINUATION, PING_MESSAGE[5:])
    assert client.messages() == [PONG_MESSAGE]


def test_fragments_that_are_too_large_together():
    """The limit is on messages: many small fragments do not get around it."""
    api = Api(max_message_size=100)
    client = established(api)
    client.send(TEXT, PING_MESSAGE.ljust(60), final=False)
    client.send(CONTINUATION, b" " * 40)
    assert client.messages() == [PONG_MESSAGE]
    client.send(TEXT, PING_MESSAGE.ljust(60), final=False)
    assert client.frames() == []
    client.send(CONTINUATION, b" " * 41, final=False)
    violation(api, client, 1009, "message_too_big")


@pytest.mark.parametrize(
    "payload", [b"\xff", b"\xc3\x28", b'{"event":"\xed\xa0\x80"}', b"\xf8\x88\x80\x80\x80", b"\xc3"]
)
def test_text_that_is_not_utf8(payload):
    """Text that is not UTF-8 closes with 1007."""
    api = Api()
    client = established(api)
    client.send(TEXT, payload)
    violation(api, client, 1007)


@pytest.mark.parametrize(
    "frames",
    [
        masked(TEXT, PING_MESSAGE, mask=b""),
        masked(0x3, b"x"),
        masked(0xB, b"x"),
        masked(PING, b"x" * 126),
        masked(PING, b"x", final=False),
        masked(CONTINUATION, b"x"),
        masked(TEXT, b"x", final=False) + masked(TEXT, b"y"),
        bytes([0xC1, 0x80]) + b"\x00" * 4,
        bytes([0x81, 0xFE]) + (5).to_bytes(2) + b"mask",
        bytes([0x81, 0xFF]) + (5).to_bytes(8) + b"mask",
        bytes([0x81, 0xFF]) + (2**63).to_bytes(8) + b"mask",
        masked(CLOSE, b"\x03"),
    ],
)
def test_frames_against_the_rules(frames):
    """A client that breaks RFC 6455 is closed with 1002, and has left everything."""
    api = Api()
    client = established(api)
    client.receive(frames)
    violation(api, client, 1002)


@pytest.mark.parametrize(
    ("payload", "code"),
    [((1000).to_bytes(2) + b"\xff", 1007), ((1005).to_bytes(2), 1002), ((999).to_bytes(2), 1002)],
)
def test_a_closing_frame_against_the_rules(payload, code):
    """A client that closes with an impossible code or reason is told so, and has left everything as it wanted."""
    api = Api()
    client = established(api)
    client.send(CLOSE, payload)
    (close,) = client.frames()
    assert close.code == code
    assert api.node.registry.connections() == []
    assert len(api.told.of(ConnectionLost)) == 1


@given(st.binary(max_size=100))
def test_any_bytes_at_all(garbage):
    """Whatever a client sends instead of frames, nothing is raised or logged, and others are served."""
    api = Api()
    client, other = established(api), established(api)
    with capturedLogs() as logs:
        client.receive(garbage)
        client.take()
        client.go_away()
    assert not [log for log in logs if log["log_level"] > LogLevel.info]
    other.say("pusher:ping")
    assert other.messages() == [PONG_MESSAGE]


# Endings


@pytest.mark.parametrize(
    "payload", [b"", (1000).to_bytes(2), (1001).to_bytes(2) + b"bye", (4999).to_bytes(2)]
)
def test_a_client_that_closes(payload):
    """A client that closes is answered, has left everything before that, and is disconnected."""
    api = Api()
    client = established(api)
    client.say("pusher:subscribe", {"channel": "news"})
    client.take()
    counts = []
    client.write = lambda frame: counts.append((frame, len(api.node.registry.connections())))
    client.protocol.send = client.write
    client.send(CLOSE, payload)
    ((frame, count),) = counts
    assert (frame[0] & 0x0F, count) == (CLOSE, 0)
    api.fast_lane().ask(publish(event()))
    assert len(counts) == 1
    assert client.disconnecting
    client.go_away(cleanly=True)
    assert len(api.told.of(ConnectionLost)) == 1


@pytest.mark.parametrize("cleanly", [True, False])
def test_a_client_that_vanishes(cleanly):
    """A client whose connection breaks has left everything, and no line is logged for it."""
    api = Api()
    client = established(api)
    client.say("pusher:subscribe", {"channel": "news"})
    with capturedLogs() as logs:
        client.go_away(cleanly=cleanly)
    assert api.node.registry.connections() == []
    assert api.node.channels() == {}
    assert not [log for log in logs if log["log_level"] > LogLevel.info]


@pytest.mark.parametrize("cleanly", [True, False])
def test_a_client_that_goes_is_sent_nothing_more(cleanly):
    """From when it is gone until its socket ends it gets no event and is not counted; after that it has left."""
    api = Api()
    clock = Clock()
    api.sockets.departing = Departing(clock)
    client = established(api)
    client.say("pusher:subscribe", {"channel": "news"})
    client.take()
    client.go_away(cleanly=cleanly)
    assert api.node.registry.connections() == []
    assert len(api.told.of(ConnectionLost)) == 1
    api.fast_lane().ask(publish(event()))
    assert client.take() == b""
    assert not client.disconnected
    assert api.node.channels() != {}
    clock.advance(0)
    assert client.disconnected
    assert api.node.channels() == {}
    assert len(api.told.of(ConnectionLost)) == 1


def test_a_bug_while_a_client_goes(monkeypatch):
    """Its socket ends all the same: nobody else would end it."""
    api = Api()
    clock = Clock()
    api.sockets.departing = Departing(clock)
    client = established(api)
    monkeypatch.setattr(api.node.registry, "forget", None)
    with pytest.raises(TypeError):
        client.go_away()
    clock.advance(0)
    assert client.disconnected


def test_a_client_that_goes_before_it_is_admitted():
    """One that closes in the middle of its handshake is ended, and nothing is told."""
    api = Api()
    line = Line(api.sockets.buildProtocol(None))
    line.receive(upgrade("/app/key")[:20])
    line.go_away(cleanly=True)
    assert line.disconnected
    assert api.told == []


def test_a_client_that_goes_and_is_cut_off():
    """One whose socket ends by itself before its turn has left once."""
    api = Api()
    clock = Clock()
    api.sockets.departing = Departing(clock)
    client = established(api)
    client.go_away()
    client.go_away()
    clock.advance(0)
    assert len(api.told.of(ConnectionLost)) == 1


@pytest.mark.parametrize("cleanly", [True, False])
def test_a_client_that_is_gone_takes_no_memory(cleanly):
    """Nothing is left for the garbage collector, which would stop the server after thousands have gone."""
    api = Api()
    client = established(api)
    client.say("pusher:subscribe", {"channel": "news"})
    socket = weakref.ref(client.protocol)
    gc.disable()
    try:
        client.go_away(cleanly=cleanly)
        # A real transport forgets its protocol, too.
        client.protocol = None
        assert socket() is None
    finally:
        gc.enable()


def test_a_client_that_vanishes_before_it_said_anything():
    """A connection that ends before its handshake leaves nothing behind."""
    api = Api()
    line = Line(api.sockets.buildProtocol(None))
    line.go_away()
    assert api.told == []


def test_the_server_closes():
    """A client that is sent away is told why, and has a second to close in turn."""
    api = Api()
    client, slow = established(api), established(api)
    for connection in api.node.registry.connections():
        connection.end(ShuttingDown())
    assert refusal(client) == 4200
    client.send(CLOSE, (4200).to_bytes(2))
    assert client.disconnecting
    assert client.frames() == []
    assert not slow.disconnecting
    api.clock.advance(1.1)
    assert slow.disconnecting


def test_closing_twice_sends_one_frame():
    """A wire that is closed already is not closed again."""
    client = established(Api())
    client.protocol.close(4200, "once")
    client.protocol.close(4201, "again")
    (close,) = client.frames()
    assert (close.code, close.reason) == (4200, "once")


def test_the_server_closes_while_a_client_is_not_read():
    """A client that is sent away while it is not read is read on in the end, so that its own closing is heard."""
    adapter = LateAdapter(MemoryAdapter(Hub(Clock())), ["join"])
    api = Api(adapter=adapter)
    client = established(api)
    for name in ("a", "b"):
        client.say("pusher:subscribe", {"channel": name})
    (connection,) = api.node.registry.connections()
    connection.end(ShuttingDown())
    assert refusal(client) == 4200
    assert client.producerState == "paused"
    adapter.answer_all()
    assert client.producerState == "producing"
    client.send(CLOSE, (4200).to_bytes(2))
    assert client.disconnecting
    assert client.frames() == []


def test_a_long_reason_is_cut():
    """A closing frame has room for 123 bytes of reason: a longer one is cut between characters."""
    client = established(Api())
    client.protocol.close(4200, "é" * 200)
    (close,) = client.frames()
    assert close.reason == "é" * 61


# Clients that are faster or slower than the server


def test_a_client_that_talks_too_fast_is_not_read():
    """While a message waits for its answer and another one behind it, the socket is not read; then it goes on."""
    adapter = LateAdapter(MemoryAdapter(Hub(Clock())), ["join"])
    api = Api(adapter=adapter)
    client = established(api)
    for name in ("a", "b", "c"):
        client.say("pusher:subscribe", {"channel": name})
    client.say("pusher:ping")
    assert client.producerState == "paused"
    assert client.frames() == []
    for _ in range(3):
        adapter.answer("join")
        client.receive()
    assert client.producerState == "producing"
    assert [message.get("channel") for message in client.messages()] == ["a", "b", "c", None]


def test_a_client_that_vanishes_while_it_is_not_read():
    """A paused client that is gone is not resumed, and what it had asked for is undone."""
    adapter = LateAdapter(MemoryAdapter(Hub(Clock())), ["join"])
    api = Api(adapter=adapter)
    client = established(api)
    for name in ("a", "b"):
        client.say("pusher:subscribe", {"channel": name})
    client.go_away()
    adapter.answer_all()
    assert client.producerState == "paused"
    assert api.node.counts("a") == api.node.counts("b") == (0, 0)


def test_a_client_that_does_not_read_is_cut_off():
    """A client past the backlog is aborted without waiting for its buffer, counted, and logged in one line."""
    api = Api(max_backlog=1000)
    client = SlowClient(api.sockets.buildProtocol(None))
    assert client.max_backlog == 1000
    client.say("pusher:subscribe", {"channel": "news"})
    client.take()
    api.told.clear()
    with capturedLogs() as logs:
        for _ in range(50):
            api.fast_lane().ask(publish(event(data="x" * 100)))
    assert client.disconnected
    assert 1000 < len(client.take()) < 1300
    assert api.told.of(MessageDropped) == [MessageDropped("1", "slow_client")]
    (log,) = [log for log in logs if "socket_id" in log]
    assert (log["log_level"], log["app_id"]) == (LogLevel.info, "1")
    client.go_away()
    assert len(api.told.of(ConnectionLost)) == 1


def test_a_client_that_closes_and_does_not_read():
    """A client that left already is cut off without being counted once more."""
    api = Api(max_backlog=10)
    client = SlowClient(api.sockets.buildProtocol(None))
    client.protocol.connection.lost()
    client.protocol.connection = None
    api.told.clear()
    for _ in range(3):
        client.protocol.send(b"x" * 100)
    assert client.disconnected
    assert api.told == []


def test_slow_handshakes_have_no_limit():
    """Before a client is admitted there is nothing that could pile up."""
    api = with_store(LateApps([APPS[0]]))
    client = SlowClient(api.sockets.buildProtocol(None))
    assert client.max_backlog == 0
    api.apps.waiting.answer("get")
    assert client.max_backlog == 1024 * 1024


def test_little_is_kept_of_a_connection():
    """The headers of a handshake, kilobytes a client, are not kept as long as the client is there."""
    client = established(Api(), headers={"X-Large": "x" * 8000})
    assert "x" * 8000 not in repr(vars(client.protocol))


def test_nothing_is_left_of_a_connection():
    """The transport of a client that is gone knows nobody any more."""
    client = SlowClient(Api().sockets.buildProtocol(None))
    assert client.on_backlog is not None
    client.go_away()
    assert client.on_backlog is None


# Addresses that connect too often


def test_connecting_too_often():
    """The handshake succeeds, so that browsers see the code: an error and 4100, after which they come back."""
    api = Api(max_connects=2)
    for _ in range(2):
        established(api)
    client = api.socket()
    assert client.answer.startswith("HTTP/1.1 101 ")
    assert refusal(client) == 4100
    assert api.told.of(ConnectionRefused) == [ConnectionRefused("", "connect_rate")]
    api.peer = IPv4Address("TCP", "203.0.113.8", 4321)
    established(api)


def test_a_forged_address_of_a_client():
    """Nobody connects as somebody else by writing a header, unless a proxy in front is trusted to write it."""
    headers = [{"X-Forwarded-For": f"203.0.113.{n}"} for n in range(3)]
    for hops, refused in ((0, 2), (1, 0)):
        api = Api(max_connects=1, trusted_hops=hops)
        for each in headers:
            api.socket(headers=each)
        assert len(api.told.of(ConnectionRefused)) == refused


# What Autobahn says


def test_only_errors_of_autobahn_are_logged():
    """What Autobahn calls a warning is a client's doing; an error is passed on."""
    protocol = Api().sockets.buildProtocol(None)
    with capturedLogs() as logs:
        for log in (protocol.log, protocol.factory.log):
            for level in ("trace", "debug", "info", "warn", "error"):
                getattr(log, level)("something {x}", x=1)
    assert [(log["log_level"], log["x"]) for log in logs] == [(LogLevel.error, 1)] * 2


def test_connections_do_not_share_their_state():
    """Two clients of one factory, and the factories of two servers, have limits and connections of their own."""
    small, large = Api(max_message_size=10), Api(max_message_size=1000)
    one, two = established(small), established(large)
    for client in (one, two):
        client.send(TEXT, PING_MESSAGE)
    assert one.frames()[0].code == 1009
    assert two.messages() == [PONG_MESSAGE]
