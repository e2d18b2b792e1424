"""Clients that hide nothing: HTTP and WebSocket by hand, so that wrong bytes can be sent and every frame is seen."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

Dial = Callable[[], socket.socket]

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
DEADLINE = 10.0


# -- what an application's server signs


@dataclass(frozen=True)
class Credentials:
    """Of one app."""

    id: str
    key: str
    secret: str

    def sign(self, text: str) -> str:
        """Sign any text."""
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def channel_auth(self, socket_id: str, channel: str, channel_data: str | None = None) -> str:
        """Give the ``auth`` of a subscription."""
        more = "" if channel_data is None else f":{channel_data}"
        return f"{self.key}:{self.sign(f'{socket_id}:{channel}{more}')}"

    def user_auth(self, socket_id: str, user_data: str) -> str:
        """Give the ``auth`` of a sign-in."""
        return f"{self.key}:{self.sign(f'{socket_id}::user::{user_data}')}"

    def query(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        parameters: Mapping[str, str] | None = None,
        **changed: str | None,
    ) -> str:
        """Sign an API request.

        Args:
            method: in upper case.
            path: that is signed.
            body: of the request.
            parameters: of the endpoint, not encoded.
            changed: replaces, or with None removes, ``auth_`` parameters; an ``auth_signature`` is not computed then.
        """
        values: dict[str, str | None] = {
            "auth_key": self.key,
            "auth_timestamp": str(int(time.time())),
            "auth_version": "1.0",
            **(parameters or {}),
        }
        if body:
            values["body_md5"] = hashlib.md5(body, usedforsecurity=False).hexdigest()
        values |= changed
        given = {name: value for name, value in values.items() if value is not None}
        signed = "&".join(
            f"{name.lower()}={value}"
            for name, value in sorted(given.items(), key=lambda pair: pair[0].lower())
        )
        if "auth_signature" not in changed:
            given["auth_signature"] = self.sign(f"{method}\n{path}\n{signed}")
        return "&".join(f"{name}={quote(value, safe='')}" for name, value in given.items())


# -- HTTP


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        assert self.headers["content-type"].startswith("application/json"), self
        return json.loads(self.body)

    def problem(self, status: int) -> str:
        """Check that this is an error as the API tells it, and give its text."""
        assert self.status == status, self
        fields = self.json
        assert fields["code"] == status, self
        assert isinstance(fields["error"], str), self
        return fields["error"]


class HttpConnection:
    """One connection; several requests may go out before the first answer is read."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a request, and do not wait for the answer."""
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in (headers or {}).items()]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and give the answer."""
        self.send(method, target, body, headers)
        return self.answer(head_only=method == "HEAD")

    def answer(self, *, head_only: bool = False) -> Answer:
        """Read one answer."""
        while b"\r\n\r\n" not in self._buffer:
            self._read()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        answer = Answer(int(first.split(" ")[1]))
        for line in lines:
            name, _, value = line.partition(":")
            answer.headers[name.lower()] = value.strip()
        if head_only or answer.status in {101, 204, 304}:
            return answer
        assert "transfer-encoding" not in answer.headers, answer
        if "content-length" not in answer.headers:
            # Autobahn's own refusals end with the connection.
            while data := self.socket.recv(65536):
                self._buffer += data
        length = int(answer.headers.get("content-length", len(self._buffer)))
        while len(self._buffer) < length:
            self._read()
        answer.body, self._buffer = self._buffer[:length], self._buffer[length:]
        return answer

    def read_until(self, text: bytes) -> None:
        """Read what follows the answers, until this is among it."""
        while text not in self._buffer:
            self._read()

    def ended(self) -> bool:
        """Tell whether the server ends the connection without sending anything more."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def _read(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"the server ended the connection after {self._buffer!r}"
        self._buffer += data


