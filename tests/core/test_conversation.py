"""What each kind of message is answered, and what is refused, why and how."""

import json

import pytest

from tests.doubles import APP, Node, cluster, data, limited
from txpusher.core.occurrences import ChannelOccupied, ClientEventSent, MessageDropped, Subscribed
from txpusher.core.registry import Options
from txpusher.model import App, Limits


def refusal(client):
    """Give the code, the channel and the text of the one pusher:error that was sent."""
    (message,) = client.wire.take()
    assert message["event"] == "pusher:error"
    assert client.wire.closed is None
    return message["data"]["code"], message.get("channel"), message["data"]["message"]


def signin_refusal(client):
    """Give the code and the text of the pair that tells of a failed sign-in, and check that they agree."""
    first, *_ = client.wire
    assert client.wire.names() == ["signin_error", "error"]
    client.wire.pop(0)
    code, channel, text = refusal(client)
    assert channel is None
    assert first["data"] == {"type": "AuthError", "error": text, "status": 401}
    return code, text


def talkers(size, channel, app=APP):
    """Make clients that are on one channel, and forget what they read so far."""
    node = Node()
    clients = [node.connect(app) for _ in range(size)]
    for i, client in enumerate(clients):
        client.subscribe(channel, f"user{i}" if channel.startswith("presence-") else None)
    for client in clients:
        client.wire.clear()
    node.told.clear()
    return node, *clients


# Small talk


def test_a_ping_is_answered():
    """A client's pusher:ping gets a pusher:pong."""
    client = Node().connect()
    client.say("pusher:ping", {})
    assert client.wire == [{"event": "pusher:pong", "data": {}}]


@pytest.mark.parametrize(
    "event", ["pusher:pong", "pusher:foo", "foo", "foo-client-x", "pusher_internal:member_added"]
)
def test_what_nobody_knows_is_ignored(event):
    """Unknown events are no error; they are neither answered nor relayed."""
    _, sender, other = talkers(2, "private-chat")
    sender.trigger(event, "private-chat", {})
    assert sender.wire == other.wire == []
    assert sender.wire.closed is None


# Subscribing


@pytest.mark.parametrize("name", ["a-b_c=d@e,f.g;h", "xprivate-y", "news-", "x" * 200])
def test_public_names(name):
    """All characters of the naming rules are taken, and prefixes count at the beginning only."""
    client = Node().connect()
    client.say("pusher:subscribe", {"channel": name, "auth": ""})
    assert client.wire.names() == ["subscription_succeeded"]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "é", "#x", "a\n", "x" * 201])
def test_names_that_break_the_rules(name):
    """A bad name is refused as a subscription error of that channel, and by pusher:error; nothing is kept."""
    node = Node()
    client = node.connect()
    client.subscribe(name)
    error, generic = client.wire
    assert (error["event"], error["channel"]) == ("pusher:subscription_error", name)
    assert (error["data"]["type"], error["data"]["status"]) == ("InvalidChannel", 400)
    assert generic == {
        "event": "pusher:error",
        "channel": name,
        "data": {"code": None, "message": error["data"]["error"]},
    }
    assert node.told.of(MessageDropped) == [MessageDropped("1", "invalid_channel")]
    assert node.channels() == {}
    assert client.wire.closed is None


GUARDED = [
    "private-x",
    "private-encrypted-x",
    "private-cache-x",
    "private-encrypted-cache-x",
    "private-mycache-x",
    "presence-x",
    "presence-cache-x",
]


