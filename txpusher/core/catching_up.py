"""Telling the clients of this node how things are, after what the other nodes told could not be heard for a while.

Events that were missed are lost: delivery is at most once. Members, counts and who is online are told anew as they are
now, as after a reconnect of the client: with a second confirmation of a presence channel pusher-js takes over the whole
list, and so does Laravel Echo. Counts and who is online are told by the way that news of them comes, so that none of
these is overtaken; the other nodes hear them once more, which is harmless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core import online
from txpusher.core.listing import leave_out, since_list
from txpusher.core.running import together
from txpusher.protocol import codec
from txpusher.protocol.names import Kind, user_of_watchlist

if TYPE_CHECKING:
    from txpusher.core.channel import Channel
    from txpusher.core.local_app import LocalApp
    from txpusher.core.registry import ChannelRegistry

AT_ONCE = 50
"""Channels that are told of side by side."""


async def catch_up(registry: ChannelRegistry) -> None:
    """Tell everybody.

    Raises:
        ServiceUnavailable: the roster is away; everybody has to be told later.
    """
    for local in list(registry.apps.values()):
        for channel in list(local.channels.values()):
            if channel.kind.is_presence:
                await _tell_members(registry, channel)
        counted, watched = _counted(local), _of_kind(local, Kind.WATCHLIST)
        for begin in range(0, len(counted), AT_ONCE):
            channels = counted[begin : begin + AT_ONCE]
            await together(_tell_count(registry, channel) for channel in channels)
        for begin in range(0, len(watched), AT_ONCE):
            channels = watched[begin : begin + AT_ONCE]
            await together(_tell_state(registry, channel) for channel in channels)


async def _tell_members(registry: ChannelRegistry, channel: Channel) -> None:
    app_id, name = channel.app_id, channel.name
    members = await registry.adapter.roster.members(app_id, name)
    frame = codec.presence_succeeded(name, members)
    # Who is about to be confirmed gets a list of its own, which may be newer than this one.
    confirmed = [one for one in channel.subscribers if name in one.subscriptions]
    channel.flush()
    leave_out(channel, [(one, since_list(one, members)) for one in confirmed], registry.clock)
    for connection in confirmed:
        connection.send(frame)


def _counted(local: LocalApp) -> list[Channel]:
    if local.app is None or not local.app.subscription_count:
        return []
    return [
        channel
        for channel in local.channels.values()
        if not channel.kind.is_presence and not channel.kind.is_internal
    ]


def _of_kind(local: LocalApp, kind: Kind) -> list[Channel]:
    return [channel for channel in local.channels.values() if channel.kind is kind]


async def _tell_count(registry: ChannelRegistry, channel: Channel) -> None:
    await registry.adapter.bus.publish_count(channel.app_id, channel.name)


async def _tell_state(registry: ChannelRegistry, channel: Channel) -> None:
    # Only what is true of the two is told.
    user_id = user_of_watchlist(channel.name)
    for is_online in (True, False):
        await online.tell(registry, channel.app_id, user_id, online=is_online)
