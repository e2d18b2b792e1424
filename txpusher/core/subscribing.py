"""Joining and leaving channels: what the roster is asked, what the client is sent, what the others are told.

The roster decides who is first and last in the cluster; everything here follows from its answers. Source: "Pusher docs:
Channels protocol" and "Presence channels".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from txpusher.core.authorization import authorized
from txpusher.core.counting import told_up_to
from txpusher.core.holding import Hold
from txpusher.core.listing import leave_out, since_list
from txpusher.core.occurrences import (
    CacheMissed,
    ChannelOccupied,
    ChannelVacated,
    MemberAdded,
    MemberRemoved,
    Subscribed,
    Unsubscribed,
)
from txpusher.core.outage import UNKNOWN, Place
from txpusher.errors import PresenceChannelFull, ServiceUnavailable, TooManySubscriptions
from txpusher.protocol import codec
from txpusher.protocol.frames import split

if TYPE_CHECKING:
    from txpusher.core.channel import Channel
    from txpusher.core.connection import Connection
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import Joined, Left
    from txpusher.model import PresenceMember
    from txpusher.protocol.names import Kind

_log = Logger()


async def subscribe(
    connection: Connection, name: str, kind: Kind, member: PresenceMember | None
) -> None:
    """Put an authorized connection on a channel and confirm it; again is confirmed again.

    The connection receives from before the roster is asked, and what arrives is held back until the client has read
    what comes first: so nothing is missed and nothing comes too early, however late the answers are.

    Raises:
        TooManySubscriptions: the connection is on as many channels as the app allows.
        PresenceChannelFull: the presence channel has as many users as the app allows.
    """
    _check_room(connection, name)
    registry, app = connection.registry, connection.app
    channel = await registry.open_channel(app.id, name, kind)
    try:
        if name in connection.subscriptions:
            joined = await _join(connection, channel, member)
            if member is not None and joined.told:
                since = since_list(connection, joined.members)
                leave_out(channel, [(connection, since)], registry.clock)
            _confirm(connection, channel, joined)
            return
        hold = Hold(connection.wire.send)
        if not connection.closed:
            channel.add(connection, hold.send)
        joined = await _join(connection, channel, member)
        _arrived(connection, channel, member, joined)
        _confirm(connection, channel, joined)
        await _go_on(connection, channel, hold, joined)
        if member is not None and joined.first_for_user and not joined.told:
            frame = codec.member_added(name, member)
            await registry.broadcast(app.id, name, frame, excluded=connection)
        if told_up_to(app, kind) and joined.counts is not UNKNOWN:
            count = joined.counts.subscriptions
            await registry.counting.changed(app.id, name, count, told=joined.told)
    finally:
        if name not in connection.subscriptions:
            channel.remove(connection)
        await registry.release(channel)


def _check_room(connection: Connection, name: str) -> None:
    limit, there = connection.app.limits.max_subscriptions, connection.subscriptions
    if limit is not None and len(there) >= limit and name not in there:
        raise TooManySubscriptions(
            f"This connection has the {limit} subscriptions it may have (setting max_subscriptions)"
        )


async def _join(connection: Connection, channel: Channel, member: PresenceMember | None) -> Joined:
    registry, app, name = connection.registry, connection.app, channel.name
    limit, place = app.limits.max_presence_members, Place(app.id, name, connection.socket_id)
    try:
        registry.outage.check_join(place, member)
        up_to = told_up_to(app, channel.kind)
        joined = await registry.adapter.roster.join(*place, member, limit, up_to)
    except ServiceUnavailable as error:
        joined = registry.outage.subscribe(connection, channel, member, error)
    if not joined.accepted:
        raise PresenceChannelFull(
            f"{name} has the {limit} members it may have (setting max_presence_members)"
        )
    return joined


def _arrived(
    connection: Connection,
    channel: Channel,
    member: PresenceMember | None,
    joined: Joined,
) -> None:
    app_id, name, tell = channel.app_id, channel.name, connection.registry.tell
    connection.subscriptions[name] = (channel, member)
    if connection.closed:
        channel.remove(connection)
    elif not channel.kind.is_public:
        authorized(connection)
    tell(Subscribed(app_id, name, channel.kind))
    if joined.first_in_channel:
        tell(ChannelOccupied(app_id, name))
    if member is not None and joined.first_for_user:
        tell(MemberAdded(app_id, name, member.user_id))


def _confirm(connection: Connection, channel: Channel, joined: Joined) -> None:
    name = channel.name
    if not channel.kind.is_presence:
        connection.send(codec.subscription_succeeded(name))
    else:
        connection.send(codec.presence_succeeded(name, joined.members))


async def _go_on(connection: Connection, channel: Channel, hold: Hold, joined: Joined) -> None:
    """Send what comes after the confirmation: the cached event, then what was held back, then what comes."""
    if channel.kind.is_cache:
        await _replay(connection, channel, hold)
    if connection.closed:
        return
    if not channel.kind.is_presence:
        hold.release()
        channel.replace(connection, connection.wire.send)
        return
    since = since_list(connection, joined.members)
    hold.release(since.send)
    if joined.told:
        leave_out(channel, [(connection, since)], connection.registry.clock)
    else:
        channel.replace(connection, connection.wire.send)


async def _replay(connection: Connection, channel: Channel, hold: Hold) -> None:
    app_id, name, registry = channel.app_id, channel.name, connection.registry
    try:
        cached = await registry.adapter.last_events.get(app_id, name)
    except ServiceUnavailable:
        cached = None
    if cached is None:
        registry.tell(CacheMissed(app_id, name))
        connection.send(codec.cache_miss(name))
        return
    frame = codec.channel_event(cached.name, name, cached.data)
    # What was published a moment ago arrives by itself.
    if frame not in split(hold.held):
        connection.send(frame)


async def unsubscribe(connection: Connection, name: str) -> None:
    """Take a connection off a channel; does nothing when it is not on it."""
    subscription = connection.subscriptions.pop(name, None)
    if subscription is None:
        return
    registry, (channel, member) = connection.registry, subscription
    channel.remove(connection)
    registry.tell(Unsubscribed(channel.app_id, name, channel.kind))
    place = Place(channel.app_id, name, connection.socket_id)
    try:
        registry.outage.check_leave(place)
        up_to = told_up_to(connection.app, channel.kind)
        left = await registry.adapter.roster.leave(*place, member, up_to)
        if left.found:
            registry.outage.joined.pop(place, None)  # it had heard of the join
            await _departed(connection, channel, left)
        else:
            # The roster has lost it. What is true is told when this node writes itself anew.
            registry.outage.unsubscribe(connection, channel, member)
    except ServiceUnavailable:
        registry.outage.unsubscribe(connection, channel, member)
    finally:
        await registry.drop_if_unused(channel)


async def _departed(connection: Connection, channel: Channel, left: Left) -> None:
    app_id, name, registry = channel.app_id, channel.name, connection.registry
    gone = left.last_for_user
    tell_departure(registry, app_id, name, left)
    # The facts are told: they are true whatever becomes of the broadcasts.
    if gone is not None:
        if not left.told:
            await registry.broadcast(app_id, name, codec.member_removed(name, gone.user_id))
    elif told_up_to(connection.app, channel.kind):
        await registry.counting.changed(app_id, name, left.counts.subscriptions, told=left.told)


def tell_departure(registry: ChannelRegistry, app_id: str, name: str, left: Left) -> None:
    """Tell the facts that follow from a leave."""
    if left.last_for_user is not None:
        registry.tell(MemberRemoved(app_id, name, left.last_for_user.user_id))
    if left.last_in_channel:
        registry.tell(ChannelVacated(app_id, name))


async def leave_all(connection: Connection) -> None:
    """Take a connection off every channel it is on; what goes wrong with one channel is no other's matter."""
    for name in tuple(connection.subscriptions):
        try:
            await unsubscribe(connection, name)
        except Exception:  # noqa: BLE001 - a ghost on one channel is enough
            _log.failure(
                "{socket_id} of app {app_id} could not leave {channel}",
                app_id=connection.app.id,
                socket_id=connection.socket_id,
                channel=name,
            )
