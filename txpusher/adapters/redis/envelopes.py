"""Envelopes as bytes: the version, flags, the sender, then the frames as they go to the sockets.

App and channel are not in there: the topic says them. Every frame has its length, the length of the socket id that does
not get it, that id, and itself. Scripts tell subscribers their number, which they alone know: such a message ends with
it, in digits, in place of frames.
"""

from __future__ import annotations

from struct import Struct

from txpusher.interfaces import Envelope
from txpusher.protocol import codec

VERSION = 1
NODE_SIZE = 8
"""Bytes of a node's id, which is ASCII text."""
NOBODY = b"-" * NODE_SIZE
"""The id of no node: what it says is taken by all nodes."""

_HEAD = Struct(f">BB{NODE_SIZE}s")
_FRAME = Struct(">IB")
_TERMINATE = 1
_NUMBER = 2
NUMBER = _HEAD.pack(VERSION, _NUMBER, NOBODY)
"""The beginning of a message that tells subscribers their number."""


def encode(envelope: Envelope, node: bytes) -> bytes:
    """Make the message that carries an envelope.

    Args:
        envelope: what is said.
        node: who says it.
    """
    parts = [_HEAD.pack(VERSION, _TERMINATE if envelope.terminate else 0, node)]
    for frame, excluded in envelope.frames:
        socket_id = b"" if excluded is None else excluded.encode()
        parts += (_FRAME.pack(len(frame), len(socket_id)), socket_id, frame)
    return b"".join(parts)


def sender(message: bytes) -> bytes:
    """Give the id of the node that sent a message."""
    return message[2 : 2 + NODE_SIZE]


def decode(message: bytes, app_id: str, channel: str) -> Envelope:
    """Read what `encode` has made.

    Raises:
        ValueError: it is none, or of another version.
    """
    if len(message) < _HEAD.size or message[0] != VERSION:
        raise ValueError("not an envelope of this version")
    if message[1] & _NUMBER:
        frame = codec.subscription_count(channel, int(message[_HEAD.size :]))
        return Envelope(app_id, channel, [(frame, None)])
    frames, at, end = [], _HEAD.size, len(message)
    while at < end:
        if end - at < _FRAME.size:
            raise ValueError("half an envelope")
        size, id_size = _FRAME.unpack_from(message, at)
        begin = at + _FRAME.size + id_size
        excluded = message[at + _FRAME.size : begin].decode("ascii") if id_size else None
        at = begin + size
        if at > end:
            raise ValueError("half an envelope")
        frames.append((message[begin:at], excluded))
    return Envelope(app_id, channel, frames, terminate=bool(message[1] & _TERMINATE))
