"""What a kind of webhook event is: which occurrence it tells of, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """One kind of event.

    Args:
        occurrence: the class of occurrences that are told.
        fields: gives what stands in the event beside its name.
        undone_by: where the event waits for a while: the class of occurrences with the same fields that make it, and
            themselves, not worth telling.
        once: whether the same event again, a moment later, is not told.
    """

    occurrence: type
    fields: Callable[[Any], dict[str, Any]]
    undone_by: type | None = None
    once: bool = False
