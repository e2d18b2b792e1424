"""The HTTP API over sockets: signatures, publishing, queries."""

from __future__ import annotations

import hashlib
import json
import time
from urllib.parse import quote

import pytest
from served_apps import APP, DISABLED, PLAIN, SMALL
from wire import Answer, HttpConnection

EMPTY_MD5 = hashlib.md5(b"", usedforsecurity=False).hexdigest()
EVENTS = f"/apps/{PLAIN.id}/events"


def ask(server, method, target, body=b"", **headers) -> Answer:
    """Send one request over a connection of its own."""
    with HttpConnection(server.dial()) as http:
        return http.ask(method, target, body, headers)


@pytest.fixture
def subscriber(server, name):
    """A client on the channel ``name`` that must not hear anything unless the test says so."""
    client = server.connect(PLAIN)
    client.subscribe(name)
    return client


@pytest.fixture
def event(name):
    return json.dumps({"name": "e", "channel": name, "data": "x"}).encode()


# -- authentication


@pytest.mark.parametrize(
    "changed",
    [
        {"auth_signature": "0" * 64},
        {"auth_signature": ""},
        {"auth_signature": None},
        {"auth_key": None},
        {"auth_key": "unknown"},
        {"auth_key": APP.key},
        {"auth_timestamp": None},
        {"auth_timestamp": "now"},
        {"auth_timestamp": "-1"},
        {"auth_timestamp": "9" * 5000},
        {"auth_version": None},
        {"auth_version": "2.0"},
        {"body_md5": None},
        {"body_md5": EMPTY_MD5},
    ],
    ids=str,
)
def test_unauthorized(server, subscriber, event, changed):
    query = PLAIN.query("POST", EVENTS, event, **changed)
    ask(server, "POST", f"{EVENTS}?{query}", event).problem(401)
    assert subscriber.is_alive()


@pytest.mark.parametrize("seconds", [-700, 700])
def test_expired(server, subscriber, event, seconds):
    query = PLAIN.query("POST", EVENTS, event, auth_timestamp=str(int(time.time()) + seconds))
    assert "imestamp" in ask(server, "POST", f"{EVENTS}?{query}", event).problem(401)
    assert subscriber.is_alive()


@pytest.mark.parametrize("seconds", [-500, 500])
def test_clocks_may_differ(server, subscriber, event, seconds):
    query = PLAIN.query("POST", EVENTS, event, auth_timestamp=str(int(time.time()) + seconds))
    assert ask(server, "POST", f"{EVENTS}?{query}", event).json == {}
    subscriber.expect("e")


def test_nothing_signed(server, event):
    ask(server, "POST", EVENTS, event).problem(401)
    ask(server, "GET", f"/apps/{PLAIN.id}/channels").problem(401)


def test_changed_body(server, subscriber, event):
    query = PLAIN.query("POST", EVENTS, event)
    ask(server, "POST", f"{EVENTS}?{query}", event.replace(b'"x"', b'"y"')).problem(401)
    assert subscriber.is_alive()


def test_other_path_or_method(server, event):
    query = PLAIN.query("POST", f"/apps/{PLAIN.id}/batch_events", event)
    assert "signature" in ask(server, "POST", f"{EVENTS}?{query}", event).problem(401)
    query = PLAIN.query("POST", f"/apps/{PLAIN.id}/channels")
    ask(server, "GET", f"/apps/{PLAIN.id}/channels?{query}").problem(401)


def test_answer_never_tells_the_secret(server, event):
    query = PLAIN.query("POST", EVENTS, event, auth_signature="0" * 64)
    answer = ask(server, "POST", f"{EVENTS}?{query}", event)
    good = PLAIN.query("POST", EVENTS, event).rpartition("=")[2]
    assert PLAIN.secret not in answer.text
    assert good not in answer.text


