"""Webhooks from the real server to a real receiver."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import NamedTuple

import pusher
import pytest
from harness import DEADLINE, Server, free_port, run_to_end, wait_until
from hook_receiver import DROP, HANG, HEAD, LAST, REDIRECT, HookReceiver
from wire import Credentials

from txpusher import __version__

SHOP = Credentials("2001", "shop-key", "e2e-secret-of-2001")
BANK = Credentials("2002", "bank-key", "e2e-secret-of-2002")
KINDS = (
    *("cache_miss", "channel_occupied", "channel_vacated", "client_event"),
    *("member_added", "member_removed", "subscription_count"),
)
TOKEN, PAYLOAD = "hook-token-not-to-be-logged", "payload-not-to-be-logged"
DELAY = ("--webhook-delay", "0.5")
SILENT_NAME_SERVER = """
import socket, time

ask = socket.getaddrinfo

def getaddrinfo(host, *args, **more):
    if str(host).endswith(".slow.test"):
        time.sleep(60)
    return ask(host, *args, **more)

socket.getaddrinfo = getaddrinfo
"""

OTHER_NAME = """
import socket

ask = socket.getaddrinfo

def getaddrinfo(host, *args, **more):
    return ask("127.0.0.1" if host == "other.test" else host, *args, **more)

socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
def hooks():
    with HookReceiver() as receiver:
        yield receiver


@pytest.fixture
def serve(tmp_path, start):
    """Start a server whose apps have these targets."""

    def run(targets, *options, others=(), env=None):
        apps = [
            {
                "id": app.id,
                "key": app.key,
                "secret": app.secret,
                "client_events": True,
                "subscription_count": True,
                "max_client_events_per_second": 0,
                "webhooks": app_targets,
            }
            for app, app_targets in ((SHOP, targets), *others)
        ]
        path = tmp_path / "apps.json"
        path.write_text(json.dumps(apps))
        options = (*DELAY, "--apps", path.as_uri(), *options)
        server = start(*options, app=SHOP, configured=True, env=env)
        server.secrets |= {app["secret"] for app in apps} | {TOKEN, PAYLOAD, "/hook"}
        return server

    return run


def target(url, *kinds, **more):
    return {"url": url, "event_types": list(kinds or KINDS), **more}


def told(events):
    """Give name, channel and user of events."""
    fields = ("name", "channel", "user_id")
    return [tuple(event[field] for field in fields if field in event) for event in events]


def occupy(server, *channels, app=SHOP):
    """Connect a client and subscribe it to channels."""
    client = server.connect(app)
    for channel in channels:
        client.ask_to_subscribe(channel)
    client.so_far()
    return client


# What is sent


class Happened(NamedTuple):
    """A server and the ids of those who sent client events."""

    server: Server
    on_presence: str
    on_private: str


@pytest.fixture
def everything(serve, hooks):
    """A server on which something of each kind has happened."""
    url = hooks.url(f"/hook?token={TOKEN}")
    server = serve([target(url, headers={"Authorization": f"Bearer {TOKEN}"})])
    client, other = server.connect(), server.connect()
    client.subscribe("cache-a")
    client.so_far()
    client.subscribe("presence-a", {"user_id": 10})
    client.so_far()
    other.subscribe("private-a")
    other.so_far()
    client.send("client-typing", {"é": PAYLOAD}, "presence-a")
    other.send("client-typing", PAYLOAD, "private-a")
    other.so_far()
    client.so_far()
    hooks.until(channel="private-a", name="client_event")
    client.unsubscribe("presence-a")
    hooks.until(name="channel_vacated")
    return Happened(server, client.socket_id, other.socket_id)


