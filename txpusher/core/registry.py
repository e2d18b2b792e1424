"""The channel registry: who is connected and subscribed in this process, and the way to everybody else.

It owns the channels of every app, asks the adapter's roster who is first and last in the cluster, delivers locally
without a round trip, and hands the very same frames to the adapter's bus for the other nodes. Everything that happens
is told as an occurrence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from txpusher.core.channel import Channel, Frame
from txpusher.core.connection import Connection
from txpusher.core.occurrences import ConnectionLost, ConnectionOpened, Occurrence
from txpusher.errors import Terminated
from txpusher.interfaces import Envelope
from txpusher.protocol import codec
from txpusher.protocol.names import Kind, kind_of, new_socket_id, user_channel

if TYPE_CHECKING:
    from txpusher.core.liveness import Liveness
    from txpusher.interfaces import Adapter, Clock, Wire
    from txpusher.model import App, Event, User


class Options(NamedTuple):
    """What the operator decided about conversations.

    Args:
        activity_timeout: seconds of silence, as announced to clients.
        only_pusher_error: tell failed subscriptions by ``pusher:error`` alone.
    """

    activity_timeout: int = 120
    only_pusher_error: bool = False


class LocalApp:
    """What this process holds of one app.

    Attributes:
        app: as it was when somebody connected last.
        connections: by socket id.
        channels: by name.
    """

    __slots__ = ("app", "channels", "connections")

    def __init__(self, app: App) -> None:
        self.app = app
        self.connections: dict[str, Connection] = {}
        self.channels: dict[str, Channel] = {}


class ChannelRegistry:
    """See the module.

    Args:
        adapter: bus, roster and last events.
        clock: tells the time.
        liveness: looks after silent connections.
        randbelow: draws socket ids, as `secrets.randbelow`.
        tell: hears every occurrence.
        options: see `Options`.
    """

    def __init__(
        self,
        adapter: Adapter,
        clock: Clock,
        liveness: Liveness,
        randbelow: Callable[[int], int],
        tell: Callable[[Occurrence], None],
        options: Options = Options(),  # noqa: B008 - immutable
    ) -> None:
        self.adapter = adapter
        self.clock = clock
        self.tell = tell
        self.options = options
        self.apps: dict[str, LocalApp] = {}
        self._liveness = liveness
        self._randbelow = randbelow

    # Connections

    def connect(self, app: App, wire: Wire) -> Connection:
        """Establish an admitted client and greet it."""
        local = self.apps.setdefault(app.id, LocalApp(app))
        local.app = app
        socket_id = new_socket_id(self._randbelow)
        while socket_id in local.connections:
            socket_id = new_socket_id(self._randbelow)
        connection = Connection(app, socket_id, wire, self)
        local.connections[socket_id] = connection
        self._liveness.watch(connection)
        self.tell(ConnectionOpened(app.id, socket_id))
        connection.send(codec.connection_established(socket_id, self.options.activity_timeout))
        return connection

    def forget(self, connection: Connection) -> None:
        """Count a connection no more; `leave_all` does the rest."""
        self._liveness.forget(connection)
        self.apps[connection.app.id].connections.pop(connection.socket_id, None)
        for channel, _ in connection.subscriptions.values():
            channel.remove(connection)
        of_user = self.user_channel_of(connection)
        if of_user is not None:
            of_user.remove(connection)
        self.tell(ConnectionLost(connection.app.id, connection.socket_id))

    def app(self, app_id: str) -> App | None:
        """Give an app that somebody has connected to, as it is now."""
        local = self.apps.get(app_id)
        return local.app if local else None

    def connections(self) -> list[Connection]:
        """All connections of this process."""
        return [
            connection for local in self.apps.values() for connection in local.connections.values()
        ]

    def connection_count(self, app_id: str | None = None) -> int:
        """How many connections this process has, of one app or of all."""
        if app_id is None:
            return sum(len(local.connections) for local in self.apps.values())
        local = self.apps.get(app_id)
        return len(local.connections) if local else 0

    # Channels

    async def open_channel(self, app_id: str, name: str, kind: Kind) -> Channel:
        """Get or make a channel, and keep it until `release` although nobody may be on it yet."""
        channels = self.apps[app_id].channels
        channel = channels.get(name)
        if channel is None:
            channel = channels[name] = Channel(app_id, name, kind, self.clock, self.tell)
        channel.holders += 1
        try:
            # Whoever comes while the first one waits for the bus waits for it, too.
            if not channel.watched:
                await self.adapter.bus.watch(app_id, name)
                channel.watched = True
        except Exception:
            await self.release(channel)
            raise
        return channel

    async def release(self, channel: Channel) -> None:
        """Keep the channel no longer; it goes when nobody is on it."""
        channel.holders -= 1
        await self.drop_if_unused(channel)

    async def drop_if_unused(self, channel: Channel) -> None:
        """Let a channel go that nobody is on or about to be on."""
        channels = self.apps[channel.app_id].channels
        if (
            not channel.subscribers
            and not channel.holders
            and channels.get(channel.name) is channel
        ):
            del channels[channel.name]
            await self.adapter.bus.unwatch(channel.app_id, channel.name)

    def user_channel_of(self, connection: Connection) -> Channel | None:
        """Give the channel on which the user who is signed in on a connection is reached."""
        if connection.user is None:
            return None
        return self.apps[connection.app.id].channels.get(user_channel(connection.user.id))

    # Users

    async def sign_in(self, connection: Connection, user: User) -> None:
        """Let a connection receive what is sent to this user; again changes nothing."""
        channel = await self.open_channel(connection.app.id, user_channel(user.id), Kind.USER)
        connection.user = user
        if not connection.closed:
            channel.add(connection)
        await self.release(channel)

    async def terminate(self, app_id: str, user_id: str) -> None:
        """End every connection that is signed in as this user, on every node."""
        name = user_channel(user_id)
        self._terminate_local(app_id, name)
        await self.adapter.bus.publish(Envelope(app_id, name, terminate=True))

    def _terminate_local(self, app_id: str, name: str) -> None:
        local = self.apps.get(app_id)
        channel = local.channels.get(name) if local else None
        if channel is not None:
            channel.flush()  # what was sent to the user before is not lost
            for connection in tuple(channel.subscribers):
                connection.end(Terminated())

    # Events

    async def publish(self, app: App, events: Iterable[Event]) -> None:
        """Publish validated events, in order; the frames of one channel go out together."""
        frames: dict[str, list[tuple[bytes, str | None]]] = {}
        for event in events:
            for name in event.channels:
                frame = codec.channel_event(event.name, name, event.data)
                frames.setdefault(name, []).append((frame, event.socket_id))
                if "cache-" in name and kind_of(name).is_cache:
                    ttl = app.limits.cache_ttl
                    await self.adapter.last_events.put(app.id, name, event.name, event.data, ttl)
        for name, channel_frames in frames.items():
            self.deliver(app.id, name, channel_frames)
        for name, channel_frames in frames.items():
            await self.adapter.bus.publish(Envelope(app.id, name, channel_frames))

    async def broadcast(
        self, app_id: str, name: str, frame: bytes, excluded: Connection | None = None
    ) -> None:
        """Send one frame to a channel's subscribers on every node."""
        frames = [(frame, None if excluded is None else excluded.socket_id)]
        self.deliver(app_id, name, frames)
        await self.adapter.bus.publish(Envelope(app_id, name, frames))

    def deliver(self, app_id: str, name: str, frames: Sequence[tuple[bytes, str | None]]) -> None:
        """Send frames to a channel's subscribers in this process."""
        local = self.apps.get(app_id)
        channel = local.channels.get(name) if local else None
        if local is None or channel is None:
            return
        found: list[Frame] = [
            (frame, None if socket_id is None else local.connections.get(socket_id))
            for frame, socket_id in frames
        ]
        channel.deliver(found)

    def receive(self, envelope: Envelope) -> None:
        """Take what another node published."""
        if envelope.terminate:
            self._terminate_local(envelope.app_id, envelope.channel)
        else:
            self.deliver(envelope.app_id, envelope.channel, envelope.frames)
