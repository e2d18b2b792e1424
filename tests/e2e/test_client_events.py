"""Client events and signed-in users."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from served_apps import APP, PLAIN, SMALL


@pytest.fixture
def pair(server, name):
    """Two clients on ``presence-{name}`` as users a and b."""
    a, b = server.connect(), server.connect()
    a.subscribe(f"presence-{name}", {"user_id": "a"})
    b.subscribe(f"presence-{name}", {"user_id": "b"})
    a.expect("pusher_internal:member_added")
    return a, b


def refused(client, code=4301):
    """The next message is an error, and the connection stays."""
    error = client.expect("pusher:error")
    assert error["data"]["code"] == code
    assert client.is_alive()
    return error


def sign_in_refused(client):
    """Both errors that tell of a failed sign-in come, and the connection stays."""
    data = client.expect("pusher:signin_error")["data"]
    error = refused(client, 4009)
    assert data == {"type": "AuthError", "error": error["data"]["message"], "status": 401}


def test_private(server, name):
    a, b = server.connect(), server.connect()
    for client in (a, b):
        client.subscribe(f"private-{name}")
    a.so_far()
    b.so_far()
    a.send("client-typing", {"who": "7"}, f"private-{name}")
    assert b.receive() == {
        "event": "client-typing",
        "channel": f"private-{name}",
        "data": '{"who":"7"}',
    }
    assert a.is_alive()


def test_presence_names_the_sender(pair, name):
    a, b = pair
    message = {"event": "client-x", "channel": f"presence-{name}", "data": {}, "user_id": "forged"}
    a.send_text(json.dumps({**message, "extra": 1}))
    assert b.receive() == {
        "event": "client-x",
        "channel": f"presence-{name}",
        "data": "{}",
        "user_id": "a",
    }
    assert a.is_alive()


def test_other_connection_of_the_sender_receives(server, name):
    a1, a2 = server.connect(), server.connect()
    for client in (a1, a2):
        client.subscribe(f"presence-{name}", {"user_id": "a"})
    a1.send("client-x", {}, f"presence-{name}")
    assert a2.expect("client-x")["user_id"] == "a"


@pytest.mark.parametrize("data", ["text", "", 7, [1, 2], {"a": None}])
def test_any_data_is_relayed(pair, name, data):
    a, b = pair
    a.send("client-x", data, f"presence-{name}")
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    assert b.expect("client-x")["data"] == text


def test_without_data(pair, name):
    a, b = pair
    a.send("client-x", None, f"presence-{name}")
    assert b.expect("client-x")["data"] == "null"


def test_switched_off(server, name):
    a, b = server.connect(PLAIN), server.connect(PLAIN)
    for client in (a, b):
        client.subscribe(f"private-{name}")
    a.send("client-x", {}, f"private-{name}")
    assert "client_events" in refused(a)["data"]["message"]
    assert b.is_alive()


def test_public_channel(server, name):
    a, b = server.connect(), server.connect()
    for client in (a, b):
        client.subscribe(name)
    a.so_far()
    b.so_far()
    a.send("client-x", {}, name)
    assert refused(a)["channel"] == name
    assert b.is_alive()


def test_stranger(server, pair, name):
    stranger = server.connect()
    stranger.send("client-x", {}, f"presence-{name}")
    refused(stranger)
    assert all(client.is_alive() for client in pair)


@pytest.mark.parametrize(
    "event", ["foo-client-x", "x", "pusher:x", "pusher_internal:member_added", "Client-x", "client"]
)
def test_other_names_are_not_relayed(pair, name, event):
    a, b = pair
    a.send(event, {"user_id": "z"}, f"presence-{name}")
    assert b.is_alive()
    assert a.is_alive()


def test_rate(server, name):
    a, b = server.connect(SMALL), server.connect(SMALL)
    for client in (a, b):
        client.subscribe(f"private-{name}")
    for _ in range(10):
        a.send("client-x", {}, f"private-{name}")
    errors = a.so_far()
    assert 6 <= len(errors) <= 7
    assert all(error["data"]["code"] == 4301 for error in errors)
    assert len(b.so_far()) == 10 - len(errors)


def test_too_much_data(server, name):
    a, b = server.connect(SMALL), server.connect(SMALL)
    for client in (a, b):
        client.subscribe(f"private-{name}")
    a.send("client-x", "x" * 101, f"private-{name}")
    refused(a)
    assert b.is_alive()
    a.send("client-x", "x" * 100, f"private-{name}")
    b.expect("client-x")


def test_long_name(pair, name):
    a, b = pair
    a.send("client-" + "x" * 200, {}, f"presence-{name}")
    refused(a)
    assert b.is_alive()


def test_client_events_are_not_cached(server, name):
    a, b = server.connect(), server.connect()
    a.subscribe(f"private-cache-{name}")
    a.send("client-x", {}, f"private-cache-{name}")
    b.subscribe(f"private-cache-{name}")
    b.expect("pusher:cache_miss")


def test_order_between_two_clients(server, name):
    a, b = server.connect(SMALL), server.connect(SMALL)
    b.subscribe(f"private-{name}")
    # In one burst: what is sent after the subscription finds it done.
    a.ask_to_subscribe(f"private-{name}")
    for number in range(3):
        a.send("client-x", number, f"private-{name}")
    a.expect("pusher_internal:subscription_succeeded")
    received = [int(b.expect("client-x")["data"]) for _ in range(3)]
    assert all(one < other for one, other in pairwise(received))


# -- signed-in users


def test_sign_in(server, name):
    server.connect().sign_in(name, user_info={"name": "Ü"})


@pytest.mark.parametrize(
    "user_data",
    ["nonsense", "[]", "{}", '{"id":""}', '{"id":7}', '{"id":null}', '{"id":"a"', '""'],
)
def test_unusable_user_data(server, user_data):
    client = server.connect()
    auth = APP.user_auth(client.socket_id, user_data)
    client.send("pusher:signin", {"auth": auth, "user_data": user_data})
    sign_in_refused(client)


@pytest.mark.parametrize("auth", ["", "x", "e2e-key:0", "plain-key:" + "0" * 64])
def test_wrong_sign_in(server, auth):
    client = server.connect()
    client.send("pusher:signin", {"auth": auth, "user_data": '{"id":"a"}'})
    sign_in_refused(client)


def test_sign_in_switched_off(server):
    client = server.connect(PLAIN)
    auth = PLAIN.user_auth(client.socket_id, '{"id":"a"}')
    client.send("pusher:signin", {"auth": auth, "user_data": '{"id":"a"}'})
    sign_in_refused(client)


def test_second_sign_in(server, name):
    client = server.connect()
    client.sign_in(name)
    client.sign_in(name)
    user_data = json.dumps({"id": f"other-{name}"})
    auth = APP.user_auth(client.socket_id, user_data)
    client.send("pusher:signin", {"auth": auth, "user_data": user_data})
    sign_in_refused(client)


def test_server_to_user(server, name):
    signed_in = [server.connect(), server.connect()]
    other, stranger = server.connect(), server.connect()
    channel = f"#server-to-user-{name}"
    for client in signed_in:
        client.sign_in(name)
        client.subscribe(channel)
    other.sign_in(f"other-{name}")
    for client in (other, stranger):
        client.ask_to_subscribe(channel)
        assert client.refused(channel)["status"] == 401
    server.api().trigger(channel, '{"x":1}', name="news")
    for client in signed_in:
        assert client.receive() == {"event": "news", "channel": channel, "data": '{"x":1}'}
    assert other.is_alive()
    assert stranger.is_alive()
    assert channel not in server.api().get("/channels").json["channels"]


def test_presence_with_the_signed_in_user(server, name):
    client = server.connect()
    client.sign_in(name, user_info={"n": 1})
    presence = client.subscribe(f"presence-{name}")["presence"]
    assert presence == {"ids": [name], "hash": {name: {"n": 1}}, "count": 1}


def test_terminate(server, name):
    signed_in = [server.connect(), server.connect()]
    for client in signed_in:
        client.sign_in(name)
    present = server.connect()
    present.subscribe(f"presence-{name}", {"user_id": name})
    answer = server.api().post(f"/users/{name}/terminate_connections", {})
    assert (answer.status, answer.json) == (200, {})
    for client in signed_in:
        (error,), code = client.messages_until_close()
        assert code == error["data"]["code"] == 4009
    assert present.is_alive()


def test_terminate_nobody(server):
    answer = server.api().post("/users/nobody%20%C3%A9/terminate_connections", b"")
    assert (answer.status, answer.json) == (200, {})
