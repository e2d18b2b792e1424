"""Compression on the WebSocket side: with a client that inflates by itself, in memory."""

import json
import random
import zlib

import pytest
from autobahn.exception import PayloadCorruptError, PayloadExceededError
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles import RecordingObserver
from tests.wire_doubles import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Api,
    SlowLine,
    SocketClient,
    event,
    masked,
    publish,
)
from txpusher.core.channel import SLICE
from txpusher.core.occurrences import (
    CompressionAgreed,
    ConnectionLost,
    MessageDropped,
    MessageReceived,
    MessagesCompressed,
)
from txpusher.errors import ShuttingDown
from txpusher.model import App
from txpusher.protocol import codec
from txpusher.protocol.frames import split
from txpusher.websocket import compression
from txpusher.websocket.compression import KEPT, Compression, Inflater, Shared

END = b"\x00\x00\xff\xff"
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
LONG = json.dumps([{"id": n, "name": f"customer {n}"} for n in range(50)])


def deflated(payload, window=12, flush=zlib.Z_SYNC_FLUSH):
    """Compress a message as clients do."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -window)
    return (deflate.compress(payload) + deflate.flush(flush)).removesuffix(END)


# What many share


class Sockets(list):
    """Sockets that remember what is written."""

    def __init__(self, shared, number):
        super().__init__([[] for _ in range(number)])
        self.shared = shared

    def send(self, frames):
        for socket in self:
            self.shared.send(socket.append, frames)


@pytest.fixture
def runs(monkeypatch):
    """How often something was compressed."""
    calls = []

    def counted(frames, window):
        calls.append((frames, window))
        return real(frames, window)

    real = compression.compressed
    monkeypatch.setattr(compression, "compressed", counted)
    return calls


def test_one_compression_for_all(runs):
    """However many subscribers there are, a broadcast is compressed once and told once; all write the same bytes."""
    told = RecordingObserver()
    sockets = Sockets(Shared(12, told), 500)
    frame = codec.frame(LONG.encode())
    sockets.send(frame)
    (small,) = {written[0] for written in sockets}
    assert len(runs) == 1
    assert len({id(written[0]) for written in sockets}) == 1
    assert told == [MessagesCompressed(len(frame), len(small))]


def test_broadcasts_that_take_turns(runs):
    """A hundred large channels may be served in turns; what is older is forgotten."""
    sockets = Sockets(Shared(12, RecordingObserver()), 2)
    frames = [codec.frame(f"{LONG}{n}".encode()) for n in range(100)]
    for frame in frames * 3:
        sockets.send(frame)
    assert len(runs) == 100
    kept = sum(len(frame) + len(small) for frame, small in sockets.shared._kept.items())
    assert kept < KEPT
    for n in range(100 * (KEPT // kept + 1)):
        sockets.send(codec.frame(f"{n}{LONG}".encode()))
    again = len(runs)
    sockets.send(frames[0])
    assert len(runs) == again + 1
    kept = sum(len(frame) + len(small) for frame, small in sockets.shared._kept.items())
    assert 0.9 * KEPT < kept <= KEPT


def test_what_is_larger_than_all_that_is_kept(runs):
    """What many receive is compressed once, whatever its size."""
    sockets = Sockets(Shared(12, RecordingObserver()), 3)
    for n in range(2):
        sockets.send(codec.frame(b"%d" % n + b"x" * KEPT))
    assert len(runs) == 2
    assert len(sockets.shared._kept) == 1


def test_short_messages_cost_nothing(runs):
    """What is too short is neither compressed nor kept nor told."""
    told = RecordingObserver()
    sockets = Sockets(Shared(12, told), 2)
    sockets.send(codec.PONG)
    assert sockets == [[codec.PONG], [codec.PONG]]
    assert (runs, told, sockets.shared._kept) == ([], [], {})


def test_what_does_not_get_smaller_is_remembered(runs):
    """Noise is tried once, and counts as many bytes as before."""
    told = RecordingObserver()
    sockets = Sockets(Shared(12, told), 3)
    noise = codec.frame(random.Random(1).randbytes(1000))
    sockets.send(noise)
    assert sockets == [[noise]] * 3
    assert len(runs) == 1
    assert told == [MessagesCompressed(len(noise), len(noise))]


def test_who_shares_with_whom():
    """Connections that agreed on the same window share; each has its own inflater."""
    told = RecordingObserver()
    agreeing = Compression(1000, told)
    one, other, small = (
        agreeing.agree([("permessage-deflate", parameters)])
        for parameters in (
            {},
            {"server_max_window_bits": ["12"]},
            {"server_max_window_bits": ["9"]},
        )
    )
    assert one.outgoing is other.outgoing is not small.outgoing
    assert one.incoming is not other.incoming
    assert told == [CompressionAgreed()] * 3
    assert agreeing.agree([]) is None
    assert agreeing.agree([("permessage-deflate", {"x": [True]})]) is None
    assert len(told) == 3


# Inflating


def inflate(*pieces, limit=1000, window=12):
    """Inflate a message that comes in pieces."""
    inflater = Inflater(window, limit)
    inflater.start_decompress_message()
    whole = b"".join([inflater.decompress_message_data(piece) for piece in pieces])
    inflater.end_decompress_message()
    assert inflater._inflate is None, "the window is kept between messages"
    return whole


@given(st.binary(max_size=1000), st.integers(9, 15), st.integers(0, 9), st.integers(1, 400))
def test_any_message_in_any_pieces(payload, window, level, size):
    """What any deflater makes is read, however it is cut."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -window)
    data = (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(END)
    pieces = [data[n : n + size] for n in range(0, len(data), size)]
    assert inflate(*pieces, window=window, limit=1100) == payload


@pytest.mark.parametrize(
    "data",
    [
        # RFC 7692, 7.2.3: one block, the same split, an uncompressed one, a last one, two blocks, a full flush
        [b"\xf2\x48\xcd\xc9\xc9\x07\x00"],
        [b"\xf2\x48\xcd", b"\xc9\xc9\x07\x00"],
        [b"\x00\x05\x00\xfa\xffHello\x00"],
        [b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"],
        [b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"],
    ],
)
def test_the_examples_of_the_rfc(data):
    """All the ways to write "Hello" are read."""
    assert inflate(*data) == b"Hello"


def test_an_empty_message():
    """Nothing, compressed, is one byte."""
    assert inflate(b"\x00") == b""


def test_just_the_right_size():
    """A message may have as many bytes as the limit, and not one more, also when they come from one last symbol."""
    assert inflate(deflated(b"x" * 1000)) == b"x" * 1000
    for size in (1001, 1002, 1200, 1300, 5000):
        with pytest.raises(PayloadExceededError):
            inflate(deflated(b"x" * size))


def test_a_bomb_is_not_inflated():
    """A small frame that would inflate to megabytes gives one byte past the limit at most, and then nothing more."""
    inflater = Inflater(15, 1000)
    inflater.start_decompress_message()
    bomb = deflated(bytes(50_000_000), 15)
    assert len(bomb) < 50_000
    given_out = []
    decompress = inflater._inflate.decompress

    class Watched:
        """Remembers how much was inflated."""

        def decompress(self, data, most):
            assert most > 0, "zlib takes this for no limit"
            inflated = decompress(data, most)
            given_out.append(len(inflated))
            return inflated

    inflater._inflate = Watched()
    for _ in range(3):
        with pytest.raises(PayloadExceededError):
            inflater.decompress_message_data(bomb[:900])
    assert given_out == [1001]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"\x00\x00\x00\xff\xff" * 10] * 1000,  # empty blocks
        [deflated(b"x", flush=zlib.Z_FINISH), *[b"garbage" * 10] * 1000],  # behind the last block
    ],
)
def test_a_message_that_never_ends(pieces):
    """Also what inflates to nothing is counted."""
    with pytest.raises(PayloadExceededError):
        inflate(*pieces)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 10,
        b"\x06",  # a kind of block that does not exist
        deflated(LONG.encode())[:-1],
        deflated(LONG.encode())[:100],
        deflated(LONG.encode())[:3],
        b"4O\xc9\r\x030\x08[",  # so far no error, and nothing comes out
        deflated(
            b"x" * 100, flush=zlib.Z_FINISH
        ),  # without the byte that stands for an empty block
        deflated(b"x" * 100, flush=zlib.Z_FINISH) + b"\x00more",
        b"\x00\x05\x00\xfa\xffHel",
    ],
)
def test_what_is_no_whole_message(data):
    """A message that is cut off, or was not deflated, is not taken for another one."""
    with pytest.raises(PayloadCorruptError):
        inflate(data, limit=10_000)


