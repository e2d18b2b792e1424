"""Bodies and queries of the HTTP API: what is published, and what is refused before anything is."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txpusher.errors import BadRequest, PayloadTooLarge
from txpusher.model import CachedEvent, Counts, Event, Limits
from txpusher.protocol import api
from txpusher.protocol.api import NO_ATTRIBUTES, Publication
from txpusher.protocol.names import Kind

LIMITS = Limits()


def body(value):
    """A request's body."""
    return json.dumps(value, ensure_ascii=False).encode()


def event(value, limits=LIMITS, *, allow_reserved=False):
    """Read one event, given as a value."""
    return api.parse_event(body(value), limits, allow_reserved=allow_reserved)


def batch(value, limits=LIMITS, *, allow_reserved=False):
    """Read a batch, given as a list of values."""
    return api.parse_batch(body({"batch": value}), limits, allow_reserved=allow_reserved)


def refusal(error, function, *arguments, **options):
    """The words with which a request is refused."""
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    assert type(caught.value) is error
    return caught.value.message


def nested(levels):
    """JSON text of lists within lists."""
    return "[" * levels + "]" * levels


USUAL = {"name": "my-event", "channel": "a", "data": "{}"}


# One event

PUBLISHED = [
    (USUAL, Event("my-event", ("a",), "{}")),
    ({"name": "e", "channels": ["a", "b"], "data": "d"}, Event("e", ("a", "b"), "d")),
    # Several channels, if there are any, before one.
    ({**USUAL, "channels": ["b"]}, Event("my-event", ("b",), "{}")),
    ({**USUAL, "channels": []}, Event("my-event", ("a",), "{}")),
    ({**USUAL, "channels": None}, Event("my-event", ("a",), "{}")),
    # Each channel once, in the order given.
    ({"name": "e", "channels": ["b", "a", "b", "a"], "data": ""}, Event("e", ("b", "a"), "")),
    ({"name": "e", "channels": ["b"], "data": ""}, Event("e", ("b",), "")),
    # The sender
    ({**USUAL, "socket_id": "123.456"}, Event("my-event", ("a",), "{}", "123.456")),
    ({**USUAL, "socket_id": None}, Event("my-event", ("a",), "{}", None)),
    # Data is text, or becomes compact JSON.
    ({**USUAL, "data": ""}, Event("my-event", ("a",), "")),
    ({**USUAL, "data": '{ "x" : 1 }'}, Event("my-event", ("a",), '{ "x" : 1 }')),
    ({**USUAL, "data": {"x": [1, "é"]}}, Event("my-event", ("a",), '{"x":[1,"é"]}')),
    ({**USUAL, "data": [1, 2]}, Event("my-event", ("a",), "[1,2]")),
    ({**USUAL, "data": 0}, Event("my-event", ("a",), "0")),
    ({**USUAL, "data": False}, Event("my-event", ("a",), "false")),
    ({**USUAL, "data": {}}, Event("my-event", ("a",), "{}")),
    ({**USUAL, "data": "</script>😀\0"}, Event("my-event", ("a",), "</script>😀\0")),
    # Names of events are free.
    ({**USUAL, "name": "App\\Events\\X"}, Event("App\\Events\\X", ("a",), "{}")),
    ({**USUAL, "name": "client-x"}, Event("client-x", ("a",), "{}")),
    ({**USUAL, "name": "pusherx"}, Event("pusherx", ("a",), "{}")),
    ({**USUAL, "name": "x-pusher:y"}, Event("x-pusher:y", ("a",), "{}")),
    # Any kind of channel may be published to.
    (
        {**USUAL, "channel": "#server-to-user-7 é"},
        Event("my-event", ("#server-to-user-7 é",), "{}"),
    ),
    (
        {**USUAL, "channel": "private-encrypted-x"},
        Event("my-event", ("private-encrypted-x",), "{}"),
    ),
    # Members of other servers' dialects
    ({**USUAL, "tags": {}, "message_id": 1, "delta": True}, Event("my-event", ("a",), "{}")),
]


