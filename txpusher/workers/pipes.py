"""What the parent and its workers say to each other: one JSON object a line, over pipes.

To a worker, on its standard input:

* ``{"do": "stop"}``: send the clients away, and end;
* ``{"do": "reload"}``: do what SIGHUP does;
* ``{"do": "metrics"}``: send your metrics;
* ``{"do": "answer"}``: give a sign of life;
* ``{"do": "group", "ok": false, "detail": "..."}``: how the group is, for ``/up``.

From a worker, on a pipe of its own:

* ``{"told": "ready"}``: it serves;
* ``{"told": "alive"}``, when it is asked;
* ``{"told": "metrics", "families": [...]}``, when it is asked, and as its last word.

Standard output carries log events, and standard error what an interpreter says that dies. The end of its standard input
tells a worker that its parent is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

STDIN, STDOUT, STDERR = range(3)


class Lines:
    """Puts lines together from the pieces that a pipe gives."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Take a piece, and give the lines that it completes."""
        first, *further = data.split(b"\n")
        self._pieces.append(first)
        if not further:
            return []
        whole = b"".join(self._pieces)
        self._pieces = [further.pop()]
        return [whole, *further]


def encode(message: Mapping[str, Any]) -> bytes:
    """Write a message as a line."""
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)


def decode(line: bytes) -> dict[str, Any]:
    """Read a message that `encode` wrote.

    Raises:
        ValueError: it is none; only a bug writes such a line.
    """
    message = orjson.loads(line)
    if not isinstance(message, dict):
        raise ValueError(line)  # noqa: TRY004
    return message
