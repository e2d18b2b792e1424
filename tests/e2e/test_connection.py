"""Connecting, and being refused."""

from __future__ import annotations

import json
import re

import pytest
from harness import wait_until
from served_apps import APP, DISABLED, ORIGINS, PLAIN, QUOTA, TLS_ONLY
from wire import PING, PONG, TEXT, HttpConnection, frame

JS = "protocol=7&client=js&version=8.6.0&flash=false"


def assert_refused(websocket, code):
    """The handshake succeeds; then come one error and a close frame with the same code."""
    assert websocket.status == 101
    messages, closed_with = websocket.messages_until_close()
    (error,) = messages
    assert error["event"] == "pusher:error"
    assert error["data"]["code"] == code
    assert isinstance(error["data"]["message"], str)
    assert closed_with == code


def test_first_message(server):
    websocket = server.open(f"/app/{APP.key}?{JS}")
    assert websocket.status == 101
    first = websocket.expect("pusher:connection_established")
    assert isinstance(first["data"], str)
    data = json.loads(first["data"])
    assert re.fullmatch(r"\d{1,10}\.\d{1,10}", data["socket_id"])
    assert data["activity_timeout"] == 120


def test_socket_ids_differ(server):
    clients = [server.connect() for _ in range(50)]
    assert len({client.socket_id for client in clients}) == len(clients)


@pytest.mark.parametrize(
    "query",
    [
        "protocol=5",
        "protocol=6",
        "protocol=7",
        "",
        "client=js",
        "protocol=7&version=nonsense",
        "protocol=7&foo=bar&foo=baz&%ff",
    ],
)
def test_accepted_queries(server, query):
    assert server.connect(query=query).is_alive()


@pytest.mark.parametrize("protocol", ["4", "99", "abc", "-7", "7.0", "%D9%A7"])
def test_unsupported_protocol(server, protocol):
    assert_refused(server.open(f"/app/{APP.key}?protocol={protocol}"), 4007)


def test_unknown_key(server):
    assert_refused(server.open(f"/app/unknown?{JS}"), 4001)


def test_disabled_app(server):
    assert_refused(server.open(f"/app/{DISABLED.key}?{JS}"), 4003)


def test_app_that_wants_tls(server):
    assert_refused(server.open(f"/app/{TLS_ONLY.key}?{JS}"), 4000)


@pytest.mark.parametrize("path", ["/app", "/app/", "/nope", "/", "/app/a/b", "/apps/1001/events"])
def test_other_paths(server, path):
    assert_refused(server.open(f"{path}?{JS}"), 4005)


def test_quota(server):
    first = server.connect(QUOTA)
    assert_refused(server.open(f"/app/{QUOTA.key}?{JS}"), 4004)
    assert first.is_alive()
    first.drop()

    def accepted():
        websocket = server.open(f"/app/{QUOTA.key}?{JS}")
        return websocket.receive()["event"] == "pusher:connection_established"

    wait_until(accepted, "room for another connection")


def test_capacity(start):
    server = start("--max-connections", "2")
    first, second = server.connect(), server.connect()
    assert_refused(server.open(f"/app/{APP.key}?{JS}"), 4100)
    assert first.is_alive()
    assert second.is_alive()


@pytest.mark.parametrize("origin", ["https://good.example", "https://a.sub.example"])
def test_allowed_origin(server, origin):
    websocket = server.open(f"/app/{ORIGINS.key}?{JS}", {"Origin": origin})
    websocket.expect("pusher:connection_established")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://good.example", "null", None])
def test_foreign_origin(server, origin):
    headers = {} if origin is None else {"Origin": origin}
    assert_refused(server.open(f"/app/{ORIGINS.key}?{JS}", headers), 4009)


def test_strict_handshake(start):
    server = start("--strict-handshake")
    assert_refused(server.open(f"/app/{APP.key}?version=1.2.3"), 4008)
    assert_refused(server.open(f"/app/{APP.key}?protocol=7&version=x"), 4006)
    assert server.connect(query="protocol=7&version=8.6.0").is_alive()


def test_subprotocol_is_echoed(server):
    offered = {"Sec-WebSocket-Protocol": "pusher-channels-protocol-7"}
    websocket = server.open(f"/app/{APP.key}", offered)
    assert websocket.headers["sec-websocket-protocol"] == "pusher-channels-protocol-7"
    websocket.expect("pusher:connection_established")


def test_one_of_several_subprotocols(server):
    offered = {"Sec-WebSocket-Protocol": "chat, pusher-channels-protocol-6, chat2"}
    websocket = server.open(f"/app/{APP.key}", offered)
    assert websocket.headers["sec-websocket-protocol"] == "pusher-channels-protocol-6"


