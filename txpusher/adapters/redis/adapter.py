"""The Redis adapter as one part: two connections, what speaks over them, and what looks after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from txredisapi import ResponseError

from txpusher.adapters.redis.bus import RedisBus
from txpusher.adapters.redis.commands import Commands, refusal
from txpusher.adapters.redis.connection import RedisConnection
from txpusher.adapters.redis.endpoints import log_in
from txpusher.adapters.redis.lease import Lease
from txpusher.adapters.redis.limiter import RedisLimiter
from txpusher.adapters.redis.link import LAST_DELAY, Link
from txpusher.adapters.redis.outbox import RedisOutbox
from txpusher.adapters.redis.quotas import RedisQuotas
from txpusher.adapters.redis.roster import RedisRoster
from txpusher.adapters.redis.scripts import Script
from txpusher.adapters.redis.subscriber import SubscriberConnection
from txpusher.adapters.redis.values import RedisLastEvents, RedisReceipts
from txpusher.errors import ServiceUnavailable
from txpusher.interfaces import Figures, Health

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from txpusher.adapters.redis.link import Endpoint
    from txpusher.adapters.redis.url import Target
    from txpusher.interfaces import Clock, Limiter, Node
    from txpusher.outbox import Outbox

_log = Logger()

CHECKS = 4
"""How often silence is looked for within the time that Redis may take to answer."""


class RedisAdapter:
    """One node of a cluster that meets in Redis; see `txpusher.interfaces.Adapter`.

    Args:
        target: how Redis is used.
        endpoint: connects to it.
        clock: tells the time.
        token: makes 8 characters that nobody else has made.
        random: gives a number from 0 to 1.
    """

    def __init__(
        self,
        target: Target,
        endpoint: Endpoint,
        clock: Clock,
        token: Callable[[], str],
        random: Callable[[], float],
    ) -> None:
        self._target = target
        self._clock = clock
        self._node: Node | None = None
        self._ready: list[Deferred[None]] = []
        self._sent = 0
        # When the clients have to be told what this node could not hear or ask, if there was anything.
        self._catch_up_at: float | None = None
        node_id = token().encode()
        self._commands = commands = Commands(target.prefix)
        self.bus = RedisBus(commands, node_id, clock, self._tell_if_well)
        self.roster = RedisRoster(commands, node_id)
        self.quotas = RedisQuotas(commands, node_id)
        self.last_events = RedisLastEvents(commands)
        self.receipts = RedisReceipts(commands, node_id, clock.seconds)
        self.limiter: Limiter | None = RedisLimiter(commands)
        self.outbox: Outbox | None = RedisOutbox(commands, node_id, target.lease)
        # Long enough for one node alone that beats a little late; short enough that who comes back a moment after the
        # first one has not expired meanwhile.
        silence = max(target.lease / 2, 1.5 * target.heartbeat)
        self._lease = Lease(commands, node_id, target.lease, silence, token)

        # All nodes have to be back well within a lease of the first one, which would bury the others.
        longest = min(LAST_DELAY, target.lease / 4)

        def link(name: str, build: Any, prepare: Any, made: Any) -> Link:
            return Link(name, endpoint, clock, build, prepare, made, random, longest)

        commands.link = link("commands", self._build, self._prepare_commands, self._commands_made)
        self.bus.link = link("bus", self._build_bus, self._prepare_bus, self._bus_made)
        self._beats = LoopingCall(self._beat)
        self._checks = LoopingCall.withCount(self._check)
        self._beats.clock = self._checks.clock = clock  # type: ignore[assignment]

    # As an Adapter

    async def start(self, node: Node) -> None:
        """Connect; returns when all is well, or when Redis has had its time: it is tried again and again then."""
        self._node = self.bus.node = self._lease.node = node
        self._commands.link.start()
        self.bus.link.start()
        self._beats.start(self._target.heartbeat, now=False)
        self._checks.start(self._target.timeout / CHECKS, now=False)
        await self._well()

    async def stop(self) -> None:
        """Leave the cluster and disconnect."""
        if not self._beats.running:
            return
        self._beats.stop()
        self._tell_ready()
        try:
            await self._lease.leave()
        except ServiceUnavailable as error:
            _log.warn("Could not leave the cluster, it will notice: {why}", why=error.message)
        self._checks.stop()
        self.bus.stop()
        await self.bus.link.stop()
        await self._commands.link.stop()

    def health(self) -> Health:
        """Tell what is wrong, if anything is."""
        for link in (self._commands.link, self.bus.link):
            if link.connection is None:
                return Health(ok=False, detail=f"Redis is away: {link.problem}")
        if self._commands.refusal:
            return Health(ok=False, detail=self._commands.refusal)
        if not self._lease.held:
            return Health(ok=False, detail="this node has to be written to Redis yet")
        if not self.bus.proved:
            return Health(ok=False, detail="Redis does not bring what is published")
        return Health()

    def figures(self) -> Figures:
        """Give the numbers for the metrics."""
        connection = self._commands.link.connection
        return Figures(
            commands=self._sent + (0 if connection is None else connection.commands),
            reconnects=self._commands.link.losses + self.bus.link.losses,
            reaped=self._lease.reaped,
        )

    # Connections

    def _build(self) -> RedisConnection:
        return RedisConnection(self._clock.seconds, self._dropped)

    def _build_bus(self) -> SubscriberConnection:
        bus = self.bus
        return SubscriberConnection(self._clock.seconds, bus.received, bus.subscribed, bus.refused)

    async def _prepare(self, connection: RedisConnection) -> None:
        await log_in(connection, self._target.user, self._target.password)
        if self._target.db:
            await connection.execute_command("SELECT", self._target.db)
        if self._target.master:
            await self._check_role(connection)
        # A TLS handshake may still be under way, and a Redis that is loading lets everybody in.
        await connection.execute_command("PING")

    @staticmethod
    async def _check_role(connection: RedisConnection) -> None:
        # Right after a failover a Sentinel may still name the old master.
        role, *_ = await connection.execute_command("ROLE")
        if role != b"master":
            raise ServiceUnavailable("this Redis is not the master")

    async def _prepare_commands(self, connection: RedisConnection) -> None:
        with _one_word():
            await self._prepare(connection)
            for script in Script.known:
                await connection.execute_command("SCRIPT", "LOAD", script.text)

    async def _prepare_bus(self, connection: SubscriberConnection) -> None:
        with _one_word():
            await self._prepare(connection)
        self._catch_up_later()
        await self.bus.prepare(connection)

    def _commands_made(self, connection: RedisConnection) -> None:
        connection.ended.addCallback(lambda _: self._commands_ended(connection))
        self._catch_up_later()
        self._lease.lost()
        self._beat()

    def _bus_made(self, _: SubscriberConnection) -> None:
        self.bus.prove()

    def _catch_up_later(self) -> None:
        # Who is here before a connection is there was confirmed without it, or has been deaf since: also at the start.
        if self.bus.watches:
            self._catch_up_at = self._clock.seconds() + self._target.lease

    def _commands_ended(self, connection: RedisConnection) -> None:
        self._sent += connection.commands
        self.bus.forget_proof()

    def _dropped(self, app_id: str) -> None:
        if app_id and self._node is not None:
            self._node.dropped(app_id, ServiceUnavailable.reason)

    # What looks after them

    def _beat(self) -> None:
        self.bus.prove()
        Deferred.fromCoroutine(self.receipts.make_good())
        Deferred.fromCoroutine(self._live())

    async def _live(self) -> None:
        await self._lease.beat()
        self._tell_if_well()
        due = self._catch_up_at
        if (
            self._node is not None
            and due is not None
            and due <= self._clock.seconds()
            and self.health().ok
        ):
            self._catch_up_at = None
            try:
                await self._node.missed()
            except ServiceUnavailable:
                self._catch_up_at = due
            except Exception:  # noqa: BLE001 - as with the lease
                _log.failure("Bug while telling clients what was missed")

    def _check(self, periods: int) -> None:
        if periods > 2:
            return  # this process stood still: what Redis has sent since is read before the next look
        for link in (self._commands.link, self.bus.link):
            link.check(self._target.timeout)
        self.bus.check(self._target.timeout)
        self._tell_if_well()

    async def _well(self) -> None:
        if self.health().ok:
            return
        ready: Deferred[None] = Deferred()
        clock = cast("IReactorTime", self._clock)
        ready.addTimeout(self._target.timeout, clock, onTimeoutCancel=lambda *_: None)
        self._ready.append(ready)
        await ready

    def _tell_if_well(self) -> None:
        if self._ready and self.health().ok:
            self._tell_ready()

    def _tell_ready(self) -> None:
        ready, self._ready = self._ready, []
        for waiting in ready:
            waiting.callback(None)


@contextmanager
def _one_word() -> Iterator[None]:
    try:
        yield
    except ResponseError as error:
        raise ServiceUnavailable(refusal(error)) from None
