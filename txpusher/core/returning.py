"""Writing everything of this node to the roster anew, after it was away, or took this node for dead.

The roster says of every entry whether it is the first: if it is, the others have been told of its end, or were never
told of it, and are told now. When the roster has forgotten everything nobody was told of any end, and only those are
told of who came meanwhile. The clients of this node know all of it already.

A roster that has come back in an older state may also have entries of this node that have left since: they are taken
away like those that left during the outage. Where an answer was lost, nobody knows what was told; then what is true is.
"""

from __future__ import annotations

from itertools import starmap
from typing import TYPE_CHECKING

from txpusher.core import online
from txpusher.core.counting import told_up_to
from txpusher.core.occurrences import (
    ChannelOccupied,
    ChannelRestored,
    MemberAdded,
    MemberRestored,
)
from txpusher.core.outage import Place
from txpusher.core.running import together
from txpusher.core.subscribing import tell_departure
from txpusher.interfaces import Envelope
from txpusher.protocol import codec
from txpusher.protocol.names import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from txpusher.core.channel import Channel
    from txpusher.core.connection import Connection
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import Left, Restored
    from txpusher.model import PresenceMember

CHANNELS_AT_ONCE = 50
"""Channels that are written side by side: there may be a hundred thousand, with one subscriber each."""
AT_ONCE = 250
"""Subscriptions that are written at once: what leaves meanwhile must not be written after it has left."""


async def write_anew(registry: ChannelRegistry, *, forgotten: bool, settling: float) -> None:
    """Write it.

    Args:
        registry: of this node.
        forgotten: whether the roster has lost its entries without anybody having been told so.
        settling: seconds after which all nodes have written theirs.

    Raises:
        ServiceUnavailable: the roster is away again; everything has to be written once more.
    """
    await _leave_as_before(registry)
    if forgotten:
        # First, as what was there before is not new.
        await _keep_left(registry, settling)
    for local in list(registry.apps.values()):
        known = [c for c in local.channels.values() if c.kind is not Kind.WATCHLIST]
        for begin in range(0, len(known), CHANNELS_AT_ONCE):
            await together(
                _write_channel(registry, channel, forgotten=forgotten)
                for channel in known[begin : begin + CHANNELS_AT_ONCE]
            )
    if not forgotten:
        await _find_ghosts(registry)
        await _leave(registry)
    for app_id, local in list(registry.apps.items()):
        if local.app is not None and local.app.limits.max_connections is not None:
            await registry.quota.tell(app_id)


async def write_missing(registry: ChannelRegistry) -> None:
    """Write only what the roster could not be told; raises as `write_anew`."""
    await _leave_as_before(registry)
    for place in list(registry.outage.joined):
        local = registry.apps[place.app_id]
        channel, connection = (
            local.channels.get(place.channel),
            local.connections.get(place.socket_id),
        )
        if channel is not None and connection is not None:
            await _write(registry, channel, [connection], quiet=False)
        else:
            registry.outage.joined.pop(place, None)
    await _leave(registry)


async def _write_channel(registry: ChannelRegistry, channel: Channel, *, forgotten: bool) -> None:
    waiting = registry.outage.joined
    everybody = list(channel.subscribers)
    told = [one for one in everybody if _place(channel, one) not in waiting]
    new = [one for one in everybody if _place(channel, one) in waiting]
    for connections, quiet in ((told, forgotten), (new, False)):
        for begin in range(0, len(connections), AT_ONCE):
            await _write(registry, channel, connections[begin : begin + AT_ONCE], quiet=quiet)


async def _write(
    registry: ChannelRegistry, channel: Channel, connections: Sequence[Connection], *, quiet: bool
) -> None:
    there = [one for one in connections if _is_on(one, channel)]
    sockets = [(one.socket_id, _member(one, channel)) for one in there]
    if not there:
        return  # the joins that are under way tell the roster
    restored = await registry.adapter.roster.restore(channel.app_id, channel.name, sockets)
    unanswered = [one for one in there if registry.outage.joined.pop(_place(channel, one), False)]
    if unanswered:
        await _tell_again(
            registry, channel, [_member(one, channel) for one in unanswered], restored
        )
    if quiet:
        _tell_restored(registry, channel.app_id, channel.name, sockets)
    else:
        await _tell_arrivals(registry, channel, restored)


def _place(channel: Channel, connection: Connection) -> Place:
    return Place(channel.app_id, channel.name, connection.socket_id)


def _is_on(connection: Connection, channel: Channel) -> bool:
    # Who is about to be confirmed is a subscriber already; the roster is told by the join that is under way.
    return connection in channel.subscribers and (
        channel.kind is Kind.USER or channel.name in connection.subscriptions
    )


def _member(connection: Connection, channel: Channel) -> PresenceMember | None:
    return connection.subscriptions.get(channel.name, (None, None))[1]


def _tell_restored(
    registry: ChannelRegistry,
    app_id: str,
    name: str,
    sockets: Sequence[tuple[str, PresenceMember | None]],
) -> None:
    # Every node says what it knows: another one may have written somebody before who is new.
    if kind_of(name) is Kind.USER or not sockets:
        return
    registry.tell(ChannelRestored(app_id, name))
    for user_id in {member.user_id: None for _, member in sockets if member is not None}:
        registry.tell(MemberRestored(app_id, name, user_id))


