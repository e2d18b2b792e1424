"""The writes of one round: what was published on a channel goes out joined, to many subscribers some at a time.

Measured with two publishers and 500 subscribers (``docs/design/cork-and-slices.rst``): 3.3 times the deliveries of a C
program that only sends, as publishers go on after every 200 subscribers; where they did so after 500 it was 1.6 times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from txpusher.core.connection import Connection

Frame = tuple[bytes, "Connection | None"]
"""An encoded frame and the connection that does not get it."""
Send = Callable[[bytes], None]


class Round:
    """Frames on their way to the subscribers who were there when it began.

    Args:
        frames: what goes out.
        since: when the first of them was published, in seconds.
        subscribers: who gets them, as the channel knows them.

    Attributes:
        since: as above.
        messages: WebSocket messages that it has written, all receivers together.
        size: bytes that it has written, all receivers together.
    """

    __slots__ = ("_frames", "_payload", "_receivers", "_sends", "messages", "since", "size")

    def __init__(
        self, frames: Sequence[Frame], since: float, subscribers: Mapping[Connection, Send]
    ) -> None:
        self.since = since
        self.messages = self.size = 0
        self._frames = len(frames)
        self._payload = frames[0][0] if len(frames) == 1 else b"".join([f for f, _ in frames])
        self._receivers = list(subscribers)
        self._sends = list(subscribers.values())

    def __len__(self) -> int:
        """Give the number of those who get all of the frames."""
        return len(self._sends)

    def serve_apart(self, frames: Sequence[Frame], newcomers: Mapping[Connection, int]) -> None:
        """Write to the subscribers who do not get every frame what they get of them.

        Args:
            frames: those of the round.
            newcomers: who came after the first of them, with the number of frames that are older than they.
        """
        apart = newcomers.keys() | {excluded for _, excluded in frames if excluded is not None}
        receivers, sends = self._receivers, self._sends
        self._receivers, self._sends = [], []
        for connection, send in zip(receivers, sends, strict=True):
            if connection in apart:
                since = newcomers.get(connection, 0)
                own = [frame for frame, excluded in frames[since:] if excluded is not connection]
                self._write(send, own)
            else:
                self._receivers.append(connection)
                self._sends.append(send)

    def serve(self, begin: int, end: int) -> None:
        """Write to those at these places, when all of them are still who they were."""
        payload, sends = self._payload, self._sends[begin:end]
        for send in sends:
            send(payload)
        self.messages += len(sends) * self._frames
        self.size += len(sends) * len(payload)

    def serve_some(
        self,
        begin: int,
        end: int,
        subscribers: Mapping[Connection, Send],
        newcomers: Mapping[Connection, int],
    ) -> None:
        """Write to those at these places who are still there."""
        for connection in self._receivers[begin:end]:
            # Who left has no write any more; who left and came back must not get what is older.
            if connection in subscribers and connection not in newcomers:
                subscribers[connection](self._payload)
                self.messages += self._frames
                self.size += len(self._payload)

    def _write(self, send: Send, frames: Sequence[bytes]) -> None:
        if frames:
            joined = b"".join(frames)
            send(joined)
            self.messages += len(frames)
            self.size += len(joined)
