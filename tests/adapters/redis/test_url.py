"""What URLs say about Redis."""

import pytest

from txpusher.adapters.redis.url import Target, parse
from txpusher.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("redis://localhost", Target((("localhost", 6379),))),
        ("redis://10.0.0.1:7000/2", Target((("10.0.0.1", 7000),), db=2)),
        ("redis://[::1]:7000/", Target((("::1", 7000),))),
        ("redis://:se%40cret@h", Target((("h", 6379),), password="se@cret")),
        ("redis://us%3Aer:p:w@h", Target((("h", 6379),), user="us:er", password="p:w")),
        ("rediss://h?ca=/etc/ca.pem", Target((("h", 6379),), tls=True, ca="/etc/ca.pem")),
        ("redis+unix:///run/redis.sock?db=3", Target(path="/run/redis.sock", db=3)),
        ("redis+unix://u:p@/run/a%20b", Target(path="/run/a b", user="u", password="p")),
        (
            "redis+sentinel://a,b:7000,[::1]/mymaster?db=1&sentinel_user=su&sentinel_password=sp",
            Target(
                (("a", 26379), ("b", 7000), ("::1", 26379)),
                master="mymaster",
                db=1,
                sentinel_user="su",
                sentinel_password="sp",
            ),
        ),
        ("rediss+sentinel://a/m", Target((("a", 26379),), master="m", tls=True)),
        (
            "redis://h?prefix=shop&heartbeat=0.5&lease=2&timeout=1",
            Target((("h", 6379),), prefix="shop", heartbeat=0.5, lease=2, timeout=1),
        ),
    ],
)
def test_good(url, target):
    """Every part of a URL has its place."""
    assert parse(url) == target


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis+cluster://a,b", "Redis Cluster is not supported"),
        ("rediss+cluster://a", "Redis Cluster is not supported"),
        ("redis+tls://a", "expected one of redis://"),
        ("redis://[::1", "is not a URL"),
        ("redis://", "expected host or host:port; in user and password"),
        ("redis://h:0", "expected host or host:port"),
        ("redis://h:70000", "expected host or host:port"),
        ("redis://h:port", "expected host or host:port"),
        ("redis://a,b", "expected one host"),
        ("redis://h/db", "expected a whole number for db; in user and password"),
        ("redis://user@h", "expected user:password"),
        ("redis+unix://host/path", "expected the path of a socket"),
        ("redis+unix://", "expected the path of a socket"),
        ("redis+sentinel://a", "expected the name of the master"),
        ("redis://h?heartbeat=soon", "expected seconds from 0.05 to 3600 for heartbeat"),
        ("redis://h?timeout=0", "for timeout"),
        ("redis://h?lease=nan", "for lease"),
        (
            "redis://h?heartbeat=5&lease=14.9",
            "lease=14.9 has to be at least three times heartbeat=5",
        ),
        ("redis://h?prefix=", "prefix has no meaning here"),
        ("redis://h?db=1", "db has no meaning here"),
        ("redis://h?ca=/x", "ca has no meaning here"),
        ("redis://h?sentinel_user=x", "sentinel_user has no meaning here"),
        (
            "redis://h?cluster=1",
            "expected prefix, heartbeat, lease, timeout, db, ca, sentinel_user, sentinel_password",
        ),
        ("redis://h#", "expected no #"),
        ("redis+unix:///path?db=x", "for db"),
    ],
)
def test_bad(url, problem):
    """What is wrong is said, and where it was written."""
    with pytest.raises(ConfigError) as caught:
        parse(url)
    assert problem in caught.value.message
    assert caught.value.setting == "--adapter"


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:hidden@h:0",
        "redis+tls://u:hidden@h",
        "redis://hidden@h",
        "redis://u:hidden@[h",
        "redis://:hidden/more@h:6379/0",
        "redis://:more/hidden@h:6379/0",
        "redis://u:12345/hidden@h",
        "redis://u:more#hidden@h",
        "redis://u#hidden@h",
        "redis://:hidden?more@h",
        "redis://u:1?hidden@h",
        "redis://u:1?hidden=more@h",
        "redis://u:1?timeout=hidden@h",
        "redis+unix://u:hidden/more@/path",
        "redis+sentinel://u:hidden/more@h/master",
        "redis+sentinel://u:12?hidden@h/master",
    ],
)
def test_no_password_is_shown(url):
    """An error may be read by anybody."""
    with pytest.raises(ConfigError) as caught:
        parse(url)
    assert "hidden" not in str(caught.value)
