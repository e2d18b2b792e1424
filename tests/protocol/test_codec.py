"""JSON text <-> messages, byte for byte as official clients read and write it."""

import json
import struct
from typing import get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.errors import (
    ClientEventsDisabled,
    InvalidChannel,
    InvalidMessage,
    PresenceChannelFull,
    SigninRefused,
    SubscriptionRefused,
    UnknownApp,
)
from txpusher.model import PresenceMember
from txpusher.protocol import codec
from txpusher.protocol.messages import (
    ClientEvent,
    ClientMessage,
    Ignored,
    Ping,
    Signin,
    Subscribe,
    Unsubscribe,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=8,
)


def nested(levels, inner="1"):
    """JSON text of lists within lists."""
    return "[" * levels + inner + "]" * levels


def unframed(data):
    """The payload of one WebSocket frame, which must be final, text and not masked (RFC 6455, 5.2)."""
    first, size = struct.unpack_from("!BB", data)
    assert first == 0x81
    position = 2
    for marker, form in ((126, "!H"), (127, "!Q")):
        if size == marker:
            shortest = {126: 126, 127: 65536}[marker]
            (size,) = struct.unpack_from(form, data, position)
            assert size >= shortest
            position += struct.calcsize(form)
            break
    assert len(data) == position + size
    return data[position:]


def message(data):
    """The JSON value in a frame."""
    return json.loads(unframed(data))


