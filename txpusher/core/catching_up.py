"""Telling the clients of this node how things are, after what the other nodes told could not be heard for a while.

Events that were missed are lost: delivery is at most once. Members, counts and who is online are told anew as they are
now, as after a reconnect of the client: with a second confirmation of a presence channel pusher-js takes over the whole
list, and so does Laravel Echo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.listing import leave_out, since_list
from txpusher.core.watchlists import tell_state
from txpusher.protocol import codec
from txpusher.protocol.names import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from txpusher.core.channel import Channel
    from txpusher.core.local_app import LocalApp
    from txpusher.core.registry import ChannelRegistry

AT_ONCE = 200
"""Channels of one question."""


async def catch_up(registry: ChannelRegistry) -> None:
    """Tell everybody.

    Raises:
        ServiceUnavailable: the roster is away; everybody has to be told later.
    """
    for app_id, local in list(registry.apps.items()):
        for channel in list(local.channels.values()):
            if channel.kind.is_presence:
                await _tell_members(registry, channel)
        counted, watched = _counted(local), _of_kind(local, Kind.WATCHLIST)
        for begin in range(0, len(counted), AT_ONCE):
            await _tell_counts(registry, app_id, counted[begin : begin + AT_ONCE])
        for begin in range(0, len(watched), AT_ONCE):
            await tell_state(registry, watched[begin : begin + AT_ONCE])


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


async def _tell_counts(registry: ChannelRegistry, app_id: str, channels: Sequence[Channel]) -> None:
    names = [channel.name for channel in channels]
    counts = await registry.adapter.roster.counts(app_id, names)
    for channel, count in zip(channels, counts, strict=True):
        frame = codec.subscription_count(channel.name, count.subscriptions)
        registry.deliver(app_id, channel.name, [(frame, None)])
