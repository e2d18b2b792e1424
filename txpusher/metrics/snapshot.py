"""What a registry holds right now, counted when it is scraped: gauges that cannot drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from txpusher.metrics.collector import Snapshot
from txpusher.protocol.names import Kind

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry


def take(
    registry: ChannelRegistry,
    app_ids: Iterable[str],
    webhooks: Mapping[tuple[str, str], int],
    *,
    store_ok: bool = True,
) -> Snapshot:
    """Count connections, channels and subscriptions, and ask the adapter how it is.

    Args:
        registry: holds them.
        app_ids: the apps that are known, though nobody may be connected to them.
        webhooks: webhook events that wait, by app id and kind.
        store_ok: whether the apps are those that are written in the app store now.
    """
    connected = dict.fromkeys(app_ids, 0)
    known = len(connected)
    channels: dict[str, Counter[str]] = {}
    subscriptions: dict[str, int] = {}
    for app_id, local in registry.apps.items():
        connected[app_id] = len(local.connections)
        channels[app_id] = Counter(channel.kind.value for channel in local.channels.values())
        subscriptions[app_id] = sum(
            len(channel.subscribers)
            for channel in local.channels.values()
            if channel.kind is not Kind.WATCHLIST
        )
    adapter = registry.adapter
    return Snapshot(
        connected,
        channels,
        subscriptions,
        webhooks,
        known,
        store_ok,
        adapter.health().ok,
        adapter.figures(),
    )
