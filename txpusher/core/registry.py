"""The channel registry: who is connected and subscribed in this process, and the way to everybody else.

It owns the channels of every app, asks the adapter's roster who is first and last in the cluster, delivers locally
without a round trip, and hands the very same frames to the adapter's bus for the other nodes, if there may be any.
Everything that happens is told as an occurrence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from txpusher.core import users
from txpusher.core.channel import Channel
from txpusher.core.connection import Connection
from txpusher.core.counting import Counting
from txpusher.core.draining import drain
from txpusher.core.leaving import Leaving
from txpusher.core.local_app import LocalApp
from txpusher.core.occurrences import (
    ConnectionLost,
    ConnectionOpened,
    MessageDropped,
    Occurrence,
)
from txpusher.core.outage import Outage
from txpusher.core.quota import ConnectionQuota
from txpusher.core.returning import write_missing
from txpusher.core.running import start, start_logged
from txpusher.core.turn import Turn
from txpusher.errors import AppDisabled, ConnectionEnded, ServiceUnavailable, UnknownApp
from txpusher.interfaces import Envelope
from txpusher.protocol import codec
from txpusher.protocol.names import Kind, kind_of, new_socket_id

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from txpusher.core.liveness import Liveness
    from txpusher.core.rounds import Frame
    from txpusher.interfaces import Adapter, Clock, Wire
    from txpusher.model import App, Event

SENDING_AWAY = 1.0
"""Seconds over which the clients of an app are sent away that is gone or switched off."""


class Options(NamedTuple):
    """What the operator decided about conversations.

    Args:
        activity_timeout: seconds of silence, as announced to clients.
        only_pusher_error: tell failed subscriptions and sign-ins by ``pusher:error`` alone.
        watchlist_delay: seconds a user may be away before watchers are told.
        adapter_required: refuse to publish while the other nodes cannot be reached.
    """

    activity_timeout: int = 120
    only_pusher_error: bool = False
    watchlist_delay: float = 0.0
    adapter_required: bool = False


class ChannelRegistry:
    """See the module.

    Args:
        adapter: bus, roster and last events.
        clock: tells the time.
        liveness: looks after silent connections.
        randbelow: draws socket ids, as `secrets.randbelow`.
        tell: hears every occurrence.
        options: see `Options`.

    Attributes:
        counting: tells subscribers their number.
        quota: keeps apps within their connection quotas.
        outage: what the roster has to be told when it is back.
        leaving: connections whose leaves the roster has not taken yet.
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
        self.turn = Turn(clock)
        self.tell = tell
        self.options = options
        self.apps: dict[str, LocalApp] = {}
        self.counting = Counting(self)
        self.quota = ConnectionQuota(self)
        self.leaving = Leaving()
        self.outage = Outage(self, lambda: write_missing(self))
        self._liveness = liveness
        self._randbelow = randbelow

    # Connections

    def connect(self, app: App, wire: Wire) -> Connection:
        """Establish an admitted client and greet it."""
        local = self.apps.get(app.id)
        if local is None:
            local = self.apps[app.id] = LocalApp(app)
        if not local.is_told:
            local.app = app
        socket_id = new_socket_id(self._randbelow)
        while socket_id in local.connections:
            socket_id = new_socket_id(self._randbelow)
        connection = Connection(app, socket_id, wire, self)
        local.connections[socket_id] = connection
        if app.authorized_connections_only:
            local.unauthorized[connection] = self.clock.seconds()
        self._liveness.watch(connection)
        self.tell(ConnectionOpened(app.id, socket_id))
        connection.send(codec.connection_established(socket_id, self.options.activity_timeout))
        return connection

    def forget(self, connection: Connection) -> None:
        """Count a connection no more; leaving everything does the rest."""
        self._liveness.forget(connection)
        local = self.apps[connection.app.id]
        local.connections.pop(connection.socket_id, None)
        local.unauthorized.pop(connection, None)
        for channel, _ in connection.subscriptions.values():
            channel.remove(connection)
        users.forget(connection)
        self.quota.changed(connection.app)
        self.tell(ConnectionLost(connection.app.id, connection.socket_id))

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

    def counted(self, app_id: str) -> int:
        """How many connections of this process count for an app's quota."""
        local = self.apps.get(app_id)
        return local.counted() if local else 0

    # Apps

    def app(self, app_id: str) -> App | None:
        """Give an app that somebody was connected to, as it is now; None when it is gone."""
        local = self.apps.get(app_id)
        return local.app if local else None

    def latest(self, app: App) -> App | None:
        """Give what an app is now that was looked up a moment ago; None when it is gone since then."""
        local = self.apps.get(app.id)
        return local.app if local is not None and local.is_told else app

    def app_changed(self, app_id: str, app: App | None) -> None:
        """Go on under other settings of an app, and send its clients away when it is gone or switched off.

        Args:
            app_id: the app's id.
            app: what it is from now on, or None when there is no such app any more.
        """
        local = self.apps.get(app_id)
        if local is None:
            return
        local.app, local.is_told = app, True
        if app is None:
            self._send_away(local, UnknownApp())
            return
        for connection in local.connections.values():
            connection.app_changed(app)
        if not app.authorized_connections_only:
            local.unauthorized.clear()
        self.quota.changed(app)  # a quota may be new, or count others than before
        if not app.enabled:
            self._send_away(local, AppDisabled())

    def _send_away(self, local: LocalApp, problem: ConnectionEnded) -> None:
        app, connections = local.app, tuple(local.connections.values())

        def as_it_was() -> bool:
            return local.app is app

        closing = drain(connections, SENDING_AWAY, self.clock, problem, as_it_was)
        start_logged(closing, "Not all clients of an app were sent away")

    # Channels

    async def open_channel(self, app_id: str, name: str, kind: Kind) -> Channel:
        """Get or make a channel, and keep it until `release` although nobody may be on it yet."""
        channels = self.apps[app_id].channels
        channel = channels.get(name)
        if channel is None:
            channel = channels[name] = Channel(app_id, name, kind, self.turn, self.tell)
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

    # Events

    async def publish(self, app: App, events: Iterable[Event]) -> None:
        """Publish validated events, in order; the frames of one channel go out together.

        Raises:
            ServiceUnavailable: the other nodes cannot be reached, and the operator requires it.
        """
        required = self.options.adapter_required
        if required and not self.adapter.health().ok:
            raise ServiceUnavailable("The other nodes cannot be reached (setting adapter_required)")
        frames: dict[str, list[tuple[bytes, str | None]]] = {}
        caching: list[Deferred[None] | None] = []
        for event in events:
            for name in event.channels:
                frame = codec.channel_event(event.name, name, event.data)
                frames.setdefault(name, []).append((frame, event.socket_id))
                if "cache-" in name and kind_of(name).is_cache:
                    caching.append(start(self._cache(app, name, event)))
        for name, channel_frames in frames.items():
            self.deliver(app.id, name, channel_frames)
        if not self.adapter.bus.is_alone():
            for name, channel_frames in frames.items():
                await self.hand_on(Envelope(app.id, name, channel_frames), required=required)
        for cached in caching:
            if cached is not None:
                await cached

    async def _cache(self, app: App, name: str, event: Event) -> None:
        # It is on its way before the event is, so whoever does not receive the one finds the other; nobody's
        # delivery waits until it has arrived.
        ttl = app.limits.cache_ttl
        try:
            await self.adapter.last_events.put(app.id, name, event.name, event.data, ttl)
        except ServiceUnavailable as error:
            self.tell(MessageDropped(app.id, error.reason))

    async def hand_on(self, envelope: Envelope, *, required: bool = False) -> None:
        """Send an envelope to the other nodes; while they cannot be reached it is dropped and counted.

        Raises:
            ServiceUnavailable: they cannot be reached, and that is ``required``.
        """
        try:
            await self.adapter.bus.publish(envelope)
        except ServiceUnavailable as error:
            self.tell(MessageDropped(envelope.app_id, error.reason))
            if required:
                raise

    async def broadcast(
        self, app_id: str, name: str, frame: bytes, excluded: Connection | None = None
    ) -> None:
        """Send one frame to a channel's subscribers on every node."""
        frames = [(frame, None if excluded is None else excluded.socket_id)]
        self.deliver(app_id, name, frames)
        if not self.adapter.bus.is_alone():
            await self.hand_on(Envelope(app_id, name, frames))

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
            users.terminate_here(self, envelope.app_id, envelope.channel)
        else:
            self.deliver(envelope.app_id, envelope.channel, envelope.frames)
