"""Stand-ins for sending webhook requests: a request, and a sender whose connections are in memory."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock, StringTransport

from txpusher.webhooks.request import Request
from txpusher.webhooks.sender import Sender

REQUEST = Request(
    "http://127.0.0.1:9/hook?token=t",
    (("Content-Type", "application/json"), ("X-Pusher-Key", "key"), ("X-Two", "1"), ("X-Two", "2")),
    b'{"time_ms":1,"events":[]}',
    10.0,
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def outcome(task: Coroutine[Any, Any, Any]) -> list[Any]:
    """Start sending, and give the list that what comes of it will be in."""
    found: list[Any] = []
    Deferred.fromCoroutine(task).addBoth(found.append)
    return found


class RequestWire:
    """A sender on a reactor in memory, and what its connections write and read.

    Args:
        request: what is sent at once.

    Attributes:
        outcome: what came of it.
    """

    protocol: Any

    def __init__(self, request: Request = REQUEST) -> None:
        self.reactor = MemoryReactorClock()
        self.sender = Sender(self.reactor)
        self.transport = BreakableTransport()
        self.outcome = self.send(request)

    def send(self, request: Request = REQUEST) -> list[Any]:
        """Send another request."""
        return outcome(self.sender.send(request))

    def connect(self) -> tuple[str, int]:
        """Let the newest connection be established."""
        host, port, factory, *_ = self.reactor.tcpClients[-1]
        self.protocol, self.transport = factory.buildProtocol(None), BreakableTransport()
        self.protocol.makeConnection(self.transport)
        return host, port

    def read(self, data: bytes) -> None:
        """Let the receiver say something."""
        self.protocol.dataReceived(data)

    def written(self) -> bytes:
        """Give what was written since the last time."""
        written: bytes = self.transport.value()
        self.transport.clear()
        return written


class BreakableTransport(StringTransport):
    """A connection that ends when it is told to."""

    aborted = False

    def abortConnection(self) -> None:
        """Be cut off."""
        self.aborted = self.disconnecting = True