@pytest.mark.parametrize("name", GUARDED)
def test_guarded_channels_need_a_signature(name):
    """With the right signature the client is in; with none, a wrong one or somebody else's it is not."""
    node = Node()
    member = {"channel_data": '{"user_id": "ann"}'} if name.startswith("presence") else {}
    signed = ":" + member["channel_data"] if member else ""
    good, client = node.connect(), node.connect()
    good.subscribe(name, "ann" if member else None)
    assert good.wire.names()[0] == "subscription_succeeded"
    mine = client.auth(f"{client.socket_id}:{name}{signed}")
    wrong = [
        None,
        "",
        "no colon",
        f"{APP.key}:",
        f"{APP.key}:{'0' * 64}",
        f"other:{mine.partition(':')[2]}",
        mine.upper().replace("KEY", "key"),
        client.auth(f"{good.socket_id}:{name}{signed}"),
        client.auth(f"{client.socket_id}:{name}x{signed}"),
        client.auth(f"{client.socket_id}:{name}{signed} "),
    ]
    node.told.clear()
    for auth in wrong:
        client.wire.clear()
        client.say("pusher:subscribe", {"channel": name, "auth": auth, **member})
        error, generic = client.wire
        assert error["channel"] == generic["channel"] == name
        assert (error["data"]["type"], error["data"]["status"]) == ("AuthError", 401)
        assert (error["event"], generic["event"]) == ("pusher:subscription_error", "pusher:error")
        assert generic["data"] == {"code": 4009, "message": error["data"]["error"]}
    assert node.told.of(MessageDropped) == [MessageDropped("1", "subscription_refused")] * len(
        wrong
    )
    assert not node.told.of(Subscribed)
    client.wire.clear()
    node.event("e", name)
    assert client.wire == []
    client.say("pusher:subscribe", {"channel": name, "auth": mine, **member})
    assert client.wire.names()[0] == "subscription_succeeded"


def test_a_refused_subscription_occupies_nothing():
    """Whoever may not subscribe leaves no trace: no channel, no member, no fact."""
    node = Node()
    watcher, client = node.connect(), node.connect()
    watcher.subscribe("presence-room", "ann")
    node.told.clear()
    for name in ("presence-room", "private-x"):
        client.say(
            "pusher:subscribe",
            {"channel": name, "auth": "key:0", "channel_data": '{"user_id":"eve"}'},
        )
    assert watcher.wire.names() == ["subscription_succeeded"]
    assert list(node.channels()) == ["presence-room"]
    assert not node.told.of(Subscribed, ChannelOccupied)


def test_only_pusher_error():
    """On request failed subscriptions are told by pusher:error alone, as by Pusher."""
    client = Node(options=Options(only_pusher_error=True)).connect()
    client.say("pusher:subscribe", {"channel": "private-x"})
    assert refusal(client) == (4009, "private-x", "auth is missing")


def test_channel_data_on_a_private_channel_is_signed_too():
    """A private channel may come with channel_data, which is then part of the signature."""
    client = Node().connect()
    for text in ('{"x":1}', ""):
        auth = client.auth(f"{client.socket_id}:private-x" + (f":{text}" if text else ""))
        client.say("pusher:subscribe", {"channel": "private-x", "auth": auth, "channel_data": text})
    auth = client.auth(f"{client.socket_id}:private-x")
    client.say("pusher:subscribe", {"channel": "private-x", "auth": auth, "channel_data": "x"})
    assert client.wire.names() == ["subscription_succeeded"] * 2 + ["subscription_error", "error"]


@pytest.mark.parametrize(
    ("text", "kind", "status"),
    [
        (None, "InvalidChannelData", 400),
        ("", "InvalidChannelData", 400),
        ("no json", "InvalidChannelData", 400),
        ("[]", "InvalidChannelData", 400),
        ("{}", "InvalidChannelData", 400),
        ('{"user_id":""}', "InvalidChannelData", 400),
        ('{"user_id":true}', "InvalidChannelData", 400),
        ('{"user_id":{"a":1}}', "InvalidChannelData", 400),
        (json.dumps({"user_id": "x" * 201}), "InvalidChannelData", 400),
        (json.dumps({"user_id": "ann", "user_info": "x" * 2047}), "LimitReached", 413),
    ],
)
def test_bad_channel_data(text, kind, status):
    """A presence channel refuses a member it cannot know, although the signature is right."""
    node = Node()
    client = node.connect()
    signed = f"{client.socket_id}:presence-x" + (f":{text}" if text else "")
    fields = {"channel": "presence-x", "auth": client.auth(signed), "channel_data": text}
    client.say("pusher:subscribe", fields)
    error, generic = client.wire
    assert (error["data"]["type"], error["data"]["status"]) == (kind, status)
    code = 4009 if kind == "LimitReached" else None
    assert (generic["event"], generic["data"]["code"]) == ("pusher:error", code)
    assert node.channels() == {}


def test_fields_of_the_wrong_type_are_told_on_the_channel():
    """A subscription whose authorization is no string fails on its channel, and does not stay pending."""
    client = Node().connect()
    client.say("pusher:subscribe", {"channel": "private-x", "auth": 1})
    error, generic = client.wire
    assert (error["event"], error["channel"]) == ("pusher:subscription_error", "private-x")
    assert error["data"]["error"] == "pusher:subscribe: auth must be a string"
    assert generic["channel"] == "private-x"


