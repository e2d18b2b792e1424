"""Channels of every kind."""

from __future__ import annotations

import json
import resource

import pytest
from harness import wait_until
from served_apps import APP, PLAIN, SMALL
from wire import HttpConnection

SUCCESS = "pusher_internal:subscription_succeeded"
COUNT = "pusher_internal:subscription_count"


@pytest.fixture
def app():
    """An app without subscription counts: fewer messages to read past."""
    return PLAIN


@pytest.fixture
def connect(server, app):
    return lambda: server.connect(app)


@pytest.fixture
def api(server, app):
    return server.api(app)


# -- public


def test_success(connect, name):
    client = connect()
    client.ask_to_subscribe(f"public-{name}")
    assert client.receive() == {"event": SUCCESS, "channel": f"public-{name}", "data": "{}"}


@pytest.mark.parametrize(
    "data", ['{"x":1}', "", "plain", "1", '"\\u00e9"', "</script> é 😀 \u2028 \x00 \\", " { } "]
)
def test_data_arrives_as_it_was_sent(connect, api, name, data):
    client = connect()
    client.subscribe(name)
    api.trigger(name, data, name="App\\Events\\It:happened")
    received = client.receive()
    assert received == {"event": "App\\Events\\It:happened", "channel": name, "data": data}


@pytest.mark.parametrize("data", [{"b": [1, 2.5, None], "a": "é"}, [1], 7, True])
def test_data_that_is_no_string(connect, api, name, data):
    client = connect()
    client.subscribe(name)
    api.trigger(name, data)
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    assert client.expect("event")["data"] == text


def test_unsubscribed_gets_nothing(connect, api, name):
    client = connect()
    client.subscribe(name)
    client.unsubscribe(name)
    assert client.so_far() == []
    api.trigger(name)
    assert client.is_alive()


def test_unsubscribe_without_subscription(connect, name):
    client = connect()
    client.unsubscribe(name)
    client.unsubscribe("not a valid name")
    assert client.is_alive()


def test_subscribed_twice_receives_once(connect, api, name):
    client = connect()
    client.subscribe(name)
    client.subscribe(name)
    api.trigger(name)
    assert [m["event"] for m in client.so_far()] == ["event"]


@pytest.mark.parametrize(("steps", "events"), [("sus", ["event"]), ("su", []), ("sususu", [])])
def test_burst_of_changes(connect, api, name, steps, events):
    client = connect()
    for step in steps:
        if step == "s":
            client.ask_to_subscribe(name)
        else:
            client.unsubscribe(name)
    assert [m["event"] for m in client.so_far()] == [SUCCESS] * steps.count("s")
    api.trigger(name)
    assert [m["event"] for m in client.so_far()] == events


@pytest.mark.parametrize("character", "_-=@,.;")
def test_characters_of_names(connect, name, character):
    client = connect()
    client.subscribe(f"{character}a{character}{name}")


@pytest.mark.parametrize(
    "channel", ["a b", "a/b", "a:b", "é", "#x", "", "a\nb", "a\x00", "x" * 201, "presence-é"]
)
def test_names_that_are_refused(connect, channel):
    client = connect()
    client.ask_to_subscribe(channel)
    assert client.refused(channel)["status"] == 400
    assert client.is_alive()


def test_longest_name(connect):
    connect().subscribe("x" * 200)


def test_configured_name_length(server):
    client = server.connect(SMALL)
    client.subscribe("x" * 30)
    client.ask_to_subscribe("x" * 31)
    client.refused("x" * 31)


def test_prefix_in_the_middle_means_nothing(connect, api, name):
    client = connect()
    for channel in (f"xprivate-{name}", f"my-cache-{name}", f"a-presence-{name}"):
        api.trigger(channel, "before")
        client.subscribe(channel)
        assert client.is_alive()


def test_auth_on_public_channel_is_ignored(connect, name):
    client = connect()
    client.ask_to_subscribe(name, auth="")
    client.expect(SUCCESS)


def test_only_subscribed_channels_arrive(connect, api, name):
    client = connect()
    client.subscribe(f"x-{name}")
    client.subscribe(f"y-{name}")
    client.unsubscribe(f"x-{name}")
    assert client.so_far() == []
    api.trigger([f"x-{name}", f"y-{name}", f"z-{name}"])
    assert [m["channel"] for m in client.so_far()] == [f"y-{name}"]


