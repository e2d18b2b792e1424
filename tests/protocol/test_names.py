"""Names of channels, events and sockets: what is taken for what, and what is refused."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.protocol import names
from txpusher.protocol.names import Kind

KINDS = [
    ("my-channel", Kind.PUBLIC),
    ("private-x", Kind.PRIVATE),
    ("presence-x", Kind.PRESENCE),
    ("private-encrypted-x", Kind.ENCRYPTED),
    ("cache-x", Kind.CACHE),
    ("private-cache-x", Kind.PRIVATE_CACHE),
    ("private-encrypted-cache-x", Kind.ENCRYPTED_CACHE),
    ("presence-cache-x", Kind.PRESENCE_CACHE),
    ("#server-to-user-7", Kind.USER),
    ("#watchlist-7", Kind.WATCHLIST),
    # A prefix alone is a name like any other.
    ("private-", Kind.PRIVATE),
    ("presence-", Kind.PRESENCE),
    ("private-encrypted-", Kind.ENCRYPTED),
    ("cache-", Kind.CACHE),
    ("private-cache-", Kind.PRIVATE_CACHE),
    ("private-encrypted-cache-", Kind.ENCRYPTED_CACHE),
    ("presence-cache-", Kind.PRESENCE_CACHE),
    ("#server-to-user-", Kind.USER),
]

TRAPS = [
    # Prefixes count at the beginning only.
    ("my-cache-x", Kind.PUBLIC),
    ("mycache-x", Kind.PUBLIC),
    ("xprivate-y", Kind.PUBLIC),
    ("x-presence-y", Kind.PUBLIC),
    (" private-x", Kind.PUBLIC),
    ("\nprivate-x", Kind.PUBLIC),
    ("x#server-to-user-7", Kind.PUBLIC),
    ("private-mycache-x", Kind.PRIVATE),
    ("presence-mycache-x", Kind.PRESENCE),
    ("private-encrypted-my-cache-x", Kind.ENCRYPTED),
    # The dash belongs to them.
    ("private", Kind.PUBLIC),
    ("presence", Kind.PUBLIC),
    ("cache", Kind.PUBLIC),
    ("privatex-y", Kind.PUBLIC),
    ("private-cache", Kind.PRIVATE),
    ("private-encrypted", Kind.PRIVATE),
    ("private-encryptedx-y", Kind.PRIVATE),
    ("private-encrypted-cache", Kind.ENCRYPTED),
    ("presence-cache", Kind.PRESENCE),
    ("#server-to-users-7", Kind.PUBLIC),
    ("#x", Kind.PUBLIC),
    # Not every combination exists.
    ("encrypted-x", Kind.PUBLIC),
    ("cache-private-x", Kind.CACHE),
    ("private-presence-x", Kind.PRIVATE),
    ("presence-private-x", Kind.PRESENCE),
    ("presence-encrypted-cache-x", Kind.PRESENCE),
    # Case matters.
    ("Private-x", Kind.PUBLIC),
    ("CACHE-x", Kind.PUBLIC),
    ("private-Cache-x", Kind.PRIVATE),
    ("", Kind.PUBLIC),
]


@pytest.mark.parametrize(("channel", "kind"), KINDS + TRAPS)
def test_kind_of(channel, kind):
    """The longest prefix at the beginning of a name decides what the channel is."""
    assert names.kind_of(channel) is kind


@given(st.sampled_from(KINDS), st.text())
def test_kind_of_does_not_look_behind_the_prefix(known, rest):
    """Whatever follows a name that has its prefix and a letter does not change the kind."""
    channel, kind = known
    assert names.kind_of(f"{channel}x{rest}") is kind


@pytest.mark.parametrize(
    ("kind", "public", "presence", "cache", "client_events"),
    [
        (Kind.PUBLIC, True, False, False, False),
        (Kind.PRIVATE, False, False, False, True),
        (Kind.PRESENCE, False, True, False, True),
        (Kind.ENCRYPTED, False, False, False, True),
        (Kind.CACHE, True, False, True, False),
        (Kind.PRIVATE_CACHE, False, False, True, True),
        (Kind.ENCRYPTED_CACHE, False, False, True, True),
        (Kind.PRESENCE_CACHE, False, True, True, True),
        (Kind.USER, False, False, False, False),
        (Kind.WATCHLIST, False, False, False, False),
    ],
)
def test_what_kinds_can_do(kind, public, presence, cache, client_events):
    """Each kind says whether it needs no auth, has members, remembers and takes client events."""
    facts = (kind.is_public, kind.is_presence, kind.is_cache, kind.takes_client_events)
    assert facts == (public, presence, cache, client_events)


def test_every_kind_is_in_the_tables():
    """No kind of channel is left untested, and each has a label of its own for metrics."""
    assert {kind for _, kind in KINDS} == set(Kind)
    assert len({kind.value for kind in Kind}) == 10


def test_internal_kinds():
    """What serves users is nobody's channel: it is not listed, and causes no webhook."""
    assert {kind for kind in Kind if kind.is_internal} == {Kind.USER, Kind.WATCHLIST}


def test_watchlist_channel():
    """The channel on which a user is watched is no name that anybody may use."""
    channel = names.watchlist_channel("7")
    assert names.kind_of(channel) is Kind.WATCHLIST
    assert names.channel_problem(channel, 200)


