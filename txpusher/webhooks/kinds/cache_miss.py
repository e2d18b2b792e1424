"""``cache_miss``: somebody subscribed to a cache channel that remembers nothing."""

from __future__ import annotations

from typing import Any

from txpusher.core.occurrences import CacheMissed
from txpusher.webhooks.kind import Kind


def fields(missed: CacheMissed) -> dict[str, Any]:
    """Give the fields of the event."""
    return {"channel": missed.channel}


KIND = Kind(CacheMissed, fields, once=True)