class Api:
    """The signed HTTP API of one app."""

    def __init__(self, dial: Dial, credentials: Credentials, prefix: str = "") -> None:
        self.dial = dial
        self.app = credentials
        self.base = f"{prefix}/apps/{credentials.id}"

    def get(self, path: str, **parameters: str) -> Answer:
        """Ask below ``/apps/{id}``."""
        path = self.base + path
        with HttpConnection(self.dial()) as http:
            return http.ask("GET", f"{path}?{self.app.query('GET', path, b'', parameters)}")

    def post(self, path: str, body: object) -> Answer:
        """Post JSON below ``/apps/{id}``; bytes are sent as they are."""
        path = self.base + path
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        with HttpConnection(self.dial()) as http:
            target = f"{path}?{self.app.query('POST', path, content)}"
            return http.ask("POST", target, content, {"Content-Type": "application/json"})

    def trigger(
        self, channels: str | Sequence[str], data: object = "{}", name: str = "event", **more: str
    ) -> Answer:
        """Publish one event, and insist on its being taken."""
        names = [channels] if isinstance(channels, str) else list(channels)
        answer = self.post("/events", {"name": name, "channels": names, "data": data, **more})
        assert answer.status == 200, answer
        return answer

    def request(self, path: str, body: object) -> bytes:
        """Give the bytes of a signed POST, for clients that send many at once."""
        path = self.base + path
        content = json.dumps(body).encode()
        target = f"{path}?{self.app.query('POST', path, content)}"
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
        return head.encode() + content


# -- WebSocket


