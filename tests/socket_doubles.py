"""Sockets that a test can fill and break, and a reactor that listens on nothing; no port is opened."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure


class FakeSocket:
    """A socket that takes as much as it is told to.

    Attributes:
        room: bytes it takes in all; None is without bound.
        error: the number of an error that sending meets, if any.
        received: what there is to read; None when that is an error.
        sent: what it took.
        calls: how often it was asked to send.
        options: what was set.
        backlogs: what it was told to listen with.
    """

    def __init__(self) -> None:
        self.room: int | None = None
        self.error: int | None = None
        self.received: bytes | None = b""
        self.sent = b""
        self.calls = 0
        self.options: list[Any] = []
        self.backlogs: list[int] = []

    def send(self, data: Any) -> int:
        """Take what there is room for."""
        self.calls += 1
        if self.error:
            raise OSError(self.error, "as told")
        if self.room == 0:
            raise BlockingIOError(errno.EWOULDBLOCK, "full")
        taken = bytes(data if self.room is None else data[: self.room])
        if self.room is not None:
            self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def recv(self, size: int) -> bytes:
        """Give what there is to read."""
        if self.received is None:
            raise ConnectionResetError(errno.ECONNRESET, "as told")
        if not self.received:
            raise BlockingIOError(errno.EWOULDBLOCK, "nothing")
        data, self.received = self.received[:size], self.received[size:]
        return data

    def recvmsg(self, size: int, *how: int) -> tuple[bytes, list[Any], int, None]:
        """Give what there is to read, and no descriptors."""
        return self.recv(size), [], 0, None

    def setsockopt(self, *option: int) -> None:
        """Remember an option."""
        self.options.append(option)

    def listen(self, backlog: int) -> None:
        """Remember how many may wait."""
        self.backlogs.append(backlog)

    def setblocking(self, flag: object) -> None:
        """Never block."""
        assert not flag

    def shutdown(self, how: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def fileno(self) -> int:
        """Be some file."""
        return 99

    def getpeername(self) -> str:
        """Be connected to somebody."""
        return "peer"


class FakePort:
    """A port that listens on nothing.

    Attributes:
        late: makes ``stopListening`` give a Deferred, as those of real ports do, which `stopped` is then.
    """

    _realPortNumber = 1

    def __init__(self, host: object, kind: object, factory: Any) -> None:
        self.host, self.transport, self.factory = host, kind, factory
        self.socket = FakeSocket()
        self.connected = True
        self.late = False
        self.stopped: Deferred[None] | None = None

    def getHost(self) -> object:
        """Give the address."""
        return self.host

    def stopListening(self) -> Deferred[None] | None:
        """Listen no more."""
        self.connected = False
        if self.late:
            self.stopped = Deferred()
        return self.stopped


class Reactor(MemoryReactorClock):
    """A reactor whose ports and sockets are fakes.

    Attributes:
        ports: those that were opened.
        taken: addresses that cannot be listened on, with the error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[FakePort] = []
        self.taken: dict[Any, Exception] = {}

    def _opened(self, key: object, host: object, kind: object, factory: Any) -> Any:
        if key in self.taken:
            raise self.taken[key]
        self.ports.append(FakePort(host, kind, factory))
        return self.ports[-1]

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """Listen on nothing."""
        kind = IPv6Address if ":" in interface else IPv4Address
        host = kind("TCP", interface or "0.0.0.0", port)  # noqa: S104 - nobody listens
        return self._opened(port, host, tcp.Server, factory)

    def listenUNIX(self, address: Any, factory: Any, *args: Any, **kwargs: Any) -> Any:
        """Listen on nothing."""
        return self._opened(address, UNIXAddress(address), unix.Server, factory)

    def write_all(self, limit: int = 1000) -> None:
        """Let the sockets that want to write do so, until they have nothing more or as often as that."""
        for _ in range(limit):
            for writer in self.getWriters():
                result = writer.doWrite()
                if result is not None:
                    self.removeWriter(writer)
                    writer.connectionLost(Failure(result))
            if not self.getWriters():
                break
        self.advance(0)


class Client(Protocol):
    """The protocol on the server's side; it remembers what it read, and its end."""

    read = b""
    ended: object = None

    def dataReceived(self, data: bytes) -> None:
        """Remember it."""
        self.read += data

    def connectionLost(self, reason: Any = None) -> None:
        """Remember why."""
        self.ended = reason


def connected(kind: Any, sock: Any = None, reactor: Any = None, port: Any = None) -> Any:
    """Make a connection of this kind."""
    reactor, protocol = reactor or Reactor(), Client()
    server = port or SimpleNamespace(_realPortNumber=1)
    transport = kind(sock or FakeSocket(), protocol, ("127.0.0.1", 2), server, 0, reactor)
    protocol.makeConnection(transport)
    return transport