def test_unknown_and_disabled_app(server, event):
    query = PLAIN.query("POST", "/apps/9999/events", event)
    ask(server, "POST", f"/apps/9999/events?{query}", event).problem(404)
    server.api(DISABLED).get("/channels").problem(403)
    server.api(DISABLED).post("/events", event).problem(403)


@pytest.mark.parametrize("body_md5", [None, EMPTY_MD5])
def test_md5_of_an_empty_body(server, body_md5):
    path = f"/apps/{PLAIN.id}/channels"
    assert ask(server, "GET", f"{path}?{PLAIN.query('GET', path, body_md5=body_md5)}").status == 200
    path = f"/apps/{PLAIN.id}/users/u/terminate_connections"
    query = PLAIN.query("POST", path, body_md5=body_md5)
    assert ask(server, "POST", f"{path}?{query}").json == {}


def test_spelling_of_the_query(server, subscriber, name):
    path = f"/apps/{PLAIN.id}/channels"
    parameters = {"info": "subscription_count,user_count x", "filter_by_prefix": "presence-"}
    pairs = PLAIN.query("GET", path, b"", parameters).split("&")
    for spelling in (
        "&".join(pairs),
        "&".join(reversed(pairs)),
        "&".join(pairs).replace("%2C", ","),
        "&".join(pairs).replace("%20", "+"),
        "&".join(part[:5].upper() + part[5:] for part in pairs),
        "&" + "&&".join(pairs),
    ):
        assert ask(server, "GET", f"{path}?{spelling}").json == {"channels": {}}, spelling


@pytest.mark.parametrize("encode", [lambda c: c, lambda c: quote(c, safe="")], ids=["raw", "%"])
def test_odd_characters_in_the_path(server, name, encode):
    channel = f"a_-=@,.;{name}"
    server.connect(PLAIN).subscribe(channel)
    answer = server.api(PLAIN).get(f"/channels/{encode(channel)}", info="subscription_count")
    assert answer.json == {"occupied": True, "subscription_count": 1}


# -- publishing


def test_several_channels(server, name):
    client = server.connect(PLAIN)
    channels = [f"{name}-{i}" for i in range(3)]
    for channel in channels:
        client.subscribe(channel)
    answer = server.api(PLAIN).trigger([*channels, channels[0]], "x")
    assert answer.json == {}
    assert answer.headers["content-type"].startswith("application/json")
    assert sorted(m["channel"] for m in client.so_far()) == channels


def test_without_the_sender(server, name):
    a, b = server.connect(PLAIN), server.connect(PLAIN)
    for client in (a, b):
        client.subscribe(name)
    server.api(PLAIN).trigger(name, "x", socket_id=a.socket_id)
    b.expect("event")
    assert a.is_alive()
    server.api(PLAIN).trigger(name, "x", socket_id="1.1")
    for client in (a, b):
        client.expect("event")


BAD_EVENTS = {
    "no name": {"channel": "c", "data": "x"},
    "no data": {"channel": "c", "name": "e"},
    "no channel": {"name": "e", "data": "x"},
    "empty channels": {"name": "e", "data": "x", "channels": []},
    "101 channels": {"name": "e", "data": "x", "channels": [f"c{i}" for i in range(101)]},
    "channels no list": {"name": "e", "data": "x", "channels": "c"},
    "channels of numbers": {"name": "e", "data": "x", "channels": [1]},
    "channels of lists": {"name": "e", "data": "x", "channels": [["c"]]},
    "one bad channel": {"name": "e", "data": "x", "channels": ["c", "b d"]},
    "long channel": {"name": "e", "data": "x", "channel": "c" * 201},
    "number as channel": {"name": "e", "data": "x", "channel": 7},
    "user channel without user": {"name": "e", "data": "x", "channel": "#server-to-user-"},
    "other channel with #": {"name": "e", "data": "x", "channel": "#x"},
    "empty name": {"name": "", "data": "x", "channel": "c"},
    "long name": {"name": "e" * 201, "data": "x", "channel": "c"},
    "number as name": {"name": 7, "data": "x", "channel": "c"},
    "reserved name": {"name": "pusher:error", "data": "x", "channel": "c"},
    "reserved internal name": {"name": "pusher_internal:x", "data": "x", "channel": "c"},
    "null data": {"name": "e", "data": None, "channel": "c"},
    "malformed socket_id": {"name": "e", "data": "x", "channel": "c", "socket_id": "x"},
    "number as socket_id": {"name": "e", "data": "x", "channel": "c", "socket_id": 1.5},
    "number as info": {"name": "e", "data": "x", "channel": "c", "info": 7},
    "list": [],
    "text": "x",
    "null": None,
}


