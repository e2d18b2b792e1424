"""Looks up the hosts of webhook targets, in threads that nobody waits for.

Twisted asks the system's ``getaddrinfo`` in the threads of the reactor. They are ten for everything, what is asked
beyond them queues up without a bound, and the process does not end before they have: a name server that is silent, for
which ``getaddrinfo`` waits tens of seconds, would hold up every target and the stop. Here a host that is looked up has
a daemon thread of its own, and there is a bound on how many there are.

Nothing is remembered: a name that changes its address counts from the next connection on.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from threading import Thread
from typing import Any, NamedTuple

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from zope.interface import implementer

MOST_LOOKUPS = 64
"""Hosts that are looked up at the same time."""

_KINDS: dict[int, type[IPv4Address | IPv6Address]] = {
    socket.AF_INET: IPv4Address,
    socket.AF_INET6: IPv6Address,
}


class TooManyLookups(Exception):
    """As many hosts as may be are being looked up, and this is yet another one."""


class _Found(NamedTuple):
    """An address of a host; ``scope`` is flow and scope of an IPv6 address."""

    kind: type[IPv4Address | IPv6Address]
    host: str
    scope: tuple[Any, ...] = ()


@implementer(IReactorPluggableNameResolver)
class ResolvingReactor:
    """What an endpoint needs of a reactor, but with a resolver of its own; the reactor itself keeps the one it has.

    Args:
        reactor: connects and tells the time.
        resolver: looks names up.
    """

    def __init__(self, reactor: Any, resolver: IHostnameResolver) -> None:
        self.nameResolver = resolver
        self.connectTCP = reactor.connectTCP
        self.callLater = reactor.callLater
        self.seconds = reactor.seconds

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Look names up by another one from now on.

        Returns:
            The one that did it until now.
        """
        before, self.nameResolver = self.nameResolver, resolver
        return before


@implementer(IHostnameResolver)
class ThreadedResolver:
    """Asks ``getaddrinfo``, once at a time for one host: whoever asks for the same one waits for the same answer.

    Args:
        reactor: takes the answers from the threads.
        thread: makes a thread, as `threading.Thread` does.
        getaddrinfo: blocks until it knows.
    """

    def __init__(
        self,
        reactor: Any,
        thread: Callable[..., Thread] = Thread,
        getaddrinfo: Callable[..., Iterable[Any]] = socket.getaddrinfo,
    ) -> None:
        self._reactor = reactor
        self._thread = thread
        self._getaddrinfo = getaddrinfo
        self._waiting: dict[str, list[_Resolution]] = {}

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Tell the receiver the addresses of a host; none if there is none. See `IHostnameResolver`.

        Raises:
            TooManyLookups: this host would be one too many.
        """
        kinds = _KINDS.values() if addressTypes is None else addressTypes
        resolution = _Resolution(
            hostName, resolutionReceiver, kinds, transportSemantics, portNumber
        )
        literal = _literal(hostName)
        if not literal:
            self._wait(resolution)
        resolutionReceiver.resolutionBegan(resolution)
        if literal:
            resolution.answer(literal)
        return resolution

    def _wait(self, resolution: _Resolution) -> None:
        host = resolution.name
        if host in self._waiting:
            self._waiting[host].append(resolution)
            return
        if len(self._waiting) >= MOST_LOOKUPS:
            raise TooManyLookups
        thread = self._thread(target=self._look_up, args=(host,), name="lookup", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The system has no thread left, or Python is about to end.
            raise TooManyLookups from None
        self._waiting[host] = [resolution]

    def _look_up(self, host: str) -> None:
        # In the host's thread.
        try:
            found = _addresses(self._getaddrinfo(host, 0, type=socket.SOCK_STREAM))
        except Exception:  # noqa: BLE001 - whatever it is, somebody waits for an answer, and no address is one
            found = []
        self._reactor.callFromThread(self._answer, host, found)

    def _answer(self, host: str, found: list[_Found]) -> None:
        for resolution in self._waiting.pop(host):
            resolution.answer(found)


@implementer(IHostResolution)
class _Resolution:
    """Somebody who waits for the addresses of a host."""

    def __init__(
        self,
        name: str,
        receiver: IResolutionReceiver,
        kinds: Collection[type[IAddress]],
        transport: str,
        port: int,
    ) -> None:
        self.name = name
        self._receiver: IResolutionReceiver | None = receiver
        self._kinds = kinds
        self._transport: Any = transport
        self._port = port

    def cancel(self) -> None:
        """Wait no longer; the thread goes on for those who still do."""
        self._receiver = None

    def answer(self, found: list[_Found]) -> None:
        """Tell the receiver what there is of the kinds it wants."""
        receiver = self._receiver
        if receiver is None:
            return
        for kind, host, scope in found:
            if kind in self._kinds:
                receiver.addressResolved(kind(self._transport, host, self._port, *scope))
        receiver.resolutionComplete()


def _literal(host: str) -> list[_Found]:
    if isIPAddress(host):
        return [_Found(IPv4Address, host)]
    return [_Found(IPv6Address, host)] if isIPv6Address(host) else []


def _addresses(answers: Iterable[Any]) -> list[_Found]:
    return [
        _Found(_KINDS[family], address[0], address[2:])
        for family, _, _, _, address in answers
        if family in _KINDS
    ]