def test_vacated_channel_is_not_listed(connect, api, name):
    client = connect()
    client.subscribe(name)
    assert name in api.get("/channels").json["channels"]
    client.drop()
    wait_until(lambda: name not in api.get("/channels").json["channels"], "an empty channel")


def test_thousand_channels(connect, api, name):
    client = connect()
    names = [f"{name}-{i}" for i in range(1000)]
    for channel in names:
        client.ask_to_subscribe(channel)
    assert [m["channel"] for m in client.so_far()] == names
    assert len(api.get("/channels", filter_by_prefix=f"{name}-").json["channels"]) == 1000


def test_burst_is_handled_in_order(connect, name):
    client = connect()
    for i in range(100):
        client.send("pusher:subscribe", {"channel": f"{name}-{i}"})
    received = [client.receive()["channel"] for _ in range(100)]
    assert received == [f"{name}-{i}" for i in range(100)]


def test_data_encoded_twice(connect, name):
    client = connect()
    client.send("pusher:subscribe", json.dumps({"channel": name}))
    client.expect(SUCCESS, name)


# -- private and encrypted


@pytest.mark.parametrize(
    "kind", ["private-", "private-encrypted-", "private-cache-", "private-encrypted-cache-"]
)
def test_private(connect, api, name, kind):
    client, channel = connect(), f"{kind}{name}"
    client.subscribe(channel)
    if "cache" in kind:
        client.expect("pusher:cache_miss", channel)
    data = '{"nonce":"bm9uY2U=","ciphertext":"/+=="}'
    api.trigger(channel, data)
    assert client.expect("event", channel)["data"] == data


def wrong_auths(channel, socket_id):
    """What is not the auth of this channel and socket, and why."""
    good = PLAIN.sign(f"{socket_id}:{channel}")
    return {
        "wrong": f"{PLAIN.key}:{'0' * 64}",
        "empty": "",
        "absent": None,
        "no colon": good,
        "other channel": PLAIN.channel_auth(socket_id, channel + "x"),
        "other socket": PLAIN.channel_auth("1.1", channel),
        "other key": f"{APP.key}:{good}",
        "other app": APP.channel_auth(socket_id, channel),
        "upper case": f"{PLAIN.key}:{good.upper()}",
        "more": f"{PLAIN.key}:{good}0",
        "not ASCII": f"{PLAIN.key}:é",
    }


@pytest.mark.parametrize("wrong", wrong_auths("", ""))
def test_wrong_auth(connect, api, name, wrong):
    client, channel = connect(), f"private-{name}"
    client.ask_to_subscribe(channel, auth=wrong_auths(channel, client.socket_id)[wrong])
    problem = client.refused(channel)
    assert (problem["type"], problem["status"]) == ("AuthError", 401)
    api.trigger(channel, "secret")
    assert client.is_alive()
    assert channel not in api.get("/channels").json["channels"]


@pytest.mark.parametrize(
    "kind",
    [
        *("private-cache-", "private-encrypted-cache-", "presence-cache-", "private-mycache-"),
        *("private-encrypted-", "presence-", "presence-mycache-"),
    ],
)
def test_every_kind_is_verified(connect, api, name, kind):
    client, channel = connect(), f"{kind}{name}"
    api.trigger(channel, "secret")
    member = {"user_id": "a"} if kind.startswith("presence") else None
    client.ask_to_subscribe(channel, member, auth=f"{PLAIN.key}:{'a' * 64}")
    assert client.refused(channel)["status"] == 401
    assert client.is_alive()


def test_private_with_channel_data(connect, name):
    client = connect()
    client.subscribe(f"private-{name}", {"anything": 1})


def test_only_pusher_error(start):
    client = start("--only-pusher-error").connect()
    client.ask_to_subscribe("private-x", auth="x:y")
    client.expect("pusher:error", "private-x")
    assert client.is_alive()


# -- presence


def test_presence_of_one(connect, name):
    data = connect().subscribe(f"presence-{name}", {"user_id": "a", "user_info": {"n": 1}})
    assert data == {"presence": {"ids": ["a"], "hash": {"a": {"n": 1}}, "count": 1}}


