"""What this node has to tell the outbox: in order, and kept while the outbox is away, though not without bound.

Whom to look at is noted once: what has to be told of it is decided when it is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, islice
from typing import TYPE_CHECKING, NamedTuple

from twisted.internet.defer import Deferred

from txpusher.errors import ServiceUnavailable
from txpusher.outbox import Look, Notice
from txpusher.webhooks.background import run

if TYPE_CHECKING:
    from collections.abc import Hashable

    from txpusher.interfaces import Clock
    from txpusher.outbox import Outbox, Told

AT_ONCE, SIZE_AT_ONCE = 100, 256 * 1024
"""What is told in one step: in number, and in characters of events."""
MOST_SIZE = 64 * 1024 * 1024
"""Characters of the events that are kept, beside their number."""


class _Kept(NamedTuple):
    """Something to be told, and when it was created."""

    news: Look | Notice
    created: float


class Spool:
    """See the module.

    Args:
        outbox: is told.
        clock: tells the time.
        delay: seconds that somebody has to be gone before it is told.
        room: events that a queue may hold, and this as well.
        told: is called with what became of it.
        dropped: is called with what there is no room for.
    """

    def __init__(
        self,
        outbox: Outbox,
        clock: Clock,
        delay: float,
        room: int,
        told: Callable[[Told], None],
        dropped: Callable[[Look | Notice], None],
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._delay = delay
        self._room = room
        self._told = told
        self._dropped = dropped
        self._numbers = count()
        self._kept: dict[Hashable, _Kept] = {}
        self._size = 0
        self._flushing = False
        self._idle: list[Deferred[None]] = []

    def add(self, news: Look | Notice) -> None:
        """Tell it; never before this turn of the reactor is over."""
        self._keep(_Kept(news, self._clock.seconds()))
        self.flush()

    def _keep(self, kept: _Kept) -> None:
        key: Hashable = next(self._numbers)
        if isinstance(kept.news, Look):
            key, kept = kept.news.subject, kept._replace(news=self._merged(kept.news))
            self._size -= _size(self._kept[key].news) if key in self._kept else 0
        self._kept[key] = kept
        self._size += _size(kept.news)
        while len(self._kept) > self._room or self._size > MOST_SIZE:
            oldest = next(iter(self._kept))
            self._dropped(self._kept[oldest].news)
            self._forget(oldest)

    def _forget(self, key: Hashable) -> None:
        self._size -= _size(self._kept.pop(key).news)

    def _merged(self, look: Look) -> Look:
        before = self._kept.get(look.subject)
        if before is not None and isinstance(before.news, Look):
            return look._replace(known=look.known or before.news.known)
        return look

    def flush(self) -> None:
        """Tell what is kept."""
        if self._kept and not self._flushing:
            self._flushing = True
            self._clock.callLater(0, run, self._flush)

    async def emptied(self, seconds: float) -> None:
        """Wait until everything is told or cannot be told now; as many seconds at most."""
        if self._flushing:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            idle.addTimeout(seconds, self._clock, lambda *_: None)  # type: ignore[arg-type]
            await idle

    def drop(self) -> list[Look | Notice]:
        """Keep nothing any longer, and give what was kept."""
        kept, self._kept, self._size = self._kept, {}, 0
        return [one.news for one in kept.values()]

    async def _flush(self) -> None:
        try:
            while self._kept:
                await self._tell_some()
        finally:
            self._flushing = False
            idle, self._idle = self._idle, []
            for waiting in idle:
                if not waiting.called:
                    waiting.callback(None)

    def _portion(self) -> dict[Hashable, _Kept]:
        some: dict[Hashable, _Kept] = {}
        size = 0
        for key, kept in islice(self._kept.items(), AT_ONCE):
            size += _size(kept.news)
            if some and size > SIZE_AT_ONCE:
                break
            some[key] = kept
        for key in some:
            self._forget(key)
        return some

    async def _tell_some(self) -> None:
        some = self._portion()
        now = self._clock.seconds()
        news = [_aged(one, now) for one in some.values()]
        try:
            told = await self._outbox.tell(news, self._delay, self._room)
        except ServiceUnavailable:
            later, self._kept, self._size = self._kept, {}, 0
            for one in (*some.values(), *later.values()):
                self._keep(one)
            raise
        self._told(told)


def _size(news: Look | Notice) -> int:
    return len(news.text if isinstance(news, Notice) else news.come.text + news.gone.text)


def _aged(kept: _Kept, now: float) -> Look | Notice:
    if isinstance(kept.news, Notice):
        return kept.news._replace(age=now - kept.created)
    return kept.news
