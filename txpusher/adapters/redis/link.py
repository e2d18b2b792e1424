"""A connection that is made again whenever it is lost.

Twisted's ``ClientService`` cannot be told that a connection was made and is of no use (Redis is loading, the password
is wrong), nor survives the loss of one that is still being prepared; this is the part of it that is needed, with both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory
from twisted.logger import Logger

if TYPE_CHECKING:
    from txpusher.adapters.redis.connection import RedisConnection
    from txpusher.interfaces import Clock

_log = Logger()

FIRST_DELAY = 0.1
LAST_DELAY = 2.0
"""Seconds between attempts, the first and the longest: a cluster without its Redis is worth a packet every other
second."""


class Endpoint(Protocol):
    """As `twisted.internet.interfaces.IStreamClientEndpoint`."""

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """Connect."""


class Link:
    """Keeps one connection.

    Args:
        name: says in the log what it is for.
        endpoint: connects.
        clock: waits between attempts.
        build: makes the protocol.
        prepare: awaited with every new connection; when it raises, the connection is given up.
        made: called with every connection that is prepared.
        random: gives a number from 0 to 1, for delays that differ from node to node.
        longest: seconds between two attempts.

    Attributes:
        connection: the one that is prepared and alive, or None.
        problem: why there is none.
        losses: how many were lost after they had been prepared.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        clock: Clock,
        build: Callable[[], RedisConnection],
        prepare: Callable[[Any], Awaitable[None]],
        made: Callable[[Any], None],
        random: Callable[[], float],
        longest: float = LAST_DELAY,
    ) -> None:
        self.connection: Any = None
        self.problem = "not connected yet"
        self.losses = 0
        self._name = name
        self._endpoint = endpoint
        self._clock = clock
        self._factory = Factory.forProtocol(build)
        self._factory.noisy = False
        self._prepare = prepare
        self._made = made
        self._random = random
        self._longest = longest
        self._open: RedisConnection | None = None
        self._running: Deferred[None] | None = None

    def start(self) -> None:
        """Connect, now and whenever the connection is lost."""
        if self._running is None:
            self._running = Deferred.fromCoroutine(self._keep())

    async def stop(self) -> None:
        """Disconnect for good."""
        running, self._running = self._running, None
        if running is None:
            return
        last = self._open
        running.addErrback(lambda failure: failure.trap(CancelledError) and None)
        running.cancel()
        self.problem = "stopped"
        if last is not None:
            await _end(last)

    def abort(self, problem: str) -> None:
        """End the connection, which is of no use any more; another one will be made."""
        if self._open is not None:
            self.problem = problem
            self._open.transport.abortConnection()

    def check(self, timeout: float) -> None:
        """End the connection if Redis has not answered for so many seconds."""
        if self._open is not None and self._open.stalled(timeout):
            self.abort(f"no answer in {timeout:g} seconds")

    async def _keep(self) -> None:
        attempt = 0
        while True:
            try:
                await self._use(await self._endpoint.connect(self._factory))
                attempt = 0
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it may be over in a while
                self._failed(error, attempt)
                attempt += 1
            await self._wait(min(self._longest, FIRST_DELAY * 2 ** min(attempt, 10)))

    async def _use(self, connection: RedisConnection) -> None:
        self._open = connection
        try:
            await self._prepared(connection)
            self.connection, self.problem = connection, ""
            _log.info("Connected to Redis ({name})", name=self._name)
            self._made(connection)
            await _end(connection)
            self.losses += 1
            self.problem = self.problem or "the connection was lost"
            _log.warn("Redis is away ({name}): {why}", name=self._name, why=self.problem)
        finally:
            self.connection, self._open = None, None
            connection.transport.abortConnection()

    async def _prepared(self, connection: RedisConnection) -> None:
        try:
            await self._prepare(connection)
        except Exception:
            if not connection.reason:
                raise
        # That it was lost is the lesser half; say why.
        if connection.reason:
            raise ConnectionError(connection.reason)

    def _failed(self, error: Exception, attempt: int) -> None:
        self.problem = str(error) or type(error).__name__
        if attempt == 0:
            _log.warn("Cannot use Redis ({name}): {why}", name=self._name, why=self.problem)

    def _wait(self, seconds: float) -> Deferred[None]:
        waiting: Deferred[None] = Deferred(lambda _: call.cancel())
        delay = seconds * (0.5 + self._random() / 2)
        call = self._clock.callLater(delay, waiting.callback, None)
        return waiting


def _end(connection: RedisConnection) -> Deferred[None]:
    # A Deferred of its own: cancelling the wait must not fire the connection's.
    ended: Deferred[None] = Deferred()

    def fire(_: None) -> None:
        if not ended.called:
            ended.callback(None)

    connection.ended.addCallback(fire)
    return ended
