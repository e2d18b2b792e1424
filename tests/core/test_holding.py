"""Frames that wait for what has to come before them."""

import pytest

from txpusher.core.holding import Hold, Since
from txpusher.model import PresenceMember
from txpusher.protocol import codec


def test_held_and_released():
    """What is sent meanwhile comes after the release, in order; what is sent later comes at once."""
    sent = []
    hold = Hold(sent.append)
    hold.send(b"1")
    hold.send(b"2")
    assert sent == []
    sent.append(b"first")
    hold.release()
    hold.send(b"3")
    assert sent == [b"first", b"1", b"2", b"3"]


def test_released_again():
    """A second release sends nothing twice."""
    sent = []
    hold = Hold(sent.append)
    hold.send(b"1")
    hold.release()
    hold.release()
    assert sent == [b"1"]


def test_released_another_way():
    """What is kept can be looked at, and sent by other means than was said at first, as what comes later."""
    sent, other = [], []
    hold = Hold(sent.append)
    assert hold.held == b""
    hold.send(b"1")
    hold.send(b"2")
    assert hold.held == b"12"
    hold.release(other.append)
    assert hold.held == b""
    hold.send(b"3")
    assert (sent, other) == ([], [b"1", b"2", b"3"])


def added(user):
    """Frame an arrival."""
    return codec.member_added("presence-x", PresenceMember(user))


def removed(user):
    """Frame a departure."""
    return codec.member_removed("presence-x", user)


EVENT = codec.channel_event("e", "presence-x", "{}")


@pytest.mark.parametrize(
    ("held", "news"),
    [
        ([], []),
        ([EVENT], [EVENT]),
        ([added("ann")], []),
        ([added("bob")], [added("bob")]),
        ([removed("ann")], [removed("ann")]),
        ([removed("bob")], []),
        ([added("bob"), EVENT, removed("bob")], [added("bob"), EVENT, removed("bob")]),
        ([removed("bob"), added("bob")], [added("bob")]),
        ([removed("ann"), added("ann"), added("ann")], [removed("ann"), added("ann")]),
    ],
)
def test_since(held, news):
    """What a list with ann on it has in it is left out; what happened after it was made is not."""
    sent = []
    Since(sent.append, ["ann"]).send(b"".join(held))
    assert b"".join(sent) == b"".join(news)


def test_since_goes_on():
    """News is compared with the list and with the news before it, one write after the other; nothing is no write."""
    sent = []
    since = Since(sent.append, ["ann"])
    for frames in (added("ann"), EVENT, added("bob"), added("bob"), removed("bob"), removed("bob")):
        since.send(frames)
    assert sent == [EVENT, added("bob"), removed("bob")]