def test_presence_of_two_users_and_two_tabs(connect, name):
    channel = f"presence-{name}"
    a, b, b2 = connect(), connect(), connect()
    a.subscribe(channel, {"user_id": "a", "user_info": {"n": 1}})
    data = b.subscribe(channel, {"user_id": "b", "user_info": {"n": 2}})["presence"]
    assert sorted(data["ids"]) == ["a", "b"]
    assert data["hash"] == {"a": {"n": 1}, "b": {"n": 2}}
    assert data["count"] == 2
    added = a.expect("pusher_internal:member_added", channel)
    assert json.loads(added["data"]) == {"user_id": "b", "user_info": {"n": 2}}
    assert b.is_alive()

    second = b2.subscribe(channel, {"user_id": "b", "user_info": {"n": 2}})["presence"]
    assert second["count"] == 2
    b.unsubscribe(channel)
    assert b.so_far() == []
    assert a.is_alive()

    b2.drop()
    removed = a.expect("pusher_internal:member_removed", channel)
    assert json.loads(removed["data"]) == {"user_id": "b"}
    assert a.is_alive()


def test_member_that_was_cut_off(connect, name):
    channel = f"presence-{name}"
    a, b = connect(), connect()
    a.subscribe(channel, {"user_id": "a"})
    b.subscribe(channel, {"user_id": "b"})
    a.expect("pusher_internal:member_added")
    b.drop()
    a.expect("pusher_internal:member_removed")
    assert a.is_alive()


def test_numeric_user_id(connect, api, name):
    channel = f"presence-{name}"
    a, b = connect(), connect()
    a.subscribe(channel, {"user_id": "a"})
    data = b.subscribe(channel, {"user_id": 10})["presence"]
    assert set(data["ids"]) == set(data["hash"]) == {"a", "10"}
    added = json.loads(a.expect("pusher_internal:member_added")["data"])
    assert added == {"user_id": "10", "user_info": {}}
    users = api.get(f"/channels/{channel}/users").json["users"]
    assert {"id": "10"} in users
    b.drop()
    assert json.loads(a.expect("pusher_internal:member_removed")["data"]) == {"user_id": "10"}


@pytest.mark.parametrize(
    "channel_data",
    ["nonsense", "[]", "null", "1", "{}", *(f'{{"user_id":{v}}}' for v in ('""', "null", "true"))]
    + [f'{{"user_id":{v}}}' for v in ("[]", "{}", "1.5", '"' + "x" * 201 + '"')]
    + [None, '{"user_id":"a"', '{"user_id":"\\ud800"}'],
)
def test_wrong_channel_data(connect, name, channel_data):
    client, channel = connect(), f"presence-{name}"
    client.ask_to_subscribe(channel, channel_data)
    assert client.refused(channel)["status"] == 400
    assert client.is_alive()


def test_signed_bytes_count(connect, name):
    client, channel = connect(), f"presence-{name}"
    odd = ' { "user_info" : {"name":"Ünï 😀"} ,\n"user_id":"a" } '
    client.subscribe(channel, odd)
    client.unsubscribe(channel)
    auth = PLAIN.channel_auth(client.socket_id, channel, odd)
    tidy = json.dumps(json.loads(odd))
    client.ask_to_subscribe(channel, tidy, auth=auth)
    assert client.refused(channel)["status"] == 401


def test_ids_that_look_like_a_list(connect, name):
    a, b = connect(), connect()
    a.subscribe(f"presence-{name}", {"user_id": "0"})
    data = b.subscribe(f"presence-{name}", {"user_id": "1"})["presence"]
    assert data["hash"] == {"0": {}, "1": {}}


def test_member_limit(server, name):
    channel = f"presence-{name}"
    for user in ("a", "b"):
        server.connect(SMALL).subscribe(channel, {"user_id": user})
    third = server.connect(SMALL)
    third.ask_to_subscribe(channel, {"user_id": "c"})
    assert third.refused(channel)["type"] == "LimitReached"
    assert server.connect(SMALL).subscribe(channel, {"user_id": "a"})["presence"]["count"] == 2


def test_member_size(server, name):
    client, channel = server.connect(SMALL), f"presence-{name}"
    client.ask_to_subscribe(channel, {"user_id": "a", "user_info": "x" * 100})
    assert client.refused(channel)["type"] == "LimitReached"


def test_refused_member_is_not_shown(connect, name):
    a, c, channel = connect(), connect(), f"presence-{name}"
    a.subscribe(channel, {"user_id": "a"})
    c.ask_to_subscribe(channel, {"user_id": "c"}, auth=f"{PLAIN.key}:{'0' * 64}")
    c.refused(channel)
    assert a.is_alive()