@pytest.mark.parametrize(("value", "expected"), PUBLISHED)
def test_event(value, expected):
    """A valid body is published as exactly this event."""
    assert event(value) == Publication(expected, NO_ATTRIBUTES)


NAME = "name must be a non-empty string"
CHANNELS = "channels must be a list of channel names"
SOCKET_ID = "socket_id must be two numbers with a dot between them"
INVALID = "is invalid: use letters, digits and _ - = @ , . ;"
BAD = [
    ({}, "channel (or channels) is missing"),
    ({"name": "e", "data": "d"}, "channel (or channels) is missing"),
    ({"name": "e", "data": "d", "channel": None}, "channel (or channels) is missing"),
    ({"name": "e", "data": "d", "channels": []}, "channel (or channels) is missing"),
    ({"channel": "a", "data": "d"}, "name is missing"),
    ({**USUAL, "name": None}, "name is missing"),
    ({**USUAL, "name": ""}, NAME),
    ({**USUAL, "name": 5}, NAME),
    ({**USUAL, "name": ["e"]}, NAME),
    ({"channel": "a", "name": "e"}, "data is missing"),
    ({**USUAL, "data": None}, "data is missing"),
    ({**USUAL, "channels": "a"}, CHANNELS),
    ({**USUAL, "channels": {"a": 1}}, CHANNELS),
    ({**USUAL, "channels": 5}, CHANNELS),
    ({**USUAL, "channels": True}, CHANNELS),
    ({**USUAL, "channels": [None]}, "channel must be a string"),
    ({**USUAL, "channels": ["a", 5]}, "channel must be a string"),
    ({**USUAL, "channels": [["a"], {}]}, "channel must be a string"),
    ({**USUAL, "channel": ["a"]}, "channel must be a string"),
    ({**USUAL, "channel": 0}, "channel must be a string"),
    ({**USUAL, "channel": ""}, f"channel name '' {INVALID}"),
    ({**USUAL, "channel": "a b"}, f"channel name 'a b' {INVALID}"),
    ({**USUAL, "channel": "a\n"}, f"channel name 'a\\n' {INVALID}"),
    ({**USUAL, "channel": "#x"}, f"channel name '#x' {INVALID}"),
    ({**USUAL, "channels": ["a", "b", "c:d"]}, f"channel name 'c:d' {INVALID}"),
    (
        {**USUAL, "channel": "#server-to-user-"},
        "channel name '#server-to-user-' is invalid: the user id is missing",
    ),
    ({**USUAL, "socket_id": ""}, SOCKET_ID),
    ({**USUAL, "socket_id": "1"}, SOCKET_ID),
    ({**USUAL, "socket_id": "1.2\n"}, SOCKET_ID),
    ({**USUAL, "socket_id": 1.2}, SOCKET_ID),
    ({**USUAL, "socket_id": False}, SOCKET_ID),
    ({**USUAL, "info": 5}, "info must be a string of attribute names with commas between them"),
    (
        {**USUAL, "info": ["user_count"]},
        "info must be a string of attribute names with commas between them",
    ),
]


@pytest.mark.parametrize(("value", "text"), BAD)
def test_bad_event(value, text):
    """A body with a missing or wrong field is refused, and the error names the field."""
    assert refusal(BadRequest, event, value) == text


NOT_JSON = [
    b"",
    b"nope",
    b"{",
    b'{"name":"\xff"}',
    b"{} {}",
    b"\xef\xbb\xbf{}",
    b'{"x":NaN}',
    b"name=e&channel=a",
    nested(2000).encode(),
]


@pytest.mark.parametrize("parse", [api.parse_event, api.parse_batch])
@pytest.mark.parametrize("payload", NOT_JSON)
def test_body_that_is_not_json(parse, payload):
    """A body that is not JSON is refused in words."""
    text = refusal(BadRequest, parse, payload, LIMITS, allow_reserved=False)
    assert text.startswith("body is not valid JSON: ")


