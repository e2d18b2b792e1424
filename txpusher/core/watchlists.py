"""Watchlists: telling signed-in users who of those they watch comes and goes.

A user is online from the first signed-in connection to the last, in the whole cluster. That is decided by the roster
and told on the channel ``#watchlist-{id}``, which nobody can subscribe to by that name: watchers are put on it when
they sign in. It is told by way of the bus to all nodes, this one included, and only as long as it is true: so what a
watcher hears last is true, whatever nodes the user comes to and leaves. What could not be told is remembered with what
the roster could not be told. Source: "Pusher docs: Watchlist events"; the shape is the one that pusher-js reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.holding import Hold
from txpusher.core.occurrences import MessageDropped
from txpusher.core.running import start_logged
from txpusher.errors import ServiceUnavailable, Unanswered
from txpusher.interfaces import Envelope
from txpusher.protocol import codec
from txpusher.protocol.names import (
    Kind,
    user_channel,
    user_of_channel,
    user_of_watchlist,
    watchlist_channel,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from txpusher.core.channel import Channel
    from txpusher.core.connection import Connection
    from txpusher.core.outage import Place
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


async def came_online(registry: ChannelRegistry, app: App, place: Place) -> None:
    """Tell watchers that a user is online; who was away for a moment only was never gone.

    Args:
        registry: of this node.
        app: the user's app.
        place: the first one on the user's channel.
    """
    user_id = user_of_channel(place.channel)
    away = registry.apps[app.id].away.pop(user_id, None)
    if away is not None:
        away.cancel()
    elif app.watchlist_events:
        try:
            await tell(registry, app.id, user_id, online=True)
        except ServiceUnavailable as error:
            # The roster knows of it; what follows is told as if its answer had been lost.
            registry.outage.join(place, None, Unanswered(error.message))


async def went_offline(registry: ChannelRegistry, app: App, place: Place) -> None:
    """Tell watchers that a user is offline, when nobody is signed in as that user after the delay.

    Args:
        registry: of this node.
        app: the user's app.
        place: the last one on the user's channel.

    Raises:
        ServiceUnavailable: they were not told, or nobody knows whether they were.
    """
    delay, user_id = registry.options.watchlist_delay, user_of_channel(place.channel)
    if delay and app.watchlist_events:
        earlier = registry.apps[app.id].away.get(user_id)
        if earlier is not None:
            earlier.cancel()
        call = registry.clock.callLater(delay, _still_away, registry, user_id, place)
        registry.apps[app.id].away[user_id] = call
    elif app.watchlist_events:
        await tell(registry, app.id, user_id, online=False)


def _still_away(registry: ChannelRegistry, user_id: str, place: Place) -> None:
    registry.apps[place.app_id].away.pop(user_id, None)
    start_logged(_tell_away(registry, user_id, place), "Watchers were not told who is offline")


async def _tell_away(registry: ChannelRegistry, user_id: str, place: Place) -> None:
    try:
        await tell(registry, place.app_id, user_id, online=False)
    except ServiceUnavailable:
        registry.outage.leave(place, None)


async def tell_all_away(registry: ChannelRegistry) -> None:
    """Wait for nobody any longer, as the server stops."""
    for app_id, local in registry.apps.items():
        away, local.away = local.away, {}
        for user_id, call in away.items():
            call.cancel()
            if local.app is not None:
                try:
                    await tell(registry, app_id, user_id, online=False)
                except ServiceUnavailable as error:
                    registry.tell(MessageDropped(app_id, error.reason))


async def tell(
    registry: ChannelRegistry, app_id: str, user_id: str, *, online: bool, sender: str = ""
) -> None:
    """Tell the watchers on all nodes that a user is online or offline, if that is so.

    Args:
        registry: of this node.
        app_id: the user's app.
        user_id: the user.
        online: whether anybody is signed in as that user.
        sender: see `txpusher.interfaces.Envelope`.

    Raises:
        ServiceUnavailable: they were not told, or nobody knows whether they were.
    """
    users = [user_id]
    frame = codec.watchlist_events(users, []) if online else codec.watchlist_events([], users)
    envelope = Envelope(app_id, watchlist_channel(user_id), [(frame, None)], sender=sender)
    await registry.adapter.bus.publish_while(envelope, user_channel(user_id), occupied=online)
