"""Reading frames again that `txpusher.protocol.codec` has made: where they come joined, and which tell of members."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

_MEMBER_EVENT = b'{"event":"pusher_internal:member_'


def split(joined: bytes) -> Iterator[bytes]:
    """Tell apart text frames of a server, one behind the other (RFC 6455, 5.2)."""
    begin = 0
    while begin < len(joined):
        size, head = joined[begin + 1], 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(joined[begin + 2 : begin + head])
        end = begin + head + size
        yield joined[begin:end]
        begin = end


def tells_of_members(joined: bytes) -> bool:
    """Tell whether any of these frames may be one that `membership` reads."""
    return _MEMBER_EVENT in joined


def membership(frame: bytes) -> tuple[bool, str] | None:
    """Read a frame that tells of a presence member.

    Returns:
        Whether the member came, or else went, and the user id; None for frames that tell of something else.
    """
    begin = frame.find(_MEMBER_EVENT, 0, 10 + len(_MEMBER_EVENT))
    if begin < 0:
        return None
    try:
        message = orjson.loads(frame[begin:])
        return message["event"].endswith("added"), str(orjson.loads(message["data"])["user_id"])
    except (ValueError, KeyError, TypeError):
        return None  # somebody published an event of this name
