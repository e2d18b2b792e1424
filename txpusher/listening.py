"""The public port: WebSocket and HTTP on one listener, told apart by their first bytes.

A connection is looked at until the head of its first request tells what it wants, at most `MAX_HEAD` bytes and
``handshake_timeout`` seconds, and then handed over for good: to Autobahn when it asks for a WebSocket, to the fast
lane for publishes when it begins with a POST, else to twisted.web. So nothing is parsed twice, no HTTP object outlives
the upgrade, and Autobahn, which has no limit on headers, never sees an endless one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import Factory, Protocol, connectionDone

from txpusher.core.occurrences import ConnectionRefused
from txpusher.handover import hand_over
from txpusher.idle import IdleSweep
from txpusher.transport import read_now

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IProtocol
    from twisted.python.failure import Failure

    from txpusher.core.occurrences import Occurrence
    from txpusher.core.turn import Turn

MAX_HEAD = 16 * 1024
_UPGRADE = re.compile(rb"\nupgrade:[^\r\n]*websocket", re.IGNORECASE)


class PublicPort(Factory):
    """Makes a `Sniffer` for every connection.

    Args:
        websocket: makes the protocol of a WebSocket.
        publishing: makes the protocol of a connection that begins with a POST.
        http: makes the protocol of any other.
        idle: ends connections that do not say what they want.
        tell: hears `ConnectionRefused`.
        turn: at its end it is looked what new connections have sent already.
    """

    noisy = False

    def __init__(
        self,
        websocket: Callable[[], IProtocol],
        publishing: Callable[[], IProtocol],
        http: Callable[[], IProtocol],
        idle: IdleSweep,
        tell: Callable[[Occurrence], None],
        turn: Turn,
    ) -> None:
        self.websocket = websocket
        self.publishing = publishing
        self.http = http
        self.idle = idle
        self.tell = tell
        self.turn = turn

    def buildProtocol(self, addr: IAddress | None) -> Sniffer:
        """Make the protocol of a new connection."""
        return Sniffer(self)


class Sniffer(Protocol):
    """A connection that has not said what it wants."""

    # Always a stream with a socket below; Twisted's own type says less.
    transport: Any

    def __init__(self, port: PublicPort) -> None:
        self._port = port
        self._head = b""

    def connectionMade(self) -> None:
        """Begin to wait, though it has mostly been said by the end of this turn."""
        self._port.idle.touch(self)
        self._port.turn.at_end(partial(read_now, self.transport))

    def dataReceived(self, data: bytes) -> None:
        """Collect the head and decide."""
        head = self._head = self._head + data if self._head else data
        method = head[:5]
        if method == b"POST ":
            self._hand_over(self._port.publishing)
        elif method == b"GET /":
            self._look_for_upgrade(head)
        elif not (b"POST ".startswith(method) or b"GET /".startswith(method)):
            self._hand_over(self._port.http)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Wait no longer."""
        self._port.idle.forget(self)

    def timed_out(self) -> None:
        """End a connection that does not say what it wants."""
        self._port.tell(ConnectionRefused("", "handshake_timeout"))
        self.transport.abortConnection()

    def _look_for_upgrade(self, head: bytes) -> None:
        end = head.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end >= 0:
            upgrade = _UPGRADE.search(head, 0, end)
            self._hand_over(self._port.websocket if upgrade else self._port.http)
        elif len(head) > MAX_HEAD:
            # twisted.web has the same limit, and a way to say so.
            self._hand_over(self._port.http)

    def _hand_over(self, make: Callable[[], IProtocol]) -> None:
        self._port.idle.forget(self)
        hand_over(self, make(), self._head)
