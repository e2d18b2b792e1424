"""The query of a WebSocket's URL: which clients are let in, and with which code the others are refused."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.errors import InvalidVersion, NoProtocol, PathNotFound, UnsupportedProtocol
from txpusher.protocol import handshakes
from txpusher.protocol.handshakes import Handshake, app_key


def handshake(key="key", protocol="7", version="8.6.0", origin=None, secure=False):
    """A handshake like that of pusher-js."""
    return Handshake(key, protocol, version, origin, secure)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("protocol", ["5", "6", "7"])
def test_supported_protocols(protocol, strict):
    """Protocols 5, 6 and 7 are spoken, and the key is what was asked for."""
    assert handshakes.check(handshake("some-key", protocol), strict=strict) == "some-key"


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "protocol",
    ["4", "8", "99", "0", "-7", "abc", "", " 7", "7 ", "7\n", "07", "7.0", "\uff17", "True"],
)
def test_unsupported_protocols(protocol, strict):
    """Any other protocol, a number or not, is refused with 4007."""
    with pytest.raises(UnsupportedProtocol) as caught:
        handshakes.check(handshake(protocol=protocol), strict=strict)
    assert caught.value.code == 4007


def test_no_protocol():
    """A client that names no protocol is let in, unless the server was told to insist on one."""
    assert handshakes.check(handshake(protocol=None), strict=False) == "key"
    with pytest.raises(NoProtocol) as caught:
        handshakes.check(handshake(protocol=None), strict=True)
    assert caught.value.code == 4008


@pytest.mark.parametrize("strict", [False, True])
def test_other_path(strict):
    """A WebSocket on a path without a key is refused with 4005, before anything else is looked at."""
    with pytest.raises(PathNotFound) as caught:
        handshakes.check(handshake(key=None, protocol="99", version="x"), strict=strict)
    assert caught.value.code == 4005


@pytest.mark.parametrize(
    "version",
    [
        "1",
        "8.6.0",
        "2.2",
        "7.0.3",
        "1.10.100.1000",
        "8.0.0-rc1",
        "1.0.0-beta.2+5",
        "4.4.0.beta",
        "1+x",
    ],
)
def test_versions(version):
    """Version numbers of any length, with or without a suffix, are versions."""
    assert handshakes.check(handshake(version=version), strict=True) == "key"


@pytest.mark.parametrize(
    "version",
    [
        None,
        "",
        "x",
        "v1.0",
        "1.",
        "1-",
        "1 .0",
        "1.0\n",
        " 1.0",
        "1.0 beta",
        "1x",
        "-1",
        ".1",
        "\u0661",
        "1.é",
    ],
)
def test_no_versions(version):
    """Anything else is refused with 4006 by a strict server, and nobody else looks at it."""
    assert handshakes.check(handshake(version=version), strict=False) == "key"
    with pytest.raises(InvalidVersion) as caught:
        handshakes.check(handshake(version=version), strict=True)
    assert caught.value.code == 4006


def test_protocol_is_checked_before_version():
    """Of two mistakes the client hears of its protocol."""
    with pytest.raises(UnsupportedProtocol):
        handshakes.check(handshake(protocol="4", version="x"), strict=True)
    with pytest.raises(NoProtocol):
        handshakes.check(handshake(protocol=None, version="x"), strict=True)


def test_long_version_costs_no_time():
    """A stranger's version of any length is read in one go: a megabyte costs no more than reading it."""
    before = time.process_time()
    with pytest.raises(InvalidVersion):
        handshakes.check(handshake(version="1" + ".1" * 500_000 + "!"), strict=True)
    assert time.process_time() - before < 5  # it takes milliseconds, or else an hour


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("pusher-channels-protocol-7", True),
        ("pusher-channels-protocol-5", True),
        ("pusher-channels-protocol-12", True),
        ("pusher-channels-protocol-", False),
        ("pusher-channels-protocol-x", False),
        ("pusher-channels-protocol-7x", False),
        ("pusher-channels-protocol-7\n", False),
        ("x-pusher-channels-protocol-7", False),
        ("chat", False),
    ],
)
def test_subprotocol(name, ours):
    """The subprotocol that the Swift client asks for is known, of any version."""
    assert bool(handshakes.SUBPROTOCOL.fullmatch(name)) is ours


TEXT = st.none() | st.text(st.characters(exclude_categories=[]))


@given(
    TEXT,
    st.sampled_from(["5", "7"]) | TEXT,
    st.from_regex(r"[0-9.+-]*") | TEXT,
    TEXT,
    st.booleans(),
    st.booleans(),
)
def test_check_anything(key, protocol, version, origin, secure, strict):
    """Whatever a URL says, the client gets in with its own key or is refused with a documented code."""
    try:
        answer = handshakes.check(Handshake(key, protocol, version, origin, secure), strict=strict)
    except (PathNotFound, NoProtocol, UnsupportedProtocol, InvalidVersion):
        return
    assert answer == key
    assert isinstance(answer, str)


@pytest.mark.parametrize(
    ("path", "prefix", "key"),
    [
        ("/app/key", "", "key"),
        ("/app/key/", "", "key"),
        ("/app/a%2Fb", "", "a/b"),
        ("/app/a%2520b", "", "a%20b"),
        ("/app/%C3%A9", "", "é"),
        ("/ws/app/key", "/ws", "key"),
        ("/app/key", "/ws", "key"),
        ("/ws/app/key", "", None),
        ("/other/app/key", "/ws", None),
        ("/wsapp/key", "/ws", None),
        ("/app", "", None),
        ("/app/", "", None),
        ("/app//", "", None),
        ("/app/a/b", "", None),
        ("/apps/key", "", None),
        ("", "", None),
    ],
)
def test_keys_in_paths(path, prefix, key):
    """The key is the one segment after /app, decoded once; a configured prefix may be there or not."""
    assert app_key(path, prefix) == key
