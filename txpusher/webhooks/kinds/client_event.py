"""``client_event``: a client event was accepted."""

from __future__ import annotations

from typing import Any

from txpusher.core.occurrences import ClientEventSent
from txpusher.webhooks.kind import Kind


def fields(sent: ClientEventSent) -> dict[str, Any]:
    """Give the fields of the event."""
    event = {
        "channel": sent.channel,
        "event": sent.event,
        # Always text, as on the wire: the Go SDK cannot read anything else.
        "data": sent.data,
        "socket_id": sent.socket_id,
    }
    return event if sent.user_id is None else {**event, "user_id": sent.user_id}


KIND = Kind(ClientEventSent, fields)
