"""permessage-deflate on the WebSocket side: compressed frames that many sockets share, and bounded inflating.

A broadcast is compressed once for all connections that agreed on the same window, however many they are: `Shared`
keeps the last results by what was to be sent, and one subscriber more costs a look into a dictionary. Connections that
agreed on nothing come by none of this.

Autobahn reads compressed frames and asks its "extension" to inflate them, here an `Inflater`. Its own would do, but:

* it counts what comes out of a message and not what goes in, and nothing comes out of what stands behind the end of a
  deflate stream, but it is kept: a message that never ends fills the memory;
* it takes some messages that are cut off for whole ones;
* it keeps its window, up to 32 KB, between messages.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from autobahn.exception import PayloadCorruptError, PayloadExceededError

from txpusher.core.occurrences import CompressionAgreed, MessagesCompressed, Occurrence
from txpusher.protocol.deflate import SHORTEST, Offer, agree, compressed

Tell = Callable[[Occurrence], None]

KEPT = 2 * 1024 * 1024
"""Bytes of what was sent last, and of what came of it, that are kept for each window: rounds of hundreds of large
channels can take turns without compressing anything twice."""

# What a sender leaves out of a message, and an empty last block: the inflater has come to its end if all was whole.
_END = b"\x00\x00\xff\xff" + b"\x01\x00\x00\xff\xff"
_PADDING = b"\x00"  # after a stream that had its last block already (RFC 7692, 7.2.3.4)


class Shared:
    """Sends to all connections that agreed on the same window.

    Args:
        window: in bits.
        tell: hears `MessagesCompressed`.
    """

    def __init__(self, window: int, tell: Tell) -> None:
        self._window = window
        self._tell = tell
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0

    def send(self, write: Callable[[bytes], None], frames: bytes) -> None:
        """Write frames, compressed where that makes them smaller; the same ones are compressed once."""
        write(self._kept.get(frames) or self._compressed(frames))

    def _compressed(self, frames: bytes) -> bytes:
        if len(frames) < SHORTEST:
            return frames
        small = compressed(frames, self._window)
        self._keep(frames, small)
        self._tell(MessagesCompressed(len(frames), len(small)))
        return small

    def _keep(self, frames: bytes, small: bytes) -> None:
        self._kept[frames] = small
        self._size += len(frames) + len(small)
        while self._size > KEPT and len(self._kept) > 1:
            oldest, result = self._kept.popitem(last=False)
            self._size -= len(oldest) + len(result)


class Inflater:
    """What Autobahn takes for an extension, on the way in; on the way out `Shared` is at work.

    Args:
        window: of the client, in bits.
        max_size: bytes that a message may have, and that it may have compressed.
    """

    __slots__ = ("_inflate", "_max_size", "_room", "_room_in", "_window")

    EXTENSION_NAME = "permessage-deflate"

    def __init__(self, window: int, max_size: int) -> None:
        self._window = window
        self._max_size = max_size
        # The window is in here; so it is there only while a message is read.
        self._inflate: Any = None
        self._room = self._room_in = -1

    def start_decompress_message(self) -> None:
        """Begin a message."""
        self._inflate = zlib.decompressobj(-self._window)
        self._room = self._room_in = self._max_size

    def decompress_message_data(self, data: bytes, max_output_len: int | None = None) -> bytes:
        """Inflate a piece of a message, and never more than one byte past its limit.

        Args:
            data: the piece.
            max_output_len: Autobahn's limit; ours is as strict.

        Raises:
            PayloadExceededError: the message is too large; what comes of it later is not looked at.
            PayloadCorruptError: this was not made by deflate.
        """
        self._room_in -= len(data)
        inflated = _run(self._inflate, data, self._room + 1) if self._room_in >= 0 else b""
        self._room -= len(inflated)
        if self._room < 0 or self._room_in < 0:
            self._room_in = -1
            raise PayloadExceededError("a message is too large")
        return inflated

    def end_decompress_message(self) -> None:
        """End a message.

        Raises:
            PayloadCorruptError: it was not whole.
        """
        inflate, self._inflate = self._inflate, None
        self._room_in = -1  # after a failure Autobahn asks again without a beginning
        _run(inflate, _END, 1)
        if not inflate.eof or inflate.unused_data not in {b"", _PADDING + _END}:
            raise PayloadCorruptError("a message is cut off, or goes on behind its end")


def _run(inflate: Any, data: bytes, most: int) -> bytes:
    try:
        inflated: bytes = inflate.decompress(data, most)
    except zlib.error as error:
        raise PayloadCorruptError(str(error)) from error
    return inflated


class Agreed(NamedTuple):
    """What a connection compresses with.

    Args:
        answer: the value of the header ``Sec-WebSocket-Extensions``.
        outgoing: sends.
        incoming: inflates; for this connection alone.
    """

    answer: str
    outgoing: Shared
    incoming: Inflater


class Compression:
    """Agrees with the clients of one service.

    Args:
        max_size: bytes of one client message.
        tell: hears `CompressionAgreed` and `MessagesCompressed`.
    """

    def __init__(self, max_size: int, tell: Tell) -> None:
        self._max_size = max_size
        self._tell = tell
        self._shared: dict[int, Shared] = {}

    def agree(self, offers: Iterable[Offer]) -> Agreed | None:
        """Agree with a client, or give None where it offers nothing that can be accepted."""
        agreement = agree(offers)
        if agreement is None:
            return None
        if agreement.window not in self._shared:
            self._shared[agreement.window] = Shared(agreement.window, self._tell)
        self._tell(CompressionAgreed())
        return Agreed(
            agreement.answer,
            self._shared[agreement.window],
            Inflater(agreement.client_window, self._max_size),
        )
