"""Every limit of an app at its edge: exactly the limit passes, one more is refused as documented."""

import json
from dataclasses import fields, replace
from typing import get_type_hints

import pytest

from tests.doubles import limited
from tests.wire_doubles import Api, event, http, publish, signed
from txpusher.config import Config
from txpusher.core.authorization import AuthorizationSweep
from txpusher.model import PUSHER_LIMITS, Limits

OK = "ok"
IN_PUSHERS_WORDS = {"max_connections", "max_client_events_per_second", "authorization_timeout"}
"""Limits whose answers are texts of the protocol."""


# What is done: each is given an app, and the amount of what its limit counts, and tells how the last thing went: OK, or
# the code, the status or the type of the refusal, and its text.


def called(app, *requests):
    """Make calls on one connection, and give the last outcome."""
    connection = Api(app).klein()
    for request in requests:
        response = connection.ask(request)
    return OK if response.status == 200 else (response.status, response.error)


def published(app, **more):
    return called(app, publish(event(**more)))


def batch(*items, **more):
    body = json.dumps({"batch": [json.loads(event(**item)) for item in items]}).encode()
    return publish(body, "/apps/1/batch_events", **more)


def said(client):
    """Give how the last thing that a client said went."""
    problems = [m for m in client.wire if m["event"] == "pusher:error"]
    refused = [m for m in client.wire if m["event"] == "pusher:subscription_error"]
    if not problems:
        return OK
    text = problems[-1]["data"]["message"]
    if refused:
        return ((refused[-1]["data"]["type"], refused[-1]["data"]["status"]), text)
    return (problems[-1]["data"]["code"], text)


def subscribed(app, *subscriptions):
    client = Api(app).node.connect(app)
    for subscription in subscriptions:
        client.subscribe(*subscription)
    return said(client)


def signed_in(app, user_id, **more):
    client = Api(app).node.connect(app)
    client.sign_in(user_id, **more)
    return said(client)


def triggered(app, *events):
    """Send client events, each given by its name and its data."""
    client = Api(app).node.connect(app)
    client.subscribe("private-x")
    for name, content in events:
        client.trigger(name, "private-x", content)
    return said(client)


def text_of(size):
    """Give a text of so many bytes, which has fewer characters."""
    return "é" + "x" * (size - 2)


def connections(app, amount):
    api = Api(app)
    last = [api.socket() for _ in range(amount)][-1]
    *_, end = last.frames()
    return OK if end.opcode == 1 else (end.code, end.reason)


def presence_members(app, amount):
    api = Api(app)
    for number in range(amount):
        client = api.node.connect(app)
        client.subscribe("presence-x", f"user {number}")
    return said(client)


def remembered_key(app, amount):
    """Publish again with the same key within the last second of its time, or in the one after it."""
    api = Api(app)
    client = api.node.connect(app)
    client.subscribe("news")
    client.wire.clear()
    for pause in (0, amount - 0.5):
        api.clock.advance(pause)
        api.klein().ask(publish(event(idempotency_key="k")))
    return OK if len(client.wire) == 1 else ("published again", "idempotency_ttl")


def remembered_event(app, amount):
    """Subscribe to a cache channel within the last second of its event's time, or in the one after it."""
    api = Api(app)
    api.klein().ask(publish(event(channel="cache-x")))
    api.clock.advance(amount - 0.5)
    client = api.node.connect(app)
    client.subscribe("cache-x")
    return OK if client.wire[-1]["event"] == "greeting" else ("cache_miss", "cache_ttl")


def authorized_late(app, amount):
    """Sign in within the last second of the time for it, or in the one after it."""
    node = Api(app).node
    AuthorizationSweep(node.registry).start()
    client = node.connect(replace(app, authorized_connections_only=True))
    for _ in range(amount - 1):
        node.clock.advance(1)
    node.clock.advance(0.5)
    client.sign_in("ann")
    return said(client)


READ = http("GET", signed("GET", "/apps/1/channels"))
FULL = ("LimitReached", 403)