@pytest.mark.parametrize("headers", [{}, {"Sec-WebSocket-Protocol": "chat"}])
def test_no_subprotocol(server, headers):
    websocket = server.open(f"/app/{APP.key}", headers)
    assert "sec-websocket-protocol" not in websocket.headers
    websocket.expect("pusher:connection_established")


def test_offered_compression_is_declined(server):
    headers = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    websocket = server.open(f"/app/{APP.key}", headers)
    assert "sec-websocket-extensions" not in websocket.headers
    websocket.expect("pusher:connection_established")


def test_key_is_decoded_once(server):
    server.open("/app/e2e%2Dkey").expect("pusher:connection_established")
    assert_refused(server.open("/app/e2e%252Dkey"), 4001)


def test_ping_event(server):
    client = server.connect()
    client.send("pusher:ping")
    pong = client.expect("pusher:pong")
    assert pong["data"] == {}


def test_ping_frame(server):
    client = server.connect()
    client.send_frame(PING, b"payload \x00\xff")
    assert client.frame() == (PONG, b"payload \x00\xff")


def test_many_ping_frames(server):
    client = server.connect()
    for number in range(200):
        client.send_frame(PING, b"%d" % number)
    assert [client.frame() for _ in range(200)] == [(PONG, b"%d" % n) for n in range(200)]


def test_close_is_answered(server):
    client = server.connect()
    client.send_frame(8, (1000).to_bytes(2, "big"))
    assert client.close_code() == 1000


def test_handshake_in_pieces(server):
    connection = server.dial()
    head = (
        f"GET /app/{APP.key} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    for begin in range(0, len(head), 7):
        connection.sendall(head[begin : begin + 7])
    with HttpConnection(connection) as http:
        assert http.answer().status == 101


def test_message_right_behind_the_handshake(server, name):
    """In one segment, before the answer: nothing of it is lost."""
    subscription = json.dumps({"event": "pusher:subscribe", "data": {"channel": name}}).encode()
    head = (
        f"GET /app/{APP.key} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    with HttpConnection(server.dial()) as http:
        http.socket.sendall(head + frame(TEXT, subscription))
        received = b""
        while b"subscription_succeeded" not in received:
            received += http.socket.recv(65536)
    assert received.index(b"connection_established") < received.index(b"subscription_succeeded")


def test_tls_ended_by_a_proxy(server):
    websocket = server.open(f"/app/{TLS_ONLY.key}", {"X-Forwarded-Proto": "https"})
    websocket.expect("pusher:connection_established")


def test_wrong_websocket_version(server):
    websocket = server.open(f"/app/{APP.key}", {"Sec-WebSocket-Version": "7"})
    assert websocket.status in {400, 426}
    assert server.connect().is_alive()


def test_endless_head(server):
    with HttpConnection(server.dial()) as http:
        http.socket.sendall(f"GET /app/{APP.key} HTTP/1.1\r\nHost: x\r\nX-Long: ".encode())
        http.socket.sendall(b"x" * 17_000)
        http.answer().problem(431)
        assert http.ended()


def test_silence_instead_of_a_handshake(start):
    server = start("--handshake-timeout", "1")
    for beginning in (b"", b"GET /app/", b"PO"):
        with HttpConnection(server.dial()) as http:
            http.socket.sendall(beginning)
            assert http.ended()
    assert server.metrics()['connections_refused_total{app_id="",reason="handshake_timeout"}'] == 3


def test_refusals_are_counted(start):
    server = start()
    assert_refused(server.open("/app/unknown"), 4001)
    assert_refused(server.open(f"/app/{APP.key}?protocol=1"), 4007)
    metrics = server.metrics()
    assert metrics['connections_refused_total{app_id="",reason="unknown_app"}'] == 1
    assert metrics['connections_refused_total{app_id="",reason="unsupported_protocol"}'] == 1
    assert metrics['connected{app_id="1001"}'] == 0
    assert metrics['new_connections_total{app_id="1001"}'] == 0


def test_apps_do_not_mix(server, name):
    ours, theirs = server.connect(APP), server.connect(PLAIN)
    ours.subscribe(f"x-{name}")
    theirs.subscribe(f"x-{name}")
    assert ours.expect("pusher_internal:subscription_count")
    server.api(PLAIN).trigger(f"x-{name}", "theirs")
    assert theirs.expect("event")["data"] == "theirs"
    assert ours.is_alive()
