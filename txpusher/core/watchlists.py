"""Watchlists: telling signed-in users who of those they watch comes and goes.

A user is online from the first signed-in connection to the last, in the whole cluster. That is decided by the roster
and told on the channel ``#watchlist-{id}``, which nobody can subscribe to by that name: watchers are put on it when
they sign in. Source: "Pusher docs: Watchlist events"; the shape is the one that pusher-js reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.holding import Hold
from txpusher.core.running import start_logged
from txpusher.errors import ServiceUnavailable
from txpusher.protocol import codec
from txpusher.protocol.names import (
    Kind,
    user_channel,
    user_of_watchlist,
    watchlist_channel,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from txpusher.core.channel import Channel
    from txpusher.core.connection import Connection
    from txpusher.core.registry import ChannelRegistry
    from txpusher.model import App


async def watch(connection: Connection, user_ids: Sequence[str]) -> None:
    """Tell a connection which of these users are online, and from then on who comes and goes.

    Args:
        connection: whom to tell; it watches nobody else any more.
        user_ids: distinct ids.
    """
    registry, app_id = connection.registry, connection.app.id
    channels: list[Channel] = []
    try:
        for user_id in user_ids:
            name = watchlist_channel(user_id)
            channels.append(await registry.open_channel(app_id, name, Kind.WATCHLIST))
        await unwatch(connection)
        connection.watching = tuple(channels)
        if channels:
            await _tell_state(connection, user_ids)
    finally:
        for channel in channels:
            await registry.release(channel)


async def _tell_state(connection: Connection, user_ids: Sequence[str]) -> None:
    """Tell who is online now, before anything that changes it."""
    hold = Hold(connection.wire.send)
    if not connection.closed:
        for channel in connection.watching:
            channel.add(connection, hold.send)
    there = await _online(connection.registry, connection.app.id, user_ids)
    online = [user_id for user_id, is_there in zip(user_ids, there, strict=True) if is_there]
    offline = [user_id for user_id, is_there in zip(user_ids, there, strict=True) if not is_there]
    connection.send(codec.watchlist_events(online, offline))
    if connection.closed:
        return
    hold.release()
    for channel in connection.watching:
        channel.replace(connection, connection.wire.send)


async def tell_state(registry: ChannelRegistry, channels: Sequence[Channel]) -> None:
    """Tell the watchers of this node whether the users of these watchlist channels of one app are online.

    Raises:
        ServiceUnavailable: the roster is away.
    """
    app_id = channels[0].app_id
    users = [user_of_watchlist(channel.name) for channel in channels]
    counts = await registry.adapter.roster.counts(app_id, [user_channel(user) for user in users])
    for channel, user_id, count in zip(channels, users, counts, strict=True):
        online, offline = ([user_id], []) if count.subscriptions else ([], [user_id])
        frame = codec.watchlist_events(online, offline)
        registry.deliver(app_id, channel.name, [(frame, None)])


async def _online(registry: ChannelRegistry, app_id: str, user_ids: Sequence[str]) -> list[bool]:
    """Tell of each user whether it is signed in anywhere; while the roster is away, whether it is here."""
    names = [user_channel(user_id) for user_id in user_ids]
    try:
        counts = await registry.adapter.roster.counts(app_id, names)
    except ServiceUnavailable:
        channels = registry.apps[app_id].channels
        return [name in channels and bool(channels[name].subscribers) for name in names]
    return [count.subscriptions > 0 for count in counts]


async def unwatch(connection: Connection) -> None:
    """Let a connection watch nobody."""
    channels, connection.watching = connection.watching, ()
    for channel in channels:
        channel.remove(connection)
        await connection.registry.drop_if_unused(channel)


async def came_online(registry: ChannelRegistry, app: App, user_id: str) -> None:
    """Tell watchers that a user is online; who was away for a moment only was never gone."""
    away = registry.apps[app.id].away.pop(user_id, None)
    if away is not None:
        away.cancel()
    else:
        await _tell(registry, app, user_id, codec.watchlist_events([user_id], []))


async def went_offline(registry: ChannelRegistry, app: App, user_id: str) -> None:
    """Tell watchers that a user is offline, when nobody is signed in as that user after the delay."""
    delay = registry.options.watchlist_delay
    if delay and app.watchlist_events:
        earlier = registry.apps[app.id].away.get(user_id)
        if earlier is not None:
            earlier.cancel()
        call = registry.clock.callLater(delay, _still_away, registry, app, user_id)
        registry.apps[app.id].away[user_id] = call
    else:
        await _tell(registry, app, user_id, codec.watchlist_events([], [user_id]))


def _still_away(registry: ChannelRegistry, app: App, user_id: str) -> None:
    registry.apps[app.id].away.pop(user_id, None)
    start_logged(_tell_if_away(registry, app, user_id), "Watchers were not told who is offline")


async def _tell_if_away(registry: ChannelRegistry, app: App, user_id: str) -> None:
    # The user may be back on another node.
    (online,) = await _online(registry, app.id, [user_id])
    if not online:
        await _tell(registry, app, user_id, codec.watchlist_events([], [user_id]))


async def tell_all_away(registry: ChannelRegistry) -> None:
    """Wait for nobody any longer, as the server stops."""
    for local in registry.apps.values():
        away, local.away = local.away, {}
        for user_id, call in away.items():
            call.cancel()
            if local.app is not None:
                await _tell_if_away(registry, local.app, user_id)


async def _tell(registry: ChannelRegistry, app: App, user_id: str, frame: bytes) -> None:
    if app.watchlist_events:
        await registry.broadcast(app.id, watchlist_channel(user_id), frame)