def test_a_larger_window_than_agreed():
    """Who refers further back than was agreed breaks the rules."""
    noise = random.Random(1).randbytes(6000)
    data = deflated(noise * 2, 15)
    pieces = [data[n : n + 500] for n in range(0, len(data), 500)]
    with pytest.raises(PayloadCorruptError):
        inflate(*pieces, window=12, limit=20_000)
    assert inflate(*pieces, window=15, limit=20_000) == noise * 2


# Sockets


class Deflating(SocketClient):
    """A client that agreed on compression; what it takes is inflated.

    Attributes:
        compressed: of each frame that was taken, whether it was.
    """

    def __init__(self, protocol, path="/app/key", headers=OFFER, **more):
        self.compressed = []
        super().__init__(protocol, path, headers, **more)
        assert "permessage-deflate" in self.answer

    def take(self):
        if not self.compressed and b"HTTP/1.1" in self.value():
            return super().take()
        return b"".join([self._plain(frame) for frame in split(super().take())])

    def _plain(self, frame):
        self.compressed.append(frame[0] & 0x40 != 0)
        if not self.compressed[-1]:
            return frame
        assert frame[0] == 0xC1, "only text is compressed"
        payload = frame[2 if frame[1] < 126 else 4 if frame[1] == 126 else 10 :]
        return codec.frame(zlib.decompressobj(-12).decompress(payload + END))

    def send_compressed(self, payload, opcode=TEXT, **more):
        """Send a message in one compressed frame."""
        data = masked(opcode, deflated(payload), **more)
        self.receive(bytes([data[0] | 0x40]) + data[1:])


