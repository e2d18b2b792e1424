"""Questions about apps that are not known, and may be new: asked of the database, but not more often than it likes.

Anybody can ask for any key. Equal questions wait for one answer, the others are asked together, one statement at a
time, and what is not there is remembered for a few seconds; so strangers cost the database one small statement after
another, whatever they do.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from twisted.internet.defer import Deferred

from txpusher.core.expiring import Expiring
from txpusher.errors import ServiceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from txpusher.interfaces import Clock

REMEMBERED = 5.0
"""Seconds for which an app is known not to exist, or not to be readable."""
MANY = 10_000
"""Apps of which that is remembered."""
WAITING = 1000
"""Different questions that may wait for an answer."""
AT_ONCE = 100
"""Questions in one statement."""

UNREADABLE = "This app cannot be read, as there is a mistake in its settings"

# As the names of apps are; a database may choke on other ones.
_NAME = re.compile(r"[A-Za-z0-9._~-]{1,255}")


class Question(NamedTuple):
    """Which app has this ``id``, or this ``key``?"""

    column: str
    name: str


class Lookups:
    """The questions that wait, and the answers that are remembered.

    Args:
        clock: tells the time.
        wake: is called when there is something to ask.
    """

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._waiting: dict[Question, list[Deferred[None]]] = {}
        self._answers: Expiring[bool] = Expiring(clock)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def ask(self, question: Question) -> None:
        """Wait until it is known whether there is such an app.

        Raises:
            ServiceUnavailable: there is one that cannot be read, or nobody knows.
        """
        if not _NAME.fullmatch(question.name):
            return
        answered = self._answers.get(question)
        if answered is not None:
            if answered[0]:
                raise ServiceUnavailable(UNREADABLE)
            return
        if question not in self._waiting and len(self._waiting) >= WAITING:
            raise ServiceUnavailable("Too many apps are being looked up, try again later")
        waiting: Deferred[None] = Deferred()
        self._waiting.setdefault(question, []).append(waiting)
        self._wake()
        await waiting

    def next(self) -> list[Question]:
        """Give the questions to ask now."""
        return list(islice(self._waiting, AT_ONCE))

    def found(self, question: Question) -> None:
        """Answer: there is such an app, and it is known now."""
        self._end(question, None)

    def settle(self, question: Question, *, exists: bool) -> None:
        """Answer: there is none, or it exists and cannot be read."""
        if len(self._answers) >= MANY:
            self._answers = Expiring(self._clock)
        self._answers.put(question, exists, REMEMBERED)
        error = ServiceUnavailable(UNREADABLE) if exists else None
        self._end(question, error)

    def fail(self, error: ServiceUnavailable) -> None:
        """Answer all: nobody knows."""
        for question in tuple(self._waiting):
            self._end(question, error)

    def _end(self, question: Question, error: ServiceUnavailable | None) -> None:
        for waiting in self._waiting.pop(question, ()):
            if error is None:
                waiting.callback(None)
            else:
                waiting.errback(error)