@pytest.mark.parametrize(
    "channel",
    [
        *("a_b", "a-b", "a=b", "a@b", "a,b", "a.b", "a;b"),
        *("-_=@,.;", "0", "AZaz09", "private-", "presence-x", "private-encrypted-cache-x"),
    ],
)
def test_valid_channel(channel):
    """Letters, digits and ``_ - = @ , . ;`` may name a channel."""
    assert names.channel_problem(channel, 200) is None


@pytest.mark.parametrize(
    "channel",
    [
        *("", " ", "a b", "a/b", "a:b", "a\\b", "a%b", "a+b", "a*b", "a!b", "a?b", "a'b", 'a"b'),
        *("#x", "a#b", "#server-to-user-7", "é", "aé", "\u0661", "\uff41", "😀"),
        *("a\n", "\na", "a\r", "a\t", "a\0", "private-x\n"),
    ],
)
def test_invalid_channel(channel):
    """Any other character is refused, at the end of the name too, and the error shows the name."""
    problem = names.channel_problem(channel, 200)
    assert problem == f"channel name {channel!r} is invalid: use letters, digits and _ - = @ , . ;"


@pytest.mark.parametrize("channel", [None, 1, 1.5, True, [], ["a"], {}, b"a"])
def test_channel_that_is_no_string(channel):
    """What is not a string names no channel."""
    assert names.channel_problem(channel, 200) == "channel must be a string"


@pytest.mark.parametrize("limit", [1, 164, 200])
def test_channel_length(limit):
    """A name may be as long as the limit, prefix included, and the error names the setting."""
    longest = ("presence-" + "x" * limit)[:limit]
    assert names.channel_problem(longest, limit) is None
    problem = names.channel_problem(longest + "x", limit)
    assert (
        problem
        == f"channel name is longer than {limit} characters (setting max_channel_name_length)"
    )


def test_long_channel_is_not_repeated():
    """A name that is far too long is not sent back, whatever it consists of."""
    assert "é" not in names.channel_problem("é" * 1000, 200)


@given(st.text() | st.none() | st.integers() | st.binary())
def test_channel_problem_always_answers(channel):
    """Any value at all is either a channel name or a problem with words for it."""
    problem = names.channel_problem(channel, 200)
    assert problem is None or (isinstance(problem, str) and problem)


@pytest.mark.parametrize("user_id", ["7", "a b", "é", "#", "user@example.com", "x" * 200])
def test_user_channel(user_id):
    """The server reaches each user, whatever the id consists of, on a channel of the user's own."""
    channel = names.user_channel(user_id)
    assert channel == f"#server-to-user-{user_id}"
    assert names.kind_of(channel) is Kind.USER
    assert names.user_channel_problem(channel, 200) is None


def test_user_channel_without_a_user():
    """The channel of nobody is refused."""
    problem = names.user_channel_problem("#server-to-user-", 200)
    assert problem == "channel name '#server-to-user-' is invalid: the user id is missing"


def test_user_channel_length():
    """Of a user's channel only the id is measured, and the error names the setting of ids."""
    assert names.user_channel_problem(names.user_channel("é" * 5), 5) is None
    problem = names.user_channel_problem(names.user_channel("é" * 6), 5)
    assert (
        problem
        == "user id in the channel name is longer than 5 characters (setting max_user_id_length)"
    )


@pytest.mark.parametrize("text", ["1.1", "1234.1234", "0.0", "007.0", f"{'9' * 30}.{'9' * 30}"])
def test_socket_id(text):
    """Digits, a dot, digits: that is a socket id."""
    assert names.is_socket_id(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "1", "1.", ".1", "1.1.1", "1..1", "a.b", "0x1.1", "-1.1", "+1.1", "1e3.1"),
        *(
            "1,1",
            "1_0.1",
            " 1.1",
            "1.1 ",
            "1.1\n",
            "1\n.1",
            "1.1:private-x",
            "\u0661.\u0661",
            "\uff11.\uff11",
        ),
        *(None, 1, 1.1, True, b"1.1", ["1.1"], {}),
    ],
)
def test_no_socket_id(text):
    """Everything else is not, in particular nothing that could smuggle more into a signature."""
    assert not names.is_socket_id(text)


def test_new_socket_id():
    """A socket id is drawn as two numbers of up to ten digits."""
    bounds = []

    def randbelow(bound):
        bounds.append(bound)
        return bound - len(bounds)

    assert names.new_socket_id(randbelow) == "9999999999.9999999998"
    assert bounds == [10**10, 10**10]


@given(st.integers(0, 10**10 - 1), st.integers(0, 10**10 - 1))
def test_new_socket_id_is_a_socket_id(first, second):
    """Whatever numbers are drawn, the result is a socket id to the server libraries."""
    drawn = iter((first, second))
    socket_id = names.new_socket_id(lambda _: next(drawn))
    assert socket_id == f"{first}.{second}"
    assert names.is_socket_id(socket_id)


def test_new_socket_ids_differ():
    """Two connections do not get the same id."""
    assert len({names.new_socket_id(secrets.randbelow) for _ in range(1000)}) == 1000


def test_prefixes_of_events():
    """The prefixes of client events and of Pusher's own events are the documented ones."""
    assert names.CLIENT_EVENT_PREFIX == "client-"
    assert names.RESERVED_EVENT_PREFIXES == ("pusher:", "pusher_internal:")
