"""``pusher_internal:subscription_count``: how many subscriptions a channel has, told to its subscribers.

On every change up to 100 subscriptions, above that at most every five seconds and only while there is change.
Source: "Pusher docs: Channels events, subscription count".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.occurrences import SubscriptionCountChanged
from txpusher.core.running import start_logged
from txpusher.protocol import codec

if TYPE_CHECKING:
    from txpusher.core.channel import Channel
    from txpusher.core.registry import ChannelRegistry
    from txpusher.model import App

FREQUENT_UP_TO = 100
INTERVAL = 5.0


async def count_changed(registry: ChannelRegistry, channel: Channel, count: int) -> None:
    """Tell the new count now, or with the next ones in a while.

    Args:
        registry: broadcasts it.
        channel: whose count changed; not a presence channel.
        count: subscriptions in the cluster.
    """
    if not count:
        if channel.count_call is not None:
            channel.count_call.cancel()
            channel.count_call = None
        # Nobody is left to hear it but webhooks.
        registry.tell(SubscriptionCountChanged(channel.app_id, channel.name, 0))
    elif count <= FREQUENT_UP_TO:
        await _tell(registry, channel, count)
    elif channel.count_call is None:
        channel.count_call = registry.clock.callLater(INTERVAL, _tell_later, registry, channel)


async def count_departed(registry: ChannelRegistry, app: App | None, name: str, count: int) -> None:
    """Tell the new count of a channel that may have no subscriber here, after somebody was taken away from it.

    Args:
        registry: broadcasts it.
        app: the channel's app, of which nobody may be connected here; None when it is gone.
        name: of the channel.
        count: subscriptions in the cluster.
    """
    if app is None or not app.subscription_count:
        return
    local = registry.apps.get(app.id)
    channel = local.channels.get(name) if local else None
    if channel is not None:
        await count_changed(registry, channel, count)
        return
    registry.tell(SubscriptionCountChanged(app.id, name, count))
    if 0 < count <= FREQUENT_UP_TO:
        await registry.broadcast(app.id, name, codec.subscription_count(name, count))


def _tell_later(registry: ChannelRegistry, channel: Channel) -> None:
    channel.count_call = None
    start_logged(_tell_current(registry, channel), "Subscribers were not told their number")


async def _tell_current(registry: ChannelRegistry, channel: Channel) -> None:
    (counts,) = await registry.adapter.roster.counts(channel.app_id, [channel.name])
    if counts.subscriptions:
        await _tell(registry, channel, counts.subscriptions)


async def _tell(registry: ChannelRegistry, channel: Channel, count: int) -> None:
    registry.tell(SubscriptionCountChanged(channel.app_id, channel.name, count))
    await registry.broadcast(
        channel.app_id, channel.name, codec.subscription_count(channel.name, count)
    )