def server(*apps, **more):
    return Api(
        *(apps or (App("1", "key", "secret", client_events=True),)), compression=True, **more
    )


def deflating(api, line=Deflating, **more):
    client = line(api.sockets.buildProtocol(None), **more)
    (greeting,) = client.messages()
    assert greeting["event"] == "pusher:connection_established"
    return client


def subscribed(client, channel="news"):
    client.say("pusher:subscribe", {"channel": channel})
    (confirmation,) = client.messages()
    assert confirmation["event"] == "pusher_internal:subscription_succeeded"
    return client


def test_what_is_answered():
    """The answer names what both do; a client that offers nothing is answered as ever."""
    api = server()
    client = deflating(api)
    assert (
        "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
        "client_no_context_takeover; client_max_window_bits=12\r\n"
    ) in client.answer + "\r\n"
    assert api.told.of(CompressionAgreed) == [CompressionAgreed()]
    plain = api.socket()
    assert "Extensions" not in plain.answer
    assert plain.protocol.send == plain.protocol.transport.write


@pytest.mark.parametrize(
    ("header", "window"),
    [
        ('Permessage-Deflate; Server_Max_Window_Bits="10"', 10),
        (" x-webkit-deflate-frame ,permessage-deflate;server_max_window_bits=11 , x", 11),
    ],
)
def test_spellings_of_the_header(header, window):
    """Names are of any case, values may be quoted, and other extensions are passed over."""
    client = server().socket(headers={"Sec-WebSocket-Extensions": header})
    assert f"; server_max_window_bits={window}\r\n" in client.answer + "\r\n"