# Frames


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x81\x00"),
        (1, b"\x81\x01"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_frame_lengths(size, header):
    """A frame says its length in the shortest of the three forms that WebSocket has."""
    payload = b"x" * size
    assert codec.frame(payload) == header + payload


@given(st.binary(max_size=300) | st.integers(0, 200_000).map(bytes))
def test_frame_round_trip(payload):
    """Whatever is framed comes out of the frame."""
    assert unframed(codec.frame(payload)) == payload


def test_ping_frame():
    """The frame that asks a silent client is a final, unmasked ping without payload."""
    assert codec.PING_FRAME == b"\x89\x00"


# To clients

WIRE = {
    "connection_established": (
        codec.connection_established("123.456", 120),
        (
            r'{"event":"pusher:connection_established",'
            r'"data":"{\"socket_id\":\"123.456\",\"activity_timeout\":120}"}'
        ),
    ),
    "error": (
        codec.error(UnknownApp()),
        '{"event":"pusher:error","data":{"code":4001,"message":"Application does not exist"}}',
    ),
    "error without a code": (
        codec.error(InvalidMessage('a "b"')),
        r'{"event":"pusher:error","data":{"code":null,"message":"a \"b\""}}',
    ),
    "error about a channel": (
        codec.error(ClientEventsDisabled("off"), "private-x"),
        '{"event":"pusher:error","channel":"private-x","data":{"code":4301,"message":"off"}}',
    ),
    "pong": (codec.PONG, '{"event":"pusher:pong","data":{}}'),
    "subscription_succeeded": (
        codec.subscription_succeeded("private-x"),
        '{"event":"pusher_internal:subscription_succeeded","channel":"private-x","data":"{}"}',
    ),
    "presence": (
        codec.presence_succeeded(
            "presence-room", [PresenceMember("7", '{"name":"A"}'), PresenceMember("9")]
        ),
        (
            r'{"event":"pusher_internal:subscription_succeeded","channel":"presence-room",'
            r'"data":"{\"presence\":{\"ids\":[\"7\",\"9\"],'
            r'\"hash\":{\"7\":{\"name\":\"A\"},\"9\":{}},\"count\":2}}"}'
        ),
    ),
    "presence of ids that could index an array": (
        codec.presence_succeeded("presence-r", [PresenceMember("0"), PresenceMember("1")]),
        (
            r'{"event":"pusher_internal:subscription_succeeded","channel":"presence-r",'
            r'"data":"{\"presence\":{\"ids\":[\"0\",\"1\"],\"hash\":{\"0\":{},\"1\":{}},\"count\":2}}"}'
        ),
    ),
    "presence of nobody": (
        codec.presence_succeeded("presence-r", []),
        (
            r'{"event":"pusher_internal:subscription_succeeded","channel":"presence-r",'
            r'"data":"{\"presence\":{\"ids\":[],\"hash\":{},\"count\":0}}"}'
        ),
    ),
    "member_added": (
        codec.member_added("presence-room", PresenceMember("9", '{"name":"B"}')),
        (
            r'{"event":"pusher_internal:member_added","channel":"presence-room",'
            r'"data":"{\"user_id\":\"9\",\"user_info\":{\"name\":\"B\"}}"}'
        ),
    ),
    "member_added without user_info": (
        codec.member_added("presence-room", PresenceMember("9")),
        (
            r'{"event":"pusher_internal:member_added","channel":"presence-room",'
            r'"data":"{\"user_id\":\"9\",\"user_info\":{}}"}'
        ),
    ),
    "member_removed": (
        codec.member_removed("presence-room", "9"),
        (
            r'{"event":"pusher_internal:member_removed","channel":"presence-room",'
            r'"data":"{\"user_id\":\"9\"}"}'
        ),
    ),
    "subscription_count": (
        codec.subscription_count("my-channel", 2),
        (
            r'{"event":"pusher_internal:subscription_count","channel":"my-channel",'
            r'"data":"{\"subscription_count\":2}"}'
        ),
    ),
    "cache_miss": (
        codec.cache_miss("cache-x"),
        '{"event":"pusher:cache_miss","channel":"cache-x","data":"{}"}',
    ),
    "signin_success": (
        codec.signin_success('{"id":"7", "user_info":{"name":"A"}}'),
        (
            r'{"event":"pusher:signin_success",'
            r'"data":{"user_data":"{\"id\":\"7\", \"user_info\":{\"name\":\"A\"}}"}}'
        ),
    ),
    "signin_error": (
        codec.signin_error(SigninRefused('"no"')),
        (
            r'{"event":"pusher:signin_error",'
            r'"data":{"type":"AuthError","error":"\"no\"","status":401}}'
        ),
    ),
    "subscription_error": (
        codec.subscription_error(SubscriptionRefused("no"), "private-x"),
        (
            '{"event":"pusher:subscription_error","channel":"private-x",'
            '"data":{"type":"AuthError","error":"no","status":401}}'
        ),
    ),
    "subscription_error about a name": (
        codec.subscription_error(InvalidChannel("bad"), 'a "b"'),
        (
            r'{"event":"pusher:subscription_error","channel":"a \"b\"",'
            r'"data":{"type":"InvalidChannel","error":"bad","status":400}}'
        ),
    ),
    "subscription_error about a limit": (
        codec.subscription_error(PresenceChannelFull("full"), "presence-x"),
        (
            '{"event":"pusher:subscription_error","channel":"presence-x",'
            '"data":{"type":"LimitReached","error":"full","status":403}}'
        ),
    ),
    "published event": (
        codec.channel_event("my-event", "my-channel", '{"x": 1}'),
        r'{"event":"my-event","channel":"my-channel","data":"{\"x\": 1}"}',
    ),
    "published text": (
        codec.channel_event("my-event", "my-channel", "hello"),
        '{"event":"my-event","channel":"my-channel","data":"hello"}',
    ),
    "published nothing": (
        codec.channel_event("my-event", "my-channel", ""),
        '{"event":"my-event","channel":"my-channel","data":""}',
    ),
    "client event": (
        codec.channel_event("client-typing", "private-chat", '{"who":"7"}'),
        r'{"event":"client-typing","channel":"private-chat","data":"{\"who\":\"7\"}"}',
    ),
    "client event on presence": (
        codec.channel_event("client-typing", "presence-chat", '{"who":"7"}', "7"),
        (
            r'{"event":"client-typing","channel":"presence-chat",'
            r'"data":"{\"who\":\"7\"}","user_id":"7"}'
        ),
    ),
    "client event of an anonymous user": (
        codec.channel_event("client-x", "presence-chat", "1", ""),
        '{"event":"client-x","channel":"presence-chat","data":"1","user_id":""}',
    ),
}


@pytest.mark.parametrize(("data", "expected"), WIRE.values(), ids=WIRE)
def test_wire(data, expected):
    """Each message has exactly these bytes: data is text or an object as official clients read it."""
    assert unframed(data).decode() == expected


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("é😀", "é😀"),
        ("</script>", "</script>"),
        ("App\\Events\\X", "App\\\\Events\\\\X"),
        ("\0\x1f\n", "\\u0000\\u001f\\n"),
        ("\u2028\x7f", "\u2028\x7f"),
    ],
)
def test_characters(text, escaped):
    """Only what JSON demands is escaped, in names and data alike; the rest travels as UTF-8."""
    expected = (
        f'{{"event":"{escaped}","channel":"{escaped}","data":"{escaped}","user_id":"{escaped}"}}'
    )
    assert unframed(codec.channel_event(text, text, text, text)) == expected.encode()