def test_every_kind(everything, hooks):
    _, first, second = everything
    requests = [request.json for request in hooks.at("/hook")]
    assert all(body.keys() == {"time_ms", "events"} for body in requests)
    assert all(len(body["events"]) == 1 for body in requests)
    assert all(abs(body["time_ms"] - time.time() * 1000) < 30_000 for body in requests)
    assert all(type(body["time_ms"]) is int for body in requests)
    events = hooks.events()
    by_channel = {
        channel: [event for event in events if event["channel"] == channel]
        for channel in ("cache-a", "presence-a", "private-a")
    }
    assert sum(map(len, by_channel.values())) == len(events)
    assert by_channel["cache-a"] == [
        {"name": "channel_occupied", "channel": "cache-a"},
        {"name": "cache_miss", "channel": "cache-a"},
        {"name": "subscription_count", "channel": "cache-a", "subscription_count": 1},
    ]
    assert by_channel["presence-a"] == [
        {"name": "channel_occupied", "channel": "presence-a"},
        {"name": "member_added", "channel": "presence-a", "user_id": "10"},
        {
            "name": "client_event",
            "channel": "presence-a",
            "event": "client-typing",
            "data": f'{{"é":"{PAYLOAD}"}}',
            "socket_id": first,
            "user_id": "10",
        },
        {"name": "member_removed", "channel": "presence-a", "user_id": "10"},
        {"name": "channel_vacated", "channel": "presence-a"},
    ]
    assert by_channel["private-a"] == [
        {"name": "channel_occupied", "channel": "private-a"},
        {"name": "subscription_count", "channel": "private-a", "subscription_count": 1},
        {
            "name": "client_event",
            "channel": "private-a",
            "event": "client-typing",
            "data": PAYLOAD,
            "socket_id": second,
        },
    ]


def test_headers(everything, hooks):
    for request in hooks.at("/hook"):
        assert (request.method, request.path) == ("POST", f"/hook?token={TOKEN}")
        assert request.header("Content-Type") == "application/json"
        assert request.header("X-Pusher-Key") == SHOP.key
        assert request.header("X-Pusher-Signature") == SHOP.sign(request.body.decode())
        assert request.header("User-Agent") == f"txpusher/{__version__}"
        assert request.header("Authorization") == f"Bearer {TOKEN}"
        assert sorted(name for name, _ in request.headers) == [
            *("Authorization", "Content-Length", "Content-Type", "Host"),
            *("User-Agent", "X-Pusher-Key", "X-Pusher-Signature"),
        ]


def test_python_sdk(everything, hooks):
    sdk = pusher.Pusher(SHOP.id, SHOP.key, SHOP.secret)
    for request in hooks.at("/hook"):
        key, signature = request.header("X-Pusher-Key"), request.header("X-Pusher-Signature")
        assert sdk.validate_webhook(key, signature, request.body.decode()) == request.json
        assert sdk.validate_webhook(key, signature, request.body.decode() + " ") is None


def test_node_sdk(everything, hooks, node):
    node.run("sdk", appId=SHOP.id, key=SHOP.key, secret=SHOP.secret, port=everything.server.port)
    for request in hooks.at("/hook"):
        headers = {name.lower(): value for name, value in request.headers}
        answer = node.run("webhook", headers=headers, rawBody=request.body.decode())
        expected = {
            "valid": True,
            "time": request.json["time_ms"],
            "events": request.json["events"],
        }
        assert answer == expected
    headers["x-pusher-signature"] = "0" * 64
    forged = node.run("webhook", headers=headers, rawBody=request.body.decode())
    assert not forged["valid"]


def test_metrics(everything, hooks):
    def number(name, kind, **more):
        labels = {"app_id": SHOP.id, "kind": kind, **more}
        text = ",".join(f'{label}="{value}"' for label, value in labels.items())
        return everything.server.metrics().get(f"{name}{{{text}}}")

    wait_until(lambda: number("webhooks_sent_total", "channel_vacated") == 1, "its acceptance")
    assert number("webhooks_sent_total", "channel_occupied") == 3
    assert number("webhooks_sent_total", "client_event") == 2
    assert number("webhook_seconds_count", "client_event") == 2
    assert number("webhook_queue_length", "client_event") == 0
    assert number("webhooks_failed_total", "client_event") == 0


def test_nobody_to_tell(serve, hooks):
    server = serve([], others=[(BANK, [target(hooks.url())])])
    occupy(server, "a", "cache-b").drop()
    client = occupy(server, app=BANK)
    client.sign_in("ann")
    client.ask_to_subscribe("#server-to-user-ann")
    client.ask_to_subscribe("barrier")
    client.so_far()
    assert told(hooks.until(channel="barrier"))[0] == ("channel_occupied", "barrier")


# When it is sent


def test_page_reloads(serve, hooks):
    server = serve([target(hooks.url())], "--webhook-delay", "3")
    for _ in range(200):
        client = server.connect()
        client.subscribe("presence-a", {"user_id": "ann"})
        client.drop()
    client = server.connect()
    client.subscribe("presence-a", {"user_id": "ann"})
    occupy(server, "barrier")
    assert told(hooks.until(channel="barrier")) == [
        ("channel_occupied", "presence-a"),
        ("member_added", "presence-a", "ann"),
        ("channel_occupied", "barrier"),
    ]
    client.drop()
    assert told(hooks.until(name="channel_vacated"))[-2:] == [
        ("member_removed", "presence-a", "ann"),
        ("channel_vacated", "presence-a"),
    ]


