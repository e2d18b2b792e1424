"""``channel_vacated``: a channel lost its last subscription, and nobody came back in time."""

from __future__ import annotations

from typing import Any

from txpusher.core.occurrences import ChannelOccupied, ChannelVacated
from txpusher.webhooks.kind import Kind


def fields(vacated: ChannelVacated) -> dict[str, Any]:
    """Give the fields of the event."""
    return {"channel": vacated.channel}


KIND = Kind(ChannelVacated, fields, undone_by=ChannelOccupied)
