"""How a connection to Redis is made: TCP, TLS, a UNIX socket, or whichever server the Sentinels call the master."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.protocol import Factory
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

from txpusher.adapters.redis.connection import RedisConnection
from txpusher.adapters.redis.url import SETTING, Target
from txpusher.errors import ConfigError, ServiceUnavailable

if TYPE_CHECKING:
    from txpusher.adapters.redis.link import Endpoint

Connector = Callable[[str, int], "Endpoint"]
"""Makes the endpoint of a host and a port."""

_PEM_END = b"-----END CERTIFICATE-----"


def endpoint(target: Target, reactor: Any) -> Endpoint:
    """Make the endpoint that connects to the Redis of a target.

    Raises:
        ConfigError: the authorities of ``ca`` cannot be read.
    """
    if target.path:
        unix: Endpoint = UNIXClientEndpoint(reactor, target.path, timeout=target.timeout)
        return unix
    connector = _connector(target, reactor)
    if target.master:
        return SentinelEndpoint(target, connector, reactor)
    return connector(*target.addresses[0])


def _connector(target: Target, reactor: Any) -> Connector:
    roots = _roots(target.ca)

    def connect(host: str, port: int) -> Endpoint:
        plain = HostnameEndpoint(reactor, host, port, timeout=target.timeout)
        if not target.tls:
            return plain
        wrapped: Endpoint = wrapClientTLS(optionsForClientTLS(host, trustRoot=roots), plain)
        return wrapped

    return connect


def _roots(ca: str) -> Any:
    if not ca:
        return None  # those of the system
    try:
        blocks = Path(ca).read_bytes().split(_PEM_END)[:-1]
        found = [Certificate.loadPEM(block + _PEM_END) for block in blocks]
    except OSError as error:
        raise ConfigError(SETTING, f"ca: cannot read {ca}: {error.strerror}") from error
    except Exception:  # noqa: BLE001 - pyOpenSSL has errors of its own for each way of being malformed
        found = []
    if not found:
        raise ConfigError(SETTING, f"ca: {ca} has no certificates in PEM form")
    return trustRootFromCertificates(found)


class SentinelEndpoint:
    """Asks one Sentinel after the other where the master is, at every connect: that is how a failover is followed.

    Args:
        target: the Sentinels, and the name of the master.
        connector: connects to either.
        reactor: tells the time.
    """

    def __init__(self, target: Target, connector: Connector, reactor: Any) -> None:
        self._target = target
        self._connector = connector
        self._reactor = reactor
        self._addresses = list(target.addresses)

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        """Connect to the master.

        Raises:
            ServiceUnavailable: (as a failure) no Sentinel answers, or none knows the master.
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: Any) -> Any:
        host, port = await self._master()
        return await self._connector(host, port).connect(factory)

    async def _master(self) -> tuple[str, int]:
        for address in tuple(self._addresses):
            try:
                found = await self._ask(address)
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001, S112 - the next one may know
                continue
            if found is not None:
                # The one that knows is asked first the next time.
                self._addresses.remove(address)
                self._addresses.insert(0, address)
                return found[0].decode(), int(found[1])
        raise ServiceUnavailable(f"No Sentinel knows the master {self._target.master}")

    async def _ask(self, address: tuple[str, int]) -> list[bytes] | None:
        target = self._target
        factory = Factory.forProtocol(self._build)
        factory.noisy = False
        sentinel = await self._connector(*address).connect(factory)
        deadline = self._reactor.callLater(target.timeout, sentinel.transport.abortConnection)
        try:
            await log_in(sentinel, target.sentinel_user, target.sentinel_password)
            command = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", target.master)
            found: list[bytes] | None = await sentinel.execute_command(*command)
            return found
        finally:
            if deadline.active():
                deadline.cancel()
            sentinel.transport.abortConnection()

    def _build(self) -> RedisConnection:
        return RedisConnection(self._reactor.seconds, lambda _: None)


async def log_in(connection: RedisConnection, user: str, password: str) -> None:
    """Say who we are, if Redis wants to know it; raises what txredisapi raises when that is wrong."""
    if password:
        await connection.execute_command("AUTH", *([user] if user else []), password)
