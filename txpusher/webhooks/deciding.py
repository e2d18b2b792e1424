"""From occurrences to events: what is worth telling, when, and how often.

A page that is reloaded leaves its channels and comes back a moment later. Whoever is gone is therefore told of after a
delay, and not at all when the opposite happens before that: then neither of the two is told, as nothing has changed for
the receiver. ``occupied`` and ``vacated`` of a channel alternate, and so do ``added`` and ``removed`` of a
user on it; a removal that waits is told after what happened to others meanwhile.

Source: "Pusher docs: Webhooks, webhook delays".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from txpusher.core.expiring import Expiring
from txpusher.webhooks.kinds import KINDS

if TYPE_CHECKING:
    from txpusher.interfaces import Call, Clock
    from txpusher.webhooks.kind import Kind

ONCE_FOR = 1.0
"""Seconds for which an event that is told once is not told again."""


class _Rule(NamedTuple):
    """What one class of occurrences means: the kinds it tells, and the waiting kinds it undoes."""

    tells: list[tuple[str, Kind]]
    undoes: list[str]


class Decider:
    """Hears the occurrences of apps that have webhooks, and says which events follow.

    Args:
        clock: wakes it when a delay is over.
        delay: seconds that the kinds wait which may be undone; 0 tells them at once.
        decided: is called with the kind and the occurrence of each event.
        kinds: all kinds by name.

    Attributes:
        concerns: the classes of occurrences it wants to hear.
    """

    def __init__(
        self,
        clock: Clock,
        delay: float,
        decided: Callable[[str, Any], None],
        kinds: Mapping[str, Kind] = KINDS,
    ) -> None:
        self._clock = clock
        self._delay = delay
        self._decided = decided
        self._rules = _rules(kinds)
        self._told: Expiring[None] = Expiring(clock)
        # Kind and occurrence, with when it is due. Occurrences are tuples: one equals its opposite. The delay is the
        # same for all, so those that are due first stand first, and one timer does for all of them.
        self._waiting: dict[tuple[str, Any], float] = {}
        self._call: Call | None = None
        self._closing = False
        self.concerns = frozenset(self._rules)

    def open(self) -> None:
        """Wait again, after `close`."""
        self._closing = False

    def close(self) -> None:
        """Say what waits, and let nothing wait any more: the server stops, and nobody will come back here."""
        self._closing = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        waiting, self._waiting = self._waiting, {}
        for name, occurrence in waiting:
            self._decided(name, occurrence)

    def hear(self, occurrence: Any) -> None:
        """Decide about an occurrence of one of the classes that it concerns."""
        tells, undoes = self._rules[type(occurrence)]
        undone = [name for name in undoes if self._undo(name, occurrence)]
        if undone:
            return
        for name, kind in tells:
            if kind.undone_by is not None and self._delay and not self._closing:
                self._wait(name, occurrence)
            elif not kind.once or self._is_new(name, occurrence):
                self._decided(name, occurrence)

    def _undo(self, name: str, occurrence: Any) -> bool:
        return self._waiting.pop((name, occurrence), None) is not None

    def _is_new(self, name: str, occurrence: Any) -> bool:
        new = self._told.get((name, occurrence)) is None
        if new:
            self._told.put((name, occurrence), None, ONCE_FOR)
        return new

    def _wait(self, name: str, occurrence: Any) -> None:
        self._waiting[name, occurrence] = self._clock.seconds() + self._delay
        if self._call is None:
            self._call = self._clock.callLater(self._delay, self._due)

    def _due(self) -> None:
        self._call = None
        now = self._clock.seconds()
        while self._waiting:
            (name, occurrence), due = next(iter(self._waiting.items()))
            if due > now:
                self._call = self._clock.callLater(due - now, self._due)
                break
            del self._waiting[name, occurrence]
            self._decided(name, occurrence)


def _rules(kinds: Mapping[str, Kind]) -> dict[type, _Rule]:
    rules: dict[type, _Rule] = {}
    for name, kind in kinds.items():
        rules.setdefault(kind.occurrence, _Rule([], [])).tells.append((name, kind))
        if kind.undone_by is not None:
            rules.setdefault(kind.undone_by, _Rule([], [])).undoes.append(name)
    return rules
