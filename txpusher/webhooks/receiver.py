"""One target of one app: what it wants, what waits for it, and how that is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from txpusher.webhooks.filtering import Filter
from txpusher.webhooks.queue import TargetQueue, Terms
from txpusher.webhooks.reporting import Reporter
from txpusher.webhooks.request import signed

if TYPE_CHECKING:
    from txpusher.core.occurrences import Occurrence
    from txpusher.interfaces import Clock
    from txpusher.model import App, WebhookTarget
    from txpusher.webhooks.event import WebhookEvent
    from txpusher.webhooks.request import RequestSender


class Surroundings(NamedTuple):
    """What all receivers of a server share.

    Args:
        sender: sends requests.
        clock: waits.
        random: spreads retries, as `random.random`.
        tell: hears what becomes of events.
        terms: those of targets that have none of their own.
    """

    sender: RequestSender
    clock: Clock
    random: Callable[[], float]
    tell: Callable[[Occurrence], None]
    terms: Terms


class Receiver:
    """See the module.

    Args:
        app, target, position: as for `adopt`.
        around: see `Surroundings`.
        name: of its queue, where the nodes of a cluster share that.

    Attributes:
        name: as given.
        target: its settings.
        wants: tells whether it wants a kind of event for a channel, see `Filter`.
        reporter: hears what becomes of that.
        queue: what waits for it.
    """

    def __init__(
        self, app: App, target: WebhookTarget, position: int, around: Surroundings, name: str = ""
    ) -> None:
        self.name = name
        self._around = around
        self.reporter = Reporter(app.id, around.clock, around.tell)
        self.queue = self._queue(around.terms)
        self.adopt(app, target, position)

    def begin_anew(self) -> None:
        """Take another queue, as the old one is abandoned."""
        self.queue = self._queue(self.queue.terms)

    def _queue(self, terms: Terms) -> TargetQueue:
        around = self._around
        return TargetQueue(terms, self._deliver, around.clock, around.random, self.reporter)

    def adopt(self, app: App, target: WebhookTarget, position: int) -> None:
        """Go on with these settings; what waits stays.

        Args:
            app: as it is now; its key and secret sign what is sent from now on.
            target: another one with the same address.
            position: of the target among its app's, from 1.
        """
        self._app, self.target = app, target
        self.wants = Filter(target).wants
        self.reporter.name(target, position)
        usual = self._around.terms
        self.queue.terms = Terms(
            usual.window if target.batch_window is None else target.batch_window,
            usual.size if target.batch_size is None else target.batch_size,
            usual.room,
        )

    async def _deliver(self, events: Sequence[WebhookEvent]) -> str | None:
        return await self._around.sender.send(signed(self._app, self.target, events))
