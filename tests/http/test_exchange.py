"""Answers as values, and what browsers on other pages may read."""

import pytest

from txpusher.errors import MethodNotAllowed
from txpusher.http.exchange import EMPTY, Answer, Cors, error_answer, json_answer, response_bytes


def test_a_value_as_an_answer():
    """Any value is answered as compact JSON in UTF-8."""
    assert json_answer({"a": ["é", None]}) == Answer(200, '{"a":["é",null]}'.encode())


def test_an_error_as_an_answer():
    """Errors have one shape for all, and bring their headers."""
    answer = error_answer(MethodNotAllowed("not so", {"Allow": "GET"}))
    assert answer == Answer(405, b'{"error":"not so","code":405}', (("Allow", "GET"),))
    assert answer.content_type == "application/json"


def test_everybody_may_read_by_default():
    """With * any page may read answers."""
    cors = Cors(("*",))
    for origin in (None, "https://example.com"):
        assert cors.headers(origin) == (("Access-Control-Allow-Origin", "*"), Cors.EXPOSED)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://example.com", True),
        ("https://example.com:8443", False),
        ("http://example.com", False),
        ("https://example.com.evil.example", False),
        ("null", False),
        ("", False),
        (None, False),
    ],
)
def test_configured_origins_may_read(origin, allowed):
    """With a list of origins just these are allowed, and caches are told that answers differ."""
    headers = dict(Cors(("https://example.com", "https://example.org")).headers(origin))
    assert headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    assert ("Access-Control-Expose-Headers" in headers) == allowed
    assert headers["Vary"] == "Origin"


def test_a_star_among_others_allows_all():
    """A list with * in it allows everybody."""
    headers = dict(Cors(("https://example.com", "*")).headers("https://evil.example"))
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_nobody_may_read():
    """Without origins no page of another origin may read."""
    assert Cors(()).headers("https://example.com") == (("Vary", "Origin"),)


def test_what_other_pages_may_ask_for():
    """OPTIONS is answered with the methods and headers of the API, and nothing else."""
    answer = Cors(("*",)).preflight()
    assert (answer.status, answer.body) == (204, b"")
    headers = dict(answer.headers)
    assert headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
    for name in ("X-Pusher-Library", "X-Idempotency-Key"):
        assert name in headers["Access-Control-Allow-Headers"].split(", ")
    assert headers["Access-Control-Max-Age"] == "600"


def test_a_response_in_bytes():
    """A response is a status line, the headers, an empty line and the body."""
    assert response_bytes(EMPTY, (("X-Further", "é"),)) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nX-Further: \xe9\r\n\r\n{}"
    )


def test_the_last_response_of_a_connection():
    """The caller is told when the connection ends with a response."""
    answer = Answer(404, b"no", (("X-Own", "1"),), "text/plain")
    assert response_bytes(answer, (), close=True) == (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nX-Own: 1\r\n"
        b"Connection: close\r\n\r\nno"
    )
