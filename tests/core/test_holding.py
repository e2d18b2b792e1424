"""Frames that wait for what has to come before them."""

from txpusher.core.holding import Hold


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
