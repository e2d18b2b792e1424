"""Clients in memory: of the HTTP API by either way in, and of the WebSocket side; no port, no reactor."""

from __future__ import annotations

import hashlib
import hmac
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.doubles import APP, Node, messages
from txpusher.apps.memory import MemoryApps
from txpusher.core.admission import Admission
from txpusher.http.authentication import Authenticator
from txpusher.http.calls import Calls
from txpusher.http.channels import Channels
from txpusher.http.events import Events
from txpusher.http.exchange import Cors
from txpusher.http.fast_lane import FastLane, Lane
from txpusher.http.health import Health
from txpusher.http.idempotency import Idempotency
from txpusher.http.rate_limits import RateLimits
from txpusher.http.requests import ApiSite
from txpusher.http.root import Root
from txpusher.http.users import Users
from txpusher.idle import Closing, IdleSweep
from txpusher.listening import PublicPort
from txpusher.model import App
from txpusher.transport import BackloggedMixin, address_of
from txpusher.websocket.factory import PusherWebSocketFactory

NOW = 1353088179
"""The time of day of all servers here, that of Pusher's printed examples."""


class Line(StringTransport):
    """A connection in memory, as Twisted's sockets behave: what is read stops when it is paused or closed.

    Args:
        protocol: the server's.
        peer: the address of the client.
    """

    def __init__(self, protocol: Any, peer: Any = None) -> None:
        super().__init__(peerAddress=peer, lenient=True)
        self.protocol = protocol
        self.on_lost: Callable[[Failure], None] | None = None
        self._unread = b""
        self._ended = False
        protocol.makeConnection(self)

    def unregisterProducer(self) -> None:
        """Take a second call like a socket does."""
        self.producer = self.streaming = None

    def receive(self, data: bytes = b"", piece: int = 0) -> None:
        """Let the server read, all at once or in pieces; while it is paused the rest waits for the next call."""
        self._unread += data
        while self._unread and self.producerState == "producing" and not self.disconnecting:
            size = piece or len(self._unread)
            data, self._unread = self._unread[:size], self._unread[size:]
            self.protocol.dataReceived(data)

    def take(self) -> bytes:
        """Give what the server wrote and forget it."""
        written: bytes = self.value()
        self.clear()
        return written

    def go_away(self, *, cleanly: bool = False) -> None:
        """Be gone, as a client that closes, or whose network breaks."""
        self.connectionLost(Failure(ConnectionDone() if cleanly else ConnectionLost()))

    def connectionLost(self, reason: Failure) -> None:
        """End, or let somebody say when, as our transports do; a second time is nothing, as with a socket."""
        on_lost, self.on_lost = self.on_lost, None
        if on_lost is not None:
            on_lost(reason)
        elif not self._ended:
            self._ended = self.disconnecting = self.disconnected = True
            self.protocol.connectionLost(reason)


# HTTP


class Response(NamedTuple):
    """An HTTP response; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The text of an error, which has to have the shape of all errors."""
        assert self.headers["content-type"] == "application/json"
        error, code = self.json["error"], self.json["code"]
        assert self.json.keys() == {"error", "code"}
        assert code == self.status
        assert isinstance(error, str)
        return error

    def contract(self) -> tuple[int, dict[str, str], bytes]:
        """All of it but the moment it was made."""
        return self.status, {k: v for k, v in self.headers.items() if k != "date"}, self.body


def read_responses(data: bytes, method: str = "") -> Iterator[Response]:
    """Read the responses in what a server wrote; all have to be whole."""
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, head
        status, *lines = head.decode("latin-1").split("\r\n")
        version, code, _ = status.split(" ", 2)
        assert version == "HTTP/1.1"
        pairs = [line.split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), f"a header is there twice: {lines}"
        size = 0
        if int(code) >= 200 and code != "204" and method != "HEAD":
            size = int(headers["content-length"])
        body, data = data[:size], data[size:]
        assert len(body) == size, "half a body"
        yield Response(int(code), headers, body)


class HttpClient(Line):
    """One connection of an API caller."""

    def responses(self) -> list[Response]:
        """Give the responses that came."""
        return list(read_responses(self.take()))

    def ask(self, request: bytes, piece: int = 0) -> Response:
        """Send a request and give its response."""
        self.receive(request, piece)
        method = request.partition(b" ")[0].decode()
        (response,) = read_responses(self.take(), method)
        return response


def http(
    method: str,
    target: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    version: str = "1.1",
) -> bytes:
    """Write a request; a body gets its Content-Length."""
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(target: str, *chunks: bytes) -> bytes:
    """Write a POST whose body comes in chunks."""
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    return head.encode() + b"".join(pieces) + b"0\r\n\r\n"


def signature(secret: str, method: str, path: str, params: Mapping[str, str]) -> str:
    """Sign as the official libraries do."""
    query = "&".join(f"{name}={params[name]}" for name in sorted(params))
    text = f"{method}\n{path}\n{query}"
    return hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()