@given(st.text(), st.text(), st.text(), st.none() | st.text())
def test_channel_event_round_trip(name, channel, data, user_id):
    """Whatever is published is what subscribers read."""
    expected = {"event": name, "channel": channel, "data": data}
    if user_id is not None:
        expected["user_id"] = user_id
    assert message(codec.channel_event(name, channel, data, user_id)) == expected


@given(st.dictionaries(st.text(min_size=1), JSON))
def test_presence_round_trip(users):
    """Whoever is on a channel, with whatever info, is what a new member reads."""
    members = [
        PresenceMember(user_id, orjson.dumps(info).decode()) for user_id, info in users.items()
    ]
    told = message(codec.presence_succeeded("presence-x", members))
    presence = json.loads(told["data"])["presence"]
    assert presence == {"ids": list(users), "hash": users, "count": len(users)}
    for member in members:
        added = json.loads(message(codec.member_added("presence-x", member))["data"])
        assert added == {"user_id": member.user_id, "user_info": users[member.user_id]}
        removed = json.loads(message(codec.member_removed("presence-x", member.user_id))["data"])
        assert removed == {"user_id": member.user_id}


@given(st.text())
def test_signin_success_repeats_the_user(user_data):
    """The confirmation of a sign-in has the text that was signed and nothing else of the request."""
    told = message(codec.signin_success(user_data))
    assert told == {"event": "pusher:signin_success", "data": {"user_data": user_data}}


# Data as text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("", ""),
        ("hello", "hello"),
        ('{ "x" : 1 }', '{ "x" : 1 }'),
        ({"x": [1, 2], "y": {"z": None}}, '{"x":[1,2],"y":{"z":null}}'),
        ({"é": "😀</script>"}, '{"é":"😀</script>"}'),
        ({}, "{}"),
        ([], "[]"),
        (None, "null"),
        (True, "true"),
        (0, "0"),
        (1.5, "1.5"),
        (2**64 - 1, "18446744073709551615"),
    ],
)
def test_stringify(data, text):
    """Strings stay untouched, everything else becomes compact JSON that is not escaped to ASCII."""
    assert codec.stringify(data) == text


@given(JSON)
def test_stringify_round_trip(data):
    """The text that receivers parse has the value that the sender gave."""
    text = codec.stringify(data)
    assert text == data if isinstance(data, str) else json.loads(text) == data


@pytest.mark.parametrize("data", [object(), {1: 2}, 2**64, json.loads(nested(300))])
def test_stringify_what_cannot_be_json(data):
    """What JSON has no text for, or not within the limit of levels, is an error and no crash."""
    with pytest.raises(InvalidMessage, match=r"^data cannot be encoded: "):
        codec.stringify(data)


# From clients

