"""Listening sockets that outlive those who accept from them.

The parent binds (`Holder`) and a worker takes over what was bound (`Heir`). Both stand in for the reactor where an
endpoint listens, so that every kind of endpoint works, those around another one included; what is asked for (a port, a
path, a descriptor) is the name by which a worker finds its socket.

A TCP port has a socket for each slot (SO_REUSEPORT): Linux shares connections out among them, and those that wait for
a worker that is being replaced wait for its successor. A slot without a worker is silenced, as nobody would come for
its share. All other sockets are shared by all workers.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from twisted.internet import unix
from twisted.internet.main import CONNECTION_DONE
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from txpusher.ports import BACKLOG


class Held(NamedTuple):
    """An address that is listened on.

    Args:
        name: what was asked for.
        port: the port object that opened it; it does not accept.
        sockets: one for each slot, the first of them the port's own; or none, when all share that.
    """

    name: str
    port: Any
    sockets: tuple[socket.socket, ...]


class Holder:
    """Listens for workers: what is asked of it is opened, and nothing is ever accepted.

    Args:
        reactor: opens ports.
        slots: how many workers there will be.
        balanced: whether the system shares connections out among several sockets of one port.
    """

    def __init__(
        self, reactor: Any, slots: int, *, balanced: bool = sys.platform == "linux"
    ) -> None:
        self._reactor = reactor
        self._slots = slots
        self._balanced = balanced
        self._held: list[Held] = []

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """Listen on a TCP port."""
        opened = self._reactor.listenTCP(port, factory, backlog, interface)
        # A port that the system chooses would be another one after its socket was silenced.
        sockets = self._multiplied(opened.socket) if self._balanced and port else ()
        return self._hold(_tcp(port, interface), opened, sockets)

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """Listen on a TCP port; the workers do the rest of TLS."""
        return self.listenTCP(port, factory, backlog, interface)

    def listenUNIX(self, address: Any, factory: Any, *how: Any, **more: Any) -> Any:
        """Listen on a UNIX socket."""
        return self._hold(_unix(address), self._reactor.listenUNIX(address, factory, *how, **more))

    def adoptStreamPort(self, descriptor: int, family: int, factory: Any) -> Any:
        """Take over a socket that somebody else opened."""
        opened = self._reactor.adoptStreamPort(descriptor, family, factory)
        return self._hold(_adopted(descriptor), opened)

    def inherited(self, slot: int) -> dict[str, list[int]]:
        """Give the descriptors of the sockets that the worker of a slot takes over, by their names."""
        found: dict[str, list[int]] = {}
        for name, port, sockets in self._held:
            own = sockets[slot] if sockets else port.socket
            found.setdefault(name, []).append(own.fileno())
        return found

    def silence(self, slot: int) -> None:
        """Let the other slots have the connections of one; its next worker listens again by itself."""
        for _, _, sockets in self._held:
            # Not twice: Linux remembers the second time, and all that the socket accepts later is at its end already.
            if sockets and sockets[slot].getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                sockets[slot].shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hold nothing any more, at once."""
        for _, port, sockets in self._held:
            for further in sockets[1:]:
                further.close()
            port.connectionLost(Failure(CONNECTION_DONE))
        self._held.clear()

    def _hold(self, name: str, port: Any, sockets: tuple[socket.socket, ...] = ()) -> Any:
        port.stopReading()
        # Shutting a socket down would end it for the workers, too, while they still look after it.
        port._shouldShutdown = False  # noqa: SLF001
        self._held.append(Held(name, port, sockets))
        return port

    def _multiplied(self, first: socket.socket) -> tuple[socket.socket, ...]:
        # Only now: bound with this option, it would have joined another server's port without a word.
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return (first, *(_another(first) for _ in range(self._slots - 1)))


def _another(first: socket.socket) -> socket.socket:
    further = socket.socket(first.family, first.type)
    further.setblocking(False)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        further.setsockopt(socket.SOL_SOCKET, option, 1)
    if first.family == socket.AF_INET6:
        only = first.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        further.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    further.bind(first.getsockname())
    further.listen(BACKLOG)
    return further


class Heir:
    """Listens for one worker, on what its parent opened; accepts from `accept` on, as others may do so already.

    Args:
        reactor: serves the sockets.
        sockets: their descriptors in this process, as `Holder.inherited` named them.
    """

    def __init__(self, reactor: Any, sockets: Mapping[str, list[int]]) -> None:
        self._reactor = reactor
        self._sockets = {name: list(descriptors) for name, descriptors in sockets.items()}
        self._waiting: list[Any] = []

    def accept(self) -> None:
        """Begin to accept; again does nothing."""
        for port in self._waiting:
            if port.connected:
                port.startReading()
        self._waiting.clear()

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """Accept on a TCP port."""
        descriptor = self._taken(_tcp(port, interface))
        family = _family(descriptor)
        adopted = self._reactor.adoptStreamPort(descriptor, family, factory)
        os.close(descriptor)
        # Our predecessor's end may have silenced it.
        adopted.socket.listen(backlog)
        return self._wait(adopted)

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """Accept on a TCP port, and talk TLS there as the reactor itself would."""
        wrapped = TLSMemoryBIOFactory(contextFactory, isClient=False, wrappedFactory=factory)
        adopted = self.listenTCP(port, wrapped, backlog, interface)
        adopted._type = "TLS"  # noqa: SLF001
        return adopted

    def listenUNIX(
        self, address: Any, factory: Any, backlog: int = 50, *how: Any, **more: Any
    ) -> Any:
        """Accept on a UNIX socket."""
        descriptor = self._taken(_unix(address))
        port = self._shared_unix(descriptor, factory, backlog)
        os.close(descriptor)
        return port

    def adoptStreamPort(self, descriptor: int, family: int, factory: Any) -> Any:
        """Accept on a socket that somebody else opened; who asks closes the descriptor."""
        self._taken(_adopted(descriptor))
        if family == socket.AF_UNIX:
            return self._shared_unix(descriptor, factory, BACKLOG)
        return self._wait(self._reactor.adoptStreamPort(descriptor, family, factory))

    def getReaders(self) -> list[Any]:
        """Give what the reactor reads from."""
        return list(self._reactor.getReaders())

    def getWriters(self) -> list[Any]:
        """Give what the reactor writes to."""
        return list(self._reactor.getWriters())

    def _shared_unix(self, descriptor: int, factory: Any, backlog: int) -> Any:
        held = socket.fromfd(descriptor, socket.AF_UNIX, socket.SOCK_STREAM)
        # Twisted would set the mode of the file, and remove it when this worker ends. It takes a name that begins
        # with NUL for no file at all.
        path = b"\0" + os.fsencode(held.getsockname())
        port = unix.Port(path, factory, backlog, reactor=self._reactor)
        port._preexistingSocket = held  # noqa: SLF001
        port._shouldShutdown = False  # noqa: SLF001
        port.startListening()
        return self._wait(port)

    def _wait(self, port: Any) -> Any:
        port.stopReading()
        self._waiting.append(port)
        return port

    def _taken(self, name: str) -> int:
        if not self._sockets.get(name):
            raise LookupError(
                "this address is new; workers listen where their parent did when it was started"
            )
        return self._sockets[name].pop(0)


def _family(descriptor: int) -> int:
    found = socket.socket(fileno=os.dup(descriptor))
    with found:
        return found.family


def _tcp(port: int, interface: str) -> str:
    return f"tcp {interface} {port}"


def _unix(address: Any) -> str:
    return f"unix {os.fsdecode(address)}"


def _adopted(descriptor: int) -> str:
    return f"descriptor {descriptor}"
