"""Limits on rates and sizes, and publishes that are sent again, with the real server and the real SDKs."""

from __future__ import annotations

import json
import time

import pusher
import pytest
from harness import LOOPBACK, behind_proxy, free_port, running, wait_until
from pusher.errors import PusherError
from pusher.requests import RequestsBackend
from served_apps import APP
from wire import Credentials, HttpConnection

SLOW = Credentials("2001", "slow-key", "e2e-secret-of-2001")
QUICK = Credentials("2002", "quick-key", "e2e-secret-of-2002")
FREE = Credentials("2003", "free-key", "e2e-secret-of-2003")
SMALL = Credentials("2004", "small-key", "e2e-secret-of-2004")
SETTINGS = {
    SLOW: {"max_backend_events_per_second": 1, "max_read_requests_per_second": 1},
    QUICK: {"max_backend_events_per_second": 50, "max_read_requests_per_second": 50},
    FREE: {"idempotency_ttl": 2},
    SMALL: {
        "max_event_size": 10,
        "max_channels_per_event": 2,
        "max_batch_size": 2,
        "max_subscriptions": 1,
        "max_connections": 1,
    },
}
EVENT = {"name": "e", "channel": "news", "data": "hello"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server with apps of different limits."""
    directory = tmp_path_factory.mktemp("limits")
    apps = directory / "apps.json"
    apps.write_text(json.dumps([{**vars(app), **more} for app, more in SETTINGS.items()]))
    with running(directory, "--apps", apps.as_uri(), app=FREE, configured=True) as started:
        started.secrets = {app.secret for app in SETTINGS}
        yield started


def listening(server, app, *channels):
    client = server.connect(app)
    for channel in channels:
        client.subscribe(channel)
    client.so_far()
    return client


def post(server, body, path="/events", app=FREE, *, dial=None, **headers):
    """Publish with further headers."""
    content, path = json.dumps(body).encode(), f"/apps/{app.id}{path}"
    with HttpConnection((dial or server.dial)()) as http:
        return http.ask("POST", f"{path}?{app.query('POST', path, content)}", content, headers)


def sdk(server, app, **headers):
    """Give the Python SDK, made to send further headers."""

    def backend(client, **options):
        made = RequestsBackend(client, **options)
        made.session.headers.update(headers)
        return made

    own = {"host": LOOPBACK, "port": server.port, "ssl": False}
    return pusher.Pusher(app.id, app.key, app.secret, backend=backend, **own)


def rates(answer):
    """Give limit, remaining, reset and retry-after."""
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after")
    return [int(answer.headers[name]) for name in names]


# -- of an app


def test_publishing_too_fast(server):
    client = listening(server, SLOW, "news")
    assert post(server, EVENT, app=SLOW).status == 200
    begin = time.monotonic()
    refused = post(server, EVENT, app=SLOW)
    assert "max_backend_events_per_second" in refused.problem(429)
    assert rates(refused) == [1, 0, 1, 1]
    assert [m["data"] for m in client.so_far()] == ["hello"]
    for _ in range(10):
        # Another app does not wait for this one.
        assert post(server, EVENT, app=QUICK).status == 200
    wait_until(lambda: post(server, EVENT, app=SLOW).status == 200, "a publish that passes")
    assert time.monotonic() - begin < 5
    assert client.expect("e")["data"] == "hello"


def test_asking_too_fast(server):
    assert rates(server.api(SLOW).get("/channels"))[:2] == [1, 0]
    begin = time.monotonic()
    refused = server.api(SLOW).get("/channels/x")
    assert "max_read_requests_per_second" in refused.problem(429)
    assert server.api(QUICK).get("/channels").status == 200
    wait_until(lambda: server.api(SLOW).get("/channels").status == 200, "an answer")
    assert time.monotonic() - begin < 5
    assert server.api(SLOW).post("/users/x/terminate_connections", {}).status == 200


SIZES = {
    "max_event_size": (10, lambda sender, size: sender.trigger("a", "e", "x" * size)),
    "max_channels_per_event": (
        2,
        lambda sender, size: sender.trigger(["a", "b", "c"][:size], "e", "x"),
    ),
    "max_batch_size": (
        2,
        lambda sender, size: sender.trigger_batch(
            [{"channel": "a", "name": "e", "data": "x"}] * size
        ),
    ),
}


@pytest.mark.parametrize("setting", SIZES)
def test_sizes_of_two_apps_side_by_side(server, setting):
    limit, send = SIZES[setting]
    small, free = sdk(server, SMALL), sdk(server, FREE)
    assert send(small, limit) == send(free, limit + 1) == {}
    with pytest.raises(PusherError, match=rf"more than {limit} |maximum of {limit} ") as refused:
        send(small, limit + 1)
    assert f"(setting {setting})" in str(refused.value)
    assert send(free, limit + 1) == {}


def test_clients_of_two_apps_side_by_side(server):
    one, *others = (server.connect(app) for app in (SMALL, FREE, FREE))
    assert server.open(f"/app/{SMALL.key}?protocol=7").close_code() == 4004
    for client in (one, *others):
        client.subscribe("a")
        client.ask_to_subscribe("b")
    assert one.refused("b")["type"] == "LimitReached"
    for client in others:
        assert client.expect("pusher_internal:subscription_succeeded", "b")


def test_an_app_without_limits(server):
    for answer in (post(server, EVENT), server.api(FREE).get("/channels"), server.get("/up")):
        assert answer.status == 200
        assert "x-ratelimit-limit" not in answer.headers
        assert "retry-after" not in answer.headers


# -- of an IP address


def publishes(server, *forwarded, **how):
    return [
        post(server, EVENT, app=APP, X_Forwarded_For=value, **how).status for value in forwarded
    ]


def connects(server, *forwarded):
    """Connect once for each value, and tell who was greeted, and the codes of those who were not."""
    outcomes = []
    for value in forwarded:
        client = server.open(f"/app/{APP.key}?protocol=7", {"X-Forwarded-For": value})
        assert client.status == 101
        first = client.receive()
        if first["event"] == "pusher:connection_established":
            outcomes.append("greeted")
        else:
            assert first["event"] == "pusher:error"
            assert client.close_code() == first["data"]["code"]
            outcomes.append(first["data"]["code"])
    return outcomes


LIMITS = ("--max-api-calls-per-minute", "2", "--max-connects-per-minute", "2")
REFUSED = 'connections_refused_total{app_id="",reason="connect_rate"}'


def test_addresses_without_proxies(start):
    server = start(*LIMITS)
    assert publishes(server, "203.0.113.1", "203.0.113.2", "203.0.113.3") == [200, 200, 429]
    bad = server.api(Credentials(APP.id, APP.key, "guessed")).get("/channels")
    assert "--max-api-calls-per-minute" in bad.problem(429)
    limit, remaining, reset, retry_after = rates(bad)
    assert (limit, remaining) == (2, 0)
    assert 0 < retry_after <= 30 < reset <= 60
    assert server.get("/up").status == server.get("/usage").status == 200
    hosts = [f"203.0.113.{n}" for n in range(4)]
    assert connects(server, *hosts) == ["greeted", "greeted", 4100, 4100]
    assert server.metrics()[REFUSED] == 2


def test_addresses_behind_a_trusted_proxy(start):
    server = start(*LIMITS, "--trusted-hops", "1")
    forged = [f"203.0.113.{n}, 198.51.100.1" for n in range(3)]
    assert publishes(server, *forged) == [200, 200, 429]
    assert publishes(server, "198.51.100.2", "nonsense, 198.51.100.2") == [200, 200]
    assert publishes(server, "198.51.100.2", "2001:db8::1") == [429, 200]
    assert publishes(server, "2001:db8::2", "[2001:db8::3]:99") == [200, 429]
    assert publishes(server, "nonsense", "", "unknown") == [200, 200, 429]
    assert connects(server, *forged) == ["greeted", "greeted", 4100]
    assert connects(server, "198.51.100.2") == ["greeted"]


def test_addresses_behind_haproxy(start):
    port = free_port()
    server = start(*LIMITS, "--listen", f"haproxy:tcp:{port}:interface={LOOPBACK}")
    dials = [
        behind_proxy(port, f"PROXY TCP4 {host} 203.0.113.99 1234 443\r\n".encode())
        for host in ("203.0.113.1", "203.0.113.2")
    ]
    forged = ("198.51.100.1", "198.51.100.2", "198.51.100.3")
    for dial in dials:
        assert publishes(server, *forged, dial=dial) == [200, 200, 429]
    for dial in dials:
        server.dial = dial
        assert connects(server, *forged) == ["greeted", "greeted", 4100]


# -- sent again


@pytest.mark.parametrize("field", [{"idempotency_key": "a"}, {}], ids=["field", "header"])
def test_an_event_that_is_sent_again(server, name, field):
    client = listening(server, FREE, name)
    event = {**EVENT, "channel": name, "info": "subscription_count", **field}
    headers = {} if field else {"X_Idempotency_Key": name}
    if field:
        event["idempotency_key"] = name
    first = post(server, event, **headers)
    listening(server, FREE, name)
    again = post(server, event, **headers)
    assert first.json == again.json == {"channels": {name: {"subscription_count": 1}}}
    assert first.status == again.status == 200
    assert [m["data"] for m in client.so_far()] == ["hello"]
    assert name in post(server, {**event, "data": "other"}, **headers).problem(400)
    assert client.is_alive()

    def published_anew():
        post(server, event, **headers)
        return client.so_far()

    wait_until(published_anew, "the key to be forgotten")


def test_a_batch_that_is_sent_again(server, name):
    client = listening(server, FREE, name)
    items = [{**EVENT, "channel": name, "data": str(n)} for n in range(3)]
    for _ in range(3):
        answer = post(server, {"batch": items}, "/batch_events", X_Idempotency_Key=name)
        assert (answer.status, answer.json) == (200, {})
    assert [m["data"] for m in client.so_far()] == ["0", "1", "2"]


def test_keys_that_are_none(server):
    for key in ("", "x" * 129, 7):
        problem = post(server, {**EVENT, "idempotency_key": key}).problem(400)
        assert problem.startswith("idempotency_key ")
    assert post(server, {**EVENT, "idempotency_key": "x" * 128}).status == 200
    for path, body in (("/events", EVENT), ("/batch_events", {"batch": [EVENT]})):
        problem = post(server, body, path, X_Idempotency_Key="x" * 129).problem(400)
        assert problem.startswith("X-Idempotency-Key ")


def test_the_python_sdk_sends_again(server, name):
    client = listening(server, FREE, name)

    sender = sdk(server, FREE, **{"X-Idempotency-Key": name})
    for _ in range(2):
        assert sender.trigger(name, "e", "event") == {}
    sender = sdk(server, FREE)
    for number in range(2):
        items = [{"channel": name, "name": "e", "data": "item", "idempotency_key": name}]
        items += [{"channel": name, "name": "e", "data": str(number)}]
        assert sender.trigger_batch(items) == {}
    assert [m["data"] for m in client.so_far()] == ["event", "item", "0", "1"]


def test_the_node_sdk_sends_again(server, node, name):
    client = listening(server, FREE, name)
    node.run("sdk", appId=FREE.id, key=FREE.key, secret=FREE.secret, port=server.port)

    def call(method, *args):
        answer = node.run("call", method=method, args=args)
        assert answer["status"] == 200
        return answer["body"]

    for _ in range(2):
        params = {"idempotency_key": name, "info": "subscription_count"}
        counted = {"channels": {name: {"subscription_count": 1}}}
        assert call("trigger", name, "e", "event", params) == counted
        item = {"channel": name, "name": "e", "data": "item", "idempotency_key": name}
        assert call("triggerBatch", [item]) == {}
    assert [m["data"] for m in client.so_far()] == ["event", "item"]


# -- Pusher's own limits


def test_the_profile_of_pusher(start):
    server = start("--profile", "pusher")
    api, client = server.api(), server.connect()
    for size, status in ((10_240, 200), (10_241, 413)):
        answer = api.post("/events", {**EVENT, "data": "x" * size})
        assert answer.status == status
    assert "max_event_size" in answer.problem(413)
    for length, status in ((164, 200), (165, 400)):
        assert api.post("/events", {**EVENT, "channel": "x" * length}).status == status
    client.subscribe("x" * 164)
    client.ask_to_subscribe("x" * 165)
    assert client.refused("x" * 165)["type"] == "InvalidChannel"
    # As JSON text, which has quotation marks.
    client.subscribe("presence-a", {"user_id": "a", "user_info": "x" * 1022})
    client.ask_to_subscribe("presence-b", {"user_id": "a", "user_info": "x" * 1023})
    refused = client.refused("presence-b")
    assert (refused["type"], refused["status"]) == ("LimitReached", 413)
    assert "max_presence_member_size" in refused["error"]
