"""``member_added``: a user's first connection joined a presence channel."""

from __future__ import annotations

from typing import Any

from txpusher.core.occurrences import MemberAdded
from txpusher.webhooks.kind import Kind


def fields(added: MemberAdded) -> dict[str, Any]:
    """Give the fields of the event."""
    return {"channel": added.channel, "user_id": added.user_id}


KIND = Kind(MemberAdded, fields)
