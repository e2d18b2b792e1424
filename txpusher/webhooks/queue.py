"""The events that wait for one target, in order, and the one request that is under way.

::

   put --> waiting --(window over, or enough for a request)--> batch --deliver--> accepted
                                                                 ^        |
                                                                 +-pause--+ failed

Later events wait behind a batch that is sent again, so the receiver hears of everything in order. They wait in memory,
and not without bound: when there is no more room, the oldest of those that wait are dropped. What is too old is dropped
before it is sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import takewhile
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from txpusher.webhooks.pausing import Pause
from txpusher.webhooks.retrying import is_over, pause_after

if TYPE_CHECKING:
    from txpusher.interfaces import Clock
    from txpusher.webhooks.event import WebhookEvent
    from txpusher.webhooks.reporting import Reporter

_log = Logger()

MOST_BYTES = 64 * 1024 * 1024
"""Of the events that wait for one target, beside their number."""
MOST_BYTES_OF_REQUEST = 1024 * 1024
"""Of the events in one request; a single larger one is sent alone."""

Deliver = Callable[[Sequence["WebhookEvent"]], Coroutine[Any, Any, str | None]]
"""Sends events in one request; gives None when they were accepted, else why not. It may be cancelled."""


class Terms(NamedTuple):
    """How a target is served.

    Args:
        window: seconds for which events are collected into one request; 0 sends each alone.
        size: events of one request at most.
        room: events that may wait.
    """

    window: float
    size: int
    room: int


class TargetQueue:
    """See the module.

    Args:
        terms: see `Terms`; may be replaced at any time.
        deliver: sends.
        clock: waits.
        random: spreads retries, as `random.random`.
        report: is told what becomes of the events.

    Attributes:
        left: how many events were left when it ended.
    """

    def __init__(
        self,
        terms: Terms,
        deliver: Deliver,
        clock: Clock,
        random: Callable[[], float],
        report: Reporter,
    ) -> None:
        self.terms = terms
        self.left = 0
        self._deliver = deliver
        self._clock = clock
        self._random = random
        self._report = report
        self._waiting: deque[WebhookEvent] = deque()
        self._bytes = 0  # of those
        self._batch: list[WebhookEvent] = []
        self._tries = 0  # of this batch
        self._failures = 0  # in a row, of one batch or of several
        self._window, self._backoff = Pause(clock), Pause(clock)
        self._request: Deferred[str | None] | None = None
        self._is_working = False
        self._work: Deferred[None] | None = None
        self._until = inf  # when it has to end
        self._reason = ""  # why it has ended
        self._abandoned = False

    def __iter__(self) -> Iterator[WebhookEvent]:
        """Give the events that are not accepted yet, oldest first."""
        yield from self._batch
        yield from self._waiting

    @property
    def is_filling(self) -> bool:
        """Whether more than half of its room is taken."""
        return len(self._waiting) > self.terms.room / 2 or self._bytes > MOST_BYTES / 2

    def put(self, event: WebhookEvent) -> None:
        """Send an event when its turn comes; never before this turn of the reactor is over."""
        if self._reason:
            self._report.dropped([event], self._reason)
            return
        self._waiting.append(event)
        self._bytes += len(event.text)
        while len(self._waiting) > self.terms.room or self._bytes > MOST_BYTES:
            self._report.overflowed(self._next())
        if not self._is_working:
            self._is_working = True
            self._work = Deferred.fromCoroutine(self._work_off())
            self._work.addErrback(lambda failure: _log.failure("Bug while sending", failure))
        elif len(self._waiting) >= self.size:
            self._window.cut_short()

    async def finish(self, seconds: float) -> None:
        """Send at once what waits, and end when nothing waits any more or after as many seconds."""
        self._until = self._clock.seconds() + seconds
        cut = self._clock.callLater(seconds, self.end, "stopped")
        self._window.cut_short()
        self._backoff.cut_short()
        await self._worked_off()
        if not self._reason:
            cut.cancel()
            self.end("stopped")

    async def abandon(self, seconds: float) -> None:
        """Send nothing more and drop nothing: somebody else goes on. What is under way has as many seconds left."""
        self._abandoned = True
        self._until = self._clock.seconds() + seconds
        self._waiting.clear()
        self._bytes = 0
        self._window.cut_short()
        self._backoff.cut_short()
        if self._request is not None:
            cut = self._clock.callLater(seconds, self._cut)
            await self._worked_off()
            if self._clock.seconds() < self._until:
                cut.cancel()

    def _cut(self) -> None:
        if self._request is not None:
            self._request.cancel()

    async def _worked_off(self) -> None:
        if self._is_working and self._work is not None:
            ended: Deferred[None] = Deferred()
            self._work.addBoth(lambda _: ended.callback(None))
            await ended

    def end(self, reason: str) -> None:
        """Send nothing more; what waits is dropped for this reason, and so is what comes."""
        self._reason = reason
        self._drop(reason)
        self._window.cut_short()
        self._backoff.cut_short()
        self._cut()

    # Working it off

    async def _work_off(self) -> None:
        try:
            while (self._waiting or self._batch) and not self._abandoned:
                self._drop_expired()
                if not self._batch and self._waiting:
                    await self._window.wait(self._window_left())
                    self._take()
                if self._batch:
                    await self._attempt()
        finally:
            self._is_working = False

    def _drop_expired(self) -> None:
        now = self._clock.seconds()
        expired = list(takewhile(lambda event: is_over(event.created, now), self))
        for _ in expired:
            self._batch.pop(0) if self._batch else self._next()
        if expired:
            self._report.expired(expired)

    @property
    def size(self) -> int:
        """How many events a request has at most."""
        return self.terms.size if self.terms.window else 1

    def _next(self) -> WebhookEvent:
        event = self._waiting.popleft()
        self._bytes -= len(event.text)
        return event

    def _window_left(self) -> float:
        if self._until < inf or len(self._waiting) >= self.size:
            return 0
        return max(0, self._waiting[0].created + self.terms.window - self._clock.seconds())

    def _take(self) -> None:
        size = 0
        while self._waiting and len(self._batch) < self.size:
            size += len(self._waiting[0].text)
            if self._batch and size > MOST_BYTES_OF_REQUEST:
                break
            self._batch.append(self._next())
        self._tries = 0
        if not self.is_filling:
            self._report.relaxed()

    async def _attempt(self) -> None:
        if self._tries:
            self._report.retried(self._batch)
        self._tries += 1
        self._request = Deferred.fromCoroutine(self._deliver(self._batch))
        try:
            problem = await self._request
        except CancelledError:
            problem = "cancelled"
        except Exception:  # noqa: BLE001 - it was not accepted, and the next one may be
            _log.failure("Bug while sending")
            problem = "bug"
        finally:
            self._request = None
        if self._reason:
            return  # its events are dropped already
        if problem is None:
            self._report.accepted(self._batch)
            self._batch, self._failures = [], 0
            return
        if self._abandoned and problem == "cancelled":
            return
        self._report.failed(self._batch, problem)
        self._failures += 1
        if not self._abandoned:
            await self._wait_for_retry()

    async def _wait_for_retry(self) -> None:
        seconds = pause_after(self._failures, self._random)
        if self._clock.seconds() + seconds < self._until:
            await self._backoff.wait(seconds)
        else:
            self._drop("stopped")

    def _drop(self, reason: str) -> None:
        events = list(self)
        self.left += len(events)
        self._batch, self._waiting, self._bytes = [], deque(), 0
        if events:
            self._report.dropped(events, reason)