@pytest.mark.parametrize("parse", [api.parse_event, api.parse_batch])
@pytest.mark.parametrize("payload", [b"[]", b"1", b"null", b'"x"', b"true"])
def test_body_that_is_no_object(parse, payload):
    """JSON that is not an object is refused."""
    text = refusal(BadRequest, parse, payload, LIMITS, allow_reserved=False)
    assert text == "body must be a JSON object"


def test_number_of_channels():
    """An event may name as many channels as the limit, and the error names number and setting."""
    channels = [f"c{number}" for number in range(101)]
    assert event({**USUAL, "channels": channels[:100]}).event.channels == tuple(channels[:100])
    text = refusal(BadRequest, event, {**USUAL, "channels": channels})
    assert text == "channels: 101 are more than 100 (setting max_channels_per_event)"


def test_length_of_channels():
    """A channel's name may be as long as the limit; of a user's channel the id is measured."""
    limits = Limits(max_channel_name_length=164, max_user_id_length=3)
    assert event({**USUAL, "channel": "x" * 164}, limits)
    text = refusal(BadRequest, event, {**USUAL, "channel": "x" * 165}, limits)
    assert text == "channel name is longer than 164 characters (setting max_channel_name_length)"
    assert event({**USUAL, "channel": "#server-to-user-123"}, limits)
    text = refusal(BadRequest, event, {**USUAL, "channel": "#server-to-user-1234"}, limits)
    assert (
        text
        == "user id in the channel name is longer than 3 characters (setting max_user_id_length)"
    )


def test_length_of_names():
    """An event's name may have as many characters as the limit."""
    assert event({**USUAL, "name": "é" * 200}).event.name == "é" * 200
    text = refusal(BadRequest, event, {**USUAL, "name": "é" * 201})
    assert text == "name is longer than 200 characters (setting max_event_name_length)"


@pytest.mark.parametrize(
    "name", ["pusher:", "pusher:error", "pusher_internal:", "pusher_internal:x"]
)
def test_reserved_names(name):
    """Pusher's own events cannot be published, unless the operator allows it."""
    text = refusal(BadRequest, event, {**USUAL, "name": name})
    assert text == f"name {name!r} is reserved (option --allow-reserved-events)"
    assert event({**USUAL, "name": name}, allow_reserved=True).event.name == name
    text = refusal(BadRequest, batch, [{**USUAL, "name": name}])
    assert text == f"batch[0]: name {name!r} is reserved (option --allow-reserved-events)"
    assert batch([{**USUAL, "name": name}], allow_reserved=True)[0].event.name == name


TOO_LARGE = "data of this event exceeds the allowed maximum of 12 bytes (setting max_event_size)"


@pytest.mark.parametrize(
    ("fits", "too_large"),
    [
        ("x" * 12, "x" * 13),
        ("é" * 6, "é" * 6 + "x"),
        ("😀" * 3, "😀" * 3 + "x"),
        # Not a string: what counts is the text it becomes.
        (["x" * 8], ["x" * 9]),
        ({"x": "é" * 2}, {"x": "é" * 3}),
    ],
)
def test_size_of_data(fits, too_large):
    """Data may have as many bytes of UTF-8 as the limit, whatever its characters."""
    limits = Limits(max_event_size=12)
    assert event({**USUAL, "data": fits}, limits)
    assert refusal(PayloadTooLarge, event, {**USUAL, "data": too_large}, limits) == TOO_LARGE


def test_usual_size_of_data():
    """Without settings data may have 100 KB."""
    assert event({**USUAL, "data": "x" * 102_400})
    text = refusal(PayloadTooLarge, event, {**USUAL, "data": "x" * 102_401})
    assert "102400 bytes" in text


def test_deep_data():
    """Data with more levels than can be written again is refused; as a string it is only text."""
    text = '{"name":"e","channel":"a","data":%s}'
    for levels, problem in ((300, "data cannot be encoded: "), (2000, "body is not valid JSON: ")):
        payload = (text % nested(levels)).encode()
        told = refusal(BadRequest, api.parse_event, payload, LIMITS, allow_reserved=False)
        assert told.startswith(problem)
        assert event({**USUAL, "data": nested(levels)}).event.data == nested(levels)


