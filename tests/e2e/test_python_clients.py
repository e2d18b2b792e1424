"""Python: the server SDK from PyPI, and the client Pysher."""

from __future__ import annotations

import base64
import json
import socket

import pusher
import pysher
import pytest
from harness import DEADLINE, wait_until
from served_apps import APP, SMALL

MASTER_KEY = base64.b64encode(b"thirty-two bytes for this tests!").decode()


def sdk_for(server, app=APP, **changed):
    settings = {
        "app_id": app.id,
        "key": app.key,
        "secret": app.secret,
        "host": "127.0.0.1",
        "port": server.port,
        "ssl": False,
        "encryption_master_key_base64": MASTER_KEY,
    }
    return pusher.Pusher(**{**settings, **changed})


@pytest.fixture
def sdk(server):
    return sdk_for(server)


# -- the server SDK


def test_trigger(sdk, server, name):
    client, other = server.connect(), server.connect()
    for one in (client, other):
        one.subscribe(name)
    client.so_far()
    other.so_far()
    assert sdk.trigger([name, f"more-{name}"], "e", {"x": "é"}) == {}
    for one in (client, other):
        assert json.loads(one.expect("e")["data"]) == {"x": "é"}
    sdk.trigger(name, "e", "text", client.socket_id)
    assert other.expect("e")["data"] == "text"
    assert client.is_alive()


def test_trigger_batch(sdk, server, name):
    client = server.connect()
    client.subscribe(name)
    client.so_far()
    batch = [{"channel": name, "name": "e", "data": {"n": number}} for number in range(10)]
    assert sdk.trigger_batch(batch) == {}
    assert [json.loads(m["data"])["n"] for m in client.so_far()] == list(range(10))


def test_queries(sdk, server, name):
    channel = f"presence-a_-=@,.;{name}"
    for user in ("1", "1", "2"):
        server.connect().subscribe(channel, {"user_id": user})
    assert sdk.channels_info("presence-", ["user_count"]) == {
        "channels": {channel: {"user_count": 2}}
    }
    assert channel in sdk.channels_info()["channels"]
    assert sdk.channel_info(channel, ["user_count", "subscription_count"]) == {
        "occupied": True,
        "user_count": 2,
        "subscription_count": 3,
    }
    assert sorted(u["id"] for u in sdk.users_info(channel)["users"]) == ["1", "2"]


def test_authenticate(sdk, server, name):
    client = server.connect()
    auth = sdk.authenticate(f"private-{name}", client.socket_id)
    client.send("pusher:subscribe", {"channel": f"private-{name}", **auth})
    client.expect("pusher_internal:subscription_succeeded")
    client.expect("pusher_internal:subscription_count")
    member = {"user_id": "a", "user_info": {"n": "é"}}
    auth = sdk.authenticate(f"presence-{name}", client.socket_id, member)
    client.send("pusher:subscribe", {"channel": f"presence-{name}", **auth})
    client.expect("pusher_internal:subscription_succeeded")


def test_users(sdk, server, name):
    client = server.connect()
    client.send("pusher:signin", sdk.authenticate_user(client.socket_id, {"id": name}))
    client.expect("pusher:signin_success")
    sdk.trigger(f"#server-to-user-{name}", "news", {})
    assert client.expect("news")["channel"] == f"#server-to-user-{name}"
    # This SDK's path lacks /apps/{id}.
    assert sdk.terminate_user_connections(name) == {}
    assert client.close_code() == 4009


def test_encrypted(sdk, server, name):
    client, channel = server.connect(), f"private-encrypted-{name}"
    client.subscribe(channel)
    client.so_far()
    sdk.trigger(channel, "e", {"secret": 1})
    sdk.trigger_batch([{"channel": channel, "name": "e", "data": {"secret": 2}}])
    for _ in range(2):
        encrypted = json.loads(client.expect("e")["data"])
        assert encrypted.keys() == {"nonce", "ciphertext"}


