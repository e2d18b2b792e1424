"""Requests and answers of the HTTP API as values, whichever way they travel.

Klein's routes and the fast lane both make an `ApiRequest` and write an `Answer`; nothing between them knows which.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from txpusher.errors import ApiError

if TYPE_CHECKING:
    from txpusher.core.limits import Standing


class ApiRequest(NamedTuple):
    """What the API looks at.

    Args:
        method: in upper case.
        path: as requested: not decoded, without the query.
        query: the raw query string.
        body: the whole body.
        headers: names in lower case; only those that the API reads. Several of one name are one, with commas.
        address: on whose account it goes, where addresses have a limit (`txpusher.protocol.addresses`).
    """

    method: str
    path: str
    query: str
    body: bytes
    headers: Mapping[str, str]
    address: str | None = None


class Answer(NamedTuple):
    """What goes back: a status, JSON or text in UTF-8, and further headers.

    ``standing`` is how far the app's limit is used up, where it has one.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    standing: Standing | None = None


EMPTY = Answer(200, b"{}")


def json_answer(value: Any, standing: Standing | None = None) -> Answer:
    """Answer 200 with this value as JSON, and how far the app's limit is used up."""
    return Answer(200, orjson.dumps(value), standing=standing)


def error_answer(error: ApiError) -> Answer:
    """Answer an error as ``{"error": text, "code": status}``."""
    body = orjson.dumps({"error": error.message, "code": error.status})
    return Answer(error.status, body, tuple(error.headers.items()))


class Cors:
    """Which web pages may read answers (Fetch standard, CORS protocol).

    Args:
        origins: allowed origins; ``*`` allows all.
    """

    METHODS = "GET, POST, OPTIONS"
    HEADERS = (
        "Authorization, Content-Type, X-Requested-With, Accept, X-Pusher-Library, X-Idempotency-Key"
    )
    # Sent with every answer, so that the usual one stays the same bytes.
    EXPOSED = (
        "Access-Control-Expose-Headers",
        "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After",
    )

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origins)
        self._all = (("Access-Control-Allow-Origin", "*"), self.EXPOSED)

    def headers(self, origin: str | None) -> tuple[tuple[str, str], ...]:
        """Give the headers of any answer to a page of this origin."""
        if "*" in self._origins:
            return self._all
        if origin in self._origins and origin is not None:
            return (("Access-Control-Allow-Origin", origin), self.EXPOSED, ("Vary", "Origin"))
        return (("Vary", "Origin"),)

    def preflight(self) -> Answer:
        """Answer OPTIONS: what other origins may ask for."""
        headers = (
            ("Access-Control-Allow-Methods", self.METHODS),
            ("Access-Control-Allow-Headers", self.HEADERS),
            ("Access-Control-Max-Age", "600"),
        )
        return Answer(204, b"", headers)


def response_bytes(
    answer: Answer, further: tuple[tuple[str, str], ...], *, close: bool = False
) -> bytes:
    """Encode a whole HTTP/1.1 response.

    Args:
        answer: what goes back.
        further: headers that do not depend on the answer.
        close: whether the connection ends with it.
    """
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines.append(f"Content-Type: {answer.content_type}")
    lines.append(f"Content-Length: {len(answer.body)}")
    lines += [f"{name}: {value}" for name, value in (*further, *answer.headers)]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body
