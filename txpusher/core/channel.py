"""The local subscribers of one channel, and the fan-out to them.

Three measures make a broadcast cheap, all measured (``docs/design/cork-and-slices.rst``):

* a frame is built once and each subscriber costs one ``write`` of the same bytes;
* frames go out at the end of the reactor turn in which they were published, and what is published in that turn, or
  while a round of writes is under way, goes out joined, one write a subscriber ("corking");
* a round yields to the reactor every `SLICE` subscribers, so that a large channel does not hold up the others, and
  publishers go on meanwhile: the faster they are, the more goes out joined.

The order of frames is kept for every subscriber. Somebody who joins gets only what is published after that; somebody
who leaves gets nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

from txpusher.core.occurrences import Delivered
from txpusher.core.rounds import Round

if TYPE_CHECKING:
    from txpusher.core.connection import Connection
    from txpusher.core.occurrences import Occurrence
    from txpusher.core.rounds import Frame, Send
    from txpusher.core.turn import Turn
    from txpusher.protocol.names import Kind

SLICE, SLICE_TIME = 200, 0.001
"""Subscribers that are served before others have their turn, and seconds, after which fewer are served: over TLS."""
STEP = 50
"""Subscribers between two looks at the clock."""
LONG_SLICE = 500
"""Subscribers while much waits for the end of the round: publishers have to be slower than that."""
MUCH = 32 * 1024
"""Bytes that are much; a joined write should fit the buffer of a socket."""
_EXCLUDED = itemgetter(1)


class Channel:
    """One channel of one app, as this process sees it.

    Args:
        app_id: the app's id.
        name: the channel's name.
        kind: its kind.
        turn: at its end frames go out; its clock measures rounds and spaces out their slices.
        tell: hears `Delivered` once a round.

    Attributes:
        subscribers: the connections, each with the ``send`` of its wire.
        holders: how many subscriptions are under way; the channel is kept for them.
        watched: whether the bus brings what other nodes publish to it.
    """

    __slots__ = (
        "_due",
        "_newcomers",
        "_pending",
        "_pending_since",
        "_pending_size",
        "_steady",
        "_step",
        "_tell",
        "_turn",
        "app_id",
        "holders",
        "kind",
        "name",
        "subscribers",
        "watched",
    )

    def __init__(
        self, app_id: str, name: str, kind: Kind, turn: Turn, tell: Callable[[Occurrence], None]
    ) -> None:
        self.app_id = app_id
        self.name = name
        self.kind = kind
        self.subscribers: dict[Connection, Send] = {}
        self.holders = 0
        self.watched = False
        self._turn = turn
        self._tell = tell
        # Frames that wait for the end of the turn or of the round under way; None while nothing is to come.
        self._pending: list[Frame] | None = None
        self._pending_since = 0.0
        # The bytes of those that came during the round.
        self._pending_size = 0
        # Whether they wait for the end of the turn.
        self._due = False
        # What is to be done at the end of the turn, if anything.
        self._step: Callable[[], None] | None = None
        # Whether all who were here when the round began still are, with the same ``send``.
        self._steady = True
        # Who joined since the first of them, and how many waiting frames are older than that.
        self._newcomers: dict[Connection, int] = {}

    def add(self, connection: Connection, send: Send | None = None) -> None:
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

    def replace(self, connection: Connection, send: Send) -> None:
        """Let ``send`` take the frames of a connection from now on, if it is here."""
        if connection in self.subscribers:
            self.subscribers[connection] = send
            self._steady = False

    def remove(self, connection: Connection) -> None:
        """Let it receive nothing more."""
        self.subscribers.pop(connection, None)
        self._newcomers.pop(connection, None)
        self._steady = False

    def deliver(self, frames: Sequence[Frame]) -> None:
        """Send frames to all subscribers at the end of this turn, or after the round under way."""
        idle = self._pending is None
        if not self._pending:
            self._pending, self._pending_since = [], self._turn.clock.seconds()
        self._pending.extend(frames)
        if idle:
            self._due = True
            self._then(self._next_round)
        elif not self._due:
            self._pending_size += sum([len(frame) for frame, _ in frames])

    def flush(self) -> None:
        """Send at once all that waits, and what is left of the round under way."""
        while self._step is not None:
            self._go_on()

    def _then(self, step: Callable[[], None]) -> None:
        self._step = step
        self._turn.at_end(self._go_on)

    def _go_on(self) -> None:
        step, self._step = self._step, None
        if step is not None:  # else it was done by `flush`
            step()

    def _slice(self, round_: Round, begin: int) -> None:
        end = len(round_)
        try:
            end = self._serve(round_, begin)
            if end == len(round_):
                self._finished(round_)
        finally:
            # A bug ends the round and not the channel, where all would wait for the end of that round.
            if end < len(round_):
                self._then(partial(self._slice, round_, end))
            else:
                self._next_round()

    def _serve(self, round_: Round, begin: int) -> int:
        """Serve as many as may be served in one turn; give the place of the next."""
        is_long = self._pending_size >= MUCH
        end = min(len(round_), begin + (LONG_SLICE if is_long else SLICE))
        seconds, since = self._turn.clock.seconds, self._turn.clock.seconds()
        while begin < end and (is_long or seconds() - since < SLICE_TIME):
            step = min(end, begin + STEP)
            if self._steady:
                round_.serve(begin, step)
            else:
                round_.serve_some(begin, step, self.subscribers, self._newcomers)
            begin = step
        return begin

    def _next_round(self) -> None:
        self._due = False
        frames, self._pending = self._pending, None
        newcomers, self._newcomers = self._newcomers, {}
        if not frames:
            return
        round_ = Round(frames, self._pending_since, self.subscribers)
        if newcomers or any(map(_EXCLUDED, frames)):
            round_.serve_apart(frames, newcomers)
        if len(round_) > SLICE:
            self._pending, self._pending_size, self._steady = [], 0, True
            self._slice(round_, 0)
        else:
            round_.serve(0, SLICE)
            self._finished(round_)

    def _finished(self, round_: Round) -> None:
        if round_.messages:
            seconds = self._turn.clock.seconds() - round_.since
            self._tell(Delivered(self.app_id, self.kind, round_.messages, round_.size, seconds))
