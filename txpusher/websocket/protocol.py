"""One client's socket: Autobahn's server protocol as a `txpusher.interfaces.Wire`.

What bit us, and is dealt with here:

* Autobahn copies some 40 options into every connection and formats them for a debug line: they stand on the class
  instead (`CONFIG_ATTRS` is empty), which halves the cost of a connect.
* ``sendMessage`` and ``sendPreparedMessage`` format debug lines on every call: frames are written to the transport.
* Its limits default to none, and ``failByDrop`` would drop without a close code.
* It claims ``log``, and warns on every client that vanishes: a deploy would write a line a socket.
* ``onConnect`` exceptions are logged without their traceback: nothing is decided there but the subprotocol and
  compression.
* It fails the handshake on offers of compression that RFC 7692 wants declined: they are hidden from it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.util import wildcards2patterns
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from txpusher.core.occurrences import ConnectionRefused, MessageDropped
from txpusher.core.running import start
from txpusher.errors import ConnectionEnded, InternalError
from txpusher.protocol import codec
from txpusher.protocol.handshakes import SUBPROTOCOL, Handshake, app_key
from txpusher.transport import innermost

if TYPE_CHECKING:
    from autobahn.websocket.types import ConnectionRequest

    from txpusher.core.connection import Connection
    from txpusher.protocol.deflate import Offer

_log = Logger()


class QuietLog:
    """Autobahn's logger: what it calls a warning is a client's doing, and is counted elsewhere."""

    def _nothing(self, *args: object, **kwargs: object) -> None:
        pass

    trace = debug = info = warn = _nothing

    def error(self, message: str, **fields: object) -> None:
        """Pass errors on."""
        _log.error(message, **fields)


class PusherWebSocket(WebSocketServerProtocol):
    """One client's socket.

    Attributes:
        connection: the conversation on it, once the client is established.
    """

    CONFIG_ATTRS: list[str] = []  # noqa: RUF012 - Autobahn's spelling
    log = QuietLog()

    logOctets = logFrames = trackTimings = False
    utf8validateIncoming = True
    applyMask = True
    autoFragmentSize = 0
    failByDrop = False
    echoCloseCodeReason = False
    # The port waits for the whole request before it hands a socket over.
    openHandshakeTimeout = 0
    closeHandshakeTimeout = 1
    tcpNoDelay = True
    autoPingInterval = autoPingTimeout = 0
    autoPingSize = 12
    autoPingRestartOnAnyTraffic = False
    versions = WebSocketServerProtocol.SUPPORTED_PROTOCOL_VERSIONS
    webStatus = False
    requireMaskedClientFrames = True
    maskServerFrames = False
    serveFlashSocketPolicy = False
    flashSocketPolicy = ""
    allowedOrigins = ("*",)
    allowedOriginsPatterns = tuple(wildcards2patterns(["*"]))
    allowNullOrigin = True
    maxConnections = 0
    trustXForwardedFor = 0

    peer = ""
    # Always a stream with a socket below; Autobahn's own types say less.
    transport: Any
    connection: Connection | None = None
    send: Callable[[bytes], None]

    # From Twisted

    def connectionMade(self) -> None:
        """Start without Autobahn's inquiry into the transport, which nobody here reads."""
        self.send = self.transport.write
        self._connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the client: any of them prove that it lives."""
        if self.connection is not None:
            self.connection.last_seen = self.factory.reactor.seconds()
        self._dataReceived(data)

    def connectionLost(self, reason: Any = connectionDone) -> None:
        """Leave everything, whatever the reason."""
        innermost(self.transport).on_backlog = None
        self._connectionLost(reason)
        self._leave()
        # This future of Autobahn's has the very object as its result: only the garbage collector would free them.
        self.is_closed = None

    # From Autobahn

    def onConnect(self, request: ConnectionRequest) -> tuple[str | None, dict[str, str]]:
        """Choose the subprotocol, at most one and only a Pusher one, and compression; give it and headers."""
        self._handshake = self._described(request)
        protocol = next((p for p in request.protocols if SUBPROTOCOL.fullmatch(p)), None)
        self.websocket_extensions: Any = ()
        return protocol, self._compress(request.extensions)

    def failHandshake(self, *args: Any, **kwargs: Any) -> None:
        """Count a handshake that is none; it is answered by HTTP."""
        self.factory.registry.tell(ConnectionRefused("", "invalid_handshake"))
        super().failHandshake(*args, **kwargs)

    def _onOpen(self) -> None:
        try:
            unfinished = start(self._admit())
        except Exception:  # noqa: BLE001 - a bug must end this connection only
            self._broken(Failure())
        else:
            if unfinished is not None:
                unfinished.addErrback(self._broken)

    def onMessageFrame(self, payload: Any) -> None:
        """Keep the pieces that a frame came in, but no empty ones: a message may have those without end."""
        super().onMessageFrame([piece for piece in payload if piece])  # type: ignore[arg-type]

    def onMessageEnd(self) -> None:
        """Hand a whole message on, without Autobahn's futures for listeners we have none of."""
        if not self.failedByMe and self.connection is not None:
            if self.message_is_binary:
                self.connection.received_binary()
            else:
                self.connection.received(b"".join(self.message_data))
        self.message_data = []

    def onCloseFrame(self, code: Any, reasonRaw: Any) -> bool | None:
        """Leave before the closing handshake is answered: nothing may be sent after it."""
        self._leave()
        return super().onCloseFrame(code, reasonRaw)

    def _closeConnection(self, abort: bool = False) -> None:
        """Close the socket, for good when the client does not read to the end."""
        if abort:
            self.transport.abortConnection()
        else:
            self.factory.closing.close(self.transport)

    def _fail_connection(self, code: int = 1001, reason: str = "going away") -> None:
        """Count and end a client that breaks RFC 6455 or a size limit."""
        label = (
            "message_too_big"
            if code == self.CLOSE_STATUS_CODE_MESSAGE_TOO_BIG
            else "websocket_violation"
        )
        if self.connection is not None and not self.connection.closed:
            self.factory.registry.tell(MessageDropped(self.connection.app.id, label))
        self._leave()
        super()._fail_connection(code, reason)

    # As a Wire

    def ping(self) -> None:
        """Send a WebSocket ping frame."""
        self.send(codec.PING_FRAME)

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake."""
        if self.state == self.STATE_OPEN:
            self.sendClose(code, reason)

    def pause(self) -> None:
        """Read no more for now."""
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read on, also when only the closing handshake is left to be read."""
        if self.state != self.STATE_CLOSED:
            self.transport.resumeProducing()

    # Our own

    def _described(self, request: ConnectionRequest) -> Handshake:
        address_of = self.factory.address_of
        return Handshake(
            key=app_key(request.path, self.factory.path_prefix),
            protocol=_last(request.params, "protocol"),
            version=_last(request.params, "version"),
            origin=request.headers.get("origin"),
            secure=ISSLTransport.providedBy(self.transport)
            or request.headers.get("x-forwarded-proto", "").lower() in {"https", "wss"},
            address=address_of
            and address_of(self.transport, request.headers.get("x-forwarded-for", "")),
        )

    def _compress(self, offers: list[Offer]) -> dict[str, str]:
        agreed = self.factory.compression and self.factory.compression.agree(offers)
        if not agreed:
            return {}
        self.send = partial(agreed.outgoing.send, self.transport.write)
        self._perMessageCompress = agreed.incoming
        return {"Sec-WebSocket-Extensions": agreed.answer}

    async def _admit(self) -> None:
        try:
            app = await self.factory.admission.admit(self._handshake)
        except ConnectionEnded as problem:
            self._refuse(problem)
            return
        if self.state == self.STATE_OPEN:
            self._watch_transport()
            self.connection = self.factory.registry.connect(app, self)
            self._forget_handshake()

    def _refuse(self, problem: ConnectionEnded) -> None:
        if self.state == self.STATE_OPEN:
            self.send(codec.error(problem))
            self.close(problem.code, problem.message)

    def _broken(self, failure: Failure) -> None:
        _log.failure("Bug while admitting a client; it is disconnected", failure)
        self.factory.registry.tell(ConnectionRefused("", InternalError.reason))
        self._refuse(InternalError())

    def _watch_transport(self) -> None:
        transport = innermost(self.transport)
        transport.max_backlog = self.factory.max_backlog
        transport.on_backlog = self._too_slow
        transport.on_lost = self._gone

    def _gone(self, reason: Failure) -> None:
        """Send nothing more to a client that has gone; its socket ends when it is its turn."""
        self.factory.departing.end(innermost(self.transport), reason)
        if self.connection is not None:
            self.connection.gone()

    def _too_slow(self) -> None:
        connection = self.connection
        if connection is not None:
            self.factory.registry.tell(MessageDropped(connection.app.id, "slow_client"))
            _log.info(
                "{socket_id} of app {app_id} does not read what it is sent and is disconnected",
                socket_id=connection.socket_id,
                app_id=connection.app.id,
            )
        # Not loseConnection: it would wait for the buffer to be read.
        self.transport.abortConnection()

    def _forget_handshake(self) -> None:
        # Kilobytes a connection that nobody asks for again.
        del (
            self.http_request_data,
            self.http_headers,
            self.http_request_params,
            self.http_status_line,
        )
        del self.http_response_data, self._wskey, self._handshake

    def _leave(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.lost()


def _last(params: dict[str, list[str]], name: str) -> str | None:
    values = params.get(name)
    return values[-1] if values else None
