"""Holding frames back until what has to come before them was sent."""

from __future__ import annotations

from collections.abc import Callable


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

    def release(self) -> None:
        """Send what was kept, in order, and keep nothing from now on."""
        held, self._held = self._held, None
        for frame in held or ():
            self._send(frame)