async def _tell_again(
    registry: ChannelRegistry,
    channel: Channel,
    members: Sequence[PresenceMember | None],
    restored: Restored,
) -> None:
    # Their joins may have happened without this node having read what followed. Better said twice than never; the
    # subscribers were told by the roster, if so.
    app_id, name = channel.app_id, channel.name
    if channel.kind is Kind.USER:
        if not restored.first_in_channel:
            await _tell_online(registry, channel)
        return
    if not restored.first_in_channel:
        registry.tell(ChannelOccupied(app_id, name))
    new = {member.user_id for member in restored.new_members}
    for user_id in {member.user_id for member in members if member is not None} - new:
        registry.tell(MemberAdded(app_id, name, user_id))


async def _tell_arrivals(registry: ChannelRegistry, channel: Channel, restored: Restored) -> None:
    app_id, name, app = channel.app_id, channel.name, registry.app(channel.app_id)
    if channel.kind is Kind.USER:
        if restored.first_in_channel:
            await _tell_online(registry, channel)
        return
    if restored.first_in_channel:
        registry.tell(ChannelOccupied(app_id, name))
    # Of who has left before the answer came, the roster has told already that they are gone.
    members = (_member(one, channel) for one in channel.subscribers)
    here = {member.user_id for member in members if member is not None}
    for member in restored.new_members:
        registry.tell(MemberAdded(app_id, name, member.user_id))
        if member.user_id not in here:
            continue
        await _tell_others(registry, app_id, name, codec.member_added(name, member))
    if app is not None and told_up_to(app, channel.kind):
        await registry.counting.changed(app_id, name, restored.counts.subscriptions)


async def _tell_online(registry: ChannelRegistry, channel: Channel) -> None:
    app, first = registry.app(channel.app_id), next(iter(channel.subscribers), None)
    if app is not None and first is not None:
        await online.came_online(registry, app, _place(channel, first))


async def _tell_others(registry: ChannelRegistry, app_id: str, name: str, frame: bytes) -> None:
    await registry.hand_on(Envelope(app_id, name, [(frame, None)]))


async def _keep_left(registry: ChannelRegistry, settling: float) -> None:
    # Were they taken away at once, channels would seem vacant whose other subscribers are not written yet.
    left = registry.outage.left
    for place, member in list(left.items()):
        app_id, name, socket_id = place
        await registry.adapter.roster.restore(app_id, name, [(socket_id, member)])
        _tell_restored(registry, app_id, name, [(socket_id, member)])
    if left:
        registry.outage.settle(settling)


async def _leave_as_before(registry: ChannelRegistry) -> None:
    # Who is on a channel again as somebody else: the roster takes nobody in the place of another.
    left, joined = registry.outage.left, registry.outage.joined
    for place in list(left):
        if place in left and place in joined:
            await _leave_one(registry, place)


async def _find_ghosts(registry: ChannelRegistry) -> None:
    cursor, roster = 0, registry.adapter.roster
    while True:
        cursor, owned = await roster.owned(cursor)
        for place in starmap(Place, owned):
            if not registry.outage.waits(place) and not _is_back(registry, place):
                await _tell_departure(registry, place, await _leave_roster(registry, place))
        if not cursor:
            return


async def _leave(registry: ChannelRegistry) -> None:
    left = registry.outage.left
    while left:
        place = next(iter(left))
        if _is_back(registry, place):
            del left[place]
        else:
            await _leave_one(registry, place)


async def _leave_one(registry: ChannelRegistry, place: Place) -> None:
    roster, member = registry.adapter.roster, registry.outage.left[place]
    answer = await _leave_roster(registry, place)
    # An earlier leave may have happened without this node having read what followed: what is true now is told.
    if not answer.counts.subscriptions:
        answer = answer._replace(last_in_channel=True)
    if member is not None and answer.last_for_user is None:
        there = {other.user_id for other in await roster.members(place.app_id, place.channel)}
        if member.user_id not in there:
            answer = answer._replace(last_for_user=member)
    await _tell_departure(registry, place, answer)
    registry.outage.left.pop(place, None)


async def _leave_roster(registry: ChannelRegistry, place: Place) -> Left:
    app, kind = registry.app(place.app_id), kind_of(place.channel)
    up_to = 0 if app is None or kind is Kind.USER else told_up_to(app, kind)
    left = await registry.adapter.roster.leave(*place, tell_up_to=up_to)
    # What was not there was not told now.
    return left._replace(told=left.told and left.found)


def _is_back(registry: ChannelRegistry, place: Place) -> bool:
    local = registry.apps.get(place.app_id)
    channel = local.channels.get(place.channel) if local else None
    connection = local.connections.get(place.socket_id) if local else None
    return channel is not None and connection in channel.subscribers


async def _tell_departure(registry: ChannelRegistry, place: Place, left: Left) -> None:
    app_id, name, app = place.app_id, place.channel, registry.app(place.app_id)
    if kind_of(name) is Kind.USER:
        if left.last_in_channel and app is not None:
            await online.went_offline(registry, app, place)
        return
    tell_departure(registry, app_id, name, left)
    if left.last_for_user is not None:
        if not left.told:
            user_id = left.last_for_user.user_id
            envelope = Envelope(app_id, name, [(codec.member_removed(name, user_id), None)])
            await registry.adapter.bus.publish_gone(envelope, user_id)
    elif app is not None and told_up_to(app, kind_of(name)):
        await registry.counting.changed(app_id, name, left.counts.subscriptions, told=left.told)