def test_deep_data_in_a_batch():
    """The same in a batch names the event."""
    payload = f'{{"batch":[{{"name":"e","channel":"a","data":{nested(300)}}}]}}'.encode()
    told = refusal(BadRequest, api.parse_batch, payload, LIMITS, allow_reserved=False)
    assert told.startswith("batch[0]: data cannot be encoded: ")


def test_info_of_an_event():
    """The sender may ask for counts of the channels."""
    publication = event({**USUAL, "info": "subscription_count,user_count"})
    assert publication.info == {"subscription_count", "user_count"}


# Batches


def test_batch():
    """A batch is a list of events in order, each with one channel, a sender and questions of its own."""
    assert batch(
        [
            {"name": "e1", "channel": "a", "data": "1", "info": "subscription_count"},
            {"name": "e2", "channel": "b", "data": {"x": 2}, "socket_id": "1.2"},
        ]
    ) == [
        Publication(Event("e1", ("a",), "1"), frozenset({"subscription_count"})),
        Publication(Event("e2", ("b",), '{"x":2}', "1.2"), NO_ATTRIBUTES),
    ]


def test_empty_batch():
    """A batch of nothing is valid."""
    assert batch([]) == []


@pytest.mark.parametrize("value", [None, 5, "x", {}, {"0": USUAL}, True])
def test_batch_that_is_no_list(value):
    """What is not a list is no batch."""
    assert refusal(BadRequest, batch, value) == "batch must be a list of events"


def test_no_batch():
    """A body without a batch, as that of a single event, is refused."""
    text = refusal(BadRequest, api.parse_batch, body(USUAL), LIMITS, allow_reserved=False)
    assert text == "batch must be a list of events"


def test_size_of_a_batch():
    """A batch may have as many events as the limit."""
    assert len(batch([USUAL] * 10)) == 10
    text = refusal(BadRequest, batch, [USUAL] * 11)
    assert text == "batch: 11 events are more than 10 (setting max_batch_size)"


@pytest.mark.parametrize("item", [None, 5, "x", [], [USUAL]])
def test_batch_item_that_is_no_object(item):
    """Each event of a batch is an object."""
    assert refusal(BadRequest, batch, [USUAL, item]) == "batch[1]: an event must be an object"


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"name": "e", "data": "d"}, "channel is missing"),
        ({"name": "e", "data": "d", "channels": ["a"]}, "channel is missing"),
        ({**USUAL, "channel": ["a"]}, "channel must be a string"),
        ({**USUAL, "channel": "a b"}, f"channel name 'a b' {INVALID}"),
        ({"channel": "a", "data": "d"}, "name is missing"),
        ({"channel": "a", "name": "e"}, "data is missing"),
        ({**USUAL, "name": ""}, NAME),
        ({**USUAL, "socket_id": "x"}, SOCKET_ID),
        ({**USUAL, "info": 5}, "info must be a string of attribute names with commas between them"),
    ],
)
def test_bad_batch_item(item, text):
    """One wrong event spoils the batch, and the error names the event and the field."""
    assert refusal(BadRequest, batch, [USUAL, USUAL, item, USUAL]) == f"batch[2]: {text}"


def test_size_of_data_in_a_batch():
    """Each event of a batch may be as large as an event on its own."""
    limits = Limits(max_event_size=12)
    fits, too_large = {**USUAL, "data": "x" * 12}, {**USUAL, "data": "x" * 13}
    assert len(batch([fits] * 10, limits)) == 10
    assert refusal(PayloadTooLarge, batch, [fits, too_large], limits) == f"batch[1]: {TOO_LARGE}"


# Events that do not come over HTTP


