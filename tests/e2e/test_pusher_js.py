"""pusher-js in Node, as applications use it: custom authorizers that sign with the npm SDK."""

from __future__ import annotations

import base64

import pytest
from harness import wait_until
from served_apps import APP, PLAIN

MASTER_KEY = base64.b64encode(b"thirty-two bytes for this tests!").decode()


@pytest.fixture
def js(node, server):
    """Node with the SDK set up for the shared server."""
    node.run(
        "sdk",
        appId=APP.id,
        key=APP.key,
        secret=APP.secret,
        port=server.port,
        masterKey=MASTER_KEY,
    )
    return node


@pytest.fixture
def connect(js, server):
    """Connect a client of this name, and give its socket id."""

    def run(client, *, key=APP.key, **options):
        js.run("connect", client=client, key=key, port=server.port, **options)
        js.event(client=client, state="connected")
        return js.run("socketId", client=client)

    return run


def subscribe(js, client, channel, *events):
    """Subscribe, and wait for the success; give its data."""
    js.run("subscribe", client=client, channel=channel, events=events)
    event = js.event(client=client, channel=channel, event="pusher:subscription_succeeded")
    return event["data"]


def trigger(js, channel, data, event="event", **parameters):
    """Publish through the npm SDK."""
    answer = js.run("call", method="trigger", args=[channel, event, data, parameters])
    assert answer["status"] == 200
    return answer["body"]


def barrier(js, client, name):
    """Let all that was sent to this client before now arrive: a message of another channel comes last."""
    channel = f"barrier-{name}"
    subscribe(js, client, channel, "barrier")
    trigger(js, channel, {}, "barrier")
    js.event(client=client, channel=channel, event="barrier")


def test_public(js, connect, name):
    connect("a")
    subscribe(js, "a", name, "event")
    data = {"x": 1, "y": "z", "list": [None, True, "é😀</script>"]}
    assert trigger(js, name, data) == {}
    assert js.event(client="a", channel=name, event="event")["data"] == data


def test_data_that_is_no_json(js, connect, name, server):
    connect("a")
    subscribe(js, "a", name, "event")
    server.api().trigger(name, "plain text")
    assert js.event(client="a", event="event")["data"] == "plain text"


@pytest.mark.parametrize("kind", ["private-", "presence-", "private-cache-", "presence-cache-"])
def test_authorized_channels(js, connect, name, kind):
    channel = kind + name
    connect("a", member={"user_id": "a"} if kind.startswith("presence") else None)
    subscribe(js, "a", channel, "event")
    trigger(js, channel, {"x": 1})
    assert js.event(client="a", channel=channel, event="event")["data"] == {"x": 1}


def test_refused_channel(js, connect, name):
    connect("a", wrongSecret=True)
    js.run("subscribe", client="a", channel=f"private-{name}")
    refused = js.event(client="a", channel=f"private-{name}", event="pusher:subscription_error")
    assert refused["data"]["type"] == "AuthError"
    assert refused["data"]["status"] == 401
    js.event(client="a", code=4009)
    assert js.run("state", client="a") == "connected"


def test_no_messages_after_unsubscribe(js, connect, name):
    connect("a")
    subscribe(js, "a", name, "event")
    for _ in range(3):
        js.run("unsubscribe", client="a", channel=name)
    barrier(js, "a", name)
    trigger(js, name, {})
    barrier(js, "a", f"{name}-2")
    assert not js.seen(heard="event")


# s subscribes, u unsubscribes, w waits for the success.
@pytest.mark.parametrize("kind", ["", "private-", "presence-"])
@pytest.mark.parametrize(
    ("steps", "subscribed"),
    [
        *(("ss", True), ("sws", True), ("su", False), ("swu", False), ("sus", True)),
        *(("swus", True), ("suu", False), ("suswu", False)),
    ],
)
def test_changes_of_mind(js, connect, name, kind, steps, subscribed):
    channel = kind + name
    connect("a", member={"user_id": "a"} if kind == "presence-" else None)

    def settled():
        state = js.run("channel", client="a", channel=channel)
        return not state["subscriptionPending"] and state["subscribed"]

    for number, part in enumerate(steps.split("w")):
        if number:
            wait_until(settled, "success")
        js.run("change", client="a", channel=channel, steps=part, events=["event"])
    if subscribed:
        wait_until(settled, "success")
    barrier(js, "a", name)
    trigger(js, channel, {})
    barrier(js, "a", f"{name}-2")
    assert len(js.seen(channel=channel, event="event")) == subscribed


