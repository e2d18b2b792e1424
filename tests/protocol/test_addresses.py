"""Whose requests are counted together, and which headers are believed about it."""

from ipaddress import ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from txpusher.protocol.addresses import UNKNOWN, client_address, network

PEER = "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:4321", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:cb00:7107", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_an_address(text, expected):
    """Every way to write an address of one client gives the same text."""
    assert network(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "unknown", "_hidden", "203.0.113", "203.0.113.256", "1", "1" * 5000),
        *("203.0.113.7:", "203.0.113.7:x", "203.0.113.7/24", "for=203.0.113.7"),
        *("[]", "[]:80", "[x]:80", "::1]", "[::1"),
    ],
)
def test_no_address(text):
    """What is no address is nobody's."""
    assert network(text) is None


def test_no_header_is_believed_by_default():
    """Without a trusted proxy the other end of the connection is the client, whatever it says."""
    assert client_address(PEER, "203.0.113.7", 0) == PEER
    assert client_address("2001:db8::7", "203.0.113.7", 0) == "2001:db8::/64"


def test_a_peer_without_an_address():
    """On a UNIX socket nobody is known, unless a trusted proxy says who it is."""
    assert client_address(None, "203.0.113.7", 0) is None
    assert client_address(None, "203.0.113.7", 1) == "203.0.113.7"
    assert client_address(None, "nonsense", 1) == client_address(None, "", 1) == UNKNOWN


@pytest.mark.parametrize(
    ("forwarded", "hops", "expected"),
    [
        ("203.0.113.7", 1, "203.0.113.7"),
        ("198.51.100.9, 203.0.113.7", 1, "203.0.113.7"),
        ("198.51.100.9, 203.0.113.7, 10.0.0.1", 2, "203.0.113.7"),
        ("203.0.113.7,10.0.0.1", 2, "203.0.113.7"),
        ("nonsense,203.0.113.7", 1, "203.0.113.7"),
        (" , ,203.0.113.7 ,, ", 1, "203.0.113.7"),
        # Fewer entries than proxies: what the first of them saw.
        ("203.0.113.7", 3, "203.0.113.7"),
        # Nothing usable: everybody is the proxy.
        ("", 1, PEER),
        (",,", 2, PEER),
        ("203.0.113.7, nonsense", 1, PEER),
        ("nonsense, 10.0.0.1", 2, PEER),
    ],
)
def test_what_trusted_proxies_say(forwarded, hops, expected):
    """As many entries are counted from the right as there are proxies; anybody may have written the rest."""
    assert client_address(PEER, forwarded, hops) == expected


@given(st.text(), st.integers(1, 5))
@example("\x00", 1)
def test_nonsense_in_front_changes_nothing(text, hops):
    """Whatever a client writes into the header before the proxies append to it, it counts as itself."""
    appended = ["203.0.113.7", *["10.0.0.1"] * (hops - 1)]
    assert client_address(PEER, ",".join([text, *appended]), hops) == "203.0.113.7"


@given(st.text(), st.integers(0, 5), st.none() | st.text())
def test_any_text_is_dealt_with(text, hops, peer):
    """No header and no peer is too strange; what comes out is an address or a network, or the word for neither."""
    for address in (client_address(peer, text, hops), network(text)):
        assert address in {None, UNKNOWN} or ip_network(address)
