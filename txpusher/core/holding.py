"""Holding frames back until what has to come before them was sent, and leaving out what is known by then.

A list of members and the news of who came and went arrive by two ways, and the list may be first. So for a while after
a list the news is compared with it: who is on it does not come, and who is not on it does not go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from txpusher.protocol.frames import membership, split, tells_of_members

OVERTAKEN_FOR = 10.0
"""Seconds after a list in which news that is older may arrive; a bus that is slower counts as deaf, and is replaced."""


class Hold:
    """Stands in for the ``send`` of a wire while an answer is awaited that the client has to read first.

    Args:
        send: sends for good.
    """

    __slots__ = ("_held", "_send")

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._held: list[bytes] | None = []

    def send(self, frame: bytes) -> None:
        """Keep a frame, or send it when nothing is held back any more."""
        if self._held is None:
            self._send(frame)
        else:
            self._held.append(frame)

    @property
    def held(self) -> bytes:
        """What is kept: complete frames, one behind the other."""
        return b"".join(self._held or ())

    def release(self, send: Callable[[bytes], None] | None = None) -> None:
        """Send what was kept, in order, and keep nothing from now on.

        Args:
            send: sends for good, in place of what was said before.
        """
        held, self._held = self._held, None
        self._send = send or self._send
        for frame in held or ():
            self._send(frame)


class Since:
    """Stands in for the ``send`` of a wire after a list of members: leaves out what the list knows already.

    Args:
        send: sends for good.
        members: the user ids on the list.
    """

    __slots__ = ("_known", "_send")

    def __init__(self, send: Callable[[bytes], None], members: Iterable[str]) -> None:
        self._send = send
        self._known = set(members)

    def send(self, frames: bytes) -> None:
        """Send what is new: not who came before the list was made, nor who was gone by then."""
        if not tells_of_members(frames):
            self._send(frames)
            return
        news = b"".join([frame for frame in split(frames) if self._is_new(frame)])
        if news:
            self._send(news)

    def _is_new(self, frame: bytes) -> bool:
        change = membership(frame)
        if change is None:
            return True
        came, user_id = change
        if came is (user_id in self._known):
            return False
        (self._known.add if came else self._known.discard)(user_id)
        return True