UNDERSTOOD = [
    ('{"event":"pusher:ping","data":{}}', Ping()),
    ('{"event": "pusher:ping"}', Ping()),
    ('{"event":"pusher:ping","data":"not JSON"}', Ping()),
    # pusher-js sends an empty auth for public channels, Java and Swift only the name.
    ('{"event":"pusher:subscribe","data":{"auth":"","channel":"c"}}', Subscribe("c", "")),
    ('{"event":"pusher:subscribe","data":{"channel":"c"}}', Subscribe("c")),
    (
        '{"event":"pusher:subscribe","data":{"channel":"c","auth":null,"channel_data":null}}',
        Subscribe("c"),
    ),
    (
        (
            r'{"event":"pusher:subscribe","data":{"channel":"presence-r","auth":"k:s",'
            r'"channel_data":"{ \"user_id\":\"é\"}"}}'
        ),
        Subscribe("presence-r", "k:s", '{ "user_id":"é"}'),
    ),
    (
        '{"event":"pusher:subscribe","data":{"channel":"c","filter":{},"delta":1},"channel":3}',
        Subscribe("c"),
    ),
    (r'{"event":"pusher:subscribe","data":"{\"channel\":\"c\"}"}', Subscribe("c")),
    ('{"event":"pusher:subscribe","data":{"channel":"#x y"}}', Subscribe("#x y")),
    ('{"event":"pusher:subscribe","data":{"channel":""}}', Subscribe("")),
    ('{"event":"pusher:unsubscribe","data":{"channel":"c"}}', Unsubscribe("c")),
    (r'{"event":"pusher:unsubscribe","data":"{\"channel\":\"c\"}"}', Unsubscribe("c")),
    (
        r'{"event":"pusher:signin","data":{"auth":"k:s","user_data":"{\"id\":\"7\"}"}}',
        Signin("k:s", '{"id":"7"}'),
    ),
    (
        r'{"event":"pusher:signin","data":"{\"auth\":\"k:s\",\"user_data\":\"x\"}"}',
        Signin("k:s", "x"),
    ),
    ('{"event":"pusher:signin","data":{}}', Signin(problem="pusher:signin: auth must be a string")),
    (
        '{"event":"pusher:signin","data":{"auth":null,"user_data":"x"}}',
        Signin(problem="pusher:signin: auth must be a string"),
    ),
    (
        '{"event":"pusher:signin","data":{"auth":"k:s"}}',
        Signin(problem="pusher:signin: user_data must be a string"),
    ),
    (
        '{"event":"pusher:signin","data":{"auth":"k:s","user_data":{"id":"7"}}}',
        Signin(problem="pusher:signin: user_data must be a string"),
    ),
    (
        '{"event":"client-x","channel":"private-c","data":{"who": "7"}}',
        ClientEvent("client-x", "private-c", '{"who":"7"}'),
    ),
    (
        r'{"event":"client-x","channel":"private-c","data":"{ \"who\": 7}"}',
        ClientEvent("client-x", "private-c", '{ "who": 7}'),
    ),
    ('{"event":"client-x","channel":"c","data":"text"}', ClientEvent("client-x", "c", "text")),
    ('{"event":"client-x","channel":"c","data":""}', ClientEvent("client-x", "c", "")),
    ('{"event":"client-x","channel":"c","data":1.5}', ClientEvent("client-x", "c", "1.5")),
    ('{"event":"client-x","channel":"c","data":[1, 2]}', ClientEvent("client-x", "c", "[1,2]")),
    ('{"event":"client-x","channel":"c","data":null}', ClientEvent("client-x", "c", "null")),
    ('{"event":"client-x","channel":"c"}', ClientEvent("client-x", "c", "null")),
    (
        '{"event":"client-x","channel":"c","data":"d","user_id":"spoofed","more":{}}',
        ClientEvent("client-x", "c", "d"),
    ),
    ('{"event":"client-","channel":"","data":"d"}', ClientEvent("client-", "", "d")),
    # Nothing to do, and nothing to relay.
    ('{"event":"pusher:pong","data":{}}', Ignored("pusher:pong")),
    ('{"event":"pusher:foo","data":{}}', Ignored("pusher:foo")),
    ('{"event":"pusher:error","channel":"c","data":"d"}', Ignored("pusher:error")),
    (
        '{"event":"pusher_internal:member_added","channel":"presence-c","data":"{}"}',
        Ignored("pusher_internal:member_added"),
    ),
    ('{"event":"foo"}', Ignored("foo")),
    ('{"event":""}', Ignored("")),
    ('{"event":"foo-client-x","channel":"private-c","data":"d"}', Ignored("foo-client-x")),
    ('{"event":" client-x","channel":"private-c","data":"d"}', Ignored(" client-x")),
    ('{"event":"Client-x","channel":"private-c","data":"d"}', Ignored("Client-x")),
    ('{"event":"client","channel":"private-c","data":"d"}', Ignored("client")),
    ('{"event":"client_x","channel":"private-c","data":"d"}', Ignored("client_x")),
    ('{"event":"PUSHER:PING"}', Ignored("PUSHER:PING")),
]


@pytest.mark.parametrize(("text", "expected"), UNDERSTOOD)
def test_decode(text, expected):
    """Each message a client may send is understood, with fields untouched and strangers left out."""
    decoded = codec.decode(text.encode())
    assert decoded == expected
    assert type(decoded) is type(expected)


