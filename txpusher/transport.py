"""Transports that send first and buffer the rest, and that notice slow clients.

Twisted's ``write`` only buffers: every delivery then costs two ``epoll_ctl`` calls beside its ``send`` and waits for
the next turn of the reactor. These subclasses try ``socket.send`` first while nothing is buffered, which measured
twice to four times the deliveries a second, and leave everything unusual to the inherited methods: what did not fit,
errors, a socket that is closing. It works below TLS too, where the TLS layer writes to them.

Twisted buffers without bound for a client that does not read. Past `BackloggedMixin.max_backlog` bytes
``on_backlog`` is called instead of buffering more.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet import tcp, unix
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

from txpusher.protocol.addresses import client_address

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    _Base = tcp.Server
else:
    _Base = object

_log = Logger()

AddressOf = Callable[[Any, str], str | None]
"""Finds out the address of a client by its transport and its ``X-Forwarded-For``; see `address_of`."""


class BackloggedMixin(_Base):
    """Bounds what waits for a client that does not read, and lets the end of a connection wait.

    Attributes:
        max_backlog: bytes that may wait; 0 is no bound, as for HTTP.
        on_backlog: called once when more would have to wait; nothing is written after that.
        on_lost: called once in place of ``connectionLost``, with the same reason, and has to call it later.
    """

    max_backlog = 0
    on_backlog: Callable[[], None] | None = None
    on_lost: Callable[[Failure], None] | None = None

    def write(self, data: bytes) -> None:
        """Buffer data, or give the client up when too much waits already."""
        if self.max_backlog and self.backlog() > self.max_backlog:
            self._give_up()
        else:
            super().write(data)

    def backlog(self) -> int:
        """Count the bytes that wait to be sent."""
        return len(self.dataBuffer) - self.offset + self._tempDataLen

    def connectionLost(self, reason: Failure) -> None:
        """End, or let somebody say when."""
        on_lost, self.on_lost = self.on_lost, None
        if on_lost is None:
            super().connectionLost(reason)
        else:
            on_lost(reason)

    def _give_up(self) -> None:
        on_backlog, self.on_backlog = self.on_backlog, None
        if on_backlog is not None:
            on_backlog()


class EagerMixin(BackloggedMixin):
    """Sends at once while nothing waits."""

    def write(self, data: bytes) -> None:
        """Send data, or buffer what the socket does not take."""
        if self._tempDataBuffer or self.dataBuffer:
            super().write(data)
            return
        try:
            sent = self.socket.send(data)
        except (OSError, AttributeError):
            # Full, broken, or gone: Twisted knows what to do about each.
            super().write(data)
            return
        if sent < len(data):
            super().write(data[sent:])

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """Send the pieces as one."""
        self.write(b"".join(iovec))


class _PromptTCPServer(tcp.Server):
    """A TCP connection without Nagle's delay: frames are small and wanted now."""

    def __init__(self, sock: socket.socket, *args: Any) -> None:
        super().__init__(sock, *args)
        self.setTcpNoDelay(True)


class BufferingTCPServer(BackloggedMixin, _PromptTCPServer):
    """A TCP connection that sends when the reactor says so."""


class BufferingUNIXServer(BackloggedMixin, unix.Server):
    """The same for UNIX sockets."""


class EagerTCPServer(EagerMixin, _PromptTCPServer):
    """A TCP connection that sends at once."""


class EagerUNIXServer(EagerMixin, unix.Server):
    """The same for UNIX sockets."""


def use_transport(port: Any, *, eager: bool) -> None:
    """Let a listening port make our transports; a port of another kind keeps its own.

    Args:
        port: what listening gave.
        eager: whether connections send at once.
    """
    factory = getattr(port, "factory", None)
    if eager and isinstance(factory, TLSMemoryBIOFactory):
        # Not the one that collects small writes until the next turn: frames come joined. Measured: three quarters of
        # the time of a delivery over TLS.
        factory.protocol = TLSMemoryBIOProtocol
    if getattr(port, "transport", None) is unix.Server:
        port.transport = EagerUNIXServer if eager else BufferingUNIXServer
    elif getattr(port, "transport", None) is tcp.Server:
        port.transport = EagerTCPServer if eager else BufferingTCPServer


def innermost(transport: Any) -> Any:
    """Find the transport with the socket below TLS and PROXY protocol wrappers."""
    while not isinstance(transport, BackloggedMixin) and hasattr(transport, "transport"):
        transport = transport.transport
    return transport


def address_of(transport: Any, forwarded: str, trusted_hops: int) -> str | None:
    """Find out on whose account a connection or a request goes.

    Args:
        transport: of the connection; one with the PROXY protocol knows whom the proxy speaks for.
        forwarded: the value of ``X-Forwarded-For``, or empty.
        trusted_hops: proxies in front that append to it; see `txpusher.protocol.addresses.client_address`.
    """
    # UNIX sockets have addresses without a host.
    peer = getattr(transport.getPeer(), "host", None)
    return client_address(peer, forwarded, trusted_hops)


def read_now(transport: Any) -> None:
    """Read what a new connection has sent already, and do not wait for the reactor to say that there is something.

    Nearly every client sends its request at once. Measured: while ten thousand others end, somebody new is served a
    quarter sooner.

    Args:
        transport: the protocol's own. One that is none of ours is left alone, as TLS and the PROXY protocol still have
            to begin, and so is one that has ended. What ends it now is found again, and dealt with, by the reactor.
    """
    if not isinstance(transport, BackloggedMixin) or not transport.connected:
        return
    try:
        transport.doRead()
    except Exception:  # noqa: BLE001 - as the reactor does it
        _log.failure("Bug while reading what came with a connection; it ends")
        transport.abortConnection()


def write_now(transport: Any, data: bytes) -> None:
    """Write to a socket that is not ours, and do not wait for the reactor, which has other calls to make before.

    Measured: it saves the two ``epoll_ctl`` calls that Twisted's ``write`` costs.

    Args:
        transport: the protocol's own. One that is closing, or no plain socket, takes the data as always: TLS collects
            what is written until the next turn. An error is found again, and dealt with, by the reactor.
        data: any bytes.
    """
    if not isinstance(transport, tcp.Connection):
        transport.write(data)
        return
    rest = data[_sent(transport, data) :]
    if rest:
        transport.write(rest)
        if transport.connected and not transport.disconnecting:
            transport.doWrite()


def _sent(transport: tcp.Connection, data: bytes) -> int:
    """Send what the socket takes, if nothing waits to be sent before."""
    waits = transport.dataBuffer or transport._tempDataBuffer  # noqa: SLF001 - as above
    if waits or not transport.connected or transport.disconnecting:
        return 0
    try:
        return transport.socket.send(data)
    except OSError:
        return 0