# -- cache


@pytest.mark.parametrize("kind", ["cache-", "private-cache-", "presence-cache-"])
def test_cache(connect, api, name, kind):
    channel = f"{kind}{name}"
    member = {"user_id": "a"} if kind.startswith("presence") else None
    a, b = connect(), connect()
    a.subscribe(channel, member)
    assert a.expect("pusher:cache_miss", channel)
    api.trigger(channel, "old", name="price")
    api.trigger(channel, "new", name="price", socket_id=a.socket_id)
    assert a.expect("price")["data"] == "old"
    b.subscribe(channel, member)
    assert b.receive() == {"event": "price", "channel": channel, "data": "new"}
    assert a.is_alive()
    assert b.is_alive()


def test_cache_outlives_the_channel_and_expires(server, name):
    channel, api = f"cache-{name}", server.api(SMALL)
    api.trigger(channel, "1")
    first = server.connect(SMALL)
    first.subscribe(channel)
    assert first.expect("event")["data"] == "1"
    first.drop()
    shown = api.get(f"/channels/{channel}", info="cache").json["cache"]
    assert shown is None or shown["data"] == "1"
    wait_until(
        lambda: api.get(f"/channels/{channel}", info="cache").json["cache"] is None, "expiry"
    )
    late = server.connect(SMALL)
    late.subscribe(channel)
    late.expect("pusher:cache_miss")


def test_last_of_a_batch_is_cached(connect, api, name):
    channel = f"cache-{name}"
    events = [{"name": "e", "channel": channel, "data": data} for data in "12"]
    assert api.post("/batch_events", {"batch": events}).json == {}
    client = connect()
    client.subscribe(channel)
    assert client.expect("e")["data"] == "2"


# -- subscription counts


def test_subscription_count(server, name):
    a, b = server.connect(APP), server.connect(APP)
    a.subscribe(name)
    count = a.expect(COUNT, name)
    assert json.loads(count["data"]) == {"subscription_count": 1}
    b.subscribe(name)
    for client in (a, b):
        assert json.loads(client.expect(COUNT)["data"]) == {"subscription_count": 2}
    b.drop()
    assert json.loads(a.expect(COUNT)["data"]) == {"subscription_count": 1}


def test_no_subscription_count_on_presence(server, name):
    client = server.connect(APP)
    client.subscribe(f"presence-{name}", {"user_id": "a"})
    assert client.is_alive()


def test_subscription_count_of_a_crowd(server, name):
    """Above 100 subscribers it is told every few seconds only."""
    crowd = [server.connect(APP) for _ in range(110)]
    for client in crowd:
        client.ask_to_subscribe(name)
        client.expect(SUCCESS)
    counts = [json.loads(m["data"])["subscription_count"] for m in crowd[0].so_far()]
    assert counts[:100] == list(range(1, 101))
    assert len(counts) <= 101
    assert crowd[-1].is_alive()
    # Five seconds later, the current one.
    assert json.loads(crowd[-1].expect(COUNT)["data"]) == {"subscription_count": 110}


def test_large_channel(server, name):
    """More subscribers than are served in one go: everything arrives at everybody, once and in order."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    try:
        crowd = [server.connect(PLAIN) for _ in range(1300)]
        for client in crowd:
            client.ask_to_subscribe(name)
        for client in crowd:
            client.expect(SUCCESS)
        api, events = server.api(PLAIN), [{"name": "e", "channel": name} for _ in range(20)]
        for number, event in enumerate(events):
            event["data"] = str(number)
        events[7]["socket_id"] = crowd[3].socket_id
        with HttpConnection(server.dial()) as http:
            http.socket.sendall(b"".join(api.request("/events", event) for event in events))
            assert [http.answer().json for _ in events] == [{}] * len(events)
        for client in crowd:
            wanted = [e["data"] for e in events if e.get("socket_id") != client.socket_id]
            assert [client.expect("e")["data"] for _ in wanted] == wanted
        assert crowd[3].is_alive()
    finally:
        server.hang_up()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_order_of_answers_on_cache_channels(server, name):
    client = server.connect(APP)
    client.ask_to_subscribe(f"cache-{name}")
    assert [m["event"] for m in client.so_far()] == [SUCCESS, "pusher:cache_miss", COUNT]
