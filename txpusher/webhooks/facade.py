"""All of the webhooks as one part, for the composition root.

Three steps that know each other by one function each: `Decider` hears occurrences and says which events follow; the
`TargetQueue` of every target that wants an event keeps it until it is accepted or given up; a `RequestSender` makes one
HTTP request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from txpusher.interfaces import Health
from txpusher.webhooks.deciding import Decider
from txpusher.webhooks.event import WebhookEvent, write
from txpusher.webhooks.kinds import KINDS
from txpusher.webhooks.receiver import Receiver, Surroundings

if TYPE_CHECKING:
    from txpusher.core.occurrences import Occurrence
    from txpusher.interfaces import Clock
    from txpusher.model import App
    from txpusher.webhooks.queue import Terms
    from txpusher.webhooks.request import RequestSender

_log = Logger()


class _Known(NamedTuple):
    """An app as it was last seen, and its receivers in the order of its targets."""

    app: App | None
    receivers: list[Receiver]


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
    ) -> None:
        self._app_of = app_of
        self._clock = clock
        self._time = time
        self._around = Surroundings(sender, clock, random, tell, terms)
        self._decider = Decider(clock, delay, self._decided)
        self._known: dict[str, _Known] = {}
        self.hears: dict[type, Callable[[Any], None]] = dict.fromkeys(
            self._decider.concerns, self._heard
        )

    # What happens

    def _heard(self, occurrence: Any) -> None:
        # On the hot path of every app: one without webhooks costs these few lines.
        app = self._app_of(occurrence.app_id)
        known = self._known.get(occurrence.app_id)
        if known is None or known.app is not app:
            known = self._learn(occurrence.app_id, app)
        # The channels of signed-in users are the server's own affair.
        if known.receivers and not occurrence.channel.startswith("#"):
            self._decider.hear(occurrence)

    def _decided(self, kind: str, occurrence: Any) -> None:
        known = self._known[occurrence.app_id]
        queues = [r.queue for r in known.receivers if r.wants(kind, occurrence.channel)]
        if queues:
            text = write(kind, KINDS[kind].fields(occurrence))
            event = WebhookEvent(kind, text, int(self._time() * 1000), self._clock.seconds())
            for queue in queues:
                queue.put(event)

    # Apps that change

    def changed(self, app_id: str, app: App | None) -> None:
        """Serve an app as it is now; what waits for targets that it has no more is dropped.

        Args:
            app_id: the app.
            app: None when it is gone.
        """
        if app_id in self._known:
            self._learn(app_id, app)

    def _learn(self, app_id: str, app: App | None) -> _Known:
        """Find the receivers of an app's targets; the same address is the same receiver."""
        left: dict[str, list[Receiver]] = {}
        before = self._known.get(app_id)
        for receiver in before.receivers if before else ():
            left.setdefault(receiver.target.url, []).append(receiver)
        known = _Known(app, self._receivers(app, left) if app is not None and app.enabled else [])
        self._known[app_id] = known
        for receivers in left.values():
            for receiver in receivers:
                receiver.queue.end("target_removed")
        return known

    def _receivers(self, app: App, there: dict[str, list[Receiver]]) -> list[Receiver]:
        """Take the receivers of an app's targets out of those that are there, or make them."""
        receivers = []
        for position, target in enumerate(app.webhooks, 1):
            same = there.get(target.url)
            if same:
                receiver = same.pop(0)
                receiver.adopt(app, target, position)
            else:
                receiver = Receiver(app, target, position, self._around)
            receivers.append(receiver)
        return receivers

    # For the metrics and the health

    def waiting(self) -> dict[tuple[str, str], int]:
        """Count the events that are not accepted yet, by app id and kind; zeros for kinds that targets want."""
        numbers: Counter[tuple[str, str]] = Counter()
        for app_id, known in self._known.items():
            for receiver in known.receivers:
                numbers.update(dict.fromkeys(((app_id, k) for k in receiver.target.event_types), 0))
                numbers.update((app_id, event.kind) for event in receiver.queue)
        return dict(numbers)

    def health(self) -> Health:
        """Tell whether a receiver is so far behind that more than half of its queue is taken."""
        for app_id, known in self._known.items():
            for position, receiver in enumerate(known.receivers, 1):
                if receiver.queue.is_filling:
                    detail = f"webhook target {position} of app {app_id} is behind"
                    return Health(ok=False, detail=detail)
        return Health()

    # Starting and stopping

    def start(self) -> None:
        """Begin, or begin again."""
        self._known = {}
        self._decider.open()

    def close(self) -> None:
        """Wait for nobody's return any more: the server is about to send its clients away."""
        self._decider.close()

    async def stop(self, seconds: float) -> None:
        """Send what waits, for as long as that at most; the rest is dropped and logged as a number."""
        self.close()
        queues = [r.queue for known in self._known.values() for r in known.receivers]
        await gatherResults([Deferred.fromCoroutine(queue.finish(seconds)) for queue in queues])
        self._around.sender.close()
        left = sum(queue.left for queue in queues)
        if left:
            _log.warn("{number} webhook events could not be sent before the stop", number=left)
