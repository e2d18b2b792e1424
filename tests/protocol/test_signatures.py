"""Signatures of clients and of API requests, against the vectors that Pusher's documentation prints."""

import hashlib
import hmac
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.protocol import signatures

KEY = "278d425bdf160c739803"
SECRET = "7ad3773142a6692b25b8"
SOCKET_ID = "1234.1234"

CHANNELS = [
    (
        ("private-foobar", None),
        "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4",
    ),
    (
        ("presence-foobar", '{"user_id":10,"user_info":{"name":"Mr. Pusher"}}'),
        "afaed3695da2ffd16931f457e338e6c9f2921fa133ce7dac49f529792be6304c",
    ),
    (
        # The documentation prints this text beside the signature of the one above.
        ("presence-foobar", '{"user_id":10,"user_info":{"name":"Mr. Channels"}}'),
        "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80",
    ),
    (
        ("presence-foobar", '{"user_id":"10","user_info":{"name":"Mr. Pusher"}}'),
        "48dac51d2d7569e1e9c0f48c227d4b26f238fa68e5c0bb04222c966909c4f7c4",
    ),
    (
        ("private-encrypted-foo", None),
        "e85caab4331194145d44feae15aea9539ea50631afacbc593a9555ceadc42357",
    ),
]


@pytest.mark.parametrize(("channel", "signature"), CHANNELS)
def test_channel_vectors(channel, signature):
    """The documented signature of each channel, and no other, authorizes it."""
    text = signatures.channel_text(SOCKET_ID, *channel)
    assert signatures.sign(SECRET, text) == signature
    assert signatures.authorization_problem(f"{KEY}:{signature}", KEY, SECRET, text) is None
    for _, other in CHANNELS:
        if other != signature:
            assert signatures.authorization_problem(f"{KEY}:{other}", KEY, SECRET, text)


def test_user_vector():
    """The documented signature of a sign-in is what we compute."""
    text = signatures.user_text(SOCKET_ID, '{"id":"12345"}')
    assert text == '1234.1234::user::{"id":"12345"}'
    signature = "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"
    assert signatures.sign(SECRET, text) == signature


def test_webhook_vector():
    """The documented signature of a webhook body is what we compute."""
    body = '{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"my-channel"}]}'
    signature = "c19001ae3963ccb13bf618e5b16ba9848e7e74df0993aa0689168e341c6833cf"
    assert signatures.sign(SECRET, body) == signature


COMMON = f"auth_key={KEY}&auth_timestamp=1353088179&auth_version=1.0"
REQUESTS = {
    "publish": (
        "POST",
        "/apps/3/events",
        f"{COMMON}&body_md5=ec365a775a4cd0599faeb73354201b6f",
        "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c",
    ),
    "channels": (
        "GET",
        "/apps/3/channels",
        f"{COMMON}&filter_by_prefix=presence-&info=user_count",
        "16819168891cb5dfd72b5c7a5d3d602605b26c6ba1930033b5e2eeeb65010291",
    ),
    "channel": (
        "GET",
        "/apps/3/channels/presence-foobar",
        f"{COMMON}&info=user_count,subscription_count",
        "377ee9260ea002a70c0d40cd887d55cb36db9f7f821297f5efacbcce66be356d",
    ),
    "channel, comma encoded": (
        "GET",
        "/apps/3/channels/presence-foobar",
        f"{COMMON}&info=user_count%2Csubscription_count",
        "377ee9260ea002a70c0d40cd887d55cb36db9f7f821297f5efacbcce66be356d",
    ),
    "users, with the digest of no body": (
        "GET",
        "/apps/3/channels/presence-foobar/users",
        f"{COMMON}&body_md5=d41d8cd98f00b204e9800998ecf8427e",
        "3d68b512095fd42cb6741cc80616761b1c77d00fcc4d6d9740f09504a4b761b0",
    ),
    "terminate": (
        "POST",
        "/apps/3/users/12345/terminate_connections",
        f"{COMMON}&body_md5=99914b932bd37a50b983c5e7c90ae93b",
        "01fa634edeb0cae84115307cad5c23f65a46cd286461b1c89637a3b5871a8f0e",
    ),
    "terminate without body": (
        "POST",
        "/apps/3/users/12345/terminate_connections",
        COMMON,
        "0bd2da4cd2c60cbe4627bea865cb306fda26121f3665d934db3e0f3f542a91f8",
    ),
    "a plus is a space": (
        "GET",
        "/apps/3/channels",
        f"{COMMON}&name=Something+else",
        "e661e8bf75b3959cbeab2cee466c873b918e39bfd0980693aadf77d4da8ba77c",
    ),
    "so is %20": (
        "GET",
        "/apps/3/channels",
        f"{COMMON}&name=Something%20else",
        "e661e8bf75b3959cbeab2cee466c873b918e39bfd0980693aadf77d4da8ba77c",
    ),
}


def request_signature(method, path, query):
    """What we compute for a request as it came."""
    text = signatures.request_text(method, path, signatures.parse_query(query))
    return signatures.sign(SECRET, text)