def test_errors(server):
    with pytest.raises(pusher.errors.PusherBadAuth):
        sdk_for(server, secret="wrong").trigger("c", "e", {})
    with pytest.raises(pusher.errors.PusherBadRequest):
        sdk_for(server).trigger("c", "pusher:e", {})
    with pytest.raises(pusher.errors.PusherBadStatus):
        sdk_for(server, SMALL).trigger("c", "e", "x" * 101)


# -- Pysher


@pytest.fixture
def connect(server):
    """Connect a Pysher client; wait until it is established."""
    clients = []

    def run(key=APP.key, **options):
        client = Recording(
            key,
            secure=False,
            secret=APP.secret,
            custom_host="127.0.0.1",
            port=server.port,
            reconnect_interval=0.1,
            **options,
        )
        clients.append(client)
        client.connect()
        return client

    yield run
    for client in clients:
        hang_up(client.connection)


def hang_up(connection):
    """End a client; its own ``disconnect`` closes the socket that its thread waits for, which may take 100 s."""
    connection.disconnect_called = True
    websocket = connection.socket.sock
    if websocket is not None and websocket.sock is not None:
        websocket.sock.shutdown(socket.SHUT_RDWR)
    connection.join(DEADLINE)
    assert not connection.is_alive()


def connected(client):
    wait_until(lambda: client.connection.state == "connected", "a connection")
    return client


class Recording(pysher.Pusher):
    """Remembers all channel events: an answer may be there before a callback can be bound."""

    def __init__(self, *args, **options):
        self.messages = []
        super().__init__(*args, **options)

    def _connection_handler(self, event_name, data, channel_name):
        super()._connection_handler(event_name, data, channel_name)
        self.messages.append((channel_name, event_name, data))

    def heard(self, channel, event):
        """Wait for an event, and give its data."""

        def found():
            return [data for c, e, data in list(self.messages) if (c, e) == (channel, event)]

        return wait_until(found, f"{event} on {channel}")[0]


SUCCESS = "pusher_internal:subscription_succeeded"


def test_pysher_public_and_private(connect, sdk, name):
    client = connected(connect())
    for channel in (name, f"private-{name}"):
        bound = []
        client.subscribe(channel).bind("e", bound.append)
        assert client.heard(channel, SUCCESS) == "{}"
        sdk.trigger(channel, "e", {"x": "é"})
        assert json.loads(client.heard(channel, "e")) == {"x": "é"}
        assert len(bound) == 1


def test_pysher_presence(connect, name):
    channel = f"presence-{name}"
    a = connected(connect(user_data={"user_id": "a", "user_info": {"n": 1}}))
    b = connected(connect(user_data={"user_id": "b"}))
    a.subscribe(channel)
    presence = json.loads(a.heard(channel, SUCCESS))["presence"]
    assert presence == {"ids": ["a"], "hash": {"a": {"n": 1}}, "count": 1}
    b.subscribe(channel)
    added = json.loads(a.heard(channel, "pusher_internal:member_added"))
    assert added == {"user_id": "b", "user_info": {}}


def test_pysher_client_event(connect, name):
    channel = f"private-{name}"
    a, b = connected(connect()), connected(connect())
    channels = [client.subscribe(channel) for client in (a, b)]
    for client in (a, b):
        client.heard(channel, SUCCESS)
    channels[0].trigger("client-x", {"n": 1})
    assert b.heard(channel, "client-x") == '{"n":1}'


def test_pysher_unsubscribe(connect, server, name):
    client = connected(connect())
    client.subscribe(name)
    client.heard(name, SUCCESS)
    client.unsubscribe(name)
    get = server.api().get
    wait_until(lambda: not get(f"/channels/{name}").json["occupied"], "an empty channel")


def test_pysher_refused(connect):
    client = connect("unknown")
    # 4001: it must not try again.
    wait_until(lambda: client.connection.disconnect_called, "the client giving up")
