"""Silent clients, slow clients, and the end of the server."""

from __future__ import annotations

import json
import signal
import time
from contextlib import suppress

import pytest
from harness import running
from served_apps import APP
from wire import PING, PONG, TEXT, HttpConnection


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """A server that soon gives up silent clients."""
    options = ("--activity-timeout", "1", "--pong-timeout", "1")
    with running(tmp_path_factory.mktemp("impatient"), *options, app=APP) as server:
        yield server


def listen(client, seconds):
    """Read what comes for some time, answering pings as the client does; give the opcodes."""
    opcodes, until = [], time.monotonic() + seconds
    with suppress(TimeoutError):
        while (left := until - time.monotonic()) > 0:
            opcodes.append(client.frame(left)[0])
    return opcodes


def test_announced_timeout(impatient):
    websocket = impatient.open(f"/app/{APP.key}")
    data = json.loads(websocket.expect("pusher:connection_established")["data"])
    assert data["activity_timeout"] == 1


def test_silent_client_is_closed(impatient):
    client = impatient.connect()
    client.answers_pings = False
    begin = time.monotonic()
    assert client.frame() == (PING, b"")
    messages, code = client.messages_until_close()
    assert [m["data"]["code"] for m in messages] == [4201]
    assert code == 4201
    assert 2 <= time.monotonic() - begin < 5


def test_clients_that_live(impatient):
    """One answers pings of the WebSocket layer only, one sends pusher:ping, one only events, one pings itself."""
    quiet, pusher_js, busy, dotnet = (impatient.connect() for _ in range(4))
    for client in (pusher_js, busy, dotnet):
        client.answers_pings = False
    begin = time.monotonic()
    while time.monotonic() - begin < 6:
        pusher_js.send("pusher:ping", {})
        busy.send("anything", {})
        dotnet.send_frame(PING)
        assert set(listen(quiet, 0.5)) <= {PING}
    assert PING not in listen(busy, 0.01)
    assert quiet.is_alive()
    assert busy.is_alive()
    assert set(listen(dotnet, 0.1)) <= {PONG}
    assert set(listen(pusher_js, 0.1)) <= {TEXT}
    assert pusher_js.is_alive()


# -- stopping


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_stop_without_clients(start, sign):
    server = start()
    begin = time.monotonic()
    server.process.send_signal(sign)
    assert server.ended() == 0
    assert time.monotonic() - begin < 3


def test_clients_are_sent_elsewhere(start, name):
    server = start("--drain", "2")
    clients = [server.connect() for _ in range(30)]
    clients[0].subscribe(f"presence-{name}", {"user_id": "a"})
    server.terminate()
    for client in clients:
        messages, code = client.messages_until_close()
        errors = [m for m in messages if m["event"] == "pusher:error"]
        assert [e["data"]["code"] for e in errors] == [code] == [4200]
    assert server.ended() == 0


def test_while_draining(start):
    """New clients are turned away, and the health check says so before anybody is."""
    server = start("--drain", "5")
    # Many slices, so that draining takes its time; all over connections that are there already.
    clients = [server.connect() for _ in range(1000)]
    with HttpConnection(server.dial()) as health, HttpConnection(server.dial()) as late:
        assert health.ask("GET", "/up").status == 200
        late.socket.sendall(f"GET /app/{APP.key} HTTP/1.1\r\nHost: x\r\n".encode())
        server.terminate()
        assert clients[0].close_code() == 4200
        answer = health.ask("GET", "/up")
        assert (answer.status, answer.headers["x-health-check"]) == (503, "DRAINING")
        with pytest.raises(ConnectionError):
            server.dial()
        late.socket.sendall(
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert late.answer().status == 101
        late.read_until(b"4200")
    for client in clients[1:]:
        assert client.close_code() == 4200
    assert server.ended() == 0


def test_stop_with_clients_that_do_not_answer(start):
    server = start("--drain", "1")
    for _ in range(5):
        server.connect()
    with HttpConnection(server.dial()) as silent, HttpConnection(server.dial()) as half:
        half.socket.sendall(b"POST /apps/1001/events HTTP/1.1\r\nContent-Length: 10\r\n\r\nx")
        server.terminate()
        assert server.ended() == 0
        assert silent.ended()
        assert half.ended()


def test_restart_on_the_same_port(start):
    first = start()
    client = first.connect()
    first.terminate()
    client.close_code()
    assert first.ended() == 0
    assert start(port=first.port).connect().is_alive()
