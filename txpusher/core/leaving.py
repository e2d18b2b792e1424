"""Connections that are about to leave everything: a server that stops waits for them."""

from __future__ import annotations

from twisted.internet.defer import Deferred


class Leaving:
    """Counts them."""

    def __init__(self) -> None:
        self._count = 0
        self._waiting: list[Deferred[None]] = []

    def begin(self) -> None:
        """Count one more."""
        self._count += 1

    def end(self) -> None:
        """Count one less, and let those go on who wait for the last one."""
        self._count -= 1
        if not self._count:
            waiting, self._waiting = self._waiting, []
            for last in waiting:
                last.callback(None)

    def last(self) -> Deferred[None]:
        """Give a Deferred that fires when nobody is leaving."""
        last: Deferred[None] = Deferred(lambda _: self._waiting.remove(last))
        if self._count:
            self._waiting.append(last)
        else:
            last.callback(None)
        return last