OBJECT = "data must be an object"
REFUSED = [
    (b"", "Invalid JSON: "),
    (b"nope", "Invalid JSON: "),
    (b"{", "Invalid JSON: "),
    (b'{"event":"foo"} x', "Invalid JSON: "),
    (b'{"event":"\xff"}', "Invalid JSON: "),
    (b'\xef\xbb\xbf{"event":"foo"}', "Invalid JSON: "),
    (rb'{"event":"\ud800"}', "Invalid JSON: "),
    (b'{"event":"foo","data":NaN}', "Invalid JSON: "),
    (b"[1]", "Invalid message: it must be a JSON object"),
    (b"1", "Invalid message: it must be a JSON object"),
    (b"null", "Invalid message: it must be a JSON object"),
    (b'"pusher:ping"', "Invalid message: it must be a JSON object"),
    (b"{}", "Invalid message: event must be a string"),
    (b'{"data":{}}', "Invalid message: event must be a string"),
    (b'{"event":null}', "Invalid message: event must be a string"),
    (b'{"event":1}', "Invalid message: event must be a string"),
    (b'{"event":["pusher:ping"]}', "Invalid message: event must be a string"),
    (b'{"event":"pusher:subscribe"}', f"pusher:subscribe: {OBJECT}"),
    (b'{"event":"pusher:subscribe","data":null}', f"pusher:subscribe: {OBJECT}"),
    (b'{"event":"pusher:subscribe","data":["c"]}', f"pusher:subscribe: {OBJECT}"),
    (b'{"event":"pusher:subscribe","data":"c"}', "pusher:subscribe: data is not JSON: "),
    (b'{"event":"pusher:subscribe","data":""}', "pusher:subscribe: data is not JSON: "),
    (b'{"event":"pusher:subscribe","data":"[]"}', f"pusher:subscribe: {OBJECT}"),
    (rb'{"event":"pusher:subscribe","data":"\"{}\""}', f"pusher:subscribe: {OBJECT}"),
    (b'{"event":"pusher:subscribe","data":{}}', "pusher:subscribe: channel must be a string"),
    (
        b'{"event":"pusher:subscribe","channel":"c","data":{}}',
        "pusher:subscribe: channel must be a string",
    ),
    (
        b'{"event":"pusher:subscribe","data":{"channel":1}}',
        "pusher:subscribe: channel must be a string",
    ),
    (
        b'{"event":"pusher:subscribe","data":{"channel":null}}',
        "pusher:subscribe: channel must be a string",
    ),
    (
        b'{"event":"pusher:subscribe","data":{"channel":["c"]}}',
        "pusher:subscribe: channel must be a string",
    ),
    (b'{"event":"pusher:unsubscribe"}', f"pusher:unsubscribe: {OBJECT}"),
    (b'{"event":"pusher:unsubscribe","data":{}}', "pusher:unsubscribe: channel must be a string"),
    (b'{"event":"pusher:unsubscribe","data":"{"}', "pusher:unsubscribe: data is not JSON: "),
    (b'{"event":"pusher:signin"}', f"pusher:signin: {OBJECT}"),
    (b'{"event":"pusher:signin","data":"x"}', "pusher:signin: data is not JSON: "),
    (b'{"event":"client-x","data":{}}', "client-x: channel must be a string"),
    (b'{"event":"client-x","channel":1,"data":{}}', "client-x: channel must be a string"),
    (b'{"event":"client-x","channel":null,"data":{}}', "client-x: channel must be a string"),
]


@pytest.mark.parametrize(("payload", "text"), REFUSED)
def test_decode_refuses(payload, text):
    """What cannot be understood is an error that says which field of which event is wrong."""
    with pytest.raises(InvalidMessage) as caught:
        codec.decode(payload)
    assert caught.value.message.startswith(text)
    # The details are the JSON library's own.
    assert text.endswith(": ") or caught.value.message == text


def test_deep_client_data():
    """Data with more levels than can be written again is an error; a few levels are relayed as they are."""
    text = '{"event":"client-x","channel":"private-c","data":%s}'
    assert codec.decode((text % nested(100)).encode()).data == nested(100)
    with pytest.raises(InvalidMessage, match=r"^data cannot be encoded: "):
        codec.decode((text % nested(300)).encode())