def test_only_the_first_and_the_last(serve, hooks):
    server = serve([target(hooks.url(), "channel_occupied", "channel_vacated")])
    first, second = occupy(server, "a"), occupy(server, "a")
    first.drop()
    occupy(server, "b")
    hooks.until(channel="b")
    second.unsubscribe("a")
    assert told(hooks.until(name="channel_vacated")) == [
        ("channel_occupied", "a"),
        ("channel_occupied", "b"),
        ("channel_vacated", "a"),
    ]


def test_batches(serve, hooks):
    window = {"batch_window": 0.4, "batch_size": 30}
    targets = [
        target(hooks.url("/all"), "client_event", **window),
        target(
            hooks.url("/some"),
            "client_event",
            filter={"channel_name_starts_with": "private-", "channel_name_ends_with": "-eu"},
            **window,
        ),
        target(hooks.url("/few"), "client_event", filter={"channel_pattern": "^private-[b-z]-"}),
    ]
    server = serve(targets)
    channels = ("private-a-eu", "private-a-us", "presence-a-eu", "private-b-eu")
    client = server.connect()
    for channel in channels:
        client.ask_to_subscribe(channel, {"user_id": "1"} if channel.startswith("pre") else None)
    client.so_far()
    for number in range(100):
        client.send("client-e", str(number), channels[number % 4])
    client.so_far()
    wait_until(lambda: len(hooks.events("/all")) == 100, "all events")
    sizes = [len(request.json["events"]) for request in hooks.at("/all")]
    assert sizes[0] == 30
    assert max(sizes) == 30
    assert len(sizes) <= 6
    assert [event["data"] for event in hooks.events("/all")] == [str(n) for n in range(100)]
    wait_until(lambda: len(hooks.events("/some")) == 50, "the events of some channels")
    assert [e["channel"] for e in hooks.events("/some")] == [channels[0], channels[3]] * 25
    assert len(hooks.at("/some")) <= 4
    hooks.got(25, "/few")
    assert [e["channel"] for e in hooks.events("/few")] == [channels[3]] * 25
    assert all(len(request.json["events"]) == 1 for request in hooks.at("/few"))


def test_one_address_twice(serve, hooks):
    targets = [target(hooks.url(), "channel_occupied"), target(hooks.url(), "cache_miss")]
    occupy(serve(targets), "cache-a")
    hooks.got(2)
    assert sorted(told(hooks.events())) == [
        ("cache_miss", "cache-a"),
        ("channel_occupied", "cache-a"),
    ]


def test_two_apps(serve, hooks):
    targets = [target(hooks.url(), "channel_occupied", batch_window=0.3)]
    server = serve(targets, others=[(BANK, targets)])
    for number in range(5):
        occupy(server, f"shop-{number}")
        occupy(server, f"bank-{number}", app=BANK)
    wait_until(lambda: len(hooks.events()) == 10, "the events of both")
    for request in hooks.at("/hook"):
        app = {SHOP.key: SHOP, BANK.key: BANK}[request.header("X-Pusher-Key")]
        assert request.header("X-Pusher-Signature") == app.sign(request.body.decode())
        owners = {event["channel"].split("-")[0] for event in request.json["events"]}
        assert owners == {app.key.split("-")[0]}


# Receivers with troubles


def test_retries(serve, hooks):
    server = serve([target(hooks.url(), "channel_occupied")])
    hooks.answer(500, 500)
    occupy(server, "a", "b")
    requests = hooks.got(4)
    assert [request.json["events"][0]["channel"] for request in requests] == ["a", "a", "a", "b"]
    assert len({request.body for request in requests[:3]}) == 1
    first, second = (b.at - a.at for a, b in pairwise(requests[:3]))
    assert 0.7 < first < second
    assert second < 4
    labels = f'{{app_id="{SHOP.id}",kind="channel_occupied"}}'
    wait_until(lambda: server.metrics()[f"webhooks_sent_total{labels}"] == 2, "both")
    metrics = server.metrics()
    assert metrics[f"webhooks_failed_total{labels}"] == 2
    assert metrics[f"webhooks_retried_total{labels}"] == 2
    # One line when it began, one when it was over.
    assert server.log.count("Webhook target") == 2
    name = f"Webhook target 1 (127.0.0.1) of app {SHOP.id}"
    assert f"{name} does not take webhooks: it answered 500" in server.log
    assert f"{name} takes webhooks again" in server.log
    assert "HTTP11" not in server.log