def signed(
    method: str,
    path: str,
    body: bytes = b"",
    params: Mapping[str, str] | None = None,
    *,
    app: App = APP,
    as_path: str | None = None,
    **changed: str | None,
) -> str:
    """Give the target of a signed request.

    Args:
        method: see `http`.
        path: where it goes.
        body: its digest is signed.
        params: further parameters.
        app: who signs.
        as_path: the path to sign, where it is another one.
        changed: values that stand in place of the right ones of auth_key, auth_timestamp, ... and are signed, too;
            None leaves one out.
    """
    right = {
        "auth_key": app.key,
        "auth_timestamp": str(NOW),
        "auth_version": "1.0",
        **({"body_md5": hashlib.md5(body, usedforsecurity=False).hexdigest()} if body else {}),
        **(params or {}),
        **changed,
    }
    pairs = {name: value for name, value in right.items() if value is not None}
    if "auth_signature" not in changed:
        pairs["auth_signature"] = signature(app.secret, method, as_path or path, pairs)
    return f"{path}?{urlencode(pairs)}"


def event(**fields: Any) -> bytes:
    """Write the body of a publish, with what is needed where it is not given."""
    usual = {"name": "greeting", "channel": "news", "data": "hello"}
    return json.dumps(
        {name: v for name, v in {**usual, **fields}.items() if v is not None}
    ).encode()


def publish(body: bytes, path: str = "/apps/1/events", **more: Any) -> bytes:
    """Write a signed publish."""
    headers = more.pop("headers", None)
    return http("POST", signed("POST", path, body, **more), body, headers)


class Api:
    """A server without ports: both ways into its HTTP API, its WebSockets, and the port in front of them.

    Args:
        apps: those it serves.
        adapter, options: of its `Node`.
        path_prefix, origins, max_request_size, allow_reserved, max_connections, trusted_hops: as in
            `txpusher.config.Config`.
        max_connects, max_calls: what one IP address may do a minute.
        sockets: of the WebSocket factory.

    Attributes:
        node: its core, with subscribers to connect and all that was told.
        time: what it takes for the time of day.
        checks: what its health depends on.
        peer: the address of those who connect.
    """

    def __init__(
        self,
        *apps: App,
        adapter: Any = None,
        path_prefix: str = "",
        origins: tuple[str, ...] = ("*",),
        max_request_size: int = 2 * 1024 * 1024,
        allow_reserved: bool = False,
        max_connections: int | None = None,
        max_connects: int | None = None,
        max_calls: int | None = None,
        trusted_hops: int = 0,
        **sockets: Any,
    ) -> None:
        self.node = node = Node(adapter)
        self.clock, self.told = node.clock, node.told
        self.time: float = NOW
        self.peer: Any = None
        self.apps: Any = MemoryApps(apps or (APP,))
        self.admission = Admission(
            self.apps,
            node.registry,
            max_connections=max_connections,
            max_connects_per_minute=max_connects,
        )
        self.cors = Cors(origins)
        self.checks: list[Any] = [node.adapter.health]
        authenticator = Authenticator(self.apps, lambda: self.time, path_prefix)
        limits = RateLimits(self.clock, max_calls)
        calls = Calls(authenticator, self.apps, limits, node.told)
        idempotency = Idempotency(node.adapter.receipts, self.clock)
        events = Events(node.registry, limits, idempotency, allow_reserved=allow_reserved)
        health = Health(self.apps, self.admission, self.checks)
        channels = Channels(node.registry, limits)
        self.root = Root(calls, events, channels, Users(node.registry), health, self.cors)
        look = partial(address_of, trusted_hops=trusted_hops)
        shared: Any = {
            "path_prefix": path_prefix,
            "max_request_size": max_request_size,
            "address_of": max_calls and look,
        }
        resource, clock = self.root.app.resource(), self.clock
        self.closing = Closing(clock, 5)
        self.closing.start()
        self.site = ApiSite(resource, clock, self.cors, node.told, self.closing, **shared)
        self.publishers = IdleSweep(clock, 90)
        self.publishers.start()
        self.lane = Lane(
            calls,
            events,
            self.cors,
            lambda: self.site.buildProtocol(None),
            self.publishers,
            self.closing,
            lambda: self.time,
            **shared,
        )
        self.sockets = PusherWebSocketFactory(
            self.admission,
            node.registry,
            clock,  # type: ignore[arg-type]
            self.closing,
            path_prefix=path_prefix,
            address_of=max_connects and look,
            **sockets,
        )
        self.handshakes = IdleSweep(clock, 10)
        self.handshakes.start()
        self.port = PublicPort(
            websocket=lambda: self.sockets.buildProtocol(None),  # type: ignore[arg-type,return-value]
            publishing=lambda: FastLane(self.lane),
            http=lambda: self.site.buildProtocol(None),
            idle=self.handshakes,
            tell=node.told,
            turn=node.registry.turn,
        )

    def fast_lane(self) -> HttpClient:
        """Connect to the fast lane."""
        return HttpClient(FastLane(self.lane), self.peer)

    def klein(self) -> HttpClient:
        """Connect to twisted.web and Klein."""
        return HttpClient(self.site.buildProtocol(None), self.peer)

    def public_port(self) -> HttpClient:
        """Connect to the port that everybody comes by."""
        return HttpClient(self.port.buildProtocol(None), self.peer)

    def by(self, way: str) -> HttpClient:
        """Connect by the way in of this name."""
        client: HttpClient = getattr(self, way)()
        return client

    def get(self, path: str, params: Mapping[str, str] | None = None, **more: Any) -> Response:
        """Ask a signed question."""
        return self.klein().ask(http("GET", signed("GET", path, b"", params, **more)))

    def post(self, path: str, body: bytes = b"{}", **more: Any) -> Response:
        """Send a signed request by way of Klein."""
        return self.klein().ask(publish(body, path, **more))

    def socket(self, path: str = "/app/key?protocol=7", **more: Any) -> SocketClient:
        """Open a WebSocket."""
        return SocketClient(self.sockets.buildProtocol(None), path, peer=self.peer, **more)


