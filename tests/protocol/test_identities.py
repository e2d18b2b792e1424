"""Who somebody says to be, on presence channels and in sign-ins."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txpusher.errors import InvalidChannelData, PresenceMemberTooLarge, SigninRefused
from txpusher.model import Limits, PresenceMember, User
from txpusher.protocol import identities

LIMITS = Limits()
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda values: st.lists(values) | st.dictionaries(st.text(max_size=10), values),
    max_leaves=5,
)


def nested(levels):
    """JSON text of lists within lists."""
    return "[" * levels + "]" * levels


USER_INFO = [
    ("", "{}"),
    (',"user_info":null', "{}"),
    (',"user_info":{}', "{}"),
    (', "user_info": {"name": "Mr. Channels", "age": 5}', '{"name":"Mr. Channels","age":5}'),
    (',"user_info":{"name":"\\u00e9"}', '{"name":"é"}'),
    (',"user_info":"text"', '"text"'),
    (',"user_info":[1, 2]', "[1,2]"),
    (',"user_info":0', "0"),
    (',"user_info":false', "false"),
    (',"more":{"a":1},"watchlist":["8"]', "{}"),
]

NO_OBJECTS = ["", "nope", "{", "{} x", "[]", "1", "null", '"x"', "\ud800", '{"a":"\\ud800"}', "NaN"]


# Presence


@pytest.mark.parametrize(
    ("user_id", "expected"),
    [
        ('"7"', "7"),
        ('"a b"', "a b"),
        ('"é😀"', "é😀"),
        ('" "', " "),
        ('"0"', "0"),
        ("10", "10"),
        ("0", "0"),
        ("-1", "-1"),
        ("18446744073709551615", "18446744073709551615"),
    ],
)
def test_user_id(user_id, expected):
    """A presence user id is a string, or an integer that becomes one."""
    member = identities.presence_member(f'{{"user_id":{user_id}}}', LIMITS)
    assert member == PresenceMember(expected, "{}")


@pytest.mark.parametrize(("more", "user_info"), USER_INFO)
def test_user_info(more, user_info):
    """User info is any JSON, kept as compact text; where there is none it is an empty object."""
    member = identities.presence_member(f'{{"user_id":"7"{more}}}', LIMITS)
    assert member == PresenceMember("7", user_info)


@pytest.mark.parametrize("channel_data", NO_OBJECTS)
def test_channel_data_that_is_no_object(channel_data):
    """Channel data has to be a JSON object."""
    with pytest.raises(InvalidChannelData, match=r"^channel_data must be a JSON object$"):
        identities.presence_member(channel_data, LIMITS)


@pytest.mark.parametrize(
    "channel_data",
    [
        "{}",
        '{"id":"7"}',
        '{"user_info":{}}',
        *(
            f'{{"user_id":{user_id}}}'
            for user_id in (
                "null",
                '""',
                "true",
                "false",
                "1.5",
                "10.0",
                "1e2",
                "[]",
                "{}",
                '["7"]',
            )
        ),
        '{"user_id":18446744073709551616}',
    ],
)
def test_unusable_user_id(channel_data):
    """A user id that is neither text nor an integer is refused, as is an empty one."""
    with pytest.raises(InvalidChannelData) as caught:
        identities.presence_member(channel_data, LIMITS)
    assert caught.value.message == "channel_data: user_id must be a non-empty string or an integer"


def test_user_id_length():
    """A user id may have as many characters as the limit, counted also in numbers."""
    limits = Limits(max_user_id_length=3)
    for user_id, text in (("éèê", '"éèê"'), ("999", "999"), ("-99", "-99")):
        member = identities.presence_member(f'{{"user_id":{text}}}', limits)
        assert member.user_id == user_id
    for text in ('"éèêe"', "1000", "-100"):
        with pytest.raises(InvalidChannelData) as caught:
            identities.presence_member(f'{{"user_id":{text}}}', limits)
        assert caught.value.message == (
            "channel_data: user_id is longer than 3 characters (setting max_user_id_length)"
        )


@pytest.mark.parametrize("limit", [10, 2048])
def test_user_info_size(limit):
    """User info may have as many bytes as the limit, as compact JSON in UTF-8."""
    limits = Limits(max_presence_member_size=limit)
    fits = "é" * ((limit - 2) // 2)
    member = identities.presence_member(f'{{"user_id":"7", "user_info" :  "{fits}"}}', limits)
    assert len(member.user_info.encode()) == limit
    with pytest.raises(PresenceMemberTooLarge) as caught:
        identities.presence_member(f'{{"user_id":"7","user_info":"{fits}x"}}', limits)
    assert caught.value.message == (
        f"user_info is larger than {limit} bytes (setting max_presence_member_size)"
    )


@pytest.mark.parametrize(
    ("levels", "problem"),
    [(300, "user_info cannot be encoded: "), (2000, "channel_data must be a JSON object")],
)
def test_deep_user_info(levels, problem):
    """User info with hundreds of levels is refused, not a crash."""
    with pytest.raises(InvalidChannelData, match=f"^{problem}"):
        identities.presence_member(f'{{"user_id":"7","user_info":{nested(levels)}}}', LIMITS)


def test_depth_of_the_rest():
    """What nobody is told about a user may have any form that is JSON."""
    assert identities.presence_member(f'{{"user_id":"7","x":{nested(300)}}}', LIMITS)


@given(st.text(min_size=1, max_size=200) | st.integers(-(2**63), 2**64 - 1), JSON)
def test_presence_round_trip(user_id, user_info):
    """Whatever the application signed is what others learn about a member."""
    channel_data = json.dumps({"user_id": user_id, "user_info": user_info})
    member = identities.presence_member(channel_data, Limits(max_presence_member_size=10**6))
    assert member.user_id == str(user_id)
    assert json.loads(member.user_info) == ({} if user_info is None else user_info)


# Sign-ins


@pytest.mark.parametrize(("more", "user_info"), USER_INFO)
def test_signed_in_user(more, user_info):
    """A user has a string id and any info; a watchlist and other members do not disturb."""
    assert identities.signed_in_user(f'{{"id":"7"{more}}}', LIMITS) == User("7", user_info)


@pytest.mark.parametrize(
    ("written", "watchlist"),
    [
        ("null", ()),
        ("[]", ()),
        ('["8","9"]', ("8", "9")),
        ('["9",8,"9"]', ("9", "8")),
    ],
)
def test_watchlist(written, watchlist):
    """Where they are wanted, the distinct ids that a user watches are read in their order."""
    user_data = f'{{"id":"7","watchlist":{written}}}'
    assert identities.signed_in_user(user_data, LIMITS, watchlist=True) == User(
        "7", watchlist=watchlist
    )
    assert identities.signed_in_user(user_data, LIMITS) == User("7")


@pytest.mark.parametrize("written", ['"8"', '{"8":1}', "8", '[""]', "[null]", "[true]", "[[8]]"])
def test_a_watchlist_that_is_none(written):
    """A watchlist that is no list of ids is a mistake where watchlists are wanted."""
    user_data = f'{{"id":"7","watchlist":{written}}}'
    with pytest.raises(SigninRefused, match=r"^user_data: watchlist must be a list of user ids$"):
        identities.signed_in_user(user_data, LIMITS, watchlist=True)
    assert identities.signed_in_user(user_data, LIMITS) == User("7")


@pytest.mark.parametrize("user_data", NO_OBJECTS)
def test_user_data_that_is_no_object(user_data):
    """User data has to be a JSON object."""
    with pytest.raises(SigninRefused, match=r"^user_data must be a JSON object$"):
        identities.signed_in_user(user_data, LIMITS)


@pytest.mark.parametrize(
    "user_data",
    [
        "{}",
        '{"user_id":"7"}',
        *(f'{{"id":{user_id}}}' for user_id in ("null", '""', "7", "0", "true", "1.5", "[]", "{}")),
    ],
)
def test_unusable_id(user_data):
    """Who signs in needs an id that is a non-empty string; a number is none here."""
    with pytest.raises(SigninRefused) as caught:
        identities.signed_in_user(user_data, LIMITS)
    assert caught.value.message == "user_data: id must be a non-empty string"


def test_id_length():
    """The id may have as many characters as the limit."""
    limits = Limits(max_user_id_length=3)
    assert identities.signed_in_user('{"id":"éèê"}', limits) == User("éèê")
    with pytest.raises(SigninRefused) as caught:
        identities.signed_in_user('{"id":"éèêe"}', limits)
    assert caught.value.message == (
        "user_data: id is longer than 3 characters (setting max_user_id_length)"
    )


def test_info_size():
    """The info of a user may have as many bytes as that of a presence member."""
    limits = Limits(max_presence_member_size=10)
    assert identities.signed_in_user('{"id":"7","user_info":"éééé"}', limits).info == '"éééé"'
    with pytest.raises(SigninRefused) as caught:
        identities.signed_in_user('{"id":"7","user_info":"ééééx"}', limits)
    assert caught.value.message == (
        "user_data: user_info is larger than 10 bytes (setting max_presence_member_size)"
    )


@pytest.mark.parametrize(
    ("levels", "problem"),
    [(300, "user_data: user_info cannot be encoded: "), (2000, "user_data must be a JSON object")],
)
def test_deep_info(levels, problem):
    """Info with hundreds of levels is refused, not a crash."""
    with pytest.raises(SigninRefused, match=f"^{problem}"):
        identities.signed_in_user(f'{{"id":"7","user_info":{nested(levels)}}}', LIMITS)


@given(st.text(min_size=1, max_size=200), JSON)
def test_signin_round_trip(user_id, user_info):
    """Whatever the application signed is what we know about a user."""
    user_data = json.dumps({"id": user_id, "user_info": user_info})
    user = identities.signed_in_user(user_data, Limits(max_presence_member_size=10**6))
    assert user.id == user_id
    assert json.loads(user.info) == ({} if user_info is None else user_info)


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
ANY_DATA = (
    st.text(st.characters(exclude_categories=[]))
    | ANY_JSON.map(json.dumps)
    | st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("id", "user_id", "user_info", "watchlist"), ANY_JSON)
    ).map(json.dumps)
    # What may be anything is hardly ever somebody.
    | st.builds(
        lambda user_id, info: json.dumps({"id": user_id, "user_id": user_id, "user_info": info}),
        st.text(min_size=1, max_size=8),
        JSON,
    )
)
TIGHT = Limits(max_user_id_length=5, max_presence_member_size=10)


@settings(max_examples=300)
@given(ANY_DATA, st.sampled_from([LIMITS, TIGHT]))
def test_presence_member_of_anything(channel_data, limits):
    """Any text at all is a member within the limits or a documented refusal."""
    try:
        member = identities.presence_member(channel_data, limits)
    except (InvalidChannelData, PresenceMemberTooLarge):
        return
    assert 0 < len(member.user_id) <= limits.max_user_id_length
    assert len(member.user_info.encode()) <= limits.max_presence_member_size
    json.loads(member.user_info)


@settings(max_examples=300)
@given(ANY_DATA, st.sampled_from([LIMITS, TIGHT]))
def test_signed_in_user_of_anything(user_data, limits):
    """Any text at all is a user within the limits or a documented refusal."""
    try:
        user = identities.signed_in_user(user_data, limits)
    except SigninRefused:
        return
    assert 0 < len(user.id) <= limits.max_user_id_length
    assert len(user.info.encode()) <= limits.max_presence_member_size
    json.loads(user.info)