# Each limit, what counts against it, and the answer to one more. A limit of 20 is used but for those that are long.
TABLE = [
    ("max_connections", connections, 4004),
    (
        "max_backend_events_per_second",
        lambda app, n: called(app, *[publish(event())] * n),
        429,
    ),
    (
        "max_backend_events_per_second",
        lambda app, n: called(
            app, publish(event(channels=list("abcdefg"))), *[batch({})] * (n - 7)
        ),
        429,
    ),
    ("max_read_requests_per_second", lambda app, n: called(app, *[READ] * n), 429),
    ("max_client_events_per_second", lambda app, n: triggered(app, *[("client-x", "")] * n), 4301),
    ("max_subscriptions", lambda app, n: subscribed(app, *[(f"c{i}",) for i in range(n)]), FULL),
    ("max_presence_members", presence_members, FULL),
    (
        "max_presence_member_size",
        lambda app, n: subscribed(app, ("presence-x", "ann", text_of(n - 2))),
        ("LimitReached", 413),
    ),
    (
        "max_presence_member_size",
        lambda app, n: signed_in(app, "ann", user_info=text_of(n - 2)),
        4009,
    ),
    (
        "max_user_id_length",
        lambda app, n: subscribed(app, ("presence-x", "é" * n)),
        ("InvalidChannelData", 400),
    ),
    ("max_user_id_length", lambda app, n: signed_in(app, "é" * n), 4009),
    (
        "max_user_id_length",
        lambda app, n: published(app, channel="#server-to-user-" + "é" * n),
        400,
    ),
    (
        "max_channel_name_length",
        lambda app, n: subscribed(app, ("private-" + "x" * (n - 8),)),
        ("InvalidChannel", 400),
    ),
    ("max_channel_name_length", lambda app, n: published(app, channel="x" * n), 400),
    (
        "max_channel_name_length",
        lambda app, n: called(app, http("GET", signed("GET", "/apps/1/channels/" + "x" * n))),
        400,
    ),
    (
        "max_channels_per_event",
        lambda app, n: published(app, channels=[f"c{i}" for i in range(n)]),
        400,
    ),
    ("max_event_name_length", lambda app, n: published(app, name="é" * n), 400),
    (
        "max_event_name_length",
        lambda app, n: triggered(app, ("client-" + "é" * (n - 7), "")),
        4301,
    ),
    ("max_event_size", lambda app, n: published(app, data=text_of(n)), 413),
    ("max_event_size", lambda app, n: published(app, data=["x" * (n - 4)]), 413),
    ("max_event_size", lambda app, n: called(app, batch({}, {"data": text_of(n)})), 413),
    ("max_event_size", lambda app, n: triggered(app, ("client-x", text_of(n))), 4301),
    ("max_batch_size", lambda app, n: called(app, batch(*[{}] * n)), 400),
    ("max_idempotency_key_length", lambda app, n: published(app, idempotency_key="é" * n), 400),
    (
        "max_idempotency_key_length",
        lambda app, n: called(app, batch({}, {"idempotency_key": "é" * n})),
        400,
    ),
    (
        "max_idempotency_key_length",
        lambda app, n: called(app, publish(event(), headers={"X-Idempotency-Key": "x" * n})),
        400,
    ),
    (
        "max_idempotency_key_length",
        lambda app, n: called(app, batch({}, headers={"X-Idempotency-Key": "x" * n})),
        400,
    ),
    (
        "max_watchlist_size",
        lambda app, n: signed_in(
            replace(app, watchlist_events=True), "ann", watchlist=[f"{i}" for i in range(n)]
        ),
        4302,
    ),
    ("authorization_timeout", authorized_late, 4009),
    ("idempotency_ttl", remembered_key, "published again"),
    ("cache_ttl", remembered_event, "cache_miss"),
]


def test_every_limit_is_in_the_table():
    """A new limit needs a test at its edge."""
    assert {field.name for field in fields(Limits)} == {name for name, *_ in TABLE}


@pytest.mark.parametrize(
    ("name", "do", "answer"), TABLE, ids=[f"{name}-{answer}" for name, _, answer in TABLE]
)
@pytest.mark.parametrize("limit", [20, 33])
def test_the_edge(name, do, answer, limit):
    """Exactly as much as the limit is fine, one more is not, and the answer names the setting."""
    app = limited(**{name: limit})
    assert do(app, limit) == OK
    refused, text = do(app, limit + 1)
    assert refused == answer
    assert name in text or name in IN_PUSHERS_WORDS


PUSHERS = [
    (name, do, answer)
    for name, do, answer in TABLE
    if getattr(PUSHER_LIMITS, name) != getattr(Limits(), name)
]


@pytest.mark.parametrize(
    ("name", "do", "answer"), PUSHERS, ids=[f"{name}-{answer}" for name, _, answer in PUSHERS]
)
def test_the_edges_of_pushers_profile(name, do, answer):
    """With --profile pusher an app that says nothing has Pusher's limits, just these, and what it says counts."""
    table = {"id": "1", "key": "key", "secret": "secret", "client_events": True}
    limit = getattr(PUSHER_LIMITS, name)
    (usual,) = Config(profile="pusher", app_list=(table,)).app_list
    assert do(usual, limit) == OK
    assert do(usual, limit + 1)[0] == answer
    (other,) = Config(profile="pusher", app_list=({**table, name: limit + 1},)).app_list
    assert do(other, limit + 1) == OK


UNLIMITED = [
    (name, do)
    for name, do in {name: do for name, do, _ in TABLE}.items()
    if get_type_hints(Limits)[name] == int | None and name != "idempotency_ttl"
]


@pytest.mark.parametrize(("name", "do"), UNLIMITED, ids=[name for name, _ in UNLIMITED])
def test_what_may_have_no_limit(name, do):
    """Without a limit as much passes as is tried."""
    assert do(limited(**{name: None}), 200) == OK