@pytest.mark.parametrize(
    ("method", "path", "query", "signature"), REQUESTS.values(), ids=list(REQUESTS)
)
def test_request_vectors(method, path, query, signature):
    """The documented signature of each request is what we compute, in any order and case of its parameters."""
    assert request_signature(method, path, query) == signature
    signed = f"{query}&auth_signature={signature}"
    assert request_signature(method, path, signed) == signature
    reordered = "&".join(reversed(signed.split("&")))
    assert request_signature(method, path, reordered) == signature
    names_in_capitals = "&".join(
        f"{name.upper()}={value}"
        for name, _, value in (pair.partition("=") for pair in signed.split("&"))
    )
    assert request_signature(method, path, names_in_capitals) == signature


def test_request_text():
    """Three lines are signed: method, path as it came, and the decoded parameters by name."""
    query = signatures.parse_query("info=a%2Cb&auth_signature=x&AUTH_key=k&empty=&bare")
    assert signatures.request_text("GET", "/apps/3/channels/a%40b", query) == (
        "GET\n/apps/3/channels/a%40b\nauth_key=k&bare=&empty=&info=a,b"
    )


def test_request_text_without_parameters():
    """A request without parameters has an empty third line."""
    assert signatures.request_text("GET", "/", []) == "GET\n/\n"


def test_request_text_keeps_the_order_of_repeated_parameters():
    """Parameters of one name are signed in the order in which they came, whatever their values."""
    query = signatures.parse_query("k[]=b&z=0&k[]=a&auth_signature=1&auth_signature=2")
    assert signatures.request_text("GET", "/", query) == "GET\n/\nk[]=b&k[]=a&z=0"


def test_request_text_sorts_by_bytes():
    """Parameters are sorted by the bytes of their names, not by any alphabet."""
    query = [(name, "1") for name in ("é", "z", "a_b", "ab", "a")]
    assert signatures.request_text("GET", "/", query) == "GET\n/\na=1&a_b=1&ab=1&z=1&é=1"


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("", []),
        ("&&", []),
        ("a=1", [("a", "1")]),
        ("a=1&&b=2&", [("a", "1"), ("b", "2")]),
        ("a", [("a", "")]),
        ("a=", [("a", "")]),
        ("=1", [("", "1")]),
        ("=", [("", "")]),
        ("a=b=c", [("a", "b=c")]),
        ("A=B", [("a", "B")]),
        ("%41=%42", [("a", "B")]),
        ("a%3D=%26", [("a=", "&")]),
        ("a=%2541", [("a", "%41")]),
        ("a=x+y%2B", [("a", "x y+")]),
        ("a=%C3%A9", [("a", "é")]),
        ("a=%zz%", [("a", "%zz%")]),
        ("a=%FF", [("a", "\ufffd")]),
        ("a;b=1", [("a;b", "1")]),
        ("a=1&a=2&A=3", [("a", "1"), ("a", "2"), ("a", "3")]),
    ],
)
def test_parse_query(query, pairs):
    """A query is split at ``&`` and the first ``=`` and decoded exactly once; names are lower-cased."""
    assert signatures.parse_query(query) == pairs


@given(st.lists(st.tuples(st.text(), st.text())))
def test_parse_query_round_trip(pairs):
    """Whatever parameters a library encodes are the parameters that we read."""
    expected = [(name.lower(), value) for name, value in pairs]
    assert signatures.parse_query(urlencode(pairs)) == expected


@given(st.binary() | st.text("%&=+aA0ç", max_size=30).map(str.encode))
def test_parse_query_of_anything(query):
    """Any bytes in a URL's query are pairs of text, and what they sign has a signature."""
    pairs = signatures.parse_query(query.decode("latin-1"))
    assert all(isinstance(name, str) and isinstance(value, str) for name, value in pairs)
    text = signatures.request_text("GET", "/", pairs)
    assert len(signatures.sign(SECRET, text)) == 64


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        (b"", "d41d8cd98f00b204e9800998ecf8427e"),
        (b"{}", "99914b932bd37a50b983c5e7c90ae93b"),
        (
            b'{"name":"foo","channels":["project-3"],"data":"{\\"some\\":\\"data\\"}"}',
            "ec365a775a4cd0599faeb73354201b6f",
        ),
    ],
)
def test_body_md5(body, digest):
    """The digest of a body is its MD5 in lower-case hex, also of an empty one."""
    assert signatures.body_md5(body) == digest


def test_empty_md5():
    """Libraries that digest the body of each request send this for an empty one."""
    assert signatures.body_md5(b"") == signatures.EMPTY_MD5


# Authorizations


@pytest.mark.parametrize(
    ("channel_data", "text"),
    [
        (None, "1.2:private-x"),
        ("", "1.2:private-x"),
        ('{"a": 1}', '1.2:private-x:{"a": 1}'),
        (" ", "1.2:private-x: "),
        ("0", "1.2:private-x:0"),
    ],
)
def test_channel_text(channel_data, text):
    """Channel data is signed as a third part wherever there is any, on private channels too."""
    assert signatures.channel_text("1.2", "private-x", channel_data) == text


