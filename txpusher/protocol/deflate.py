"""permessage-deflate: what is agreed about it with a client, and a server's frames made smaller.

Source: RFC 7692. Each message is compressed by itself, both ways ("no context takeover"). So a compressed frame is the
same for all who agreed on the same window, and no connection keeps the state of a compressor between messages.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from txpusher.protocol.codec import frame
from txpusher.protocol.frames import split

Offer = tuple[str, Mapping[str, Sequence[str | bool]]]
"""An extension that a client offers: its name, and the values of each parameter; True for one without a value."""

WINDOW = 12
"""How far back a message may refer to itself, in bits: 4 KB. Larger windows gain next to nothing on events."""
LARGEST_WINDOW = 15
SHORTEST = 200
"""Bytes of the shortest message that is compressed: below, some 40 bytes are gained at most."""

_NAME = "permessage-deflate"
_SMALLEST_WINDOW = 9  # the RFC knows 8, zlib does not
_LEVEL = 6
# 16 KB of tables, not zlib's usual 128: asking the system for those takes longer than compressing 1 KB.
_MEMORY_LEVEL = 5
_END_OF_MESSAGE = b"\x00\x00\xff\xff"  # how a flush ends; not sent (RFC 7692, 7.2.1)

_BITS = {str(bits) for bits in range(8, LARGEST_WINDOW + 1)}
_PARAMETERS: Mapping[str, set[str | bool]] = {
    "server_no_context_takeover": {True},
    "client_no_context_takeover": {True},
    "server_max_window_bits": {*_BITS},
    "client_max_window_bits": {True, *_BITS},
}
"""The parameters of an offer and their values (RFC 7692, 7.1)."""


class Agreement(NamedTuple):
    """What was agreed.

    Args:
        window: of the server's messages, in bits.
        client_window: of the client's.
        answer: the value of the header ``Sec-WebSocket-Extensions``.
    """

    window: int
    client_window: int
    answer: str


def agree(offers: Iterable[Offer]) -> Agreement | None:
    """Accept the first offer of permessage-deflate that can be, or give None.

    An offer against the RFC is declined, and so are other extensions; neither fails the handshake (7).
    """
    for name, parameters in offers:
        if name == _NAME and _well_formed(parameters):
            agreement = _accept(parameters)
            if agreement is not None:
                return agreement
    return None


def _well_formed(parameters: Mapping[str, Sequence[str | bool]]) -> bool:
    return all(
        len(values) == 1 and values[0] in _PARAMETERS.get(name, ())
        for name, values in parameters.items()
    )


def _accept(parameters: Mapping[str, Sequence[str | bool]]) -> Agreement | None:
    answer = [_NAME, "server_no_context_takeover", "client_no_context_takeover"]
    window, client_window = WINDOW, LARGEST_WINDOW
    # Windows are named only to clients that do so: some Firefoxes gave up otherwise.
    if "server_max_window_bits" in parameters:
        window = min(WINDOW, int(parameters["server_max_window_bits"][0]))
        if window < _SMALLEST_WINDOW:
            return None
        answer.append(f"server_max_window_bits={window}")
    if "client_max_window_bits" in parameters:
        client_window, hint = WINDOW, parameters["client_max_window_bits"][0]
        answer.append(
            f"client_max_window_bits={WINDOW if hint is True else min(WINDOW, int(hint))}"
        )
    return Agreement(window, client_window, "; ".join(answer))


def compressed(frames: bytes, window: int) -> bytes:
    """Compress those of a server's text frames that get smaller by it.

    Args:
        frames: whole frames as `txpusher.protocol.codec` makes them, one behind the other; control frames may be among
            them.
        window: in bits, 9 to 15.

    Returns:
        As many frames in the same order.
    """
    return b"".join([_smaller(each, window) for each in split(frames)])


def _smaller(plain: bytes, window: int) -> bytes:
    if len(plain) < SHORTEST:
        return plain
    payload = memoryview(plain)[4 if plain[1] == 126 else 10 :]
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -window, _MEMORY_LEVEL)
    deflated = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
    small = frame(deflated.removesuffix(_END_OF_MESSAGE))
    # RSV1 says that it is compressed (RFC 7692, 6).
    return b"\xc1" + small[1:] if len(small) < len(plain) else plain