@pytest.mark.parametrize("bad", BAD_EVENTS)
def test_bad_event(server, bad):
    client = server.connect(PLAIN)
    client.subscribe("c")
    server.api(PLAIN).post("/events", BAD_EVENTS[bad]).problem(400)
    assert client.is_alive()


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b"\xff\xfe", b'{"name":"\\ud800"}', b"[" * 10_000, b"\x00"],
    ids=["empty", "cut", "text", "not UTF-8", "surrogate", "deep", "zero"],
)
@pytest.mark.parametrize("path", ["/events", "/batch_events"])
def test_malformed_body(server, path, body):
    server.api(PLAIN).post(path, body).problem(400)


def test_data_nested_too_deeply(server):
    data = b'{"name":"e","channel":"c","data":' + b"[" * 300 + b"]" * 300 + b"}"
    server.api(PLAIN).post("/events", data).problem(400)


def test_size_of_data(server, name):
    client, api = server.connect(SMALL), server.api(SMALL)
    client.subscribe(name)
    event = {"name": "e", "channel": name}
    text = api.post("/events", {**event, "data": "é" * 51}).problem(413)
    assert "100" in text
    assert "max_event_size" in text
    assert client.is_alive()
    assert api.post("/events", {**event, "data": "é" * 50}).json == {}
    assert client.expect("e")["data"] == "é" * 50


def test_counts_with_the_answer(server, name):
    presence, public = f"presence-{name}", f"public-{name}"
    for _ in range(2):
        client = server.connect(PLAIN)
        client.subscribe(presence, {"user_id": "u"})
        client.subscribe(public)
    answer = server.api(PLAIN).trigger(
        [presence, public, f"empty-{name}"], "x", info="subscription_count,user_count"
    )
    assert answer.json == {
        "channels": {
            presence: {"user_count": 1, "subscription_count": 2},
            public: {"subscription_count": 2},
            f"empty-{name}": {"subscription_count": 0},
        }
    }


def test_batch(server, name):
    client, api = server.connect(PLAIN), server.api(PLAIN)
    client.subscribe(name)
    events = [{"name": "e", "channel": name, "data": str(i)} for i in range(10)]
    assert api.post("/batch_events", {"batch": events}).json == {}
    assert [m["data"] for m in client.so_far()] == [str(i) for i in range(10)]
    events = events[:2]
    events[0]["info"] = "subscription_count"
    events[1]["socket_id"] = client.socket_id
    answer = api.post("/batch_events", {"batch": events})
    assert answer.json == {"batch": [{"subscription_count": 1}, {}]}
    assert [m["data"] for m in client.so_far()] == ["0"]


@pytest.mark.parametrize(
    "batch",
    [
        {},
        {"batch": {}},
        {"batch": [1]},
        {"batch": [{"name": "e", "channel": "c", "data": "x"}] * 11},
        *({"batch": [{"name": "e", "channel": "c", "data": "x"}, bad]} for bad in (None, {}, [])),
        {"batch": [{"name": "e", "channel": "c", "data": "x"}, {"name": "e", "data": "x"}]},
    ],
    ids=str,
)
def test_bad_batch(server, batch):
    client = server.connect(PLAIN)
    client.subscribe("c")
    server.api(PLAIN).post("/batch_events", batch).problem(400)
    assert client.is_alive()