# WebSockets

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KEY, ACCEPT = (
    "dGhlIHNhbXBsZSBub25jZQ==",
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
)  # the example of RFC 6455, 1.3


class Frame(NamedTuple):
    """A WebSocket frame of a server."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The code of a closing frame."""
        assert self.opcode == CLOSE
        code: int = struct.unpack("!H", self.payload[:2])[0]
        return code

    @property
    def reason(self) -> str:
        """The reason of a closing frame."""
        assert self.opcode == CLOSE
        return self.payload[2:].decode()


def read_frames(data: bytes) -> Iterator[Frame]:
    """Read the frames in what a server wrote: all whole, final, not masked, nothing reserved."""
    while data:
        opcode, size, begin = data[0] & 0x0F, data[1], 2
        assert data[0] & 0xF0 == 0x80, "not final, or reserved bits"
        assert size < 128, "a server's frames are not masked"
        if size >= 126:
            begin = 4 if size == 126 else 10
            size = int.from_bytes(data[2:begin])
        payload, data = data[begin : begin + size], data[begin + size :]
        assert len(payload) == size, "half a frame"
        yield Frame(opcode, payload)


def upgrade(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Write the request that opens a WebSocket."""
    usual = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    return http("GET", path, headers={**usual, **(headers or {})})


def masked(
    opcode: int, payload: bytes = b"", *, final: bool = True, mask: bytes = b"\x01\x82\x03\x84"
) -> bytes:
    """Write a client's frame; an empty mask breaks the rule that there is one."""
    size, flag = len(payload), 0x80 if mask else 0
    if size < 126:
        length = bytes([flag | size])
    elif size < 65536:
        length = bytes([flag | 126]) + size.to_bytes(2)
    else:
        length = bytes([flag | 127]) + size.to_bytes(8)
    if mask:
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes([(0x80 if final else 0) | opcode]) + length + mask + payload


class SocketClient(Line):
    """A WebSocket client, connected and past its handshake.

    Args:
        protocol: the server's; also that of the port in front.
        path: what it asks for.
        headers: further ones of the handshake.
        peer: the address of the client.

    Attributes:
        answer: the server's answer to the handshake, its status line included.
    """

    def __init__(
        self,
        protocol: Any,
        path: str = "/app/key?protocol=7",
        headers: Mapping[str, str] | None = None,
        peer: Any = None,
    ) -> None:
        super().__init__(protocol, peer)
        self.receive(upgrade(path, headers))
        head, _, rest = self.take().partition(b"\r\n\r\n")
        self.answer = head.decode()
        self.write(rest)

    def frames(self) -> list[Frame]:
        """Give the frames that came."""
        return list(read_frames(self.take()))

    def messages(self) -> list[dict[str, Any]]:
        """Give the messages that came; there may be no other frames."""
        return list(messages(self.take()))

    def send(self, opcode: int, payload: bytes = b"", **more: Any) -> None:
        """Send a frame."""
        self.receive(masked(opcode, payload, **more))

    def say(self, event: str, content: object = None, **more: object) -> None:
        """Send a message."""
        self.send(TEXT, json.dumps({"event": event, "data": content, **more}).encode())


class SlowLine(BackloggedMixin, Line):
    """A connection whose client does not read: all that is written waits."""

    offset = 0
    _tempDataLen = 0

    @property
    def dataBuffer(self) -> bytes:
        """What waits."""
        return self.value()


class SlowClient(SlowLine, SocketClient):
    """A WebSocket client that does not read, though it can be looked at what it would."""
