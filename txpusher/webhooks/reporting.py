"""What is told and logged of the events for one target.

Every event is counted; the log has a line when something begins and when it is over, not one per attempt. A line has
the app, the target's position among the app's, and its host: paths, headers and bodies may hold secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from twisted.logger import Logger, LogLevel

from txpusher.core.occurrences import WebhookDropped, WebhookFailed, WebhookRetried, WebhookSent

if TYPE_CHECKING:
    from txpusher.core.occurrences import Occurrence
    from txpusher.interfaces import Clock
    from txpusher.model import WebhookTarget
    from txpusher.webhooks.event import WebhookEvent

_log = Logger()

QUIET_FOR = 60.0
"""Seconds between two lines about a queue that the nodes share: none of them sees when it has room again."""


class Reporter:
    """Tells what becomes of the events for one target.

    Args:
        app_id: whose target it is.
        clock: measures how long events were under way.
        tell: hears every occurrence.

    Attributes:
        finished: is called with events that are accepted or dropped.
    """

    def __init__(self, app_id: str, clock: Clock, tell: Callable[[Occurrence], None]) -> None:
        self._app_id = app_id
        self._clock = clock
        self._tell = tell
        self.finished: Callable[[Sequence[WebhookEvent]], None] = lambda _: None
        self._position = 0
        self._host = ""
        self._failing = False
        self._overflowing = False
        self._quiet_until = -inf

    def name(self, target: WebhookTarget, position: int) -> None:
        """Say which target it is, and the how-manieth of its app."""
        self._host, self._position = urlsplit(target.url).hostname or "", position

    def accepted(self, events: Sequence[WebhookEvent]) -> None:
        """The receiver took them."""
        now = self._clock.seconds()
        for event in events:
            self._tell(WebhookSent(self._app_id, event.kind, now - event.created))
        if self._failing:
            self._failing = False
            self._line(LogLevel.info, "takes webhooks again")
        self.finished(events)

    def retried(self, events: Sequence[WebhookEvent]) -> None:
        """They are being sent again."""
        for event in events:
            self._tell(WebhookRetried(self._app_id, event.kind))

    def failed(self, events: Sequence[WebhookEvent], problem: str) -> None:
        """The receiver did not take them.

        Args:
            events: of the request.
            problem: why, without anything secret.
        """
        for event in events:
            self._tell(WebhookFailed(self._app_id, event.kind))
        if not self._failing:
            self._failing = True
            self._line(LogLevel.warn, f"does not take webhooks: {problem}; they will be sent again")

    def dropped(self, events: Sequence[WebhookEvent], reason: str) -> None:
        """They will not be sent any more."""
        for event in events:
            self._tell(WebhookDropped(self._app_id, event.kind, reason))
        self.finished(events)

    def expired(self, events: Sequence[WebhookEvent]) -> None:
        """They are too old to be sent."""
        self.dropped(events, "expired")
        self._line(LogLevel.warn, f"did not take {len(events)} events in time; they are lost")

    def overflowed(self, event: WebhookEvent) -> None:
        """There is no room for this one any more."""
        self.dropped([event], "queue_full")
        if not self._overflowing:
            self._overflowing = True
            self._full()

    def shared_overflowed(self) -> None:
        """There was no room in the queue that the nodes share; what is lost is told by whoever put it there."""
        now = self._clock.seconds()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_FOR
            self._full()

    def relaxed(self) -> None:
        """There is room again."""
        self._overflowing = False

    def _full(self) -> None:
        self._line(LogLevel.warn, "is behind and its queue is full; the oldest events are lost")

    def _line(self, level: LogLevel, text: str) -> None:
        _log.emit(
            level,
            "Webhook target {position} ({host}) of app {app_id} {text}",
            position=self._position,
            host=self._host,
            app_id=self._app_id,
            text=text,
        )


def lost_with_target(app_id: str, number: int) -> None:
    """Log how many events an app lost with a target that it has no more; says nothing when it is none."""
    if number:
        _log.warn(
            "{number} webhook events of app {app_id} are lost: their target is not configured any more",
            number=number,
            app_id=app_id,
        )