def test_one_item_too_large(server, name):
    client = server.connect(SMALL)
    client.subscribe(name)
    events = [{"name": "e", "channel": name, "data": data} for data in ("x", "x" * 101)]
    server.api(SMALL).post("/batch_events", {"batch": events}).problem(413)
    assert client.is_alive()


def test_empty_batch(server):
    assert server.api(PLAIN).post("/batch_events", {"batch": []}).json == {}


def test_reserved_events_can_be_allowed(start):
    server = start("--allow-reserved-events")
    client = server.connect()
    client.subscribe("c")
    server.api().trigger("c", "{}", name="pusher:anything")
    client.expect("pusher:anything")


# -- queries


def test_no_channels(server):
    assert server.api(SMALL).get("/channels", filter_by_prefix="nobody").text == '{"channels":{}}'


def test_list_of_channels(server, name):
    for user in ("a", "a", "b"):
        client = server.connect(PLAIN)
        client.subscribe(f"presence-{name}", {"user_id": user})
        client.subscribe(f"public-{name}")
    get = server.api(PLAIN).get
    assert get("/channels").json["channels"] == {f"presence-{name}": {}, f"public-{name}": {}}
    answer = get("/channels", filter_by_prefix="presence-", info="user_count")
    assert answer.json == {"channels": {f"presence-{name}": {"user_count": 2}}}
    get("/channels", info="user_count").problem(400)
    get("/channels", info="user_count", filter_by_prefix="p").problem(400)


def test_one_channel(server, name):
    get, presence = server.api(PLAIN).get, f"presence-{name}"
    assert get(f"/channels/{name}").json == {"occupied": False}
    assert get(f"/channels/{presence}/users").json == {"users": []}
    for _ in range(2):
        server.connect(PLAIN).subscribe(presence, {"user_id": "7"})
    assert get(f"/channels/{presence}", info="user_count,subscription_count").json == {
        "occupied": True,
        "user_count": 1,
        "subscription_count": 2,
    }
    assert get(f"/channels/{presence}/users").json == {"users": [{"id": "7"}]}
    get(f"/channels/{name}", info="user_count").problem(400)
    get(f"/channels/{name}", info="cache").problem(400)
    get(f"/channels/{name}/users").problem(400)
    get("/channels/not%20valid").problem(400)


def test_cache_of_a_channel(server, name):
    api, channel = server.api(PLAIN), f"cache-{name}"
    assert api.get(f"/channels/{channel}", info="cache").json["cache"] is None
    api.trigger(channel, "é")
    cache = api.get(f"/channels/{channel}", info="cache").json["cache"]
    assert cache["data"] == "é"
    assert 3500 < cache["ttl"] <= 3600


# -- health and usage


def test_up(server):
    answer = server.get("/up")
    assert (answer.status, answer.text, answer.headers["x-health-check"]) == (200, "OK", "OK")
    assert server.get(f"/up/{PLAIN.id}").status == 200
    assert server.get("/up/nobody").headers["x-health-check"] == "NOT_FOUND"
    assert server.get("/up/nobody").status == 404
    assert server.get(f"/up/{DISABLED.id}").status == 503


def test_usage(server):
    memory = server.get("/usage").json["memory"]
    assert memory.keys() == {"free", "used", "total", "percent"}
    assert memory["free"] + memory["used"] == memory["total"] > 0
    assert 0 < memory["percent"] <= 100


# -- routes


