"""The contract of what the nodes of a cluster share about webhooks.

Receivers are told of what is true in the whole cluster, once, and in order. So it is remembered in one place what they
were told (who is there), and what waits for each of them (a queue per target, of which one node at a time has the
*claim*). A node says whom to look at; the decision, the change of what was told, and the event's coming into the queues
are one step. Whoever looks at the same thing twice changes nothing, so all of it may be said again at any time.

The words are those of the pattern "transactional outbox".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Subject(NamedTuple):
    """Who may be there or gone: a channel, or a user on a presence channel."""

    app_id: str
    channel: str
    user_id: str | None = None


class Queue(NamedTuple):
    """The queue of one target of an app; ``target`` is no address, as those may be secret."""

    app_id: str
    target: str


class Notice(NamedTuple):
    """An event for the queues of some targets of one app.

    Args:
        app_id: the app.
        kind: the event's name.
        text: the event as JSON.
        targets: whose queues.
        age: seconds since it was created.
    """

    app_id: str
    kind: str
    text: str
    targets: Sequence[str]
    age: float = 0.0


class Look(NamedTuple):
    """A question to be decided: have receivers to be told that somebody is there, or gone?

    Args:
        subject: whom to look at; the roster knows whether it is there.
        come, gone: what is told.
        known: whether receivers have been told that it is there, although that may be forgotten.
    """

    subject: Subject
    come: Notice
    gone: Notice
    known: bool = False


class Told(NamedTuple):
    """What became of it.

    Args:
        claimed: queues that got events and whose claim this node has.
        overflowed: queue and kind of every event that had to be dropped, as there was no room.
    """

    claimed: Sequence[Queue]
    overflowed: Sequence[tuple[Queue, str]]


class Waiting(NamedTuple):
    """An event in a queue.

    Args:
        id: greater than those of the events before.
        kind, text: as in `Notice`.
        time_ms: when it was created, in unix milliseconds.
        age: seconds since then.
    """

    id: bytes
    kind: str
    text: str
    time_ms: int
    age: float


class Pulled(NamedTuple):
    """The oldest events of a queue.

    Args:
        claimed: whether this node still has the claim; it has not when another node has it, or when nothing is left.
        empty: whether nothing is left.
        events: those that were asked for.
    """

    claimed: bool
    empty: bool
    events: Sequence[Waiting]


class Sweep(NamedTuple):
    """How far the subjects of an app are looked through: a cursor of the outbox.

    Without an app it is time for another one. Which one is the outbox's choice, as a node need not know of an app whose
    subjects another node has left behind.
    """

    app_id: str = ""
    cursor: bytes = b""


class Beat(NamedTuple):
    """What there is to do.

    Args:
        lost: queues that are another node's by now.
        taken: queues that nobody worked off, whose claim this node has from now on.
        due: whom to look at.
        lengths: of each queue of this node, events by kind.
        wait: seconds until somebody else has to be looked at, or None.
        sweep: where to go on.
    """

    lost: Sequence[Queue]
    taken: Sequence[Queue]
    due: Sequence[Subject]
    lengths: Mapping[Queue, Mapping[str, int]]
    wait: float | None
    sweep: Sweep


class Outbox(Protocol):
    """See the module. Every method may raise `txpusher.errors.ServiceUnavailable`."""

    async def tell(self, news: Sequence[Look | Notice], delay: float, room: int) -> Told:
        """Decide and put events into queues, in this order, and claim those queues that nobody has.

        Args:
            news: a hundred at most.
            delay: seconds that somebody has to be gone before it is told. Who is gone for less is looked at later: see
                `beat`.
            room: events that a queue holds at most, beside a bound on their bytes; the oldest are dropped of those that
                nobody has pulled.
        """

    async def pull(self, queue: Queue, done: Sequence[bytes], after: bytes, most: int) -> Pulled:
        """Take events off a queue that are done with, and give those that follow.

        Args:
            queue: whose claim this node has, or had.
            done: ids of events.
            after: the id after which to begin; empty for the oldest.
            most: how many are given at most.
        """

    async def beat(self, queues: Sequence[Queue], sweep: Sweep) -> Beat:
        """Keep the claims of this node and see what there is to do; to be called every second or so.

        A claim that is not kept for the time of a lease is over.

        Args:
            queues: those that this node has, or had.
            sweep: where to look for subjects that are gone and of whose end nobody has said anything.
        """

    async def release(self, queues: Sequence[Queue]) -> None:
        """Give claims up; other nodes take them with their next beat."""

    async def drop(self, queue: Queue) -> Mapping[str, int]:
        """Empty a queue, and count what was in it by kind."""

    async def forget(self, app_id: str) -> None:
        """Forget what receivers of an app were told: it has none any more."""
