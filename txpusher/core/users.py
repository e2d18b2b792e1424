"""Signed-in users: signing in, being reached on every connection, being sent away.

A signed-in connection stands in the roster on its user's channel, ``#server-to-user-{id}``. So one place knows for the
whole cluster which connection is a user's first or last, which is what makes the user online or offline. Source:
"Pusher docs: User authentication" and "Terminating user connections".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core import online, watchlists
from txpusher.core.outage import Place
from txpusher.errors import ServiceUnavailable, Terminated
from txpusher.interfaces import Envelope
from txpusher.protocol.names import Kind, user_channel

if TYPE_CHECKING:
    from txpusher.core.channel import Channel
    from txpusher.core.connection import Connection
    from txpusher.core.registry import ChannelRegistry
    from txpusher.model import User


async def sign_in(connection: Connection, user: User) -> None:
    """Let a connection receive what is sent to this user; again only takes over what is new about the user."""
    registry, app_id = connection.registry, connection.app.id
    again = connection.user is not None
    channel = await registry.open_channel(app_id, user_channel(user.id), Kind.USER)
    try:
        connection.user = user
        if not connection.closed:
            channel.add(connection)
        if again:
            return
        await _come(connection, channel)
    finally:
        await registry.release(channel)


async def _come(connection: Connection, channel: Channel) -> None:
    registry, app = connection.registry, connection.app
    place = Place(app.id, channel.name, connection.socket_id)
    try:
        joined = await registry.adapter.roster.join(*place)
    except ServiceUnavailable as error:
        registry.outage.join(place, None, error)
        return
    if joined.first_in_channel:
        await online.came_online(registry, app, place)


async def sign_out(connection: Connection) -> None:
    """Let the connection be nobody's; does nothing when nobody is signed in on it."""
    registry, app, user = connection.registry, connection.app, connection.user
    if user is None:
        return
    channel = channel_of(connection)
    place = Place(app.id, user_channel(user.id), connection.socket_id)
    try:
        left = await registry.adapter.roster.leave(*place)
        if left.found:
            registry.outage.joined.pop(place, None)  # it had heard of the join
        if left.last_in_channel:
            await online.went_offline(registry, app, place)
        elif not left.found:
            # The roster has lost it, or the others were told: what is true is told to all in a while.
            registry.outage.leave(place, None)
    except ServiceUnavailable:
        registry.outage.leave(place, None)
    finally:
        await watchlists.unwatch(connection)
        if channel is not None:
            channel.remove(connection)
            await registry.drop_if_unused(channel)


def forget(connection: Connection) -> None:
    """Send it nothing more of what is sent to its user; `sign_out` does the rest."""
    channel = channel_of(connection)
    if channel is not None:
        channel.remove(connection)
    for watched in connection.watching:
        watched.remove(connection)


def channel_of(connection: Connection) -> Channel | None:
    """Give the channel on which the user who is signed in on a connection is reached."""
    if connection.user is None:
        return None
    channels = connection.registry.apps[connection.app.id].channels
    return channels.get(user_channel(connection.user.id))


async def terminate(registry: ChannelRegistry, app_id: str, user_id: str) -> None:
    """End every connection that is signed in as this user, on every node."""
    name = user_channel(user_id)
    terminate_here(registry, app_id, name)
    await registry.adapter.bus.publish(Envelope(app_id, name, terminate=True))


def terminate_here(registry: ChannelRegistry, app_id: str, name: str) -> None:
    """End the connections on this user channel, on this node."""
    local = registry.apps.get(app_id)
    channel = local.channels.get(name) if local else None
    if channel is not None:
        channel.flush()  # what was sent to the user before is not lost
        for connection in tuple(channel.subscribers):
            connection.end(Terminated())
