"""The local subscribers of one channel, and the fan-out to them.

Three measures make a broadcast cheap, all measured (``docs/design/cork-and-slices.rst``):

* a frame is built once and each subscriber costs one ``write`` of the same bytes;
* frames go out at the end of the reactor turn in which they were published, and what is published in that turn, or
  while a round of writes is under way, goes out joined, one write a subscriber ("corking");
* a round yields to the reactor every `SLICE` subscribers, so that a large channel does not hold up the others.

The order of frames is kept for every subscriber. Somebody who joins gets only what is published after that; somebody
who leaves gets nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

from txpusher.core.occurrences import Delivered

if TYPE_CHECKING:
    from txpusher.core.connection import Connection
    from txpusher.core.occurrences import Occurrence
    from txpusher.interfaces import Call, Clock
    from txpusher.protocol.names import Kind

SLICE = 500

Frame = tuple[bytes, "Connection | None"]
"""An encoded frame and the connection that does not get it."""
_EXCLUDED = itemgetter(1)


class Channel:
    """One channel of one app, as this process sees it.

    Args:
        app_id: the app's id.
        name: the channel's name.
        kind: its kind.
        clock: measures rounds and spaces out their slices.
        tell: hears `Delivered` once a round.

    Attributes:
        subscribers: the connections, each with the ``send`` of its wire.
        holders: how many subscriptions are under way; the channel is kept for them.
        watched: whether the bus brings what other nodes publish to it.
    """

    __slots__ = (
        "_clock",
        "_end_of_turn",
        "_newcomers",
        "_pending",
        "_pending_since",
        "_tell",
        "app_id",
        "holders",
        "kind",
        "name",
        "subscribers",
        "watched",
    )

    def __init__(
        self, app_id: str, name: str, kind: Kind, clock: Clock, tell: Callable[[Occurrence], None]
    ) -> None:
        self.app_id = app_id
        self.name = name
        self.kind = kind
        self.subscribers: dict[Connection, Callable[[bytes], None]] = {}
        self.holders = 0
        self.watched = False
        self._clock = clock
        self._tell = tell
        # Frames that wait for the end of the turn or of the round under way; None while nothing is to come.
        self._pending: list[Frame] | None = None
        self._pending_since = 0.0
        self._end_of_turn: Call | None = None
        # Who joined since the first of them, and how many waiting frames are older than that.
        self._newcomers: dict[Connection, int] = {}

    def add(self, connection: Connection, send: Callable[[bytes], None] | None = None) -> None:
        """Let a connection receive what is delivered from now on; one that does already goes on.

        Args:
            connection: the connection.
            send: takes the frames, in place of its wire.
        """
        if connection in self.subscribers:
            return
        self.subscribers[connection] = send or connection.wire.send
        if self._pending is not None:
            self._newcomers[connection] = len(self._pending)

    def replace(self, connection: Connection, send: Callable[[bytes], None]) -> None:
        """Let ``send`` take the frames of a connection from now on, if it is here."""
        if connection in self.subscribers:
            self.subscribers[connection] = send

    def remove(self, connection: Connection) -> None:
        """Let it receive nothing more."""
        self.subscribers.pop(connection, None)
        self._newcomers.pop(connection, None)

    def deliver(self, frames: Sequence[Frame]) -> None:
        """Send frames to all subscribers at the end of this turn, or after the round under way."""
        idle = self._pending is None
        if not self._pending:
            self._pending, self._pending_since = [], self._clock.seconds()
        self._pending.extend(frames)
        if idle:
            self._end_of_turn = self._clock.callLater(0, self._next_round)

    def flush(self) -> None:
        """Send at once what waits for the end of this turn."""
        if self._end_of_turn is not None:
            self._end_of_turn.cancel()
            self._next_round()

    def _round(
        self, frames: Sequence[Frame], newcomers: dict[Connection, int], since: float
    ) -> None:
        payload = frames[0][0] if len(frames) == 1 else b"".join([frame for frame, _ in frames])
        messages = size = 0
        apart: dict[Connection, list[bytes]] = {}
        if newcomers or any(map(_EXCLUDED, frames)):
            apart = self._apart(frames, newcomers)
            for connection, own in apart.items():
                if own:
                    joined = b"".join(own)
                    self.subscribers[connection](joined)
                    messages, size = messages + len(own), size + len(joined)
        alike = len(self.subscribers) - len(apart)
        messages, size = messages + alike * len(frames), size + alike * len(payload)
        if alike > SLICE:
            self._pending = []
            receivers = [c for c in self.subscribers if c not in apart]
            self._slice(receivers, 0, payload, len(frames), (messages, size, since))
            return
        if apart:
            sends = [send for c, send in self.subscribers.items() if c not in apart]
        else:
            sends = list(self.subscribers.values())
        for send in sends:
            send(payload)
        self._finished(messages, size, since)

    def _apart(
        self, frames: Sequence[Frame], newcomers: dict[Connection, int]
    ) -> dict[Connection, list[bytes]]:
        """Find the subscribers who do not get every frame, with those that they get."""
        some = newcomers.keys() | {excluded for _, excluded in frames if excluded is not None}
        return {
            connection: [
                frame
                for frame, excluded in frames[newcomers.get(connection, 0) :]
                if excluded is not connection
            ]
            for connection in some & self.subscribers.keys()
        }

    def _slice(
        self,
        receivers: list[Connection],
        begin: int,
        payload: bytes,
        frames: int,
        sent: tuple[int, int, float],
    ) -> None:
        end = begin + SLICE
        subscribers, newcomers, gone = self.subscribers, self._newcomers, 0
        for connection in receivers[begin:end]:
            # Who left has no write any more; who left and came back must not get what is older.
            if connection in subscribers and connection not in newcomers:
                subscribers[connection](payload)
            else:
                gone += 1
        messages, size, since = sent
        sent = (messages - gone * frames, size - gone * len(payload), since)
        if end < len(receivers):
            self._clock.callLater(0, self._slice, receivers, end, payload, frames, sent)
            return
        self._finished(*sent)
        self._next_round()

    def _next_round(self) -> None:
        self._end_of_turn = None
        frames, self._pending = self._pending, None
        newcomers, self._newcomers = self._newcomers, {}
        if frames:
            self._round(frames, newcomers, self._pending_since)

    def _finished(self, messages: int, size: int, since: float) -> None:
        if messages:
            seconds = self._clock.seconds() - since
            self._tell(Delivered(self.app_id, self.kind, messages, size, seconds))