class Closed(Exception):
    """The server ended the connection.

    Attributes:
        code: of the close frame; 1006 when there was none.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


def frame(opcode: int, payload: bytes = b"", *, first: int = 0x80, masked: bool = True) -> bytes:
    """Encode a frame as a client sends it (RFC 6455, 5.2); ``first`` has the FIN and RSV bits."""
    size, bit = len(payload), 0x80 if masked else 0
    if size < 126:
        head = bytes([first | opcode, bit | size])
    elif size < 65536:
        head = bytes([first | opcode, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first | opcode, bit | 127]) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    pattern = (mask * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")
    return head + mask + mixed.to_bytes(size, "big")


class WebSocket:
    """A WebSocket client.

    Args:
        connection: a connected socket.
        path: with the query.
        headers: of the handshake, beside the usual ones.

    Attributes:
        status, headers: of the answer to the handshake.
        answers_pings: whether pings are answered when they are read.
        closed_with: the code, once the server has closed.
    """

    def __init__(
        self, connection: socket.socket, path: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.socket = connection
        self.answers_pings = True
        self.closed_with = 0
        self._buffer = b""
        try:
            self.status, self.headers = self._handshake(path, headers or {})
        except BaseException:
            connection.close()
            raise

    def _handshake(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        key = base64.b64encode(os.urandom(16)).decode()
        usual = {
            "Host": "localhost",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
        }
        lines = [f"{name}: {value}" for name, value in {**usual, **headers}.items()]
        self.socket.sendall("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())
        http = HttpConnection(self.socket)
        answer = http.answer()
        self._buffer = http._buffer
        if answer.status == 101:
            accept = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324 - RFC 6455
            assert answer.headers["sec-websocket-accept"] == base64.b64encode(accept).decode()
        return answer.status, answer.headers

    # Sending

    def send_frame(self, opcode: int, payload: bytes = b"", **how: Any) -> None:
        """Send one frame; ``how`` as for `frame`."""
        self.socket.sendall(frame(opcode, payload, **how))

    def send_text(self, text: str) -> None:
        """Send any text."""
        self.send_frame(TEXT, text.encode())

    def send(self, event: str, data: object = None, channel: str | None = None) -> None:
        """Send an event."""
        message: dict[str, object] = {"event": event}
        if channel is not None:
            message["channel"] = channel
        if data is not None:
            message["data"] = data
        self.send_text(json.dumps(message))

    # Receiving

    def frame(self, deadline: float = DEADLINE) -> tuple[int, bytes]:
        """Read one frame: its opcode and payload.

        Raises:
            Closed: the server sent a close frame, or ended the connection without one.
        """
        self.socket.settimeout(deadline)
        first, second = self._take(2)
        assert first & 0x80, "a server of ours does not fragment"
        assert not first & 0x70, "no extension was agreed upon"
        assert not second & 0x80, "a server does not mask"
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        opcode, payload = first & 0x0F, self._take(size)
        if opcode == CLOSE:
            with suppress(OSError):
                self.send_frame(CLOSE, payload[:2])
            raise self._closed(int.from_bytes(payload[:2], "big") or 1005, payload[2:].decode())
        if opcode == PING and self.answers_pings:
            self.send_frame(PONG, payload)
        return opcode, payload

    def receive(self, deadline: float = DEADLINE) -> dict[str, Any]:
        """Read the next event."""
        give_up = time.monotonic() + deadline
        while True:
            opcode, payload = self.frame(max(0.01, give_up - time.monotonic()))
            if opcode == TEXT:
                message = json.loads(payload)
                assert isinstance(message, dict)
                return message

    def expect(self, event: str, channel: str | None = None) -> dict[str, Any]:
        """Read the next event, which has to be this one."""
        message = self.receive()
        assert message["event"] == event, message
        if channel is not None:
            assert message["channel"] == channel, message
        return message

    def so_far(self) -> list[dict[str, Any]]:
        """Read all that was sent before now: events up to the answers to two pings of ours.

        The first one may be read in the same turn as what we said before it, and channels are served when that ends.
        """
        events = []
        for _ in range(2):
            self.send("pusher:ping", {})
            events += self._until_pong()
        return events

    def is_alive(self) -> bool:
        """Tell whether it is answered, and that there is nothing else to read."""
        return self.so_far() == []

    def close_code(self) -> int:
        """Read on until the server closes, and give the code; 1006 is a cut without a close frame."""
        return self.messages_until_close()[1]

    def messages_until_close(self) -> tuple[list[dict[str, Any]], int]:
        """Read on until the server closes, and give the events before that and the code."""
        messages = list(islice(self._until_close(), 100_000))
        assert self.closed_with, "the server does not close"
        return messages, self.closed_with

    def drop(self) -> None:
        """End the connection without a word."""
        self.socket.close()

    def _until_pong(self) -> Iterator[dict[str, Any]]:
        while True:
            message = self.receive()
            if message["event"] == "pusher:pong":
                return
            yield message

    def _until_close(self) -> Iterator[dict[str, Any]]:
        with suppress(Closed):
            while True:
                yield self.receive()

    def _closed(self, code: int, reason: str = "") -> Closed:
        self.closed_with = code
        return Closed(code, reason)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            try:
                data = self.socket.recv(max(65536, size - len(self._buffer)))
            except ConnectionError as error:
                raise self._closed(1006, str(error)) from error
            if not data:
                raise self._closed(1006)
            self._buffer += data
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken


class Client(WebSocket):
    """A client of one app that speaks the protocol.

    Attributes:
        socket_id: once it is established.
    """

    def __init__(
        self,
        connection: socket.socket,
        path: str,
        credentials: Credentials,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(connection, path, headers)
        self.app = credentials
        self.socket_id = ""

    def established(self) -> Self:
        """Wait for the first message, and check it."""
        assert self.status == 101
        data = json.loads(self.expect("pusher:connection_established")["data"])
        self.socket_id = data["socket_id"]
        return self

    def ask_to_subscribe(self, channel: str, member: object = None, **fields: object) -> None:
        """Send a subscription with the auth it needs; ``fields`` replace or, as None, remove fields."""
        data: dict[str, object] = {"channel": channel}
        channel_data = member if isinstance(member, str) or member is None else json.dumps(member)
        if channel.startswith(("private-", "presence-")):
            data["auth"] = self.app.channel_auth(self.socket_id, channel, channel_data)
        if channel_data is not None:
            data["channel_data"] = channel_data
        data |= fields
        self.send("pusher:subscribe", {k: v for k, v in data.items() if v is not None})

    def subscribe(self, channel: str, member: object = None) -> dict[str, Any]:
        """Subscribe, wait for the success, and give its data."""
        self.ask_to_subscribe(channel, member)
        success = self.expect("pusher_internal:subscription_succeeded", channel)
        data = json.loads(success["data"])
        assert isinstance(data, dict)
        return data

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; nothing answers."""
        self.send("pusher:unsubscribe", {"channel": channel})

    def sign_in(self, user_id: str, **more: object) -> str:
        """Sign in, wait for the success, and give the user data."""
        user_data = json.dumps({"id": user_id, **more})
        auth = self.app.user_auth(self.socket_id, user_data)
        self.send("pusher:signin", {"auth": auth, "user_data": user_data})
        assert self.expect("pusher:signin_success")["data"] == {"user_data": user_data}
        return user_data

    def refused(self, channel: str) -> dict[str, Any]:
        """Wait for the pair of errors that tell of a failed subscription; give the first one's data."""
        first = self.expect("pusher:subscription_error", channel)
        second = self.expect("pusher:error", channel)
        assert isinstance(second["data"]["message"], str)
        assert second["data"]["code"] is None or isinstance(second["data"]["code"], int)
        data = first["data"]
        assert isinstance(data, dict)
        return data