def test_everything_but_2xx_is_retried(serve, hooks):
    troubles = {"/410": 410, "/404": 404, "/redirect": REDIRECT, "/drop": DROP, "/hang": HANG}
    for path, trouble in troubles.items():
        hooks.answer(trouble, path=path)
    server = serve([target(hooks.url(p), "channel_occupied", timeout=0.4) for p in troubles])
    occupy(server, "a", "b")
    for path in troubles:
        requests = hooks.got(3, path)
        channels = [request.json["events"][0]["channel"] for request in requests]
        assert channels == ["a", "a", "b"], path
        assert requests[0].body == requests[1].body
        assert requests[1].at - requests[0].at > 0.7
    assert hooks.at("/elsewhere") == []
    assert "no answer in time" in server.log


def test_a_receiver_that_comes_late(serve):
    port = free_port()
    server = serve([target(f"http://127.0.0.1:{port}/hook", "channel_occupied")])
    occupy(server, "a", "b", "c")
    wait_until(lambda: "ConnectionRefusedError" in server.log, "a failure")
    with HookReceiver(port) as hooks:
        hooks.got(3)
        assert [event["channel"] for event in hooks.events()] == ["a", "b", "c"]


def test_a_head_that_does_not_end(serve, hooks):
    hooks.answer(HEAD)
    server = serve([target(hooks.url(), "channel_occupied")])
    occupy(server, "a")
    first, second = hooks.got(2)
    assert first.body == second.body
    assert second.at - first.at < 5  # before the request times out
    assert "does not take webhooks: the head of its answer is too long" in server.log
    wait_until(lambda: "takes webhooks again" in server.log, "its acceptance")


def test_a_receiver_of_the_old_kind(serve):
    with HookReceiver(version="HTTP/1.0") as hooks:
        server = serve([target(hooks.url("?a=b"), "client_event")])
        client = occupy(server, "private-a")
        for number in range(30):
            client.send("client-e", str(number), "private-a")
        requests = hooks.got(30, "/")
        assert [request.path for request in requests] == ["/?a=b"] * 30
        assert [event["data"] for event in hooks.events("/")] == [str(n) for n in range(30)]
        assert all(one.connection != other.connection for one, other in pairwise(requests))
        labels = f'{{app_id="{SHOP.id}",kind="client_event"}}'
        assert server.metrics()[f"webhooks_failed_total{labels}"] == 0


