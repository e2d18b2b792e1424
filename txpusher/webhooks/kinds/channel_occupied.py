"""``channel_occupied``: a channel got its first subscription in the cluster."""

from __future__ import annotations

from typing import Any

from txpusher.core.occurrences import ChannelOccupied
from txpusher.webhooks.kind import Kind


def fields(occupied: ChannelOccupied) -> dict[str, Any]:
    """Give the fields of the event."""
    return {"channel": occupied.channel}


KIND = Kind(ChannelOccupied, fields)
