"""Telling occurrences to observers: who hears what is looked up once, not at every publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from txpusher.core.occurrences import Occurrence
    from txpusher.interfaces import Observer

Hear = Callable[[Any], None]


def teller(*observers: Observer) -> Callable[[Occurrence], None]:
    """Make the function that tells an occurrence to all who hear its kind, in the order of the observers."""
    everybody: dict[type, Hear] = {}
    for observer in observers:
        for kind, hear in observer.hears.items():
            first = everybody.get(kind)
            everybody[kind] = hear if first is None else _both(first, hear)
    return _Teller(everybody).tell


class _Teller:
    def __init__(self, everybody: Mapping[type, Hear]) -> None:
        self._find = everybody.get

    def tell(self, occurrence: Occurrence) -> None:
        hear = self._find(type(occurrence))
        if hear is not None:
            hear(occurrence)


def _both(first: Hear, second: Hear) -> Hear:
    def hear(occurrence: Any) -> None:
        first(occurrence)
        second(occurrence)

    return hear
