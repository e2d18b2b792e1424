"""Watchlists: telling signed-in users who of those they watch is online, and from then on who comes and goes.

Who comes and goes is told on the channel ``#watchlist-{id}``, which nobody can subscribe to by that name: watchers are
put on it when they sign in. What is told on it is in `txpusher.core.online`. Source: "Pusher docs: Watchlist events";
the shape is the one that pusher-js reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.holding import Hold
from txpusher.errors import ServiceUnavailable
from txpusher.protocol import codec
from txpusher.protocol.names import Kind, user_channel, watchlist_channel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from txpusher.core.channel import Channel
    from txpusher.core.connection import Connection
    from txpusher.core.registry import ChannelRegistry


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


async def _online(registry: ChannelRegistry, app_id: str, user_ids: Sequence[str]) -> list[bool]:
    """Tell of each user whether it is signed in anywhere; while the roster is away, whether it is here."""
    names = [user_channel(user_id) for user_id in user_ids]
    try:
        return await registry.adapter.bus.occupied(app_id, names)
    except ServiceUnavailable:
        channels = registry.apps[app_id].channels
        return [name in channels and bool(channels[name].subscribers) for name in names]


async def unwatch(connection: Connection) -> None:
    """Let a connection watch nobody."""
    channels, connection.watching = connection.watching, ()
    for channel in channels:
        channel.remove(connection)
        await connection.registry.drop_if_unused(channel)