def test_presence(js, connect, name):
    channel = f"presence-{name}"
    # With a dot in the id, as in pusher-js's own tests.
    ids = {"a": "1.1", "b": "2.2"}
    for client in "ab":
        member = {"user_id": ids[client], "user_info": {"name": client.upper()}}
        connect(client, member=member)
    connect("b2", member={"user_id": ids["b"], "user_info": {"name": "B"}})

    subscribe(js, "a", channel)
    members = js.run("members", client="a", channel=channel)
    assert members["me"] == {"id": "1.1", "info": {"name": "A"}}
    assert members["count"] == 1

    subscribe(js, "b", channel)
    added = js.event(client="a", channel=channel, event="pusher:member_added")
    assert added["data"] == {"id": "2.2", "info": {"name": "B"}}
    for client in "ab":
        members = js.run("members", client=client, channel=channel)
        assert members["count"] == 2
        assert members["all"] == {"1.1": {"name": "A"}, "2.2": {"name": "B"}}
        assert members["missing"] is None

    # A second tab of the same user is no news, and neither is one tab less.
    subscribe(js, "b2", channel)
    assert js.run("members", client="b2", channel=channel)["count"] == 2
    js.run("disconnect", client="b")
    barrier(js, "a", name)
    assert not js.seen(client="a", event="pusher:member_removed")
    assert len(js.seen(client="a", event="pusher:member_added")) == 1

    js.run("unsubscribe", client="b2", channel=channel)
    removed = js.event(client="a", channel=channel, event="pusher:member_removed")
    assert removed["data"] == {"id": "2.2", "info": {"name": "B"}}
    assert js.run("members", client="a", channel=channel)["count"] == 1


@pytest.mark.parametrize("kind", ["private-encrypted-", "private-encrypted-cache-"])
def test_encrypted(js, connect, name, kind, server):
    channel, secret = kind + name, {"secret": f"whisper {name}"}
    connect("a")
    subscribe(js, "a", channel, "event")
    trigger(js, channel, secret)
    assert js.event(client="a", channel=channel, event="event")["data"] == secret
    # The server itself never saw it in clear text.
    raw = server.connect()
    raw.subscribe(channel)
    raw.so_far()
    trigger(js, channel, secret)
    encrypted = raw.expect("event", channel)["data"]
    assert "whisper" not in encrypted
    assert "ciphertext" in encrypted


def test_cache(js, connect, name):
    channel = f"cache-{name}"
    connect("a")
    subscribe(js, "a", channel, "price")
    js.event(client="a", channel=channel, event="pusher:cache_miss")
    trigger(js, channel, 1, "price")
    trigger(js, channel, 2, "price")
    connect("b")
    subscribe(js, "b", channel, "price")
    js.event(client="b", channel=channel, event="price", data=2)
    barrier(js, "b", name)
    assert len(js.seen(client="b", event="price")) == 1
    assert not js.seen(client="b", event="pusher:cache_miss")


def test_client_events(js, connect, name):
    channel = f"presence-{name}"
    for client in "ab":
        connect(client, member={"user_id": client})
        subscribe(js, client, channel, "client-typing")
    assert js.run("trigger", client="a", channel=channel, event="client-typing", data={"on": True})
    heard = js.event(client="b", channel=channel, event="client-typing")
    assert heard["data"] == {"on": True}
    assert heard["from"] == "a"
    barrier(js, "a", name)
    assert not js.seen(client="a", event="client-typing")


@pytest.mark.parametrize("kind", ["private-", "presence-"])
def test_send_event(js, connect, name, kind):
    channel = kind + name
    for client in "ab":
        connect(client, member={"user_id": client} if kind == "presence-" else None)
        subscribe(js, client, channel, "client-test")
    js.run("sendEvent", client="a", channel=channel, event="client-test", data={"x": 1})
    heard = js.event(client="b", event="client-test")
    assert heard["from"] == ("a" if kind == "presence-" else None)


def test_client_events_switched_off(js, node, server, name):
    node.run("sdk", appId=PLAIN.id, key=PLAIN.key, secret=PLAIN.secret, port=server.port)
    js.run("connect", client="a", key=PLAIN.key, port=server.port)
    subscribe(js, "a", f"private-{name}")
    js.run("trigger", client="a", channel=f"private-{name}", event="client-x", data={})
    assert "client_events" in js.event(client="a", code=4301)["problem"]


def test_subscription_count(js, connect, name):
    connect("a")
    subscribe(js, "a", name)
    js.event(client="a", event="pusher:subscription_count", data={"subscription_count": 1})
    connect("b")
    subscribe(js, "b", name)
    js.event(client="a", event="pusher:subscription_count", data={"subscription_count": 2})
    assert js.run("channel", client="a", channel=name)["subscriptionCount"] == 2


