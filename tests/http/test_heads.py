"""The header lines of a usual publish."""

import pytest

from txpusher.http.heads import read_headers


def lines(*each):
    return b"".join(line + b"\r\n" for line in each) + b"\r\n"


def test_what_they_say():
    """The length, and those headers that the API reads; names in lower case, several of one name as one."""
    headers = read_headers(
        lines(b"Host: h", b"CONTENT-length: 12", b"Origin: http://a", b"X-Forwarded-For: 1")
    )
    assert headers.length == 12
    assert headers.read == {"origin": "http://a", "x-forwarded-for": "1"}
    more = read_headers(lines(b"Content-Length: 0", b"X-Forwarded-For: 1", b"x-forwarded-for: 2"))
    assert (more.length, more.read) == (0, {"x-forwarded-for": "1, 2"})


@pytest.mark.parametrize("length", [0, 12])
@pytest.mark.parametrize(
    ("connection", "kept"), [(b"keep-alive", True), (b"x", True), (b"close", False)]
)
def test_whether_another_request_may_follow(connection, kept, length):
    """It may, unless the publisher says that the connection ends."""
    headers = read_headers(lines(b"Connection: " + connection, b"Content-Length: %d" % length))
    assert headers.keep_alive is kept


@pytest.mark.parametrize(
    "unusual",
    [
        lines(b"Host: h"),
        lines(b"Content-Length: 1", b"Content-Length: 1"),
        lines(b"Content-Length: x"),
        lines(b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        lines(b"Content-Length: 1", b"Expect: 100-continue"),
        lines(b"Content-Length: 1", b"Upgrade: h2c", b"Connection: Upgrade"),
        lines(b"Content-Length: 1", b"nonsense"),
        lines(b"Content-Length: 1").replace(b"\r\n", b"\n"),
        b"Content-Length: 1\r\n",
    ],
)
def test_what_is_not_usual(unusual):
    """What is not valid, or has to be treated in another way, is not read."""
    assert read_headers(unusual) is None


def test_the_same_lines_are_read_once():
    """A publisher sends the same lines again and again."""
    once = lines(b"Content-Length: 12", b"X-Idempotency-Key: a")
    assert read_headers(once) is read_headers(bytes(bytearray(once)))
