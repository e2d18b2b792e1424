"""Who is online: a user is from the first signed-in connection to the last, in the whole cluster.

That is decided by the roster, and told to the watchers by way of the bus: on all nodes, this one included, and only as
long as it is true. So what a watcher hears last is true, whatever nodes the user comes to and leaves. What could not
be told is remembered with what the roster could not be told.

Where users may be away for a moment, the node that the last connection has left waits. Others may wait for the same
user since an earlier time; those have nothing to tell, and know it by the note that each return leaves. The note goes
when anybody is told that the user is offline, also a watcher who comes meanwhile: so the node that a user returns to,
whichever it is, knows whether that was told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.occurrences import MessageDropped
from txpusher.core.running import start_logged
from txpusher.errors import ServiceUnavailable, Unanswered
from txpusher.interfaces import Envelope
from txpusher.protocol import codec
from txpusher.protocol.names import user_channel, user_of_channel, watchlist_channel

if TYPE_CHECKING:
    from txpusher.core.outage import Place
    from txpusher.core.registry import ChannelRegistry
    from txpusher.model import App


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
    if app.watchlist_events:
        try:
            await tell(
                registry, app.id, user_id, online=True, quiet=registry.options.watchlist_delay > 0
            )
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
        since = registry.clock.seconds()
        call = registry.clock.callLater(delay, _still_away, registry, user_id, place, since)
        registry.apps[app.id].away[user_id] = call
    elif app.watchlist_events:
        await tell(registry, app.id, user_id, online=False)


def _still_away(registry: ChannelRegistry, user_id: str, place: Place, since: float) -> None:
    registry.apps[place.app_id].away.pop(user_id, None)
    telling = _tell_away(registry, user_id, place, registry.clock.seconds() - since)
    start_logged(telling, "Watchers were not told who is offline")


async def _tell_away(registry: ChannelRegistry, user_id: str, place: Place, seconds: float) -> None:
    try:
        await tell(registry, place.app_id, user_id, online=False, within=seconds)
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
    registry: ChannelRegistry,
    app_id: str,
    user_id: str,
    *,
    online: bool,
    sender: str = "",
    within: float = 0.0,
    quiet: bool = False,
) -> None:
    """Tell the watchers on all nodes that a user is online or offline, if that is so.

    Args:
        registry: of this node.
        app_id: the user's app.
        user_id: the user.
        online: whether anybody is signed in as that user.
        sender: see `txpusher.interfaces.Envelope`.
        within: see `txpusher.interfaces.Bus`.
        quiet: see there.

    Raises:
        ServiceUnavailable: they were not told, or nobody knows whether they were.
    """
    users = [user_id]
    frame = codec.watchlist_events(users, []) if online else codec.watchlist_events([], users)
    envelope = Envelope(app_id, watchlist_channel(user_id), [(frame, None)], sender=sender)
    await registry.adapter.bus.publish_while(
        envelope, user_channel(user_id), occupied=online, within=within, quiet=quiet
    )
