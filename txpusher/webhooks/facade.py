"""All of the webhooks as one part, for the composition root.

Three steps that know each other by one function each: `Decider` hears occurrences and says which events follow; the
`TargetQueue` of every target that wants an event keeps it until it is accepted or given up; a `RequestSender` makes one
HTTP request. Where nodes share an outbox, `Sharing` stands between the first two, for what depends on the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from txpusher.interfaces import Health
from txpusher.outbox import Queue
from txpusher.webhooks.background import run
from txpusher.webhooks.deciding import Decider
from txpusher.webhooks.event import WebhookEvent, write
from txpusher.webhooks.kinds import KINDS
from txpusher.webhooks.receiver import Surroundings
from txpusher.webhooks.receivers import Receivers
from txpusher.webhooks.reporting import lost_with_target
from txpusher.webhooks.sharing import LOOKS, Sharing

if TYPE_CHECKING:
    from txpusher.core.occurrences import Occurrence
    from txpusher.interfaces import Clock
    from txpusher.model import App
    from txpusher.outbox import Outbox
    from txpusher.webhooks.queue import Terms
    from txpusher.webhooks.receiver import Receiver
    from txpusher.webhooks.request import RequestSender

_log = Logger()


async def _nobody(_: str) -> None:
    """Know no app."""


class Webhooks:
    """A `txpusher.interfaces.Observer` that tells applications what happens.

    Args:
        app_of: gives an app as it is now, by its id; it is asked for every occurrence.
        sender: sends requests.
        clock: waits.
        time: the time of day, as `time.time`.
        random: spreads retries, as `random.random`.
        tell: hears what becomes of events.
        delay: seconds before it is told that somebody is gone.
        terms: how targets are served that do not say it themselves.
        outbox: what the nodes of a cluster share; None where there is one node.
        ask: gives an app that ``app_of`` does not know, or None; for queues that other nodes have filled.

    Attributes:
        hears: what it reacts to.
    """

    def __init__(
        self,
        app_of: Callable[[str], App | None],
        sender: RequestSender,
        clock: Clock,
        time: Callable[[], float],
        random: Callable[[], float],
        tell: Callable[[Occurrence], None],
        delay: float,
        terms: Terms,
        outbox: Outbox | None = None,
        ask: Callable[[str], Awaitable[App | None]] | None = None,
    ) -> None:
        self._app_of = app_of
        self._clock = clock
        self._time = time
        self._around = Surroundings(sender, clock, random, tell, terms)
        self._receivers = Receivers(self._around, self._ended, delay)
        self._ask = ask or _nobody
        self._sharing: Sharing | None = None
        self.hears: dict[type, Callable[[Any], None]]
        if outbox is None:
            self._decider = Decider(clock, delay, self._decided)
            self.hears = dict.fromkeys(self._decider.concerns, self._heard)
        else:
            self._share(outbox, delay)

    def _share(self, outbox: Outbox, delay: float) -> None:
        around = self._around
        alone = {name: kind for name, kind in KINDS.items() if kind.occurrence not in LOOKS}
        self._decider = Decider(around.clock, 0, self._decided, alone)
        self._sharing = Sharing(
            outbox,
            around.clock,
            around.random,
            around.tell,
            delay,
            around.terms.room,
            self._ask_receivers,
        )
        self.hears = dict.fromkeys(self._decider.concerns | LOOKS, self._heard)

    # What happens

    def _heard(self, occurrence: Any) -> None:
        app = self._app_of(occurrence.app_id)
        if app is None and self._sharing is not None:
            run(self._heard_for_others, occurrence)
        else:
            self._hear(occurrence, self._receivers.of(occurrence.app_id, app))

    async def _heard_for_others(self, occurrence: Any) -> None:
        # Of a dead node: nobody of this app was ever connected to this one.
        self._hear(occurrence, await self._ask_receivers(occurrence.app_id))

    def _hear(self, occurrence: Any, receivers: Sequence[Receiver]) -> None:
        # The channels of signed-in users are the server's own affair.
        if not receivers or occurrence.channel.startswith("#"):
            return
        if self._sharing is not None and type(occurrence) in LOOKS:
            self._sharing.look(occurrence, receivers)
        else:
            self._decider.hear(occurrence)

    def _decided(self, kind: str, occurrence: Any) -> None:
        app_id = occurrence.app_id
        known = self._receivers.known(app_id)
        receivers = [one for one in known if one.wants(kind, occurrence.channel)]
        if not receivers:
            return
        text = write(kind, KINDS[kind].fields(occurrence))
        if self._sharing is not None:
            self._sharing.put(app_id, kind, text, receivers)
            return
        event = WebhookEvent(kind, text, int(self._time() * 1000), self._clock.seconds())
        for receiver in receivers:
            receiver.queue.put(event)

    async def _ask_receivers(self, app_id: str) -> Sequence[Receiver]:
        app = self._app_of(app_id) or await self._ask(app_id)
        return self._receivers.of(app_id, app)

    # Apps that change

    def changed(self, app_id: str, app: App | None) -> None:
        """Serve an app as it is now; what waits for targets that it has no more is dropped.

        Args:
            app_id: the app.
            app: None when it is gone.
        """
        self._receivers.changed(app_id, app)

    def _ended(self, app_id: str, receiver: Receiver, last: bool) -> None:
        if self._sharing is None:
            receiver.queue.end("target_removed")
            lost_with_target(app_id, receiver.queue.left)
        else:
            self._sharing.ended(app_id, receiver, last)

    # For the metrics and the health

    def waiting(self) -> dict[tuple[str, str], int]:
        """Count the events that are not accepted yet, by app id and kind; zeros for kinds that targets want.

        Where nodes share an outbox, those of the queues that this node works off.
        """
        numbers: Counter[tuple[str, str]] = Counter()
        for app_id, _, receiver in self._receivers:
            numbers.update(dict.fromkeys(((app_id, k) for k in receiver.target.event_types), 0))
            numbers.update(self._lengths(app_id, receiver))
        return dict(numbers)

    def _lengths(self, app_id: str, receiver: Receiver) -> dict[tuple[str, str], int]:
        if self._sharing is None:
            return Counter((app_id, event.kind) for event in receiver.queue)
        kinds = self._sharing.lengths.get(Queue(app_id, receiver.name), {})
        return {(app_id, kind): number for kind, number in kinds.items()}

    def health(self) -> Health:
        """Tell whether a receiver is so far behind that more than half of its queue is taken."""
        for app_id, position, receiver in self._receivers:
            # What is under way needs no room.
            waiting = sum(self._lengths(app_id, receiver).values())
            if (
                receiver.queue.is_filling
                or waiting > receiver.queue.terms.room / 2 + receiver.queue.size
            ):
                detail = f"webhook target {position} of app {app_id} is behind"
                return Health(ok=False, detail=detail)
        return Health()

    # Starting and stopping

    def start(self) -> None:
        """Begin, or begin again."""
        self._receivers.clear()
        self._decider.open()
        if self._sharing is not None:
            self._sharing.start()

    def close(self) -> None:
        """Wait for nobody's return any more: the server is about to send its clients away.

        Where nodes share an outbox they may come back to another node, and go on being waited for.
        """
        self._decider.close()

    async def stop(self, seconds: float) -> None:
        """Send what waits, for as long as that at most; the rest is dropped and logged as a number.

        Where nodes share an outbox, what waits there is left to the others.
        """
        self.close()
        self._receivers.stop()
        left = await (
            self._finish(seconds) if self._sharing is None else self._sharing.stop(seconds)
        )
        self._around.sender.close()
        if left:
            _log.warn("{number} webhook events could not be sent before the stop", number=left)

    async def _finish(self, seconds: float) -> int:
        queues = [receiver.queue for _, _, receiver in self._receivers]
        await gatherResults([Deferred.fromCoroutine(queue.finish(seconds)) for queue in queues])
        return sum(queue.left for queue in queues)
