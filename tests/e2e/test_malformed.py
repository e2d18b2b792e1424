"""Malformed input of every kind: it never ends the process, and never disturbs another client.

The list is made of what ended or confused other servers, and of random bytes on top.
"""

from __future__ import annotations

import json
import os
import random
import socket
from contextlib import suppress
from functools import partial

import pytest
from harness import wait_until
from served_apps import APP
from wire import BINARY, CLOSE, PING, PONG, TEXT, Closed, HttpConnection, frame

SEED = int(os.environ.get("TXPUSHER_TEST_SEED", "0")) or random.randrange(1, 2**32)


@pytest.fixture(autouse=True)
def bystander(server, name):
    """Somebody who is connected all the time and must not notice."""
    client = server.connect()
    client.subscribe(f"private-bystander-{name}")
    client.so_far()
    yield client
    server.api().trigger(f"private-bystander-{name}", "still here")
    assert client.expect("event")["data"] == "still here"
    assert client.is_alive()
    assert server.process.poll() is None


def answered(client):
    """An error came, its data is as clients read it, and the connection is still good."""
    error = client.expect("pusher:error")
    assert isinstance(error["data"]["message"], str)
    assert error["data"]["code"] is None or isinstance(error["data"]["code"], int)
    assert client.is_alive()


NOT_MESSAGES = [
    "",
    " ",
    "nonsense",
    "{",
    '{"event":"x"',
    "[]",
    "[1]",
    "1",
    "null",
    "true",
    '"text"',
    "{}",
    '{"event":null}',
    '{"event":1}',
    '{"event":["pusher:ping"]}',
    '{"event":{}}',
    '{"data":{}}',
    '{"event":"\\ud800"}',
    '{"event":NaN}',
    "\ufeff{}",
    "[" * 5000,
    '{"a":' * 5000,
    "1" * 10_000,
]


@pytest.mark.parametrize("text", NOT_MESSAGES, ids=lambda t: repr(t[:20]))
def test_text_that_is_no_message(server, text):
    client = server.connect()
    client.send_text(text)
    answered(client)


DATA = [None, "", "x", "[]", "null", 1, [], {}, True, {"channel": None}, {"channel": 7}]
DATA += [{"channel": []}, {"channel": {}}, {"channel": "private-x", "auth": 7}]
DATA += [{"channel": "presence-x", "auth": "a:b", "channel_data": {}}]
DATA += [{"channel": "presence-x", "auth": "a:b", "channel_data": 7}]
DATA += [{"channel": "private-x", "auth": []}, {"channel": "private-x"}, {"channel": "presence-x"}]


@pytest.mark.parametrize("data", DATA, ids=json.dumps)
@pytest.mark.parametrize("event", ["pusher:subscribe", "pusher:signin"])
def test_odd_subscriptions_and_sign_ins(server, event, data):
    client = server.connect()
    client.send_text(json.dumps({"event": event, "data": data}))
    errors = client.so_far()
    assert errors
    assert errors[-1]["event"] == "pusher:error"
    assert client.is_alive()


@pytest.mark.parametrize("data", DATA[:12], ids=json.dumps)
def test_odd_unsubscribes(server, data):
    client = server.connect()
    client.send_text(json.dumps({"event": "pusher:unsubscribe", "data": data}))
    answered(client)


@pytest.mark.parametrize("fields", [{}, {"channel": None}, {"channel": 7}, {"channel": ["c"]}])
def test_odd_client_events(server, fields):
    client = server.connect()
    client.send_text(json.dumps({"event": "client-x", **fields}))
    answered(client)


@pytest.mark.parametrize(
    "event", ["foo", "pusher:foo", "pusher:pong", "pusher_internal:x", "", "x" * 5000]
)
def test_unknown_events(server, event):
    client = server.connect()
    client.send(event, {"x": 1}, "c")
    assert client.is_alive()


def test_ping_with_anything(server):
    client = server.connect()
    for data in ("", None, 7, [], {}):
        client.send_text(json.dumps({"event": "pusher:ping", "data": data}))
        client.expect("pusher:pong")


def test_binary_message(server):
    client = server.connect()
    client.send_frame(BINARY, b'{"event":"pusher:ping"}')
    answered(client)


def test_fragments(server):
    client = server.connect()
    client.send_frame(TEXT, b'{"event":', first=0)
    client.send_frame(PING, b"between")
    assert client.frame() == (PONG, b"between")
    client.send_frame(0, b'"pusher:ping"', first=0)
    client.send_frame(0, b"}")
    client.expect("pusher:pong")


def test_character_cut_by_fragments(server, name):
    client = server.connect()
    text = json.dumps(
        {"event": "client-é", "channel": f"private-{name}", "data": "😀"}, ensure_ascii=False
    ).encode()
    for i in range(len(text)):
        client.send_frame(0 if i else TEXT, text[i : i + 1], first=0)
    client.send_frame(0)
    # Not subscribed: it was understood, and refused.
    answered(client)


