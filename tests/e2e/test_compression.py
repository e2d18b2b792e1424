"""Compression with real clients: ws in Node, pusher-js in a browser, and those that know nothing of it."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pusher
import pytest
from harness import wait_until
from pages import pages
from served_apps import APP, write_apps
from wire import TEXT

ALONE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
SIZES = (1, 150, 250, 1000, 10_000, 90_000)


@pytest.fixture
def server(start, tmp_path):
    return start("--compression", "--apps", write_apps(tmp_path), configured=True)


def text(size):
    """Make data of this size, as JSON with characters of all lengths."""
    rows = json.dumps(
        [{"id": n, "name": f"Käufer {n} 😀", "price": n * 7 % 1000 / 10} for n in range(2000)],
        ensure_ascii=False,
    )
    return rows.encode()[:size].decode(errors="ignore")


@pytest.fixture
def ws(node, server):
    """Open a socket of the npm package ws, and give its name; the socket id is the second value."""

    def run(client, **options):
        url = f"ws://127.0.0.1:{server.port}/app/{APP.key}?protocol=7"
        node.run("open", client=client, url=url, options=options)
        agreed = node.event(client=client)["agreed"]
        (greeting,) = heard(node, client, 1)
        return agreed, json.loads(greeting["data"])["socket_id"]

    return run


def heard(node, client, count):
    """Wait until a socket has read that many messages that are no counts, and give them."""

    def enough():
        messages = [e["message"] for e in node.seen(client=client) if "message" in e]
        messages = [m for m in messages if not m["event"].endswith(":subscription_count")]
        return messages[:count] if len(messages) >= count else None

    return wait_until(enough, f"{count} messages for {client}")


@pytest.mark.parametrize(
    ("options", "agreed"),
    [
        ({}, f"{ALONE}; client_max_window_bits=12"),
        ({"serverMaxWindowBits": 10}, f"{ALONE}; server_max_window_bits=10; client_max_window_bits=12"),
        ({"clientMaxWindowBits": 9}, f"{ALONE}; client_max_window_bits=9"),
    ],
)  # fmt: skip
def test_events_of_all_sizes(ws, node, server, name, options, agreed):
    assert ws("a", **options)[0] == agreed
    node.run("send", client="a", message={"event": "pusher:subscribe", "data": {"channel": name}})
    heard(node, "a", 2)
    for size in SIZES:
        server.api().trigger(name, text(size))
    events = [{"name": "e", "channel": name, "data": f"{n} {text(500)}"} for n in range(10)]
    assert server.api().post("/batch_events", {"batch": events}).status == 200
    messages = heard(node, "a", 2 + len(SIZES) + len(events))[2:]
    expected = [*map(text, SIZES), *(event["data"] for event in events)]
    assert [message["data"] for message in messages] == expected


def test_client_events_go_both_ways(ws, node, server, name):
    """What a client sent compressed reaches others that compress, and those that do not."""
    channel = f"private-{name}"
    plain = server.connect()
    plain.subscribe(channel)
    for client in ("a", "b"):
        _, socket_id = ws(client)
        auth = APP.channel_auth(socket_id, channel, None)
        data = {"channel": channel, "auth": auth}
        node.run("send", client=client, message={"event": "pusher:subscribe", "data": data})
        heard(node, client, 2)
    message = {"event": "client-x", "channel": channel, "data": text(8000)}
    node.run("send", client="a", message=message)
    assert heard(node, "b", 3)[2] == message
    assert plain.so_far()[-1] == message


def test_what_is_counted(ws, node, server, name):
    for client in ("a", "b", "c"):
        ws(client)
        node.run(
            "send", client=client, message={"event": "pusher:subscribe", "data": {"channel": name}}
        )
        heard(node, client, 2)
    server.api().trigger(name, text(5000))
    for client in ("a", "b", "c"):
        heard(node, client, 3)
    metrics = server.metrics()
    assert metrics["compression_agreed_total"] == 3
    assert metrics["compressions_total"] == 1
    before, after = (metrics[f"compression_{way}_bytes_total"] for way in ("input", "output"))
    assert before > 5000
    assert after < before / 2


def test_a_bomb(server):
    """A few bytes that would be many megabytes close the connection; the server and others go on."""
    other = server.connect()
    bomb = server.open(f"/app/{APP.key}", {"Sec-WebSocket-Extensions": "permessage-deflate"})
    assert bomb.headers["sec-websocket-extensions"] == ALONE
    bomb.expect("pusher:connection_established")
    deflate = zlib.compressobj(9, wbits=-15)
    data = deflate.compress(bytes(60_000_000)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    assert len(data) < 65_000
    before = resident_kilobytes(server)
    bomb.send_frame(TEXT, data[:-4], first=0xC0)
    assert bomb.close_code() == 1009
    assert resident_kilobytes(server) - before < 10_000
    assert server.metrics()['messages_dropped_total{app_id="1001",reason="message_too_big"}'] == 1
    assert other.is_alive()


def resident_kilobytes(server):
    """Give the memory that a server has had at most."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def test_in_a_browser(browser, server, name):
    """pusher-js in Chromium agrees by itself: events of all sizes arrive, and client events are understood."""
    sdk = pusher.Pusher(
        app_id=APP.id, key=APP.key, secret=APP.secret, host="127.0.0.1", port=server.port, ssl=False
    )
    channel = f"presence-{name}"
    with pages(browser, server.port, sdk) as open_page:
        shown = {user: open_page(user, channel) for user in ("a", "b")}
        for shows in shown.values():
            shows("#log", f"{channel} pusher:subscription_succeeded")
        socket = "pusher.connection.connection.transport.socket"
        agreed = browser.run("evaluate", page="a", script=f"{socket}.extensions")
        assert agreed == f"{ALONE}; client_max_window_bits=12"
        for size in (10, 300, 2000, 6000):
            sdk.trigger(channel, f"size-{size}", {"text": text(size)})
            written = json.dumps({"text": text(size)}, ensure_ascii=False, separators=(",", ":"))
            for shows in shown.values():
                assert written in shows("#log", f"size-{size}")
        script = f"channels['{channel}'].trigger('client-x', {json.dumps(text(5000))})"
        browser.run("evaluate", page="b", script=script)
        assert f"{text(5000)} from b" in shown["a"]("#log", "client-x")
