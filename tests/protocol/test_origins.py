"""Which web pages may connect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.protocol.origins import origin_allowed, pattern_problem

APP = "https://app.example.com"

ALLOWED = [
    # Everything
    ("*", APP),
    ("*", "null"),
    ("any", APP),
    ("ANY", APP),
    # Scheme, host and port
    (APP, APP),
    (APP, "HTTPS://App.Example.COM"),
    ("HTTPS://APP.example.com", APP),
    (APP, "https://app.example.com:443"),
    ("https://app.example.com:443", APP),
    ("http://localhost:3000", "http://localhost:3000"),
    ("http://app.example.com:80", "http://app.example.com"),
    # Host and port, any scheme
    ("app.example.com", APP),
    ("app.example.com", "http://app.example.com"),
    ("App.Example.com", APP),
    ("localhost:3000", "http://localhost:3000"),
    ("localhost:3000", "https://localhost:3000"),
    ("app.example.com:443", APP),
    ("[::1]", "http://[::1]"),
    ("[::1]:3000", "http://[::1]:3000"),
    ("http://[::1]:80", "http://[::1]"),
    ("app", "capacitor://app"),
    ("null", "null"),
    # Sub-domains and the bare domain
    ("*.example.com", APP),
    ("*.example.com", "https://a.b.example.com"),
    ("*.example.com", "https://example.com"),
    ("*.EXAMPLE.com", "https://App.example.com"),
    ("*.example.com", "http://app.example.com"),
    ("*.example.com:3000", "http://app.example.com:3000"),
    ("*.example.com:3000", "http://example.com:3000"),
    ("https://*.example.com", APP),
    ("https://*.example.com", "https://example.com"),
    ("https://*.example.com:443", APP),
    # One star anywhere
    ("app-*.example.com", "https://app-7.example.com"),
    ("https://app-*.example.com", "https://app-7.example.com"),
    ("app-*.example.com", "https://app-.example.com"),
    ("app.*", APP),
    ("https://*", APP),
    ("localhost:*", "http://localhost:3000"),
    ("http://localhost:*", "http://localhost:3000"),
    ("*://app.example.com", APP),
    ("*://app.example.com", "http://app.example.com"),
    ("http*://app.example.com", APP),
    ("http*://app.example.com", "http://app.example.com"),
]

REFUSED = [
    # Another host
    (APP, "https://example.com"),
    (APP, "https://www.app.example.com"),
    (APP, "https://app.example.com.evil.org"),
    (APP, "https://evil.org"),
    ("app.example.com", "https://xapp.example.com"),
    ("app.example.com", "https://appxexample.com"),
    # Another scheme
    (APP, "http://app.example.com"),
    (APP, "app.example.com"),
    ("http://app.example.com", "https://app.example.com:80"),
    # Another port
    (APP, "https://app.example.com:8443"),
    ("app.example.com", "https://app.example.com:8443"),
    ("app.example.com:443", "http://app.example.com"),
    ("localhost:3000", "http://localhost"),
    ("localhost:3000", "http://localhost:30001"),
    ("[::1]:3000", "http://[::1]"),
    ("http://[::1]", "http://[::1]:3000"),
    # Not a sub-domain
    ("*.example.com", "https://evilexample.com"),
    ("*.example.com", "https://example.com.evil.org"),
    ("*.example.com", "https://example.org"),
    ("*.example.com", "https://app.example.com:8443"),
    ("*.example.com:3000", "http://app.example.com"),
    ("https://*.example.com", "http://app.example.com"),
    ("https://*.example.com", "https://evilexample.com"),
    # The two ends must not overlap
    ("aba*aba", "https://aba"),
    ("aba*aba", "https://ababa"),
    ("https://ab*ba", "https://aba"),
    ("app-*.example.com", "https://app.example.com"),
    ("app-*.example.com", "https://app-7.example.com.evil.org"),
    ("https://app-*.example.com", "http://app-7.example.com"),
    ("*://app.example.com", "https://evil.org"),
    ("*://app.example.com", "https://app.example.com.evil.org"),
    ("*://app.example.com", "https://evil-app.example.com"),
    ("http*://app.example.com", "ws://app.example.com"),
    ("http*://app.example.com", "https://evil.org"),
    # No origin at all
    ("null", APP),
    (APP, "null"),
    (APP, ""),
    ("*.example.com", ""),
    ("", APP),
    ("", ""),
    ("https://*", ""),
]


@pytest.mark.parametrize(
    "pattern",
    [
        *("https://app.example.com/", "//app.example.com", "https://", "", "ftp//x y", "a b"),
        *(
            "https://b\u00fccher.example",
            "https://app.example.com:port",
            "https://a.example?x",
            "http//a",
        ),
        *("https://*.*.example.com", "*://*"),
    ],
)
def test_patterns_that_match_nothing(pattern):
    """A pattern that no origin can ever match is told to be one."""
    assert pattern_problem(pattern)


@pytest.mark.parametrize("pattern", sorted({pattern for pattern, _ in ALLOWED}))
def test_patterns_that_match_something(pattern):
    """What matches something is no mistake."""
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(("pattern", "origin"), ALLOWED)
def test_allowed(pattern, origin):
    """A page whose origin matches the pattern may connect, whatever the case of either."""
    assert origin_allowed(origin, [pattern])


@pytest.mark.parametrize(("pattern", "origin"), REFUSED)
def test_refused(pattern, origin):
    """A page of another scheme, host or port may not."""
    assert not origin_allowed(origin, [pattern])


def test_no_origin():
    """A client that is not a browser sends no origin, and matches only what matches all."""
    assert origin_allowed(None, ["*"])
    assert origin_allowed(None, [APP, "any"])
    assert not origin_allowed(None, [APP, "app.example.com", "*.example.com", "https://*", "*://x"])


def test_several_patterns():
    """One pattern that matches is enough, and without patterns nothing matches."""
    assert origin_allowed(APP, ["https://other.example.com", APP])
    assert not origin_allowed(APP, ["https://other.example.com", "*.example.org"])
    assert not origin_allowed(APP, [])


ANY_TEXT = st.text(st.characters(exclude_categories=[])) | st.text("*:/.[]ahttps0", max_size=20)


@given(st.none() | ANY_TEXT, st.lists(ANY_TEXT))
def test_anything(origin, patterns):
    """Any header against any patterns is a yes or a no."""
    assert origin_allowed(origin, patterns) in {True, False}


@given(st.text(min_size=1))
def test_an_origin_matches_itself(origin):
    """A pattern without stars that is written like the origin matches it."""
    assert "*" in origin or origin_allowed(origin, [origin])
