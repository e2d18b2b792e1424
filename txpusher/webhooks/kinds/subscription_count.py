"""``subscription_count``: a channel that is not a presence channel has another number of subscriptions."""

from __future__ import annotations

from typing import Any

from txpusher.core.occurrences import SubscriptionCountChanged
from txpusher.webhooks.kind import Kind


def fields(changed: SubscriptionCountChanged) -> dict[str, Any]:
    """Give the fields of the event."""
    return {"channel": changed.channel, "subscription_count": changed.subscriptions}


KIND = Kind(SubscriptionCountChanged, fields)
