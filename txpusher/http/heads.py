"""The header lines of a usual publish; what looks otherwise is for twisted.web to judge.

llhttp reads them once: a publisher's header lines are the same bytes again and again (only the request line differs
each time, by its signature), so later requests get what was read of the first.

Measured: 0.1 microseconds a publish, with llhttp 2. A proxy that adds a header of its own to each request, such as a
request id, makes them differ: then each is read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from txpusher.http.requests import READ_HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping

_READ = frozenset(name.encode() for name in READ_HEADERS)
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})


class Headers(NamedTuple):
    """What the header lines say.

    Args:
        read: the headers that the API reads, as in `txpusher.http.exchange.ApiRequest`.
        length: bytes of the body.
        keep_alive: whether another request may follow.
    """

    read: Mapping[str, str]
    length: int
    keep_alive: bool


@lru_cache(maxsize=256)
def read_headers(lines: bytes) -> Headers | None:
    """Read header lines.

    Args:
        lines: all after the request line, with the empty one at the end.

    Returns:
        What they say, or None when they are not valid, or not those of a usual publish in HTTP/1.1.
    """
    reader = _Reader()
    try:
        reader.parser.feed_data(b"POST / HTTP/1.1\r\n" + lines)
    except (HttpParserError, HttpParserUpgrade):
        return None
    if reader.is_unusual or reader.length is None:
        return None
    return Headers(reader.read, reader.length, reader.keep_alive)


class _Reader:
    """Hears what llhttp finds."""

    def __init__(self) -> None:
        self.parser = HttpRequestParser(self)
        self.read: dict[str, str] = {}
        self.length: int | None = None
        self.keep_alive = True
        self.is_unusual = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note the headers that matter."""
        name = name.lower()
        if name == b"content-length":
            self.length = int(value)
        elif name in _READ:
            key, text = name.decode(), value.decode("latin-1")
            self.read[key] = f"{self.read[key]}, {text}" if key in self.read else text
        elif name in _UNUSUAL:
            self.is_unusual = True

    def on_headers_complete(self) -> None:
        """Note what llhttp knows only now."""
        self.keep_alive = self.parser.should_keep_alive()
