"""Works off those of the cluster's queues whose claim this node has.

::

   outbox --pull--> receiver's queue --> accepted, or given up --pull, with their ids--> gone from the outbox

An event stays in the outbox until it is done with. When this node dies, another one gets the claim and begins with the
oldest event that is there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, gatherResults

from txpusher.core.occurrences import WebhookDropped
from txpusher.errors import ServiceUnavailable
from txpusher.webhooks.background import run
from txpusher.webhooks.event import WebhookEvent
from txpusher.webhooks.reporting import lost_with_target

if TYPE_CHECKING:
    from txpusher.core.occurrences import Occurrence
    from txpusher.interfaces import Clock
    from txpusher.outbox import Outbox, Pulled, Queue, Waiting
    from txpusher.webhooks.receiver import Receiver

STRANGE_FOR = 60.0
"""Seconds that an event waits for a target that this node does not know: another one may have newer settings."""


class _Claim:
    """A queue of this node's, and how far it is."""

    def __init__(self, queue: Queue, receiver: Receiver) -> None:
        self.queue = queue
        self.receiver = receiver
        self.after = b""
        self.done: list[bytes] = []
        self.pulling = False
        # Whether there is a reason to pull that the pull under way came too early for.
        self.due = False


class Relay:
    """See the module.

    Args:
        outbox: has the queues.
        clock: tells the time.
        find: gives the receiver of a queue, or None when there is none.
        tell: hears what is dropped.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        find: Callable[[Queue], Awaitable[Receiver | None]],
        tell: Callable[[Occurrence], None],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._find = find
        self._tell = tell
        self._claims: dict[Queue, _Claim] = {}
        self._open = True

    @property
    def queues(self) -> list[Queue]:
        """The queues whose claims this node has."""
        return list(self._claims)

    def start(self) -> None:
        """Work queues off, again."""
        self._open = True

    def claimed(self, queues: Sequence[Queue]) -> None:
        """Work these off, as they are this node's and have something in them."""
        if self._open:
            for queue in queues:
                run(self._claimed, queue)
        elif queues:
            run(self._outbox.release, queues)

    def lost(self, queues: Iterable[Queue]) -> None:
        """Leave these to another node, which has them by now."""
        for queue in queues:
            claim = self._claims.pop(queue, None)
            if claim is not None:
                run(_abandon, claim.receiver, 0)

    def retry(self) -> None:
        """Pull where it failed, as the outbox may be back."""
        for claim in list(self._claims.values()):
            if claim.due:
                self._pull(claim)

    def ended(self, queue: Queue) -> None:
        """Drop what waits for a target that is there no more, if it is this node's to do so."""
        claim = self._claims.pop(queue, None)
        if claim is not None:
            run(self._drop, queue)
            run(_abandon, claim.receiver, 0)

    async def stop(self, seconds: float) -> None:
        """Leave all to the others; what is under way has as many seconds left."""
        self._open = False
        claims, self._claims = self._claims, {}
        leaving = [_abandon(claim.receiver, seconds) for claim in claims.values()]
        await gatherResults([Deferred.fromCoroutine(one) for one in leaving])
        for claim in claims.values():
            if claim.done:
                await self._outbox.pull(claim.queue, claim.done, b"", 0)
        if claims:
            await self._outbox.release(list(claims))

    # Claims

    async def _claimed(self, queue: Queue) -> None:
        if queue not in self._claims:
            receiver = await self._find(queue)
            if not self._open:
                await self._outbox.release([queue])
                return
            if receiver is None:
                await self._strange(queue)
                return
            if queue not in self._claims:
                self._claims[queue] = claim = _Claim(queue, receiver)
                receiver.reporter.finished = lambda events: self._finished(claim, events)
        self._pull(self._claims[queue])

    async def _strange(self, queue: Queue) -> None:
        pulled = await self._outbox.pull(queue, (), b"", 1)
        if pulled.events and pulled.events[0].age >= STRANGE_FOR:
            await self._drop(queue)
        elif pulled.claimed:
            await self._outbox.release([queue])

    async def _drop(self, queue: Queue) -> None:
        dropped = await self._outbox.drop(queue)
        for kind, number in dropped.items():
            for _ in range(number):
                self._tell(WebhookDropped(queue.app_id, kind, "target_removed"))
        lost_with_target(queue.app_id, sum(dropped.values()))

    # Events

    def _finished(self, claim: _Claim, events: Sequence[WebhookEvent]) -> None:
        claim.done += [event.id for event in events]
        self._pull(claim)

    def _pull(self, claim: _Claim) -> None:
        claim.due = True
        if not claim.pulling:
            claim.pulling = True
            # Not before this turn is over: the receiver's queue is in the middle of something.
            self._clock.callLater(0, run, self._pull_while_due, claim)

    async def _pull_while_due(self, claim: _Claim) -> None:
        try:
            while claim.due and self._claims.get(claim.queue) is claim:
                claim.due = False
                self._take(claim, await self._pulled(claim))
        finally:
            claim.pulling = False

    async def _pulled(self, claim: _Claim) -> Pulled:
        done, claim.done = claim.done, []
        # No more than the next request takes: what is in hand is not the outbox' any more to drop for want of room.
        in_hand = sum(1 for _ in claim.receiver.queue)
        most = max(0, claim.receiver.queue.size - in_hand)
        try:
            return await self._outbox.pull(claim.queue, done, claim.after, most)
        except ServiceUnavailable:
            claim.done, claim.due = done + claim.done, True
            raise

    def _take(self, claim: _Claim, pulled: Pulled) -> None:
        if self._claims.get(claim.queue) is not claim:
            return
        if pulled.empty:
            # What is in hand all the same, as the outbox has forgotten everything, is sent.
            del self._claims[claim.queue]
        elif not pulled.claimed:
            self.lost([claim.queue])
        for waiting in pulled.events:
            claim.after = waiting.id
            claim.receiver.queue.put(self._event(waiting))

    def _event(self, waiting: Waiting) -> WebhookEvent:
        created = self._clock.seconds() - waiting.age
        return WebhookEvent(waiting.kind, waiting.text, waiting.time_ms, created, waiting.id)


async def _abandon(receiver: Receiver, seconds: float) -> None:
    queue = receiver.queue
    receiver.begin_anew()
    await queue.abandon(seconds)