def test_checked():
    """An event from inside the process goes through when it keeps the rules."""
    valid = Event("e", ("a", "#server-to-user-7"), "d", "1.2")
    assert api.checked(valid, LIMITS, allow_reserved=False) == valid
    reserved = Event("pusher:x", ("a",), "d")
    assert api.checked(reserved, LIMITS, allow_reserved=True) == reserved


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (Event("e", (), "d"), "channel"),
        (Event("e", tuple("abc"), "d"), "channels: 3 are more than 2"),
        (Event("e", ("a",), "d", "no id"), "socket_id"),
    ],
)
def test_checked_like_a_request(event, told):
    """What an application publishes in the same process is checked by all of the rules."""
    with pytest.raises(BadRequest, match=told):
        api.checked(event, Limits(max_channels_per_event=2), allow_reserved=False)


def test_checked_channels_are_distinct():
    """A channel that is named twice gets the event once."""
    event = api.checked(Event("e", ("a", "b", "a"), "d"), Limits(), allow_reserved=False)
    assert event.channels == ("a", "b")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (Event("", ("a",), "d"), BadRequest, NAME),
        (
            Event("pusher:x", ("a",), "d"),
            BadRequest,
            "name 'pusher:x' is reserved (option --allow-reserved-events)",
        ),
        (Event("e", ("a", "b c"), "d"), BadRequest, f"channel name 'b c' {INVALID}"),
        (Event("e", ("a",), "x" * 13), PayloadTooLarge, TOO_LARGE),
    ],
)
def test_checked_refuses(value, error, text):
    """The same rules hold as over HTTP, with the same words."""
    limits = Limits(max_event_size=12)
    assert refusal(error, api.checked, value, limits, allow_reserved=False) == text


# Queries


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        ("a", Kind.PUBLIC),
        ("presence-cache-x", Kind.PRESENCE_CACHE),
        ("my-cache-x", Kind.PUBLIC),
        ("#server-to-user-a b", Kind.USER),
    ],
)
def test_check_channel(channel, kind):
    """A channel that a caller asks about is of the kind its name says."""
    assert api.check_channel(channel, LIMITS) is kind


@pytest.mark.parametrize(
    "channel", ["", "a b", "#x", "x#server-to-user-7", "#server-to-user-", None, 5]
)
def test_check_channel_refuses(channel):
    """What cannot name a channel is refused."""
    assert refusal(BadRequest, api.check_channel, channel, LIMITS)


@pytest.mark.parametrize(
    ("info", "attributes"),
    [
        (None, set()),
        ("", set()),
        ("user_count", {"user_count"}),
        ("user_count,subscription_count", {"user_count", "subscription_count"}),
        (" user_count , cache", {"user_count", "cache"}),
        ("user_count,user_count", {"user_count"}),
        ("unknown,user_count", {"unknown", "user_count"}),
        ("USER_COUNT", {"USER_COUNT"}),
    ],
)
def test_parse_info(info, attributes):
    """Attributes are names with commas between; nobody minds unknown ones."""
    assert api.parse_info(info) == attributes


@pytest.mark.parametrize("info", [5, True, ["user_count"], {"user_count": True}, 1.5])
def test_parse_info_refuses(info):
    """Attributes in any other form are refused."""
    text = refusal(BadRequest, api.parse_info, info)
    assert text == "info must be a string of attribute names with commas between them"


@pytest.mark.parametrize(
    ("prefix", "info"),
    [
        ("", set()),
        ("", {"subscription_count", "unknown", "cache"}),
        ("private-", {"subscription_count"}),
        ("presence-", {"user_count"}),
        ("presence-cache-", {"user_count", "subscription_count"}),
        ("presence-room", {"user_count"}),
    ],
)
def test_channel_list_info(prefix, info):
    """A list of channels has user counts when it can only have presence channels."""
    api.check_channel_list_info(prefix, frozenset(info))


