"""``member_removed``: a user's last connection left a presence channel, and the user did not come back in time."""

from __future__ import annotations

from typing import Any

from txpusher.core.occurrences import MemberAdded, MemberRemoved
from txpusher.webhooks.kind import Kind


def fields(removed: MemberRemoved) -> dict[str, Any]:
    """Give the fields of the event."""
    return {"channel": removed.channel, "user_id": removed.user_id}


KIND = Kind(MemberRemoved, fields, undone_by=MemberAdded)
