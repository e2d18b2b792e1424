"""The server SDK for Node."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from served_apps import APP


@pytest.fixture
def call(node, server):
    """Call a method of the SDK, and give the answer's body."""
    node.run("sdk", appId=APP.id, key=APP.key, secret=APP.secret, port=server.port)

    def run(method, *args):
        answer = node.run("call", method=method, args=args)
        assert answer["status"] == 200
        return answer["body"]

    return run


def test_trigger(call, server, name):
    client, other = server.connect(), server.connect()
    for one in (client, other):
        one.subscribe(name)
    client.so_far()
    other.so_far()
    assert call("trigger", [name, f"more-{name}"], "e", {"x": "é"}) == {}
    for one in (client, other):
        assert one.expect("e")["data"] == '{"x":"é"}'
    call("trigger", name, "e", {}, {"socket_id": client.socket_id})
    other.expect("e")
    assert client.is_alive()
    answer = call("trigger", name, "e", "text", {"info": "subscription_count"})
    assert answer == {"channels": {name: {"subscription_count": 2}}}
    assert client.expect("e")["data"] == "text"


def test_trigger_batch(call, server, name):
    client = server.connect()
    client.subscribe(name)
    client.so_far()
    events = [{"channel": name, "name": "e", "data": {"n": number}} for number in range(10)]
    assert call("triggerBatch", events) == {}
    assert [m["data"] for m in client.so_far()] == [f'{{"n":{number}}}' for number in range(10)]


def test_queries(call, server, name):
    channel = f"presence-a_-=@,.;{name}"
    for user in ("1", "1", "2"):
        server.connect().subscribe(channel, {"user_id": user})
    parameters = {"filter_by_prefix": "presence-", "info": "user_count"}
    listed = call("get", {"path": "/channels", "params": parameters})
    assert listed == {"channels": {channel: {"user_count": 2}}}
    parameters = {"info": "user_count,subscription_count"}
    shown = call("get", {"path": f"/channels/{channel}", "params": parameters})
    assert shown == {"occupied": True, "user_count": 2, "subscription_count": 3}
    users = call("get", {"path": f"/channels/{channel}/users"})["users"]
    assert sorted(user["id"] for user in users) == ["1", "2"]


@pytest.mark.parametrize("kind", ["private-", "presence-"])
def test_authorize_channel(call, node, server, name, kind):
    client, channel = server.connect(), kind + name
    member = {"user_id": "a", "user_info": {"n": "é"}} if kind == "presence-" else None
    authorized = node.run(
        "call", method="authorizeChannel", args=[client.socket_id, channel, member]
    )
    client.send("pusher:subscribe", {"channel": channel, **authorized})
    client.expect("pusher_internal:subscription_succeeded", channel)


def test_users(call, node, server, name):
    client = server.connect()
    signed = node.run("call", method="authenticateUser", args=[client.socket_id, {"id": name}])
    client.send("pusher:signin", signed)
    client.expect("pusher:signin_success")
    call("sendToUser", name, "news", {"x": 1})
    assert client.expect("news")["channel"] == f"#server-to-user-{name}"
    assert call("terminateUserConnections", name) == {}
    assert client.close_code() == 4009


@pytest.mark.parametrize("user", ["/api/users/7", "auth0|7", "Zoë K. #1?"])
def test_any_user(call, server, name, user):
    """Ids that the SDK does not encode by itself are reached as they are, and ended as encodeURIComponent has them."""
    client, user = server.connect(), f"{user}-{name}"
    client.sign_in(user)
    call("sendToUser", user, "news", {})
    assert client.expect("news")["channel"] == f"#server-to-user-{user}"
    assert call("terminateUserConnections", quote(user, safe="")) == {}
    assert client.close_code() == 4009


@pytest.mark.parametrize(
    ("secret", "args", "status"),
    [
        ("wrong", ["c", "e", {}], 401),
        (APP.secret, ["c", "pusher:e", {}], 400),
        (APP.secret, ["c", "e", "x" * 200_000], 413),
    ],
)
def test_errors(node, server, secret, args, status):
    node.run("sdk", appId=APP.id, key=APP.key, secret=secret, port=server.port)
    problem = node.fails("call", method="trigger", args=args)
    assert f'"status":{status}' in problem
    assert '\\"code\\":' in problem