ROUTES = {
    f"/apps/{PLAIN.id}/events": "OPTIONS, POST",
    f"/apps/{PLAIN.id}/batch_events": "OPTIONS, POST",
    f"/apps/{PLAIN.id}/users/u/terminate_connections": "OPTIONS, POST",
    f"/apps/{PLAIN.id}/channels": "GET, HEAD, OPTIONS",
    f"/apps/{PLAIN.id}/channels/c": "GET, HEAD, OPTIONS",
    f"/apps/{PLAIN.id}/channels/presence-c/users": "GET, HEAD, OPTIONS",
    "/up": "GET, HEAD, OPTIONS",
    "/usage": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize("path", ROUTES)
def test_wrong_method(server, path):
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        if method not in ROUTES[path]:
            answer = ask(server, method, path)
            assert method in answer.problem(405)
            assert answer.headers["allow"] == ROUTES[path]


@pytest.mark.parametrize("path", [*ROUTES, "/nowhere", "/app/e2e-key"])
def test_preflight(server, path):
    answer = ask(
        server,
        "OPTIONS",
        path,
        Origin="https://page.example",
        Access_Control_Request_Method="POST",
    )
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Content-Type" in answer.headers["access-control-allow-headers"]


def test_configured_origins(start):
    server = start("--cors-origin", "https://a.example", "--cors-origin", "https://b.example")
    for path in ("/up", "/nowhere", f"/apps/{APP.id}/channels"):
        good = ask(server, "GET", path, Origin="https://b.example")
        assert good.headers["access-control-allow-origin"] == "https://b.example"
        assert "Origin" in good.headers["vary"]
        assert (
            "access-control-allow-origin"
            not in ask(server, "GET", path, Origin="https://c.example").headers
        )
    posted = ask(server, "POST", f"/apps/{APP.id}/events", b"{}", Origin="https://a.example")
    assert posted.headers["access-control-allow-origin"] == "https://a.example"


@pytest.mark.parametrize("path", ["/up", "/usage", "/nowhere"])
def test_head(server, path):
    with HttpConnection(server.dial()) as http:
        # On one connection: a body would be read as the next answer.
        heads = [http.ask("HEAD", path) for _ in range(2)]
        full = http.ask("GET", path)
    assert [head.status for head in heads] == [full.status] * 2
    assert heads[0].headers["content-type"] == full.headers["content-type"]
    assert heads[0].body == b""


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/apps", "/apps/", "/apps/1002", "/apps//events", "/up/a/b"]
)
def test_no_such_path(server, path):
    ask(server, "GET", path).problem(404)
    ask(server, "POST", path, b"{}").problem(404)


def test_websocket_path_without_upgrade(server):
    ask(server, "GET", "/app/e2e-key").problem(426)


# -- path prefix


@pytest.fixture
def prefixed(start):
    return start("--path-prefix", "/ws")


def test_websocket_with_and_without_prefix(prefixed):
    for path in ("/ws/app/e2e-key", "/app/e2e-key"):
        prefixed.open(path).expect("pusher:connection_established")
    messages, code = prefixed.open("/other/app/e2e-key").messages_until_close()
    assert code == messages[0]["data"]["code"] == 4005


@pytest.mark.parametrize("requested", ["/ws", ""])
@pytest.mark.parametrize("signed", ["/ws", ""])
def test_proxy_may_strip_or_add_the_prefix(prefixed, requested, signed):
    body = b'{"name":"e","channel":"c","data":"x"}'
    client = prefixed.connect()
    client.subscribe("c")
    path = f"/apps/{APP.id}/events"
    query = APP.query("POST", signed + path, body)
    assert ask(prefixed, "POST", f"{requested}{path}?{query}", body).json == {}
    client.expect("e")
    path = f"/apps/{APP.id}/channels"
    query = APP.query("GET", signed + path)
    assert ask(prefixed, "GET", f"{requested}{path}?{query}").json == {"channels": {"c": {}}}


def test_unexpected_prefix_is_explained(server):
    path = f"/apps/{APP.id}/channels"
    query = APP.query("GET", path)
    assert "--path-prefix" in ask(server, "GET", f"/ws{path}?{query}").problem(404)
    query = APP.query("GET", f"/ws{path}")
    text = ask(server, "GET", f"{path}?{query}", X_Forwarded_Prefix="/ws").problem(401)
    assert "--path-prefix" in text


def test_health_below_the_prefix(prefixed):
    assert prefixed.get("/ws/up").status == prefixed.get("/up").status == 200