@pytest.mark.parametrize(
    "prefix", ["", "p", "presence", "presenc-", "private-", "xpresence-", " presence-"]
)
def test_channel_list_info_refuses(prefix):
    """With any other prefix, or none, user counts are refused whatever channels there are."""
    info = frozenset({"user_count", "subscription_count"})
    text = refusal(BadRequest, api.check_channel_list_info, prefix, info)
    assert text.startswith("info: user_count is known for presence channels only")


@pytest.mark.parametrize("kind", Kind)
def test_channel_info(kind):
    """A channel has user counts if it is presence, a cache if it remembers, and always subscriptions."""
    api.check_channel_info(kind, frozenset({"subscription_count", "unknown"}))
    for attribute, known, problem in (
        ("user_count", kind.is_presence, "info: cannot retrieve the user count unless"),
        ("cache", kind.is_cache, "info: cache is known for cache channels only"),
    ):
        if known:
            api.check_channel_info(kind, frozenset({attribute}))
        else:
            text = refusal(BadRequest, api.check_channel_info, kind, frozenset({attribute}))
            assert text.startswith(problem)


BOTH = frozenset({"user_count", "subscription_count"})


@pytest.mark.parametrize(
    ("kind", "info", "answer"),
    [
        (Kind.PRESENCE, BOTH, {"user_count": 42, "subscription_count": 51}),
        (Kind.PRESENCE_CACHE, BOTH, {"user_count": 42, "subscription_count": 51}),
        (Kind.PRESENCE, frozenset({"user_count"}), {"user_count": 42}),
        (Kind.PUBLIC, BOTH, {"subscription_count": 51}),
        (Kind.PUBLIC, frozenset({"user_count"}), {}),
        (Kind.PRESENCE, NO_ATTRIBUTES, {}),
        (Kind.CACHE, frozenset({"cache", "unknown"}), {}),
    ],
)
def test_counts_answer(kind, info, answer):
    """An answer has the counts that were asked for and apply to the channel, and nothing else."""
    assert api.counts_answer(kind, Counts(subscriptions=51, users=42), info) == answer


def test_counts_of_nobody():
    """A channel that nobody is on has counts of zero."""
    assert api.counts_answer(Kind.PRESENCE, Counts(), BOTH) == {
        "user_count": 0,
        "subscription_count": 0,
    }


def test_cache_answer():
    """A cache channel shows the data of its last event and the seconds left, or null."""
    cached = CachedEvent("my-event", '{"x":1}', 60)
    assert api.cache_answer(cached) == {"data": '{"x":1}', "ttl": 60}
    assert api.cache_answer(None) is None


# Anything at all

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[])),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=8,
)
NAMES = st.sampled_from(["a", "private-b", "presence-c", "#server-to-user-7", "a b", ""])
FIELDS = {
    "name": st.sampled_from(["e", "pusher:x"]) | JSON,
    "channel": NAMES | JSON,
    "channels": st.lists(NAMES | JSON, max_size=4) | JSON,
    "data": st.text() | JSON,
    "socket_id": st.just("1.2") | JSON,
    "info": st.just("user_count") | JSON,
}
# Where all fields may be anything, they are hardly ever all right.
RIGHT = {
    "name": st.sampled_from(["e", "e", "e", "pusher:x"]),
    "data": st.text(max_size=3),
    "channel": st.sampled_from(["a", "private-b", "presence-c"]),
}
ODD = st.fixed_dictionaries({}, optional=FIELDS)
ITEMS = st.fixed_dictionaries(RIGHT)
EVENTS = ITEMS | st.fixed_dictionaries(
    {**RIGHT, "channels": st.lists(RIGHT["channel"], max_size=4)}
)
ODD_BATCHES = st.fixed_dictionaries({"batch": st.lists(ODD | JSON, max_size=4) | JSON})
BATCHES = st.fixed_dictionaries({"batch": st.lists(ITEMS, max_size=4)})


def bodies(*values):
    """Make bodies of requests, of JSON and of anything else."""
    written = [one.map(lambda value: json.dumps(value).encode()) for one in values]
    return st.one_of(st.binary(), *written)


