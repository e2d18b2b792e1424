"""Frames that were built are read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.model import PresenceMember
from txpusher.protocol import codec
from txpusher.protocol.frames import membership, split


@given(st.lists(st.binary(max_size=130)))
def test_split(payloads):
    """Joined frames come apart as they were."""
    frames = [codec.frame(payload) for payload in payloads]
    assert list(split(b"".join(frames))) == frames


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_split_every_length(size):
    """All three ways to write a length are read."""
    frames = [codec.frame(b"x" * size), codec.frame(b"{}")]
    assert list(split(b"".join(frames))) == frames


@given(st.text(), st.integers(0, 70_000))
def test_membership(user_id, size):
    """Frames of both kinds name the user, whatever the id and however long they are."""
    info = f'"{"x" * size}"'
    added = codec.member_added("presence-x", PresenceMember(user_id, info))
    assert membership(added) == (True, user_id)
    assert membership(codec.member_removed("presence-x", user_id)) == (False, user_id)


@pytest.mark.parametrize(
    "frame",
    [
        codec.PONG,
        codec.channel_event("e", "presence-x", '{"user_id":"ann"}'),
        codec.channel_event("e", "presence-x", '{"event":"pusher_internal:member_added"'),
        codec.channel_event("pusher_internal:member_added", "presence-x", "no JSON"),
        codec.channel_event("pusher_internal:member_added", "presence-x", "{}"),
        codec.channel_event("pusher_internal:member_added", "presence-x", "1"),
    ],
)
def test_what_tells_of_no_member(frame):
    """All other frames are left alone, also those of an application that borrows the event's name."""
    assert membership(frame) is None
