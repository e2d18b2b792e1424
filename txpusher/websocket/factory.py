"""What the sockets of one service share: Autobahn's factory, without its reactor, its timers and its log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autobahn.twisted.websocket import WebSocketServerFactory

from txpusher.websocket.compression import Compression
from txpusher.websocket.departing import Departing
from txpusher.websocket.protocol import PusherWebSocket, QuietLog

if TYPE_CHECKING:
    from twisted.internet.base import ReactorBase

    from txpusher.core.admission import Admission
    from txpusher.core.registry import ChannelRegistry
    from txpusher.idle import Closing
    from txpusher.transport import AddressOf


class PusherWebSocketFactory(WebSocketServerFactory):
    """Makes the sockets of one service.

    Args:
        admission: decides who may connect.
        registry: where the admitted are connected.
        reactor: tells the time.
        closing: closes sockets.
        path_prefix: what stands before ``/app``.
        max_message_size: bytes of one client message.
        max_backlog: bytes that may wait for a slow client.
        address_of: finds out the address of a client; None when nobody wants to know.
        compression: whether permessage-deflate is agreed on with clients that offer it.
    """

    log = QuietLog()

    def __init__(
        self,
        admission: Admission,
        registry: ChannelRegistry,
        reactor: ReactorBase,
        closing: Closing,
        *,
        path_prefix: str = "",
        max_message_size: int = 64 * 1024,
        max_backlog: int = 1024 * 1024,
        address_of: AddressOf | None = None,
        compression: bool = False,
    ) -> None:
        super().__init__(server="", reactor=reactor)
        self.admission = admission
        self.registry = registry
        self.closing = closing
        self.departing = Departing(reactor)
        self.path_prefix = path_prefix
        self.max_backlog = max_backlog
        self.address_of = address_of
        self.compression = Compression(max_message_size, registry.tell) if compression else None
        self._batched_timer = _Timer(reactor)
        limits = {
            "maxFramePayloadSize": max_message_size,
            "maxMessagePayloadSize": max_message_size,
        }
        self.protocol: Any = type("PusherWebSocket", (PusherWebSocket,), limits)


class _Timer:
    """Autobahn's timers on our reactor; it has only one left, for the closing handshake."""

    def __init__(self, reactor: ReactorBase) -> None:
        self._reactor = reactor

    def call_later(self, delay: float, function: Callable[..., object], *args: object) -> Any:
        """Call ``function`` after ``delay`` seconds."""
        return self._reactor.callLater(delay, function, *args)
