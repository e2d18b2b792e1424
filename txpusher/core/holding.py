"""Holding frames back until what has to come before them was sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from txpusher.protocol.frames import membership, split


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

    def release(self, frames: bytes | None = None) -> None:
        """Send what was kept, in order, and keep nothing from now on.

        Args:
            frames: is sent in its place.
        """
        held, self._held = self._held, None
        for frame in (held or ()) if frames is None else filter(None, [frames]):
            self._send(frame)


def since(frames: bytes, members: Iterable[str]) -> bytes:
    """Leave out what a list of members knows already: who came before it was made, and who was gone by then.

    Args:
        frames: what was held while the list was awaited.
        members: the user ids on the list.
    """
    known, news = set(members), []
    for frame in split(frames):
        change = membership(frame)
        if change is not None:
            came, user_id = change
            if came is (user_id in known):
                continue
            (known.add if came else known.discard)(user_id)
        news.append(frame)
    return b"".join(news)
