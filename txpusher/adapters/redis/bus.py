"""The bus: PUBLISH on one connection, SUBSCRIBE on another, one topic per app and channel.

A topic is subscribed to while this node watches its channel and for `LINGER` seconds more, so that page reloads do not
flap. After every connect all topics are subscribed to again, and the way is proved by a message to oneself: until it
has come back, and whenever a later one does not, the bus counts as deaf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from txpusher.adapters.redis import envelopes
from txpusher.adapters.redis.commands import place, refusal
from txpusher.adapters.redis.scripts import DUE_NUMBER, GONE, NUMBER, OCCUPIED, STILL
from txpusher.errors import ServiceUnavailable
from txpusher.interfaces import CountTold

if TYPE_CHECKING:
    from txredisapi import ResponseError

    from txpusher.adapters.redis.commands import Commands
    from txpusher.adapters.redis.link import Link
    from txpusher.adapters.redis.subscriber import SubscriberConnection
    from txpusher.interfaces import Call, Clock, Envelope, Node

_log = Logger()

LINGER = 1.0
"""Seconds that a topic is kept after nobody watches it any more."""


class RedisBus:
    """See `txpusher.interfaces.Bus`.

    Args:
        commands: publishes.
        node_id: of this node, 8 bytes of ASCII.
        clock: tells the time.
        well: called whenever a message to oneself has come back.

    Attributes:
        link: the subscriber's connection; it is set before the first use.
        node: hears what arrives; it is set before the first use.
        proved: whether the last message to oneself has come back.
    """

    link: Link
    node: Node

    def __init__(
        self, commands: Commands, node_id: bytes, clock: Clock, well: Callable[[], None]
    ) -> None:
        self.proved = False
        self._well = well
        self._commands = commands
        self._id = node_id
        self._clock = clock
        self._prefix = commands.prefix + b"bus:"
        self._probe_topic = commands.prefix + b"probe:" + node_id
        self._probed_at: float | None = None
        self._proof: Deferred[None] | None = None
        self._watched: dict[bytes, tuple[str, str]] = {}
        # Subscribed to, watched no longer.
        self._lingering: set[bytes] = set()
        self._sweep: Call | None = None
        self._connection: SubscriberConnection | None = None
        # Who waits for the confirmation of a topic, and since when.
        self._unconfirmed: dict[bytes, tuple[float, list[Deferred[None]]]] = {}

    # As a Bus

    def is_alone(self) -> bool:
        """See `txpusher.interfaces.Bus`; Redis may be anybody's."""
        return False

    async def publish(self, envelope: Envelope) -> None:
        """See `txpusher.interfaces.Bus`; returns when the message is on its way to Redis."""
        node = envelope.sender.encode() or self._id
        topic = self._prefix + place(envelope.app_id, envelope.channel)
        self._commands.publish(envelope.app_id, topic, envelopes.encode(envelope, node))

    async def publish_gone(self, envelope: Envelope, user_id: str) -> None:
        """See `txpusher.interfaces.Bus`."""
        node = envelope.sender.encode() or self._id
        where = place(envelope.app_id, envelope.channel)
        await self._commands.run(GONE, where, user_id, envelopes.encode(envelope, node))

    async def publish_while(
        self,
        envelope: Envelope,
        channel: str,
        *,
        occupied: bool,
        within: float = 0.0,
        quiet: bool = False,
    ) -> None:
        """See `txpusher.interfaces.Bus`."""
        message = envelopes.encode(envelope, envelope.sender.encode() or envelopes.NOBODY)
        where = place(envelope.app_id, envelope.channel)
        which = place(envelope.app_id, channel)
        how = int(within * 1000), int(quiet)
        await self._commands.run(STILL, which, int(occupied), where, message, *how)

    async def occupied(self, app_id: str, channels: Sequence[str]) -> list[bool]:
        """See `txpusher.interfaces.Bus`."""
        places = [place(app_id, channel) for channel in channels]
        return [bool(there) for there in await self._commands.run(OCCUPIED, *places)]

    async def publish_count(self, app_id: str, channel: str) -> int:
        """See `txpusher.interfaces.Bus`."""
        return int(await self._commands.run(NUMBER, place(app_id, channel), envelopes.NUMBER))

    async def publish_due_count(
        self, app_id: str, channel: str, above: int, every: float
    ) -> CountTold:
        """See `txpusher.interfaces.Bus`."""
        limits = above, int(every * 1000)
        told, left = await self._commands.run(
            DUE_NUMBER, place(app_id, channel), *limits, envelopes.NUMBER
        )
        return CountTold(told, left / 1000)

    async def watch(self, app_id: str, channel: str) -> None:
        """See `txpusher.interfaces.Bus`; while Redis is away the channel is noted, and that is all."""
        topic = self._prefix + place(app_id, channel)
        if topic not in self._watched:
            self._watched[topic] = (app_id, channel)
            if topic in self._lingering:
                self._lingering.discard(topic)
            elif self._connection is not None:
                self._unconfirmed[topic] = (self._clock.seconds(), [])
                self._connection.subscribe([topic])
        if topic in self._unconfirmed:
            confirmed: Deferred[None] = Deferred()
            self._unconfirmed[topic][1].append(confirmed)
            await confirmed

    async def unwatch(self, app_id: str, channel: str) -> None:
        """See `txpusher.interfaces.Bus`."""
        topic = self._prefix + place(app_id, channel)
        if self._watched.pop(topic, None) is not None and self._connection is not None:
            self._lingering.add(topic)
            if self._sweep is None:
                self._sweep = self._clock.callLater(LINGER, self._unsubscribe)

    @property
    def watches(self) -> bool:
        """Whether this node watches anything."""
        return bool(self._watched)

    def _unsubscribe(self) -> None:
        self._sweep = None
        topics, self._lingering = self._lingering, set()
        if self._connection is not None and topics:
            self._connection.unsubscribe(topics)

    # The connection

    async def prepare(self, connection: SubscriberConnection) -> None:
        """Subscribe to everything on a new connection; what is watched from now on is subscribed to one by one."""
        self._connection = connection
        connection.ended.addCallback(lambda _: self._ended(connection))
        proof = self._proof = Deferred()
        # Until that is confirmed, and in no more than the same time, nothing is sent to oneself: a message that came to
        # Redis on the other connection before it would not come back.
        self._probed_at = self._clock.seconds()
        connection.subscribe([*self._watched, self._probe_topic])
        await proof

    def prove(self) -> None:
        """Send a message to oneself, unless one is on its way; without Redis there is no way."""
        if self._connection is None or self._probed_at is not None:
            return
        self._probed_at = self._clock.seconds()
        try:
            self._commands.publish("", self._probe_topic, b"")
        except ServiceUnavailable:
            self.forget_proof()

    def forget_proof(self) -> None:
        """Wait for no message to oneself any more: the connection it was sent on has ended, and it may be lost."""
        self._probed_at, self.proved = None, False

    def check(self, timeout: float) -> None:
        """End a connection on which nothing arrives in time: neither a proof nor a confirmation."""
        waiting = next(iter(self._unconfirmed.values()), (None,))[0]
        late = self._clock.seconds() - timeout
        if any(since is not None and since < late for since in (self._probed_at, waiting)):
            self.proved = False
            self.link.abort(f"it brought nothing in {timeout:g} seconds")

    def stop(self) -> None:
        """Let nothing be due any more."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def subscribed(self, topic: bytes) -> None:
        """Let those go on who wait for this topic."""
        if topic == self._probe_topic and self._proof is not None:
            proof, self._proof = self._proof, None
            self._probed_at = None
            proof.callback(None)
        for confirmed in self._unconfirmed.pop(topic, (0, []))[1]:
            confirmed.callback(None)

    def refused(self, error: ResponseError) -> None:
        """Give up a connection on which not everything is subscribed to; the link tells why, and tries again."""
        proof, self._proof = self._proof, None
        if proof is None:
            self.link.abort(refusal(error))
        else:
            proof.errback(ServiceUnavailable(refusal(error)))

    def received(self, topic: bytes, message: bytes) -> None:
        """Hand on what another node has published."""
        where = self._watched.get(topic)
        if where is not None:
            if envelopes.sender(message) != self._id:
                self._hand_on(message, *where)
        elif topic == self._probe_topic:
            self._probed_at, self.proved = None, True
            self._well()

    def _hand_on(self, message: bytes, app_id: str, channel: str) -> None:
        try:
            envelope = envelopes.decode(message, app_id, channel)
        except ValueError:
            # A node of a later version, or somebody else on our prefix.
            self.node.dropped(app_id, "unknown_envelope")
            return
        try:
            self.node.receive(envelope)
        except Exception:  # noqa: BLE001 - the others must not become deaf by it
            _log.failure("Bug while taking what another node published to app {id}", id=app_id)

    def _ended(self, connection: SubscriberConnection) -> None:
        if self._connection is connection:
            self._connection = None
            self.proved, self._probed_at = False, None
            self._lingering.clear()
            proof, self._proof = self._proof, None
            if proof is not None:
                proof.errback(ConnectionError("Redis ended the connection"))
            unconfirmed, self._unconfirmed = self._unconfirmed, {}
            for _, waiting in unconfirmed.values():
                for confirmed in waiting:
                    confirmed.callback(None)
