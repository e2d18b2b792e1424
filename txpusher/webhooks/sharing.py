"""The part of webhooks that the nodes of a cluster do together, by way of their outbox.

::

   occurrences --> Spool --tell--> outbox: who was told what, and a queue per target --pull--> Relay --> receivers
                     ^                |
                     +--look again----+

That a channel is occupied or vacated, or a member added or removed, is a reason to look at it, on whichever node it was
heard. The outbox asks the roster, compares with what receivers were told, and tells them what is new, if it is still so
after the delay. So it does not matter which node heard what first, nor whether one of them died in between.

A beat every second keeps the claims of this node, takes over what nobody works off, and looks at whoever is due.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from txpusher.core.occurrences import (
    ChannelOccupied,
    ChannelRestored,
    ChannelVacated,
    MemberAdded,
    MemberRemoved,
    MemberRestored,
    WebhookDropped,
)
from txpusher.errors import ServiceUnavailable
from txpusher.outbox import Look, Notice, Queue, Subject, Sweep
from txpusher.webhooks.background import run
from txpusher.webhooks.event import write
from txpusher.webhooks.kinds import KINDS
from txpusher.webhooks.relay import Relay
from txpusher.webhooks.spool import Spool

if TYPE_CHECKING:
    from txpusher.core.occurrences import Occurrence
    from txpusher.interfaces import Call, Clock
    from txpusher.outbox import Beat, Outbox, Told
    from txpusher.webhooks.receiver import Receiver

_log = Logger()

EVERY = 1.0
"""Seconds between two beats, less up to a tenth by chance."""
SOONEST = 0.1
AT_ONCE = 0.02
"""The shortest time between two beats; and when there is more to do than one of them does."""
RESTORED = (ChannelRestored, MemberRestored)
LOOKS: frozenset[type] = frozenset(
    (ChannelOccupied, ChannelVacated, MemberAdded, MemberRemoved, *RESTORED)
)
"""The occurrences that are a reason to look."""
_NAMES = {kind.occurrence: name for name, kind in KINDS.items()}


class Sharing:
    """See the module.

    Args:
        outbox: what the nodes share.
        clock: waits.
        random: as `random.random`.
        tell: hears what is dropped.
        delay: seconds that somebody has to be gone before it is told.
        room: events that a queue may hold.
        receivers: gives an app's receivers, asking for the app if need be.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        random: Callable[[], float],
        tell: Callable[[Occurrence], None],
        delay: float,
        room: int,
        receivers: Callable[[str], Awaitable[Sequence[Receiver]]],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._random = random
        self._tell = tell
        self._receivers = receivers
        self._relay = Relay(outbox, clock, self._find, tell)
        self._spool = Spool(outbox, clock, delay, room, self._told, self._no_room)
        self._sweep = Sweep()
        self._losing = False  # as there is no room while the outbox is away
        self._call: Call | None = None
        self.lengths: Mapping[Queue, Mapping[str, int]] = {}

    # What happens

    def look(self, occurrence: Any, receivers: Sequence[Receiver]) -> None:
        """Find out what has to be told of whom an occurrence is about."""
        subject = Subject(*occurrence)
        self._spool.add(_look(subject, receivers, known=isinstance(occurrence, RESTORED)))

    def put(self, app_id: str, kind: str, text: str, receivers: Sequence[Receiver]) -> None:
        """Put an event into the queues of receivers that want it."""
        self._spool.add(Notice(app_id, kind, text, [receiver.name for receiver in receivers]))

    def ended(self, app_id: str, receiver: Receiver, last: bool) -> None:
        """Drop what waits for a receiver; when it was the app's last one, forget what they were told."""
        self._relay.ended(Queue(app_id, receiver.name))
        if last:
            run(self._outbox.forget, app_id)

    def _told(self, told: Told) -> None:
        self._losing = False
        for queue, kind in told.overflowed:
            self._tell(WebhookDropped(queue.app_id, kind, "queue_full"))
        for queue in dict.fromkeys(queue for queue, _ in told.overflowed):
            run(self._overflowed, queue)
        self._relay.claimed(told.claimed)

    async def _overflowed(self, queue: Queue) -> None:
        receiver = await self._find(queue)
        if receiver is not None:
            receiver.reporter.shared_overflowed()

    def _no_room(self, news: Look | Notice) -> None:
        self._dropped(news, "adapter_away")
        if not self._losing:
            self._losing = True
            _log.warn(
                "Too many webhook events wait for the adapter to be back; the oldest are lost"
            )

    def _dropped(self, news: Look | Notice, reason: str) -> None:
        notice = news.gone if isinstance(news, Look) else news
        for _ in notice.targets:
            self._tell(WebhookDropped(notice.app_id, notice.kind, reason))

    async def _find(self, queue: Queue) -> Receiver | None:
        receivers = await self._receivers(queue.app_id)
        return next((one for one in receivers if one.name == queue.target), None)

    # The beat

    def start(self) -> None:
        """Begin, or begin again."""
        self._relay.start()
        self._beat()

    async def stop(self, seconds: float) -> int:
        """Leave to the others what there is to do; what is under way has as many seconds left.

        Returns:
            How many events are lost, as the outbox is away.
        """
        if self._call is not None:
            self._call.cancel()
            self._call = None
        end = self._clock.seconds() + seconds
        await self._spool.emptied(seconds)
        left = self._spool.drop()
        for news in left:
            self._dropped(news, "stopped")
        with suppress(ServiceUnavailable):  # the claims end by themselves
            await self._relay.stop(max(0, end - self._clock.seconds()))
        return len(left)

    def _beat(self) -> None:
        self._call = None
        run(self._beat_once)

    async def _beat_once(self) -> None:
        # Whatever goes wrong, there is a next one; `stop` cancels it.
        self._call = self._clock.callLater(EVERY * (1 - self._random() / 10), self._beat)
        beat = await self._outbox.beat(self._relay.queues, self._sweep)
        self._sweep = beat.sweep
        self.lengths = beat.lengths
        self._relay.lost(beat.lost)
        self._relay.claimed(beat.taken)
        self._relay.retry()
        self._hasten(beat)
        self._spool.flush()
        for subject in beat.due:
            run(self._look_again, subject)

    def _hasten(self, beat: Beat) -> None:
        """Come back when somebody is due, if that is soon."""
        if self._call is not None and beat.wait is not None and beat.wait < EVERY:
            self._call.cancel()
            soon = max(SOONEST, beat.wait + AT_ONCE) if beat.wait else AT_ONCE
            self._call = self._clock.callLater(soon, self._beat)

    async def _look_again(self, subject: Subject) -> None:
        self._spool.add(_look(subject, await self._receivers(subject.app_id), known=False))


def _look(subject: Subject, receivers: Sequence[Receiver], *, known: bool) -> Look:
    is_user = subject.user_id is not None
    come = MemberAdded if is_user else ChannelOccupied
    gone = MemberRemoved if is_user else ChannelVacated
    return Look(
        subject, _notice(come, subject, receivers), _notice(gone, subject, receivers), known
    )


def _notice(what: Any, subject: Subject, receivers: Sequence[Receiver]) -> Notice:
    name = _NAMES[what]
    targets = [one.name for one in receivers if one.wants(name, subject.channel)]
    about = what(*[part for part in subject if part is not None])
    text = write(name, KINDS[name].fields(about)) if targets else ""
    return Notice(subject.app_id, name, text, targets)