def test_sign_in(js, connect, name):
    user = {"id": name, "user_info": {"name": "Ü"}}
    for client in "ab":
        connect(client, user=user)
        js.run("signin", client=client, events=["news"])
        assert js.run("signedIn", client=client) == user
    connect("c", user={"id": f"other-{name}"})
    js.run("signin", client="c", events=["news"])
    js.run("signedIn", client="c")

    # The SDK answers before pusher-js has subscribed to the user's channel, but the server goes by users.
    answer = js.run("call", method="sendToUser", args=[name, "news", {"x": 1}])
    assert answer["status"] == 200
    for client in "ab":
        js.event(client=client, user="news", data={"x": 1})
    barrier(js, "c", name)
    assert not js.seen(client="c", user="news")

    answer = js.run("call", method="terminateUserConnections", args=[name])
    assert answer == {"status": 200, "body": {}}
    for client in "ab":
        js.event(client=client, code=4009)
        # No retry after 4009.
        js.event(client=client, state="disconnected")
    assert js.run("state", client="c") == "connected"


def test_refused_sign_in(js, connect, server, name):
    """The application hears of it by name, not only as an error of the connection."""
    connect("a", user={"id": name})
    js.run("sdk", appId=APP.id, key=APP.key, secret="wrong", port=server.port)
    js.run("signin", client="a")
    refused = js.event(client="a", heard="pusher:signin_error")["data"]
    assert (refused["type"], refused["status"]) == ("AuthError", 401)
    js.event(client="a", code=4009, problem=refused["error"])
    assert js.run("state", client="a") == "connected"


def test_presence_of_signed_in_users(js, connect, name):
    """Without channel_data they join as who they are; pusher-js waits for the sign-in meanwhile."""
    channel = f"presence-{name}"
    for client in ("ann", "bob"):
        connect(client, user={"id": client, "user_info": {"name": client.upper()}})
        js.run("signin", client=client)
        subscribe(js, client, channel)
    members = js.run("members", client="bob", channel=channel)
    assert members["me"] == {"id": "bob", "info": {"name": "BOB"}}
    assert members["all"] == {"ann": {"name": "ANN"}, "bob": {"name": "BOB"}}
    added = js.event(client="ann", channel=channel, event="pusher:member_added")
    assert added["data"] == {"id": "bob", "info": {"name": "BOB"}}


@pytest.mark.parametrize(
    ("key", "code"), [("unknown", 4001), ("disabled-key", 4003), ("tls-key", 4000)]
)
def test_refused_connections(js, server, key, code):
    js.run("connect", client="a", key=key, port=server.port)
    js.event(client="a", code=code)
    if code != 4000:
        js.event(client="a", state="disconnected")


def test_path_prefix(node, start, name):
    server = start("--path-prefix", "/ws")
    node.run("sdk", appId=APP.id, key=APP.key, secret=APP.secret, port=server.port)
    node.run("connect", client="a", key=APP.key, port=server.port, options={"wsPath": "/ws"})
    subscribe(node, "a", f"private-{name}", "event")
    trigger(node, f"private-{name}", {"x": 1})
    node.event(client="a", event="event", data={"x": 1})


def test_activity(node, start, name):
    """Idle for several timeouts: pusher-js pings, and stays."""
    server = start("--activity-timeout", "1", "--pong-timeout", "1")
    node.run("sdk", appId=APP.id, key=APP.key, secret=APP.secret, port=server.port)
    node.run("connect", client="a", key=APP.key, port=server.port)
    subscribe(node, "a", name, "event")
    first = node.run("socketId", client="a")
    received = f'ws_messages_received_total{{app_id="{APP.id}"}}'
    wait_until(lambda: server.metrics()[received] >= 5, "four pings")
    trigger(node, name, {})
    node.event(client="a", event="event")
    assert node.run("socketId", client="a") == first


def test_sent_to_another_server(node, start, name):
    """A rolling deploy: after 4200 everything is there again on the next server."""
    old, new = start(), start()
    port = node.run("balance", port=old.port)
    node.run("sdk", appId=APP.id, key=APP.key, secret=APP.secret, port=port)
    user, member = {"id": "u"}, {"user_id": "m"}
    node.run("connect", client="a", key=APP.key, port=port, user=user, member=member)
    node.run("signin", client="a", events=["news"])
    node.run("signedIn", client="a")
    for channel in (name, f"presence-{name}"):
        subscribe(node, "a", channel, "event")
    first = node.run("socketId", client="a")

    node.run("balance", port=new.port)
    node.events.clear()
    old.terminate()
    node.event(client="a", code=4200)
    node.event(client="a", state="connected")
    for channel in (name, f"presence-{name}"):
        node.event(client="a", channel=channel, event="pusher:subscription_succeeded")
        trigger(node, channel, {"again": True})
        node.event(client="a", channel=channel, event="event", data={"again": True})
    assert node.run("socketId", client="a") != first
    assert old.ended() == 0

    def told():
        node.run("call", method="sendToUser", args=["u", "news", {}])
        return node.seen(client="a", user="news")

    # Nothing tells when pusher-js has signed in again.
    wait_until(told, "news for the user who is signed in again")