@given(st.text('permessage-deflate; =,"10xsrv_wndb'))
def test_any_offer(header):
    """No header raises anything."""
    header = f"permessage-deflate{header}"
    client = server().socket(headers={"Sec-WebSocket-Extensions": header})
    assert client.answer.startswith("HTTP/1.1 101 ")


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; server_max_window_bits=99",
        "permessage-deflate; unknown",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-bzip2; x",
        "permessage-snappy",
    ],
)
def test_an_offer_against_the_rules_is_declined(offer, on):
    """It does not fail the handshake: the connection goes on without compression (RFC 7692, 7)."""
    client = Api(compression=on).socket(headers={"Sec-WebSocket-Extensions": offer})
    assert client.answer.startswith("HTTP/1.1 101 ")
    assert "Extensions" not in client.answer
    assert client.messages()


def test_nothing_changes_without_the_option():
    """Where compression is off, sockets are written to directly, whatever clients offer."""
    client = Api().socket(headers=OFFER)
    assert "Extensions" not in client.answer
    assert client.protocol.send == client.protocol.transport.write
    assert client.protocol._perMessageCompress is None


def test_events_of_all_sizes():
    """Events arrive as they were; long ones compressed."""
    api = server()
    client = subscribed(deflating(api))
    client.compressed.clear()
    for size in (0, 100, 300, 5000, 70_000):
        api.fast_lane().ask(publish(event(data="é" * (size // 2))))
        (message,) = client.messages()
        assert message == {"event": "greeting", "channel": "news", "data": "é" * (size // 2)}
    assert client.compressed == [False, False, True, True, True]


def test_a_broadcast_to_all_kinds_of_clients(runs):
    """Plain, compressing, and excluded clients of one channel each get what they should; each window costs one run."""
    api = server()
    ten = {"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=10"}
    plain = []
    for _ in range(3):
        client = api.socket()
        client.take()
        plain.append(subscribed(client))
    many = [subscribed(deflating(api)) for _ in range(20)]
    few = [subscribed(deflating(api, headers=ten)) for _ in range(5)]
    excluded = many[7].protocol.connection.socket_id
    runs.clear()
    api.fast_lane().ask(publish(event(data=LONG, socket_id=excluded)))
    assert many.pop(7).messages() == []
    for client in (*plain, *many, *few):
        (message,) = client.messages()
        assert message["data"] == LONG
    assert sorted(window for _, window in runs) == [10, 12]
    assert len({frames for frames, _ in runs}) == 1
    assert len(api.told.of(MessagesCompressed)) == 2


def test_a_large_channel(runs):
    """A broadcast in several slices is compressed once, and arrives at everybody."""
    api = server()
    clients = [subscribed(deflating(api)) for _ in range(SLICE + 100)]
    runs.clear()
    api.fast_lane().ask(publish(event(data=LONG)))
    assert {client.messages()[0]["data"] for client in clients} == {LONG}
    assert len(runs) == 1


def test_joined_frames(runs):
    """A batch goes out in one write: long messages compressed one by one, short ones between them as they are."""
    api = server()
    client = subscribed(deflating(api))
    client.compressed.clear()
    runs.clear()
    texts = [LONG, "short", LONG + "2", "x" * 300]
    channel = api.node.channels(App("1", "key", "secret"))["news"]
    channel.deliver([(codec.channel_event("e", "news", text), None) for text in texts])
    assert [message["data"] for message in client.messages()] == texts
    assert client.compressed == [True, False, True, True]
    assert len(runs) == 1


def test_who_joined_in_between():
    """What is held back until a confirmation was sent is compressed as well."""
    api = server()
    client = deflating(api)
    for channel in ("presence-x", "news"):
        api.node.connect(App("1", "key", "secret", client_events=True)).subscribe(
            channel, *(["ann", "x" * 500] if channel.startswith("presence") else [])
        )
    auth = api.node.connect(App("1", "key", "secret")).auth(
        f'{client.protocol.connection.socket_id}:presence-x:{{"user_id":"bob"}}'
    )
    client.compressed.clear()
    client.say(
        "pusher:subscribe",
        {"channel": "presence-x", "auth": auth, "channel_data": '{"user_id":"bob"}'},
    )
    (confirmation,) = client.messages()
    assert json.loads(confirmation["data"])["presence"]["hash"]["ann"] == "x" * 500
    assert client.compressed == [True]


def test_control_frames_are_never_compressed():
    """Pings, pongs and closing frames are what they were."""
    api = server()
    client = deflating(api)
    client.compressed.clear()
    client.send(PING, b"x" * 125)
    client.protocol.ping()
    assert client.frames() == [(PONG, b"x" * 125), (PING, b"")]
    (connection,) = api.node.registry.connections()
    connection.end(ShuttingDown())
    text, close = client.frames()
    assert (text.opcode, close.opcode, close.code) == (TEXT, CLOSE, 4200)
    assert client.compressed == [False] * 4


def test_refusals_may_be_compressed_by_then():
    """A client that is not admitted reads why."""
    client = Deflating(server().sockets.buildProtocol(None), "/app/unknown")
    text, close = client.frames()
    assert json.loads(text.payload)["event"] == "pusher:error"
    assert close.code == 4001


def test_a_slow_client_is_cut_off_all_the_same():
    """What waits for a client is counted as it is sent: compressed."""

    class SlowDeflating(SlowLine, Deflating):
        """A compressing client that does not read."""

    api = server(max_backlog=2000)
    client = deflating(api, SlowDeflating)
    client.say("pusher:subscribe", {"channel": "news"})
    client.take()
    for n in range(50):
        api.fast_lane().ask(publish(event(data=f"{n} {LONG}")))
    assert client.disconnected
    assert 2000 < len(client.value()) < 2000 + len(LONG)
    assert api.told.of(MessageDropped) == [MessageDropped("1", "slow_client")]


# From clients


def test_messages_of_clients():
    """Compressed and plain messages of one client are understood, also in pieces; sizes are those of the messages."""
    api = server()
    client = deflating(api)
    ping = b'{"event":"pusher:ping","data":"' + b"x" * 500 + b'"}'
    client.send_compressed(ping)
    client.send(TEXT, ping)
    data = deflated(ping)
    first = masked(TEXT, data[:5], final=False)
    client.receive(bytes([first[0] | 0x40]) + first[1:], 1)
    client.send(PING, b"between")
    client.send(CONTINUATION, b"", final=False)
    client.send(CONTINUATION, data[5:])
    assert [frame.opcode for frame in client.frames()] == [TEXT, TEXT, PONG, TEXT]
    assert api.told.of(MessageReceived) == [MessageReceived("1", len(ping))] * 3
    assert client.protocol._perMessageCompress._inflate is None


@pytest.mark.parametrize(
    ("offer", "window"),
    [("permessage-deflate", 15), ("permessage-deflate; client_max_window_bits", 12)],
)
def test_clients_may_use_the_window_that_was_agreed(offer, window):
    """A long message that refers far back is read, also when it comes in small pieces."""
    api = server()
    client = deflating(api, headers={"Sec-WebSocket-Extensions": offer})
    noise = random.Random(1).randbytes(2**window // 3).hex()
    payload = json.dumps({"event": "pusher:ping", "data": [noise] * 2}).encode()
    data = masked(TEXT, deflated(payload, window))
    client.receive(bytes([data[0] | 0x40]) + data[1:], 100)
    assert client.messages() == [{"event": "pusher:pong", "data": {}}]


def test_client_events_reach_others():
    """A compressed client event is relayed to compressing and plain clients."""
    api = server()
    plain = api.socket()
    plain.take()
    clients = [deflating(api), deflating(api), plain]
    for client in clients:
        socket_id = client.protocol.connection.socket_id
        auth = api.node.connect(App("1", "key", "secret")).auth(f"{socket_id}:private-x")
        client.say("pusher:subscribe", {"channel": "private-x", "auth": auth})
        client.take()
    message = {"event": "client-x", "channel": "private-x", "data": LONG}
    clients[0].send_compressed(json.dumps(message).encode())
    assert clients[0].messages() == []
    assert clients[1].messages() == clients[2].messages() == [message]


def test_compressed_binary_messages():
    """They are refused as any binary message is, and the connection stays."""
    client = deflating(server())
    client.send_compressed(b"\xff" * 10, BINARY)
    client.say("pusher:ping")
    assert [m["event"] for m in client.messages()] == ["pusher:error", "pusher:pong"]


def violation(api, client, code, reason="websocket_violation"):
    """A client that broke a rule is closed with this code, has left everything, and is counted."""
    (close,) = client.frames()
    assert close.code == code
    assert api.told.of(MessageDropped) == [MessageDropped("1", reason)]
    assert len(api.told.of(ConnectionLost)) == 1
    client.send_compressed(b'{"event":"pusher:ping"}')
    assert client.frames() == []


def test_bombs():
    """A message that inflates past the limit closes with 1009 and never reaches the application."""
    api = server(max_message_size=10_000)
    for size, fine in ((10_000, True), (10_001, False), (9_000_000, False)):
        client = deflating(api)
        api.told.clear()
        client.send_compressed(b'{"event":"pusher:ping"}'.ljust(size))
        if fine:
            assert client.messages() == [{"event": "pusher:pong", "data": {}}]
        else:
            violation(api, client, 1009, "message_too_big")


def test_a_bomb_in_fragments():
    """The limit is on messages: fragments that are small also when inflated do not get around it."""
    api = server(max_message_size=10_000)
    client = deflating(api)
    api.told.clear()
    data = deflated(bytes(10_500))
    first = masked(TEXT, data[:10], final=False)
    client.receive(bytes([first[0] | 0x40]) + first[1:])
    for n in range(10, len(data)):
        client.send(CONTINUATION, data[n : n + 1], final=False)
    violation(api, client, 1009, "message_too_big")


@pytest.mark.parametrize(("size", "fits"), [(9_999, True), (10_000, False)])
def test_the_last_fragment_counts_as_it_came(size, fits):
    """Autobahn adds its compressed bytes to what the others have become, as the documentation says."""
    api = server(max_message_size=10_000)
    client = deflating(api)
    api.told.clear()
    data = deflated(b'{"event":"pusher:ping"}'.ljust(size))
    first = masked(TEXT, data[:-1], final=False)
    client.receive(bytes([first[0] | 0x40]) + first[1:])
    client.send(CONTINUATION, data[-1:])
    if fits:
        assert client.messages() == [{"event": "pusher:pong", "data": {}}]
    else:
        violation(api, client, 1009, "message_too_big")


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        # RSV1 on a control frame, on a continuation, and the other reserved bits
        ([b"\xc9\x80mask"], 1002),
        ([b"\x41\x80mask", b"\xc0\x80mask"], 1002),
        ([b"\xa1\x80mask"], 1002),
        ([b"\xd1\x80mask"], 1002),
        # no deflate, and no UTF-8 below it
        ([bytes([0xC1]) + masked(TEXT, b"\xff" * 9)[1:]], 1007),
        ([bytes([0xC1]) + masked(TEXT, deflated(b"\xff\xff"))[1:]], 1007),
        ([bytes([0xC1]) + masked(TEXT, deflated(LONG.encode())[:40])[1:]], 1007),
    ],
)
def test_frames_against_the_rules(frames, code):
    """They close as RFC 6455 and RFC 7692 say."""
    api = server()
    client = deflating(api)
    client.receive(b"".join(frames))
    violation(api, client, code)


def test_a_compressed_frame_that_nobody_agreed_on():
    """Without an agreement the bit is reserved."""
    api = server()
    client = api.socket()
    client.take()
    data = masked(TEXT, deflated(LONG.encode()))
    client.receive(bytes([data[0] | 0x40]) + data[1:])
    (close,) = client.frames()
    assert close.code == 1002


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_at_all(garbage, framed):
    """Whatever a client sends as compressed, nothing is raised, and others are served."""
    api = server()
    client, other = deflating(api), deflating(api)
    data = masked(TEXT, garbage)
    client.receive(bytes([data[0] | 0x40]) + data[1:] if framed else garbage)
    client.go_away()
    other.say("pusher:ping")
    assert [m["event"] for m in other.messages()] == ["pusher:pong"]
