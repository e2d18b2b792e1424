"""What is agreed about compression, and frames that any inflater reads."""

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.protocol import codec
from txpusher.protocol.deflate import SHORTEST, agree, compressed
from txpusher.protocol.frames import split

ALONE = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def offers(header):
    """Take a header apart as Autobahn does."""
    for offer in header.split(", "):
        name, *parameters = offer.split("; ")
        values = {}
        for parameter in parameters:
            key, equals, value = parameter.partition("=")
            values.setdefault(key, []).append(value if equals else True)
        yield name, values


@pytest.mark.parametrize(
    ("offered", "window", "client_window", "answer"),
    [
        ("permessage-deflate", 12, 15, ALONE),
        # Chromium, and ws
        (
            "permessage-deflate; client_max_window_bits",
            12,
            12,
            f"{ALONE}; client_max_window_bits=12",
        ),
        ("permessage-deflate; client_no_context_takeover", 12, 15, ALONE),
        ("permessage-deflate; server_no_context_takeover", 12, 15, ALONE),
        # Windows of the server: the smaller one counts, and is named to who asked.
        (
            "permessage-deflate; server_max_window_bits=15",
            12,
            15,
            f"{ALONE}; server_max_window_bits=12",
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            10,
            15,
            f"{ALONE}; server_max_window_bits=10",
        ),
        (
            "permessage-deflate; server_max_window_bits=9",
            9,
            15,
            f"{ALONE}; server_max_window_bits=9",
        ),
        # Windows of the client: the answer is never larger than its hint.
        (
            "permessage-deflate; client_max_window_bits=15",
            12,
            12,
            f"{ALONE}; client_max_window_bits=12",
        ),
        (
            "permessage-deflate; client_max_window_bits=8",
            12,
            12,
            f"{ALONE}; client_max_window_bits=8",
        ),
        # The first one that can be accepted.
        ("x-webkit-deflate-frame, permessage-bzip2, permessage-deflate", 12, 15, ALONE),
        ("permessage-deflate; x=1, permessage-deflate", 12, 15, ALONE),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", 12, 15, ALONE),
        (
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            10,
            15,
            f"{ALONE}; server_max_window_bits=10",
        ),
    ],
)
def test_offers_that_are_accepted(offered, window, client_window, answer):
    """What the client asks for is done or more is, and the answer says which."""
    assert agree(offers(offered)) == (window, client_window, answer)


@pytest.mark.parametrize(
    "offered",
    [
        "",
        "permessage-bzip2",
        "deflate-stream",
        "permessage-deflate-x",
        "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=true",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=1_0",
        "permessage-deflate; server_max_window_bits=ten",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=0",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=010",
    ],
)
def test_offers_that_are_declined(offered):
    """An offer against the RFC, or that zlib cannot serve, is declined."""
    assert agree(offers(offered)) is None


def message(frame, window):
    """Read one frame of a server as a client that agreed on this window does."""
    assert frame[0] in {0x81, 0xC1}
    size, begin = frame[1], 2
    if size >= 126:
        begin = 4 if size == 126 else 10
        size = int.from_bytes(frame[2:begin])
    payload = frame[begin:]
    assert len(payload) == size
    if frame[0] == 0x81:
        return payload
    inflate = zlib.decompressobj(-window)
    whole = inflate.decompress(payload + b"\x00\x00\xff\xff")
    assert (inflate.eof, inflate.unused_data) == (False, b"")
    return whole


EVENT = json.dumps({"event": "e", "data": json.dumps([{"id": n} for n in range(30)])}).encode()


@given(
    st.lists(
        st.binary(max_size=400) | st.integers(0, 70_000).map(lambda size: (EVENT * 200)[:size])
    ),
    st.integers(9, 12),
)
def test_any_payloads(payloads, window):
    """Whatever is sent together is read as before, message by message, and is never longer."""
    frames = b"".join(map(codec.frame, payloads))
    small = compressed(frames, window)
    assert len(small) <= len(frames)
    assert [message(frame, window) for frame in split(small)] == payloads


def test_events_get_smaller():
    """JSON is compressed to less than half, with the bit that says so."""
    small = compressed(codec.frame(EVENT), 12)
    assert small[0] == 0xC1
    assert len(small) < len(EVENT) / 2


def test_what_is_not_worth_it():
    """Short messages, and those that would not get smaller, go as they are."""
    noise = b"".join(n.to_bytes(4) for n in range(0, 2**32, 2**26 + 12345))
    for frame in (codec.PONG, codec.frame(b"x" * (SHORTEST - 5)), codec.frame(noise)):
        assert compressed(frame, 12) == frame
    assert compressed(codec.frame(b"x" * SHORTEST), 12)[0] == 0xC1


def test_control_frames_are_not_touched():
    """Pings between messages stay pings."""
    event = codec.frame(EVENT)
    small = compressed(event, 12)
    assert compressed(codec.PING_FRAME + event + codec.PING_FRAME, 12) == (
        codec.PING_FRAME + small + codec.PING_FRAME
    )


def test_messages_are_compressed_alone():
    """A message does not refer to the one before it: the same one is the same bytes."""
    assert compressed(codec.frame(EVENT) * 2, 12) == compressed(codec.frame(EVENT), 12) * 2