def test_subscriptions_are_limited():
    """A connection may be on so many channels; subscribing to one of them again is no further one."""
    app = limited(max_subscriptions=2)
    client = Node().connect(app)
    for channel in ("a", "b", "c", "b"):
        client.subscribe(channel)
    assert client.wire.names() == [
        *["subscription_succeeded"] * 2,
        "subscription_error",
        "error",
        "subscription_succeeded",
    ]
    client.unsubscribe("a")
    client.wire.take()
    client.subscribe("c")
    assert client.wire.names() == ["subscription_succeeded"]


def test_channel_data_is_taken_as_it_was_signed():
    """White space and other alphabets are signed as they are; a re-ordered text is another text."""
    client = Node().connect()
    text = '{ "user_info" : {"näme":"Ünï 😀"},  "user_id":"ä" }'
    auth = client.auth(f"{client.socket_id}:presence-x:{text}")
    reordered = '{"user_id":"ä","user_info":{"näme":"Ünï 😀"}}'
    client.say(
        "pusher:subscribe", {"channel": "presence-x", "auth": auth, "channel_data": reordered}
    )
    assert client.wire.names() == ["subscription_error", "error"]
    client.say("pusher:subscribe", {"channel": "presence-x", "auth": auth, "channel_data": text})
    assert client.members("presence-x") == {"ä": {"näme": "Ünï 😀"}}


# Signing in


def test_signing_in():
    """A valid sign-in is confirmed with the very user_data, and without the proof."""
    node = Node()
    client = node.connect()
    client.sign_in("ann", user_info={"name": "Ann"}, watchlist=["bob"])
    (answer,) = client.wire
    sent = json.dumps({"id": "ann", "user_info": {"name": "Ann"}, "watchlist": ["bob"]})
    assert answer == {"event": "pusher:signin_success", "data": {"user_data": sent}}
    assert client.connection.user.id == "ann"


@pytest.mark.parametrize(
    "user_data",
    ["no json", "[]", "{}", '{"id":""}', '{"id":7}', '{"id":null}', json.dumps({"id": "x" * 201})],
)
def test_a_user_nobody_can_know(user_data):
    """A sign-in without a usable id is refused, although the signature is right."""
    node = Node()
    client = node.connect()
    auth = client.auth(f"{client.socket_id}::user::{user_data}")
    client.say("pusher:signin", {"auth": auth, "user_data": user_data})
    code, text = signin_refusal(client)
    assert code == 4009
    assert text.startswith("user_data")
    assert client.connection.user is None
    assert node.told.of(MessageDropped) == [MessageDropped("1", "signin_refused")]


def test_a_user_with_too_much_to_say():
    """A sign-in with a larger user_info than members may have is refused."""
    client = Node().connect()
    client.sign_in("ann", user_info="x" * 2047)
    assert signin_refusal(client)[0] == 4009


def test_a_sign_in_needs_its_signature():
    """A wrong proof is no sign-in."""
    client, other = Node().connect(), Node().connect()
    user_data = '{"id":"ann"}'
    for text in (
        f"{other.socket_id}::user::{user_data}",
        f"{client.socket_id}:user:{user_data}",
        "x",
    ):
        client.say("pusher:signin", {"auth": client.auth(text), "user_data": user_data})
        code, message = signin_refusal(client)
        assert code == 4009
        assert message.startswith("Invalid signature")
    client.say("pusher:signin", {"auth": "x", "user_data": user_data})
    assert signin_refusal(client)[1] == "Invalid format: auth must have the format key:signature"
    assert client.connection.user is None


@pytest.mark.parametrize("data", [{"user_data": '{"id":"ann"}'}, {"auth": "key:0"}])
def test_a_sign_in_that_lacks_something(data):
    """What an authentication endpoint has left out is a failed sign-in, not just a malformed message."""
    node = Node()
    client = node.connect()
    client.say("pusher:signin", data)
    code, text = signin_refusal(client)
    assert code == 4009
    assert text.endswith("must be a string")
    assert node.told.of(MessageDropped) == [MessageDropped("1", "signin_refused")]


def test_only_pusher_error_tells_of_sign_ins():
    """On request failed sign-ins, too, are told by pusher:error alone."""
    client = Node(options=Options(only_pusher_error=True)).connect()
    client.say("pusher:signin", {"auth": "key:0", "user_data": "{}"})
    assert refusal(client)[0] == 4009