TIGHT = Limits(
    max_channel_name_length=10,
    max_channels_per_event=2,
    max_event_name_length=5,
    max_event_size=10,
    max_batch_size=2,
)


def assert_keeps_the_rules(publication, limits, *, allow_reserved):
    """Whatever is published could have been published by the rules, and is plain text."""
    value = publication.event
    assert api.checked(value, limits, allow_reserved=allow_reserved) == value
    assert 0 < len(value.channels) <= limits.max_channels_per_event
    assert len(set(value.channels)) == len(value.channels)
    assert value.socket_id in {None, "1.2"} or isinstance(value.socket_id, str)
    assert all(isinstance(name, str) for name in publication.info)


@settings(max_examples=300)
@given(bodies(JSON, ODD, EVENTS, EVENTS), st.sampled_from([LIMITS, TIGHT]), st.booleans())
def test_parse_event_of_anything(payload, limits, allow_reserved):
    """Any bytes at all are an event by the rules or a documented refusal."""
    try:
        publication = api.parse_event(payload, limits, allow_reserved=allow_reserved)
    except (BadRequest, PayloadTooLarge):
        return
    assert_keeps_the_rules(publication, limits, allow_reserved=allow_reserved)


@settings(max_examples=300)
@given(bodies(JSON, ODD_BATCHES, BATCHES, BATCHES), st.sampled_from([LIMITS, TIGHT]), st.booleans())
def test_parse_batch_of_anything(payload, limits, allow_reserved):
    """Any bytes at all are a batch by the rules or a documented refusal."""
    publications = []
    with contextlib.suppress(BadRequest, PayloadTooLarge):
        publications = api.parse_batch(payload, limits, allow_reserved=allow_reserved)
    assert len(publications) <= limits.max_batch_size
    for publication in publications:
        assert_keeps_the_rules(publication, limits, allow_reserved=allow_reserved)


CHANNEL_NAMES = st.text("abcXYZ019_-=@,.;", min_size=1, max_size=200)


@given(
    st.text(min_size=1, max_size=200).filter(lambda name: not name.startswith("pusher")),
    st.lists(CHANNEL_NAMES, min_size=1, max_size=100, unique=True),
    st.text(),
    st.none() | st.tuples(st.integers(0), st.integers(0)).map("{0[0]}.{0[1]}".format),
)
def test_event_round_trip(name, channels, data, socket_id):
    """Whatever a library sends within the rules is published as it was sent."""
    value = {"name": name, "channels": channels, "data": data, "socket_id": socket_id}
    expected = Publication(Event(name, tuple(channels), data, socket_id), NO_ATTRIBUTES)
    assert event(value) == expected
    items = [{"name": name, "channel": channel, "data": data} for channel in channels[:10]]
    assert [publication.event for publication in batch(items)] == [
        Event(name, (channel,), data) for channel in channels[:10]
    ]


# Idempotency keys


def test_a_key_of_an_event():
    """An event may have a key of its own; null is none."""
    assert event({**USUAL, "idempotency_key": "ä" * 128}).key == "ä" * 128
    assert event({**USUAL, "idempotency_key": None}).key is None
    assert event(USUAL).key is None


@pytest.mark.parametrize("key", ["", 1, 0, False, True, ["a"], {}, "x" * 129])
def test_a_wrong_key(key):
    """A key is a text that is not empty and not too long; the answer names the field."""
    with pytest.raises(BadRequest, match=r"^idempotency_key "):
        event({**USUAL, "idempotency_key": key})
    with pytest.raises(BadRequest, match=r"^batch\[1\]: idempotency_key "):
        batch([USUAL, {**USUAL, "idempotency_key": key}])


def test_a_key_of_another_field():
    """The error names the field that the key was written in, and the setting of the limit."""
    assert api.parse_key("k", Limits(), "X-Idempotency-Key") == "k"
    with pytest.raises(BadRequest, match=r"^X-Idempotency-Key .*max_idempotency_key_length"):
        api.parse_key("k" * 4, Limits(max_idempotency_key_length=3), "X-Idempotency-Key")
