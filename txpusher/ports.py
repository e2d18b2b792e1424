"""Listening on endpoints, and what is done to the ports that come of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.python.failure import Failure

from txpusher.errors import ConfigError
from txpusher.transport import use_transport

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort, IProtocolFactory

_log = Logger()

BACKLOG = 4096
"""Connections that may wait to be accepted; Twisted's 50 are too few when everybody reconnects."""


class Ports:
    """The listeners of one factory.

    Args:
        reactor: listens.
        descriptions: Twisted endpoint strings.
        factory: makes the protocols.
        setting: the option that the strings come from.
        eager: whether connections send at once, see `txpusher.transport`; None leaves Twisted's own transports.

    Raises:
        ConfigError: a string is no endpoint.
    """

    def __init__(
        self,
        reactor: Any,
        descriptions: Iterable[str],
        factory: IProtocolFactory,
        setting: str,
        *,
        eager: bool | None = None,
    ) -> None:
        self._reactor = reactor
        self._factory = factory
        self._setting = setting
        self._eager = eager
        self._endpoints = [(text, _endpoint(reactor, text, setting)) for text in descriptions]
        self._ports: list[IListeningPort] = []
        self._listening = False

    def listen(self) -> None:
        """Begin to listen; does nothing when that was done.

        Raises:
            ConfigError: an address is taken, forbidden or impossible.
        """
        if self._listening:
            return
        self._listening = True
        for text, endpoint in self._endpoints:
            failures: list[Failure] = []
            listening = maybeDeferred(endpoint.listen, self._factory)
            listening.addCallback(self._opened, text)
            listening.addErrback(failures.append)
            if failures:
                raise ConfigError(self._setting, f"{text}: {failures[0].getErrorMessage()}")

    def _opened(self, port: Any, text: str) -> None:
        self._ports.append(port)
        if self._eager is None:
            return
        use_transport(port, eager=self._eager)
        if "backlog=" not in text and hasattr(port, "socket"):
            port.socket.listen(BACKLOG)

    async def stop_listening(self) -> None:
        """Accept nobody any more."""
        self._listening = False
        stopping = [maybeDeferred(port.stopListening) for port in self._ports]
        for stopped, result in await DeferredList(stopping, consumeErrors=True):
            if not stopped:
                _log.failure("A listener did not stop", cast(Failure, result))

    def close_connections(self) -> None:
        """End the connections that were accepted and are still there."""
        readers = set(self._reactor.getReaders())
        for transport in readers | set(self._reactor.getWriters()):
            if getattr(transport, "server", None) not in self._ports:
                continue
            if transport in readers:
                transport.loseConnection()
            else:
                # It was closed before, and its peer does not read what is left.
                transport.abortConnection()
        self._ports = []

    def addresses(self) -> list[str]:
        """Give the addresses that are listened on, as people write them."""
        return [
            _address(port.getHost()) for port in self._ports if getattr(port, "connected", True)
        ]


def _endpoint(reactor: Any, text: str, setting: str) -> Any:
    try:
        return serverFromString(reactor, text)
    except Exception as error:
        raise ConfigError(setting, f"{text!r} is not a usable endpoint: {error}") from error


def _address(host: object) -> str:
    if isinstance(host, IPv4Address):
        return f"{host.host}:{host.port}"
    if isinstance(host, IPv6Address):
        return f"[{host.host}]:{host.port}"
    if isinstance(host, UNIXAddress):
        return f"unix:{host.name.decode() if isinstance(host.name, bytes) else host.name}"
    return str(host)