def test_signing_in_again():
    """The same user may sign in again, and is reached once; another user may not."""
    node = Node()
    client = node.connect()
    client.sign_in("ann")
    client.sign_in("ann", user_info={"name": "Ann"})
    assert client.wire.names() == ["signin_success"] * 2
    client.wire.clear()
    client.sign_in("bob")
    assert signin_refusal(client) == (4009, "Connection is already signed in as another user")
    node.event("e", "#server-to-user-ann")
    node.event("e", "#server-to-user-bob")
    assert [m["channel"] for m in client.wire] == ["#server-to-user-ann"]


def test_signing_in_may_be_switched_off():
    """An app without user authentication says so instead of letting clients wait."""
    client = Node().connect(App("1", "key", "secret", user_authentication=False))
    client.sign_in("ann")
    code, text = signin_refusal(client)
    assert code == 4009
    assert "user_authentication" in text


def test_the_users_own_channel():
    """Signed-in users may subscribe to their own channel, which pusher-js does, and to nobody else's."""
    node = Node()
    client = node.connect()
    own, foreign = "#server-to-user-ann", "#server-to-user-bob"
    client.subscribe(own)
    assert client.wire.names() == ["subscription_error", "error"]
    assert client.wire[0]["data"]["status"] == 401
    client.sign_in("ann")
    client.wire.clear()
    client.subscribe(own)
    client.subscribe(foreign)
    assert client.wire.names() == ["subscription_succeeded", "subscription_error", "error"]
    client.wire.clear()
    node.event("e", own, "1")
    node.event("e", foreign, "2")
    assert [m["data"] for m in client.wire] == ["1"]
    assert not node.told.of(Subscribed)


# Client events


@pytest.mark.parametrize("channel", ["private-c", "private-encrypted-c", "private-cache-c"])
def test_a_client_event_reaches_the_others(channel):
    """The others on the channel get the event, on every node, with nothing but event, channel and data."""
    here, there = cluster(2)
    sender, neighbour, far = here.connect(), here.connect(), there.connect()
    for client in (sender, neighbour, far):
        client.subscribe(channel)
        client.wire.clear()
    sender.say("client-typing", {"who": "7"}, channel=channel, user_id="forged", extra=1)
    assert sender.wire == []
    assert (
        neighbour.wire
        == far.wire
        == [{"event": "client-typing", "channel": channel, "data": '{"who":"7"}'}]
    )
    assert here.told.of(ClientEventSent) == [
        ClientEventSent("1", channel, "client-typing", '{"who":"7"}', sender.socket_id, None)
    ]


def test_a_member_is_named_as_the_sender():
    """On a presence channel the event carries the id that was signed; the user's other tab gets it, too."""
    node = Node()
    sender, tab = node.connect(), node.connect()
    for client in (sender, tab):
        client.subscribe("presence-chat", 7)
        client.wire.clear()
    sender.say("client-typing", "text", channel="presence-chat", user_id="forged")
    assert sender.wire == []
    assert tab.wire == [
        {"event": "client-typing", "channel": "presence-chat", "data": "text", "user_id": "7"}
    ]
    assert node.told.of(ClientEventSent)[0].user_id == "7"


@pytest.mark.parametrize("content", ["text", 7, [1, "a"], None, True, {"a": {"b": []}}])
def test_any_data_is_relayed(content):
    """Text goes as it is, everything else as JSON text."""
    _, sender, other = talkers(2, "private-c")
    sender.trigger("client-x", "private-c", content)
    (message,) = other.wire
    assert (message["data"] if isinstance(content, str) else data(message)) == content


def refused(app, channel, event="client-x", content="", *, subscribed=True):
    """Send a client event that must not be relayed; give the refusal and the reason that was counted."""
    node = Node()
    sender, other = node.connect(app), node.connect(app)
    for client in (sender, other) if subscribed else (other,):
        client.subscribe(channel, "ann" if channel.startswith("presence-") else None)
    sender.wire.clear()
    other.wire.clear()
    sender.trigger(event, channel, content)
    assert other.wire == []
    assert not node.told.of(ClientEventSent)
    (dropped,) = node.told.of(MessageDropped)
    code, told_on, text = refusal(sender)
    assert (code, told_on) == (4301, channel)
    return text, dropped.reason


