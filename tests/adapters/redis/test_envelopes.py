"""Envelopes as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.adapters.redis.envelopes import NOBODY, NUMBER, decode, encode, sender
from txpusher.interfaces import Envelope
from txpusher.protocol.codec import subscription_count

NODE = b"12345678"
socket_ids = st.none() | st.from_regex(r"\A[0-9]{1,10}\.[0-9]{1,10}\Z")
frames = st.lists(st.tuples(st.binary(max_size=300), socket_ids))


@given(frames, st.booleans())
def test_there_and_back(some, terminate):
    """What was said arrives as it was said."""
    envelope = Envelope("1", "news", some, terminate=terminate)
    message = encode(envelope, NODE)
    assert decode(message, "1", "news") == envelope
    assert sender(message) == NODE


def test_a_number():
    """Where a script has put the number behind it, all nodes make the frame of it."""
    envelope = decode(NUMBER + b"42", "1", "news")
    assert envelope == Envelope("1", "news", [(subscription_count("news", 42), None)])
    assert sender(NUMBER) == NOBODY


@given(frames.filter(bool), st.data())
def test_half_an_envelope(some, data):
    """What was cut off is no envelope, unless it was cut between two frames."""
    message = encode(Envelope("1", "news", some), NODE)
    cut = message[: data.draw(st.integers(0, len(message) - 1))]
    try:
        read = decode(cut, "1", "news")
    except ValueError:
        return
    assert read.frames == some[: len(read.frames)]
    assert encode(read, NODE) == cut


@pytest.mark.parametrize("message", [b"", b"\x01", b"\x02" + bytes(9), b"hello, somebody else"])
def test_strangers(message):
    """Other versions, and whatever else is published there, are told apart."""
    with pytest.raises(ValueError, match="envelope"):
        decode(message, "1", "news")


@given(st.binary(), st.sampled_from([b"", encode(Envelope("1", "news"), NODE), NUMBER]))
def test_anything(message, head):
    """Any bytes are an envelope or a ValueError."""
    try:
        decode(head + message, "1", "news")
    except ValueError:
        return
