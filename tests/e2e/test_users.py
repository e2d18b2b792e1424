"""Signed-in users: watchlists, events for one user, being sent away, having to prove something."""

from __future__ import annotations

import json
import time

import pytest
from served_apps import APP, AUTHORIZED, PLAIN, write_apps
from test_python_clients import sdk_for

WATCHLIST = "pusher_internal:watchlist_events"


def told(client):
    """Read the next watchlist event, and give who is online and offline."""
    events = client.expect(WATCHLIST)["data"]["events"]
    return {event["name"]: event["user_ids"] for event in events}


# -- watchlists


@pytest.fixture
def js(node, server):
    """Node with the SDK set up for the shared server."""
    node.run("sdk", appId=APP.id, key=APP.key, secret=APP.secret, port=server.port)
    return node


def sign_in(js, server, client, user, *watchlist):
    """Sign a pusher-js client in that listens to its watchlist."""
    data = {"id": user, "watchlist": list(watchlist)}
    js.run("connect", client=client, key=APP.key, port=server.port, user=data)
    js.event(client=client, state="connected")
    js.run("watch", client=client)
    js.run("signin", client=client, events=["news"])
    assert js.run("signedIn", client=client) == data


def test_pusher_js_watches(js, server, name):
    """pusher-js emits who is online and offline at first, and then who comes and goes."""
    bob, cid, dan = (f"{user}-{name}" for user in ("bob", "cid", "dan"))
    sign_in(js, server, "bob", bob)
    sign_in(js, server, "ann", f"ann-{name}", bob, cid, dan)
    js.event(client="ann", watchlist="online", users=[bob])
    js.event(client="ann", watchlist="offline", users=[cid, dan])
    sign_in(js, server, "cid", cid)
    js.event(client="ann", watchlist="online", users=[cid])
    sign_in(js, server, "second tab of bob", bob)
    js.run("disconnect", client="bob")
    js.run("disconnect", client="cid")
    js.event(client="ann", watchlist="offline", users=[cid])
    assert not js.seen(client="ann", watchlist="offline", users=[bob])
    js.run("disconnect", client="second tab of bob")
    js.event(client="ann", watchlist="offline", users=[bob])
    assert len(js.seen(client="ann", watchlist="online", users=[bob])) == 1
    assert not js.seen(client="bob", watchlist="online")


def test_a_long_watchlist(server, name):
    """The first hundred are watched, and 4302 tells of the rest."""
    client, users = server.connect(), [f"{number}-{name}" for number in range(101)]
    client.sign_in(f"ann-{name}", watchlist=users)
    problem = client.expect("pusher:error")["data"]
    assert problem["code"] == 4302
    assert "max_watchlist_size" in problem["message"]
    assert told(client) == {"offline": users[:100]}
    server.connect().sign_in(users[100])
    server.connect().sign_in(users[99])
    assert told(client) == {"online": [users[99]]}


def test_a_user_who_is_terminated_is_offline(server, name):
    """Ending all connections of a user is going offline."""
    ann, bob = server.connect(), server.connect()
    bob.sign_in(f"bob-{name}")
    ann.sign_in(f"ann-{name}", watchlist=[f"bob-{name}"])
    assert told(ann) == {"online": [f"bob-{name}"]}
    sdk_for(server).terminate_user_connections(f"bob-{name}")
    assert bob.close_code() == 4009
    assert told(ann) == {"offline": [f"bob-{name}"]}


def test_watchlists_switched_off(start):
    """Where the app has them off, a watchlist is ignored."""
    server = start()
    client = server.connect()
    client.sign_in("ann", watchlist=["bob"])
    server.connect().sign_in("bob")
    assert client.is_alive()


def test_a_delay(start, tmp_path):
    """With --watchlist-delay who is back in time was never away; who is not, is offline then."""
    server = start("--watchlist-delay", "1", "--apps", write_apps(tmp_path), configured=True)
    ann, bob = server.connect(), server.connect()
    bob.sign_in("bob")
    ann.sign_in("ann", watchlist=["bob"])
    assert told(ann) == {"online": ["bob"]}
    for _ in range(3):
        bob.drop()
        bob = server.connect()
        bob.sign_in("bob")
    assert ann.is_alive()
    bob.drop()
    assert told(ann) == {"offline": ["bob"]}


# -- events for one user, and the end of it


def test_send_to_user_reaches_all_connections_and_nobody_else(server, name):
    """Both SDK helpers for it reach every connection of the user; nobody can listen in."""
    tabs, spy = [server.connect() for _ in range(2)], server.connect()
    for tab in tabs:
        tab.sign_in(f"ann-{name}")
    spy.sign_in(f"spy-{name}")
    spy.ask_to_subscribe(f"#server-to-user-ann-{name}", auth="")
    assert spy.refused(f"#server-to-user-ann-{name}")["status"] == 401
    sdk_for(server).send_to_user(f"ann-{name}", "news", {"x": 1})
    for tab in tabs:
        message = tab.expect("news")
        assert message["channel"] == f"#server-to-user-ann-{name}"
        assert json.loads(message["data"]) == {"x": 1}
    assert spy.is_alive()
    assert f"#server-to-user-ann-{name}" not in server.api().get("/channels").json["channels"]


def test_sign_in_where_it_is_off(server):
    """The client is told so and 4009, and stays."""
    client = server.connect(PLAIN)
    client.send("pusher:signin", {"auth": "x:y", "user_data": '{"id":"ann"}'})
    problem = client.expect("pusher:signin_error")["data"]
    assert problem["status"] == 401
    assert "user_authentication" in problem["error"]
    assert client.expect("pusher:error")["data"]["code"] == 4009
    assert client.is_alive()


# -- authorized connections


def refusals(server, reason):
    labels = f'app_id="{AUTHORIZED.id}",reason="{reason}"'
    return server.metrics().get(f"connections_refused_total{{{labels}}}", 0)


def test_a_connection_that_proves_nothing(server):
    """It is told so and closed with 4009 when its time is over, not before."""
    before, began = refusals(server, "not_authorized_in_time"), time.monotonic()
    client = server.connect(AUTHORIZED)
    client.subscribe("public")
    messages, code = client.messages_until_close()
    assert time.monotonic() - began >= 1
    assert code == 4009
    assert messages[-1]["data"]["message"] == "Connection not authorized within timeout"
    assert refusals(server, "not_authorized_in_time") == before + 1


@pytest.mark.parametrize("how", ["sign in", "private-x", "presence-x"])
def test_a_connection_that_proves_something(server, how):
    """Signing in or an authorized subscription is enough: it stays when those who came later are ended."""
    client = server.connect(AUTHORIZED)
    if how == "sign in":
        client.sign_in("ann")
    else:
        client.subscribe(how, {"user_id": "ann"} if "presence" in how else None)
    assert server.connect(AUTHORIZED).close_code() == 4009
    assert client.is_alive()