def test_client_events_may_be_off():
    """An app that has not switched them on refuses them and says which setting it is."""
    text, reason = refused(App("1", "key", "secret"), "private-c")
    assert "client_events" in text
    assert reason == "client_events_disabled"


@pytest.mark.parametrize("channel", ["news", "cache-news"])
def test_public_channels_take_no_client_events(channel):
    """On a channel that anybody may read nobody but the server may speak."""
    assert refused(APP, channel) == (
        "Client event rejected - only supported on private and presence channels",
        "client_event_refused",
    )


def test_user_channels_take_no_client_events():
    """Nobody speaks for the server on a user's channel."""
    client = Node().connect()
    client.sign_in("ann")
    client.wire.clear()
    client.trigger("client-x", "#server-to-user-ann")
    assert refusal(client)[0] == 4301


@pytest.mark.parametrize("channel", ["private-c", "presence-c"])
def test_only_subscribers_send_client_events(channel):
    """Who is not on the channel may not speak on it."""
    text, reason = refused(APP, channel, subscribed=False)
    assert text == f"Client event rejected - not subscribed to {channel}"
    assert reason == "client_event_refused"


def test_who_has_left_sends_no_client_events():
    """After unsubscribing a client may not speak on the channel any more."""
    _, sender, other = talkers(2, "private-c")
    sender.unsubscribe("private-c")
    sender.trigger("client-x", "private-c")
    assert refusal(sender)[0] == 4301
    assert other.wire == []


def test_the_longest_name_of_a_client_event():
    """A name of exactly the limit is relayed, one character more is refused."""
    app = limited(max_event_name_length=10)
    _, sender, other = talkers(2, "private-c", app)
    sender.trigger("client-xyz", "private-c")
    assert other.wire.names() == ["client-xyz"]
    text, _ = refused(app, "private-c", "client-wxyz")
    assert "max_event_name_length" in text


@pytest.mark.parametrize(
    ("fits", "too_large"), [("x" * 10, "x" * 11), ("é" * 5, "é" * 6), ([1234, 567], [1234, 5678])]
)
def test_the_largest_data_of_a_client_event(fits, too_large):
    """Bytes of UTF-8 are counted: the limit is relayed, more is refused."""
    app = limited(max_event_size=10)
    _, sender, other = talkers(2, "private-c", app)
    sender.trigger("client-x", "private-c", fits)
    assert len(other.wire) == 1
    text, _ = refused(app, "private-c", content=too_large)
    assert "max_event_size" in text


def test_too_many_client_events():
    """Ten in a second are relayed, the eleventh is refused and counted, and a tenth of a second later one goes."""
    node, sender, other = talkers(2, "private-c")
    for _ in range(10):
        sender.trigger("client-x", "private-c")
    assert sender.wire == []
    sender.trigger("client-x", "private-c")
    assert refusal(sender) == (4301, "private-c", "Client event rejected due to rate limit")
    assert node.told.of(MessageDropped) == [MessageDropped("1", "client_event_rate")]
    assert len(other.wire) == 10
    node.clock.advance(0.1)
    sender.trigger("client-x", "private-c")
    sender.trigger("client-x", "private-c")
    assert refusal(sender)[0] == 4301
    assert len(other.wire) == 11


def test_a_refused_client_event_costs_no_token():
    """Only what could be relayed counts against the rate."""
    _, sender, other = talkers(2, "private-c", limited(max_client_events_per_second=1))
    sender.trigger("client-x", "private-elsewhere")
    sender.wire.clear()
    sender.trigger("client-x", "private-c")
    assert sender.wire == []
    assert other.wire.names() == ["client-x"]


def test_an_app_that_ends_who_sends_too_many():
    """With terminate_on_limit the connection is told why and closed with 4301; others stay."""
    node = Node()
    app = App(
        "1",
        "key",
        "secret",
        client_events=True,
        terminate_on_limit=True,
        limits=Limits(max_client_events_per_second=2),
    )
    sender, receiver = (node.connect(app) for _ in range(2))
    for client in (sender, receiver):
        client.subscribe("private-c")
        client.wire.clear()
    for _ in range(4):
        sender.trigger("client-x", "private-c")
    assert sender.wire.closed == (4301, "Client event rejected due to rate limit")
    assert [error["data"]["code"] for error in sender.wire] == [4301, 4301]
    assert receiver.wire.names() == ["client-x"] * 2
    assert receiver.wire.closed is None
    assert node.told.of(MessageDropped) == [MessageDropped("1", "client_event_rate")]