def test_other_bytes_are_another_text():
    """Data that means the same in other bytes needs another signature."""
    texts = [
        signatures.channel_text("1.2", "presence-x", data)
        for data in ('{"user_id":"é"}', '{"user_id": "é"}', '{"user_id":"\\u00e9"}')
    ]
    assert len({signatures.sign(SECRET, text) for text in texts}) == 3


TEXT = signatures.channel_text(SOCKET_ID, "private-foobar", None)
GOOD = CHANNELS[0][1]


def invalid(text):
    """The words about a signature that was not made of this text."""
    return f"Invalid signature: expected the HMAC SHA256 hex digest of {text}"


@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        (None, "auth is missing"),
        ("", "auth is missing"),
        (KEY, "Invalid format: auth must have the format key:signature"),
        (GOOD, "Invalid format: auth must have the format key:signature"),
        (f"other:{GOOD}", "Invalid key in auth: 'other' is not the key of this app"),
        (f":{GOOD}", "Invalid key in auth: '' is not the key of this app"),
        (f" {KEY}:{GOOD}", f"Invalid key in auth: ' {KEY}' is not the key of this app"),
        (
            f"{KEY.upper()}:{GOOD}",
            f"Invalid key in auth: {KEY.upper()!r} is not the key of this app",
        ),
        (f"{KEY}:", invalid(TEXT)),
        (f"{KEY}:{GOOD[:-1]}", invalid(TEXT)),
        (f"{KEY}:{GOOD}0", invalid(TEXT)),
        (f"{KEY}:{GOOD}\n", invalid(TEXT)),
        (f"{KEY}: {GOOD}", invalid(TEXT)),
        (f"{KEY}:{GOOD.upper()}", invalid(TEXT)),
        (f"{KEY}:user::{GOOD}", invalid(TEXT)),
        (f"{KEY}::user::{GOOD}", invalid(TEXT)),
        (f"{KEY}:{'é' * 64}", invalid(TEXT)),
        (f"{KEY}:{chr(0xD800)}", invalid(TEXT)),
    ],
)
def test_authorization_refused(auth, problem):
    """An authorization that is not the app's key and the signature is refused, and it is said why."""
    assert signatures.authorization_problem(auth, KEY, SECRET, TEXT) == problem


@pytest.mark.parametrize(
    "text",
    [
        signatures.channel_text("1234.1235", "private-foobar", None),
        signatures.channel_text(SOCKET_ID, "private-foobaz", None),
        signatures.channel_text(SOCKET_ID, "private-foobar", "{}"),
        signatures.user_text(SOCKET_ID, "private-foobar"),
    ],
)
def test_authorization_is_for_one_socket_and_channel(text):
    """An authorization for one socket and channel is worth nothing for another."""
    assert signatures.authorization_problem(f"{KEY}:{GOOD}", KEY, SECRET, text) == invalid(text)


def test_authorization_tells_no_signature():
    """The error never contains the signature that would have been right, nor the secret."""
    problem = signatures.authorization_problem(f"{KEY}:wrong", KEY, SECRET, TEXT)
    assert GOOD not in problem
    assert SECRET not in problem


@given(st.text(st.characters(codec="utf-8", exclude_characters=":")), st.text(), st.text())
def test_authorization_round_trip(key, secret, text):
    """Whoever has the secret can authorize any text, and nobody by another secret."""
    auth = f"{key}:{signatures.sign(secret, text)}"
    assert signatures.authorization_problem(auth, key, secret, text) is None
    assert signatures.authorization_problem(auth, key, secret + "x", text) == invalid(text)
    assert signatures.authorization_problem(auth, key, secret, text + "x") == invalid(text + "x")


@given(st.none() | st.text(st.characters(exclude_categories=[])))
def test_authorization_by_anything(auth):
    """Any text that a client may send as auth is refused in words."""
    assert isinstance(signatures.authorization_problem(auth, KEY, SECRET, TEXT), str)


@given(st.text(), st.lists(st.text(), min_size=1))
def test_sign(secret, texts):
    """A signature is the HMAC-SHA256 of the UTF-8 bytes in lower-case hex, however often the secret signs."""
    for text in texts:
        expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        assert signatures.sign(secret, text) == expected


@pytest.mark.parametrize(
    ("expected", "given_text", "answer"),
    [
        ("abc", "abc", True),
        ("", "", True),
        ("abc", "abd", False),
        ("abc", "ab", False),
        ("abc", "abcd", False),
        ("abc", "ABC", False),
        ("abc", "é", False),
        ("abc", chr(0xDC80), False),
    ],
)
def test_same(expected, given_text, answer):
    """Only the same text is the same, and text that cannot be encoded is no crash."""
    assert signatures.same(expected, given_text) is answer


def test_same_takes_constant_time(monkeypatch):
    """Signatures are compared by the function that does not tell where they differ."""
    compared = []
    monkeypatch.setattr(
        signatures.hmac, "compare_digest", lambda *pair: compared.append(pair) or True
    )
    assert signatures.authorization_problem(f"{KEY}:x", KEY, SECRET, TEXT) is None
    assert compared == [(GOOD.encode(), b"x")]