@pytest.mark.parametrize("event", ["client-x", "pusher:subscribe", "pusher:ping", "foo"])
@pytest.mark.parametrize("levels", [2000, 100_000])
def test_very_deep_messages(event, levels):
    """A message with thousands of levels is not JSON to us, whatever it wants."""
    text = f'{{"event":"{event}","channel":"private-c","data":{nested(levels)}}}'
    with pytest.raises(InvalidMessage, match=r"^Invalid JSON: "):
        codec.decode(text.encode())


@pytest.mark.parametrize("levels", [300, 2000])
def test_deep_text_is_only_text(levels):
    """Deep JSON in a string is a string: it is relayed and never looked into."""
    payload = json.dumps({"event": "client-x", "channel": "private-c", "data": nested(levels)})
    assert codec.decode(payload.encode()).data == nested(levels)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"auth": 1}, "auth"),
        ({"auth": False}, "auth"),
        ({"channel_data": {"user_id": "1"}}, "channel_data"),
    ],
)
def test_a_subscription_that_can_be_named(fields, name):
    """What is wrong beside the channel is told on that channel, so that the client stops waiting for it."""
    payload = json.dumps({"event": "pusher:subscribe", "data": {"channel": "c", **fields}})
    assert codec.decode(payload.encode()) == Subscribe(
        "c", problem=f"pusher:subscribe: {name} must be a string"
    )


@pytest.mark.parametrize(
    ("levels", "problem"),
    [(300, "channel must be a string"), (2000, "data is not JSON: ")],
)
def test_deep_text_of_our_own_events(levels, problem):
    """Deep JSON in the string-encoded data of a subscription is an error that names the event."""
    data = f'{{"channel":{nested(levels)}}}'
    payload = json.dumps({"event": "pusher:subscribe", "data": data})
    with pytest.raises(InvalidMessage, match=f"^pusher:subscribe: {problem}"):
        codec.decode(payload.encode())


@given(st.text(), st.none() | st.text(), st.none() | st.text(), st.booleans())
def test_subscribe_round_trip(channel, auth, channel_data, twice):
    """Whatever a client subscribes with arrives as it was sent, encoded once or twice."""
    data = {"channel": channel, "auth": auth, "channel_data": channel_data}
    payload = json.dumps({"event": "pusher:subscribe", "data": json.dumps(data) if twice else data})
    assert codec.decode(payload.encode()) == Subscribe(channel, auth, channel_data)


@given(st.text(), st.text())
def test_signin_round_trip(auth, user_data):
    """Whatever a client signs in with arrives as it was sent."""
    payload = json.dumps({"event": "pusher:signin", "data": {"auth": auth, "user_data": user_data}})
    assert codec.decode(payload.encode()) == Signin(auth, user_data)


@given(st.text(), st.text(), JSON)
def test_client_event_round_trip(rest, channel, data):
    """Whatever a client sends on a channel is what the others parse."""
    payload = json.dumps({"event": "client-" + rest, "channel": channel, "data": data})
    event = codec.decode(payload.encode())
    assert (event.event, event.channel) == ("client-" + rest, channel)
    assert event.data == data if isinstance(data, str) else json.loads(event.data) == data


# JSON as Python writes it, which has numbers and surrogates that are no JSON at all.
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[])),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=8,
)
FIELD = ANY_JSON | st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("channel", "auth", "channel_data", "user_data"), ANY_JSON)
)
ALMOST_MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(
            ["pusher:ping", "pusher:subscribe", "pusher:unsubscribe", "pusher:signin", "client-x"]
        )
        | ANY_JSON,
        "channel": ANY_JSON,
        "data": FIELD | FIELD.map(json.dumps),
    },
)


@given(st.binary() | (ALMOST_MESSAGES | ANY_JSON).map(lambda value: json.dumps(value).encode()))
def test_decode_anything(payload):
    """Any bytes at all are a message or an `InvalidMessage` that can be told to the client."""
    decoded = problem = None
    try:
        decoded = codec.decode(payload)
    except InvalidMessage as error:
        problem = error
    if problem:
        told = message(codec.error(problem))
        assert told["data"] == {"code": None, "message": problem.message}
    else:
        assert isinstance(decoded, get_args(ClientMessage))
        assert all(value is None or isinstance(value, str) for value in decoded)
