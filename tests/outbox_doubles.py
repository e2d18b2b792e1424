"""An outbox in memory: what several nodes of one process share about webhooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from twisted.internet.task import Clock

from tests.doubles import RecordingObserver, now
from tests.webhook_doubles import StandInSender
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.occurrences import ChannelOccupied, ChannelVacated, MemberAdded, MemberRemoved
from txpusher.core.telling import teller
from txpusher.errors import ServiceUnavailable
from txpusher.model import App, PresenceMember
from txpusher.outbox import Beat, Look, Notice, Pulled, Queue, Subject, Sweep, Told, Waiting
from txpusher.webhooks.facade import Webhooks
from txpusher.webhooks.queue import Terms

LEASE = 15.0
"""Seconds that a claim holds."""


@dataclass
class OutboxHub:
    """What the nodes share.

    Attributes:
        told: whom receivers take for there (None), or since when they are gone.
        looks: when somebody has to be looked at.
        queues: id, notice and time of creation of each event.
        claims: who has a queue, and until when.
        hands: the last event that was pulled.
        away: whether it cannot be reached.
    """

    hub: Hub
    clock: Clock
    told: dict[Subject, float | None] = field(default_factory=dict)
    looks: dict[Subject, float] = field(default_factory=dict)
    queues: dict[Queue, dict[bytes, tuple[Notice, float]]] = field(default_factory=dict)
    claims: dict[Queue, tuple[str, float]] = field(default_factory=dict)
    hands: dict[Queue, bytes] = field(default_factory=dict)
    away: bool = False
    numbers: count = field(default_factory=lambda: count(1))

    def node(self, name: str) -> MemoryAdapter:
        """Make the adapter of one node."""
        adapter = MemoryAdapter(self.hub)
        adapter.outbox = MemoryOutbox(self, name)
        return adapter

    def forget(self) -> None:
        """Be as after a restart of something that keeps nothing."""
        for part in (self.told, self.looks, self.queues, self.claims, self.hands):
            part.clear()


class MemoryOutbox:
    """See `txpusher.outbox.Outbox`; this is one node's.

    Attributes:
        asked: the names of the methods that were called.
        dead: whether its node is.
    """

    def __init__(self, shared: OutboxHub, name: str) -> None:
        self.shared = shared
        self.name = name
        self.asked: list[str] = []
        self.dead = False

    def _begin(self, what: str) -> float:
        self.asked.append(what)
        if self.shared.away or self.dead:
            raise ServiceUnavailable("away")
        return self.shared.clock.seconds()

    def _is_there(self, subject: Subject) -> bool:
        roster = self.shared.hub.roster
        if subject.user_id is None:
            return subject.channel in now(roster.channels(subject.app_id))
        members = now(roster.members(subject.app_id, subject.channel))
        return subject.user_id in {member.user_id for member in members}

    def _claim(self, queue: Queue) -> bool:
        owner, until = self.shared.claims.get(queue, ("", 0.0))
        time = self.shared.clock.seconds()
        if until > time and owner != self.name:
            return False
        self.shared.claims[queue] = (self.name, time + LEASE)
        return True

    async def tell(self, news: Sequence[Look | Notice], delay: float, room: int) -> Told:
        """See `txpusher.outbox.Outbox`."""
        self._begin("tell")
        claimed: dict[Queue, None] = {}
        overflowed: list[tuple[Queue, str]] = []
        for one in news:
            notice = one if isinstance(one, Notice) else self._decided(one, delay)
            for target in notice.targets if notice is not None else ():
                queue = Queue(notice.app_id, target)
                overflowed += self._put(queue, notice, room)
                if self._claim(queue):
                    claimed[queue] = None
        return Told(list(claimed), overflowed)

    def _put(self, queue: Queue, notice: Notice, room: int) -> list[tuple[Queue, str]]:
        shared = self.shared
        events = shared.queues.setdefault(queue, {})
        created = shared.clock.seconds() - notice.age
        events[b"%012d" % next(shared.numbers)] = (notice, created)
        free = [number for number in events if number > shared.hands.get(queue, b"")]
        too_many = free[: max(0, len(events) - room)]
        return [(queue, events.pop(number)[0].kind) for number in too_many]

    def _decided(self, look: Look, delay: float) -> Notice | None:
        shared, subject, time = self.shared, look.subject, self.shared.clock.seconds()
        if look.known:
            shared.told.setdefault(subject, None)
        known = subject in shared.told
        if self._is_there(subject):
            shared.told[subject] = None
            shared.looks.pop(subject, None)
            return None if known else look.come
        if known:
            since = shared.told[subject]
            since = time if since is None else since
            if time < since + delay:
                shared.told[subject] = since
                # Members first.
                shared.looks[subject] = since + delay + (0.001 if subject.user_id is None else 0)
                return None
        shared.looks.pop(subject, None)
        shared.told.pop(subject, None)
        return look.gone if known else None

    async def pull(self, queue: Queue, done: Sequence[bytes], after: bytes, most: int) -> Pulled:
        """See `txpusher.outbox.Outbox`."""
        time = self._begin("pull")
        events = self.shared.queues.get(queue, {})
        for number in done:
            events.pop(number, None)
        if not self._claim(queue):
            return Pulled(False, False, ())
        if not events:
            self._clear(queue)
            return Pulled(False, True, ())
        some = [number for number in events if number > after][:most]
        waiting = []
        for number in some:
            notice, at = events[number]
            self.shared.hands[queue] = number
            waiting.append(Waiting(number, notice.kind, notice.text, int(at * 1000), time - at))
        return Pulled(True, False, waiting)

    def _clear(self, queue: Queue) -> None:
        self.shared.queues.pop(queue, None)
        self.shared.claims.pop(queue, None)
        self.shared.hands.pop(queue, None)

    async def beat(self, queues: Sequence[Queue], sweep: Sweep) -> Beat:
        """See `txpusher.outbox.Outbox`."""
        time = self._begin("beat")
        shared = self.shared
        lost = [queue for queue in queues if not self._claim(queue)]
        free = [q for q in shared.queues if shared.claims.get(q, ("", 0.0))[1] <= time]
        taken = [queue for queue in free if self._claim(queue)]
        for subject in shared.told:
            if sweep.app_id in {"", subject.app_id} and not self._is_there(subject):
                shared.looks.setdefault(subject, time + 1)
        late = [subject for subject, at in shared.looks.items() if at <= time]
        due = sorted(late, key=lambda subject: shared.looks[subject])
        for subject in due:
            shared.looks[subject] = time + LEASE
        wait = min(shared.looks.values()) - time if shared.looks else None
        lengths = {
            queue: dict(Counter(notice.kind for notice, _ in shared.queues.get(queue, {}).values()))
            for queue in [*queues, *taken]
            if queue not in lost
        }
        return Beat(lost, taken, due, lengths, wait, Sweep())

    async def release(self, queues: Sequence[Queue]) -> None:
        """See `txpusher.outbox.Outbox`."""
        self._begin("release")
        for queue in queues:
            if self.shared.claims.get(queue, ("", 0.0))[0] == self.name:
                del self.shared.claims[queue]

    async def drop(self, queue: Queue) -> Mapping[str, int]:
        """See `txpusher.outbox.Outbox`."""
        self._begin("drop")
        kinds = Counter(notice.kind for notice, _ in self.shared.queues.get(queue, {}).values())
        self._clear(queue)
        return dict(kinds)

    async def forget(self, app_id: str) -> None:
        """See `txpusher.outbox.Outbox`."""
        self._begin("forget")
        for subject in [subject for subject in self.shared.told if subject.app_id == app_id]:
            del self.shared.told[subject]


class HookedNode:
    """A node with webhooks, on whose roster sockets come and go.

    Attributes:
        late: whether occurrences wait until `catch_up`.
    """

    def __init__(
        self,
        shared: OutboxHub,
        name: str,
        apps: dict[str, App],
        sender: StandInSender,
        **more: Any,
    ) -> None:
        self.name, self.apps, self.told = name, apps, RecordingObserver()
        self.adapter = shared.node(name)
        self.outbox: Any = self.adapter.outbox
        self.known = dict(apps)
        self.late = False
        self._untold: list[Any] = []
        terms = more.get("terms", Terms(0, 100, 1000))
        self.webhooks = Webhooks(
            lambda app_id: self.known.get(app_id),  # noqa: PLW0108 - tests change it
            sender,
            shared.clock,
            shared.clock.seconds,
            lambda: 0.0,
            self.told,
            more.get("delay", 3.0),
            terms,
            self.outbox,
            self.ask,
        )
        self.webhooks.start()
        self._tell = teller(self.webhooks)

    async def ask(self, app_id: str) -> App | None:
        """Look an app up."""
        return self.apps.get(app_id)

    def tell(self, *occurrences: Any) -> None:
        """State facts."""
        self._untold += occurrences
        if not self.late:
            self.catch_up()

    def catch_up(self) -> None:
        """State the facts that wait."""
        untold, self._untold = self._untold, []
        for occurrence in untold:
            self._tell(occurrence)

    def come(self, channel: str, user: str | None = None, socket_id: str = "1.1") -> None:
        """Let a socket subscribe."""
        member = None if user is None else PresenceMember(user)
        joined = now(self.adapter.roster.join("1", channel, socket_id, member))
        if joined.first_in_channel:
            self.tell(ChannelOccupied("1", channel))
        if joined.first_for_user:
            self.tell(MemberAdded("1", channel, user or ""))

    def go(self, channel: str, socket_id: str = "1.1") -> None:
        """Let a socket leave."""
        left = now(self.adapter.roster.leave("1", channel, socket_id))
        if left.last_for_user is not None:
            self.tell(MemberRemoved("1", channel, left.last_for_user.user_id))
        if left.last_in_channel:
            self.tell(ChannelVacated("1", channel))

    def die(self) -> None:
        """Say and do nothing any more."""
        self._untold.clear()
        self.outbox.dead = True