def test_a_name_server_that_is_silent(serve, hooks, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(SILENT_NAME_SERVER)
    slow = [target(f"http://{n}.slow.test/hook", "channel_occupied") for n in range(15)]
    healthy = [target(hooks.url(host="localhost"), "channel_occupied")]
    server = serve(
        slow, "--drain", "1", others=[(BANK, healthy)], env={"PYTHONPATH": str(tmp_path)}
    )
    occupy(server, "a")
    occupy(server, "b", app=BANK)
    assert told(hooks.until(channel="b")) == [("channel_occupied", "b")]
    begin = time.monotonic()
    server.terminate()
    assert server.ended() == 0
    assert time.monotonic() - begin < DEADLINE
    assert "15 webhook events could not be sent before the stop" in server.log


def test_a_slow_receiver_delays_no_socket(serve, hooks):
    hooks.answer(HANG)
    server = serve([target(hooks.url(), "client_event")])
    sender, reader = occupy(server, "private-a"), occupy(server, "private-a")
    sender.send("client-e", "first", "private-a")
    assert reader.expect("client-e")["data"] == "first"
    hooks.got(1)
    slowest = 0.0
    for number in range(100):
        begin = time.monotonic()
        sender.send("client-e", str(number), "private-a")
        assert reader.expect("client-e")["data"] == str(number)
        slowest = max(slowest, time.monotonic() - begin)
    assert len(hooks.at("/hook")) == 1
    assert slowest < 2
    labels = f'{{app_id="{SHOP.id}",kind="client_event"}}'
    assert server.metrics()[f"webhook_queue_length{labels}"] == 101
    hooks.release()
    requests = hooks.got(102)
    data = [request.json["events"][0]["data"] for request in requests]
    assert data == ["first", "first", *(str(number) for number in range(100))]
    # They went one after the other, by a connection that was kept.
    assert len({request.connection for request in requests[1:]}) == 1


def test_a_full_queue(serve, hooks):
    hooks.answer(HANG)
    server = serve([target(hooks.url(), "client_event")], "--webhook-queue", "4")
    client = occupy(server, "private-a")
    client.send("client-e", "0", "private-a")
    hooks.got(1)
    assert server.get("/up").text == "OK"
    for number in range(1, 11):
        client.send("client-e", str(number), "private-a")
    client.so_far()
    assert server.get("/up").text == "DEGRADED"
    assert server.get("/up").status == 200
    labels = f'{{app_id="{SHOP.id}",kind="client_event",reason="queue_full"}}'
    assert server.metrics()[f"webhooks_dropped_total{labels}"] == 6
    assert server.log.count("its queue is full") == 1
    hooks.release()
    requests = hooks.got(6)
    data = [request.json["events"][0]["data"] for request in requests[2:]]
    assert data == ["7", "8", "9", "10"]
    assert server.get("/up").text == "OK"


# The end


def test_flush_at_the_stop(serve, hooks):
    targets = [
        target(hooks.url("/single"), "channel_vacated"),
        target(hooks.url("/batch"), "channel_occupied", "channel_vacated", batch_window=60),
    ]
    server = serve(targets, "--webhook-delay", "60", "--drain", "3")
    stays, leaves = occupy(server, "a"), occupy(server, "b")
    leaves.unsubscribe("b")
    leaves.so_far()
    server.terminate()
    assert stays.close_code() == 4200
    assert server.ended() == 0
    assert [event["channel"] for event in hooks.events("/single")] == ["b", "a"]
    assert [tuple(event.values()) for event in hooks.events("/batch")] == [
        ("channel_occupied", "a"),
        ("channel_occupied", "b"),
        ("channel_vacated", "b"),
        ("channel_vacated", "a"),
    ]
    assert "could not be sent" not in server.log


def test_a_receiver_that_hangs_at_the_stop(serve, hooks):
    hooks.answer(HANG)
    server = serve([target(hooks.url(), "channel_occupied")], "--drain", "1")
    occupy(server, "a", "b", "c")
    hooks.got(1)
    begin = time.monotonic()
    server.terminate()
    assert server.ended() == 0
    assert time.monotonic() - begin < DEADLINE
    assert "3 webhook events could not be sent before the stop" in server.log


# TLS


def test_a_certificate_that_nobody_vouches_for(serve, certificate):
    with HookReceiver(certificate=certificate) as hooks:
        targets = [target(hooks.url(host="localhost"), "channel_occupied")]
        server = serve(targets, "--drain", "1")
        occupy(server, "a")
        wait_until(lambda: "does not take webhooks: TLS: " in server.log, "a refusal")
        assert hooks.requests == []


def test_a_certificate_of_another_host(serve, certificate, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(OTHER_NAME)
    with HookReceiver(certificate=certificate) as hooks:
        env = {"SSL_CERT_FILE": str(certificate[1]), "PYTHONPATH": str(tmp_path)}
        targets = [target(hooks.url(host="other.test"), "channel_occupied")]
        server = serve(targets, "--drain", "1", env=env)
        occupy(server, "a")
        problem = "does not take webhooks: TLS: its certificate is for another host"
        wait_until(lambda: problem in server.log, "a refusal")
        assert hooks.requests == []


def test_an_authority_of_ones_own(serve, certificate):
    with HookReceiver(certificate=certificate) as hooks:
        hooks.answer(LAST)
        url = hooks.url(host="localhost")
        env = {"SSL_CERT_FILE": str(certificate[1])}
        server = serve([target(url, "channel_occupied")], env=env)
        # The second one needs another connection.
        occupy(server, "a", "b")
        first, second = hooks.got(2)
        assert first.connection != second.connection
        assert "does not take webhooks" not in server.log


# Mistakes


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"event_types": ["channel_ocupied"]}, "event_types"),
        ({"filter": {"channel_pattern": "("}}, "channel_pattern"),
        ({"url": f"ftp://a.example/{TOKEN}"}, "url"),
    ],
)
def test_a_mistake_ends_the_start(tmp_path, wrong, named):
    good = target("http://a.example/")
    app = {"id": "1", "key": "k", "secret": "s", "webhooks": [good, {**good, **wrong}]}
    path = tmp_path / "apps.json"
    path.write_text(json.dumps([app]))
    finished = run_to_end(tmp_path, "--apps", path.as_uri())
    assert finished.status == 1
    assert f"webhooks 2: {named}" in finished.output
    assert "Traceback" not in finished.output
    assert TOKEN not in finished.output
