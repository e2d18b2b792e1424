"""Laravel Echo, with an authorization endpoint over HTTP as Laravel has it."""

from __future__ import annotations

import pusher
import pytest
from auth_server import serving
from served_apps import APP


@pytest.fixture
def sdk(server):
    return pusher.Pusher(
        app_id=APP.id, key=APP.key, secret=APP.secret, host="127.0.0.1", port=server.port, ssl=False
    )


@pytest.fixture
def endpoints(sdk):
    """The endpoints of user a and user b."""
    with serving(sdk, "a") as a, serving(sdk, "b") as b:
        yield {"a": f"{a}/broadcasting/auth", "b": f"{b}/broadcasting/auth"}


@pytest.fixture
def echo(node, server, endpoints):
    """Connect Echo as this user."""

    def run(client):
        node.run(
            "echo", client=client, key=APP.key, port=server.port, authEndpoint=endpoints[client]
        )
        node.event(client=client, state="connected")

    return run


@pytest.mark.parametrize(
    ("kind", "prefix"), [("channel", ""), ("private", "private-"), ("join", "presence-")]
)
def test_listen(echo, node, sdk, name, kind, prefix):
    echo("a")
    node.run("echoListen", client="a", channel=name, kind=kind, events=["OrderShipped", ".custom"])
    node.event(client="a", channel=name, event="subscribed")
    # Laravel's names: a namespace that Echo puts before, or none after a dot.
    sdk.trigger(prefix + name, "App\\Events\\OrderShipped", {"order": {"id": 7}})
    assert node.event(client="a", event="OrderShipped")["data"] == {"order": {"id": 7}}
    sdk.trigger(prefix + name, "custom", {"x": "é"})
    assert node.event(client="a", event=".custom")["data"] == {"x": "é"}


def test_to_others(echo, node, sdk, name):
    echo("a")
    echo("b")
    for client in "ab":
        node.run("echoListen", client=client, channel=name, kind="channel", events=["E", "Last"])
        node.event(client=client, event="subscribed")
    sdk.trigger(name, "App\\Events\\E", {}, node.run("echoSocketId", client="a"))
    sdk.trigger(name, "App\\Events\\Last", {})
    node.event(client="b", event="E")
    node.event(client="a", event="Last")
    assert not node.seen(client="a", event="E")


def test_presence_and_whispers(echo, node, name):
    for client in "ab":
        echo(client)
    node.run("echoJoin", client="a", channel=name, whispers=["typing"])
    assert node.event(client="a", event="here")["data"] == [{"name": "A"}]
    node.run("echoJoin", client="b", channel=name, whispers=["typing"])
    here = node.event(client="b", event="here")["data"]
    assert sorted(member["name"] for member in here) == ["A", "B"]
    assert node.event(client="a", event="joining")["data"] == {"name": "B"}
    node.run("echoWhisper", client="b", channel=name, event="typing", data={"on": True})
    assert node.event(client="a", event="whisper typing")["data"] == {"on": True}
    node.run("echoLeave", client="b", channel=name)
    assert node.event(client="a", event="leaving")["data"] == {"name": "B"}
    assert not node.seen(client="b", event="whisper typing")


def test_error_of_the_endpoint(echo, node, name):
    echo("a")
    channel = f"forbidden-{name}"
    node.run("echoListen", client="a", channel=channel, kind="private", events=["E"])
    assert node.event(client="a", channel=channel, event="error")["data"]["status"] == 403


def test_error_of_the_server(node, server, name):
    """The endpoint signs with a wrong secret: our refusal reaches ``.error()``."""
    sdk = pusher.Pusher(app_id=APP.id, key=APP.key, secret="wrong", host="127.0.0.1", ssl=False)
    with serving(sdk, "a") as url:
        node.run("echo", client="a", key=APP.key, port=server.port, authEndpoint=f"{url}/auth")
        node.event(client="a", state="connected")
        node.run("echoListen", client="a", channel=name, kind="private", events=["E"])
        error = node.event(client="a", channel=name, event="error")["data"]
    assert error["type"] == "AuthError"
    assert error["status"] == 401