# What breaks RFC 6455, and the code it is answered with.
VIOLATIONS = {
    "not UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "UTF-8 that ends early": (frame(TEXT, b"\xe2\x82"), 1007),
    "not masked": (frame(TEXT, b"{}", masked=False), 1002),
    "reserved bit": (frame(TEXT, b"{}", first=0xC0), 1002),
    "reserved opcode": (frame(3, b""), 1002),
    "reserved control opcode": (frame(11, b""), 1002),
    "long ping": (frame(PING, b"x" * 126), 1002),
    "fragmented ping": (frame(PING, b"", first=0), 1002),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "text within a fragmented text": (frame(TEXT, b"a", first=0) + frame(TEXT, b"b"), 1002),
    "close with one byte": (frame(CLOSE, b"\x03"), 1002),
    "close with a reserved code": (frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
    "close reason that is no UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "size of 2**63": (b"\x81\xff" + b"\xff" * 8 + b"mask", 1002),
    "too large": (frame(TEXT, b"x" * 70_000), 1009),
    "announced as too large": (b"\x81\xff" + (2**40).to_bytes(8, "big") + b"mask", 1009),
    "fragments that get too large": (
        frame(TEXT, b"x" * 40_000, first=0) + frame(0, b"x" * 40_000),
        1009,
    ),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_violations(server, violation):
    sent, code = VIOLATIONS[violation]
    client = server.connect()
    with suppress(ConnectionError):
        client.socket.sendall(sent)
    assert client.close_code() == code


def test_largest_message(server):
    client = server.connect()
    message = json.dumps({"event": "pusher:ping", "data": ""})
    client.send_text(message[:-2] + "x" * (65536 - len(message)) + message[-2:])
    client.expect("pusher:pong")


def test_configured_message_size(start):
    server = start("--max-message-size", "1000")
    client = server.connect()
    client.send_text('{"event":"x"}' + " " * 987)
    assert client.is_alive()
    client.send_text('{"event":"x"}' + " " * 988)
    assert client.close_code() == 1009


def test_messages_after_a_close(server, name):
    client, other = server.connect(), server.connect()
    other.subscribe(f"private-{name}")
    client.subscribe(f"private-{name}")
    late = json.dumps({"event": "client-x", "channel": f"private-{name}", "data": {}}).encode()
    client.socket.sendall(frame(CLOSE, (1000).to_bytes(2, "big")) + frame(TEXT, late))
    client.close_code()
    assert "client-x" not in [m["event"] for m in other.so_far()]


def test_cut_in_the_middle(server, name):
    whole = frame(TEXT, b'{"event":"pusher:subscribe","data":{"channel":"x"}}')
    for position in range(0, len(whole), 5):
        client = server.connect()
        client.subscribe(f"{name}-{position}")
        client.socket.sendall(whole[:position])
        # A reset instead of an orderly end.
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.drop()
    there = partial(server.api().get, "/channels", filter_by_prefix=f"{name}-")
    wait_until(lambda: there().json == {"channels": {}}, "an end of what they were on")


NOT_REQUESTS = [
    b"\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /\r\n\r\n",
    b"GET /up HTTP/9.9\r\n\r\n",
    b"GET /up HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET /up HTTP/1.1\r\n: no name\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /up/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://elsewhere/up HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /up HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /apps/1001/events HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    b"POST /apps/1001/events HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /apps/1001/events HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 30 + b"\r\n\r\n",
    b"POST /apps/1001/events HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"POST /apps/1001/events HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /apps/1001/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /apps/1001/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    b"POST /apps/1001/events HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST /apps/1001/events?%ff=%fe&&=&a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /apps/\xff/events HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST \r\n\r\n",
    b"POST /\r\n\r\n",
    b"OPTIONS\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /app/e2e-key HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
    b"GET /app/e2e-key HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    *(
        b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: %b\r\nSec-WebSocket-Version: 13\r\n\r\n" % (target, key)
        for target, key in (
            (b"/app/%ff", b"dGhlIHNhbXBsZSBub25jZQ=="),
            (b"/app/\xff?\xff=\xfe", b"dGhlIHNhbXBsZSBub25jZQ=="),
            (b"/app/e2e-key", b"\xff"),
            (b"http://elsewhere/app/e2e-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        )
    ),
]


@pytest.mark.parametrize("request_bytes", NOT_REQUESTS, ids=lambda r: repr(r[:60]))
def test_odd_requests(server, request_bytes):
    with HttpConnection(server.dial()) as http:
        http.socket.sendall(request_bytes)
        http.socket.shutdown(socket.SHUT_WR)
        received = b""
        with suppress(ConnectionError):
            while data := http.socket.recv(65536):
                received += data
    # Only what has no end, such as the beginning of TLS, is left without an answer.
    if received or b"\r\n\r\n" in request_bytes:
        assert received.startswith(b"HTTP/1.1 ")
        # A refusal, or an odd request that is none after all; never a bug of ours.
        assert received[9:12] != b"500", received
        assert b"Traceback" not in received


def test_smuggled_request(server):
    """A body that looks like a request is not one."""
    inner = b"GET /usage HTTP/1.1\r\nHost: x\r\n\r\n"
    with HttpConnection(server.dial()) as http:
        http.send("POST", "/apps/1001/events", inner)
        http.answer().problem(401)
        assert http.ask("GET", "/up").text == "OK"


# -- random


@pytest.fixture
def chance(record_property):
    """Random numbers; TXPUSHER_TEST_SEED repeats them."""
    record_property("seed", SEED)
    print(f"TXPUSHER_TEST_SEED={SEED}")
    return random.Random(SEED)


def test_random_bytes(server, chance):
    beginnings = [
        b"",
        b"GET ",
        b"GET /app/e2e-key HTTP/1.1\r\n",
        b"POST /apps/1001/events HTTP/1.1\r\n",
    ]
    for _ in range(150):
        with HttpConnection(server.dial()) as http, suppress(ConnectionError):
            http.socket.sendall(chance.choice(beginnings) + chance.randbytes(chance.randrange(400)))
            http.socket.shutdown(socket.SHUT_WR)
            while http.socket.recv(65536):
                pass


def test_random_frames(server, chance):
    for _ in range(100):
        client = server.connect()
        with suppress(Closed, ConnectionError, TimeoutError):
            for _ in range(20):
                client.send_frame(
                    chance.choice([0, 1, 1, 1, 2, 8, 9, 10, chance.randrange(16)]),
                    chance.randbytes(chance.randrange(200)),
                    first=chance.choice([0x80, 0x80, 0x80, 0, 0xF0]),
                )
        client.drop()


def mutated(chance, message):
    """A message with some of its bytes changed, removed or doubled."""
    text = bytearray(json.dumps(message).encode())
    for _ in range(chance.randrange(1, 6)):
        position = chance.randrange(len(text))
        how = chance.randrange(3)
        if how == 0:
            text[position] = chance.choice(b'{}[]",:\\0x \x00')
        elif how == 1:
            del text[position : position + chance.randrange(5)]
        else:
            text[position:position] = text[position : position + chance.randrange(20)]
        text = text or bytearray(b" ")
    return bytes(text)


def test_mutated_messages(server, chance, name):
    client = server.connect()
    channel_data = json.dumps({"user_id": "a", "user_info": {"n": [1, None, "é"]}})
    channel = f"presence-{name}"
    messages = [
        {
            "event": "pusher:subscribe",
            "data": {
                "channel": channel,
                "auth": APP.channel_auth(client.socket_id, channel, channel_data),
                "channel_data": channel_data,
            },
        },
        {"event": "pusher:unsubscribe", "data": {"channel": channel}},
        {"event": "client-x", "channel": channel, "data": {"a": [1, 2, {"b": None}]}},
        {"event": "pusher:signin", "data": {"auth": "a:b", "user_data": '{"id":"a"}'}},
        {"event": "pusher:ping", "data": {}},
    ]
    for _ in range(500):
        client.send_frame(TEXT, mutated(chance, chance.choice(messages)))
    client.send_frame(PING, b"the end")
    while client.frame() != (PONG, b"the end"):
        pass
    # Some were understood, and what channels say about it comes at the end of the server's turn.
    client.so_far()
    assert client.is_alive()


def random_value(chance, depth=0):
    """Any JSON value, and sometimes a field's real name."""
    kind = chance.randrange(9 if depth < 3 else 6)
    if kind < 3:
        return chance.choice(["", "x", "é", "private-x", "1.1", "\x00", "user_count", "a" * 300])
    if kind < 6:
        return chance.choice([None, True, 0, -1, 1.5, 10**18, 10**25])
    if kind == 6:
        return [random_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    names = ["name", "channel", "channels", "data", "socket_id", "info", "batch", "x"]
    return {
        chance.choice(names): random_value(chance, depth + 1) for _ in range(chance.randrange(5))
    }


def test_random_bodies(server, chance):
    api = server.api()
    event = {"name": "e", "channel": "c", "data": "x"}
    with HttpConnection(server.dial()) as http:
        for _ in range(300):
            body = dict(chance.choice([event, {"batch": [event, event]}]))
            body[chance.choice([*event, "channels", "socket_id", "info", "batch"])] = random_value(
                chance
            )
            if chance.random() < 0.3:
                body = random_value(chance)
            path = chance.choice(["/events", "/batch_events"])
            http.socket.sendall(api.request(path, body))
            answer = http.answer()
            assert answer.status in {200, 400, 413}, (body, answer)
