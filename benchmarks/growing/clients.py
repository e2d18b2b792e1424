"""Clients and publishers on plain sockets, each call waiting for what the server says to it."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from messages import DEADLINE, HANDSHAKE, KEY, SECRET, dial, post

AT_ONCE = 200
"""Clients that connect, or subscriptions that are asked for, before the first answer is waited for."""
_LENGTH = re.compile(rb"Content-Length: (\d+)", re.IGNORECASE)
_SOCKET_ID = re.compile(rb'socket_id\\*":\\*"(\d+\.\d+)')


class Reader:
    """One who reads what a server sends."""

    def __init__(self, port: int) -> None:
        self.socket = dial(port)

    def receive(self) -> bytes:
        """Read what has come, or what comes next; nothing when the server has closed."""
        return self.socket.recv(1 << 20)

    def take(self, size: int) -> None:
        """Read as many bytes."""
        while size:
            size -= len(self.socket.recv(min(size, 1 << 20)))

    def drain(self) -> int:
        """Read what has come, if anything has, and give how many bytes that was."""
        size = 0
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while data := self.receive():
                size += len(data)
        self.socket.settimeout(DEADLINE)
        return size

    def close(self) -> None:
        """End the connection without a goodbye."""
        self.socket.close()


class Client(Reader):
    """One WebSocket connection."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.socket_id = ""
        self.socket.sendall(HANDSHAKE)

    def greeted(self) -> None:
        """Wait until it is established."""
        self.socket_id = _SOCKET_ID.search(self.wait_for(b"connection_established"))[1].decode()

    def wait_for(self, what: bytes, times: int = 1) -> bytes:
        """Read until something has come so often, and give all that has come.

        Raises:
            RuntimeError: the connection ended, or the server has an error to tell.
        """
        come = bytearray()
        while come.count(what) < times:
            data = self.receive()
            if not data or b"pusher:error" in data:
                raise RuntimeError(f"instead of {what!r} the server said {data!r}")
            come += data
        return bytes(come)

    def send(self, event: str, data: dict[str, str]) -> None:
        """Send a message."""
        self.write(json.dumps({"event": event, "data": data}).encode())

    def write(self, text: bytes) -> None:
        """Send the text of a message."""
        self.socket.sendall(_frame(text))

    def subscribe(self, names: Sequence[str]) -> None:
        """Subscribe to public channels, and wait until all are confirmed."""
        for begin in range(0, len(names), AT_ONCE):
            some = names[begin : begin + AT_ONCE]
            for name in some:
                self.send("pusher:subscribe", {"channel": name})
            self.wait_for(b"subscription_succeeded", len(some))

    def enter(self, name: str) -> None:
        """Subscribe to a private channel, and wait until that is confirmed."""
        self._ask_for({"channel": name}, f"{self.socket_id}:{name}")

    def join(self, name: str, user_id: str) -> None:
        """Become a member of a presence channel, and wait until that is confirmed."""
        member = json.dumps({"user_id": user_id, "user_info": {"name": f"User {user_id}"}})
        data = {"channel": name, "channel_data": member}
        self._ask_for(data, f"{self.socket_id}:{name}:{member}")

    def _ask_for(self, data: dict[str, str], text: str) -> None:
        """Subscribe with a signature of the text."""
        signature = hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256).hex()
        self.send("pusher:subscribe", {**data, "auth": f"{KEY}:{signature}"})
        self.wait_for(b"subscription_succeeded")


class Publisher:
    """One caller of the HTTP API, which keeps its connection."""

    def __init__(self, port: int) -> None:
        self._socket = dial(port)

    def publish(self, channel: str, size: int = 100) -> None:
        """Publish data of as many bytes, and wait for the answer.

        Raises:
            RuntimeError: it was refused.
        """
        body = json.dumps({"name": "e", "channel": channel, "data": "x" * size})
        self.call(post("events", body.encode()))

    def call(self, request: bytes) -> bytes:
        """Send a request, and give the body of the answer, whose head has to come in one piece.

        Raises:
            RuntimeError: it was refused.
        """
        self._socket.sendall(request)
        answer = self._socket.recv(1 << 16)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"a call was refused: {answer!r}")
        head, _, body = answer.partition(b"\r\n\r\n")
        size = int(_LENGTH.search(head)[1])
        while len(body) < size and (data := self._socket.recv(1 << 16)):
            body += data
        return body

    def close(self) -> None:
        """End the connection."""
        self._socket.close()


def connect(port: int, count: int, channels: Callable[[int], Sequence[str]]) -> list[Client]:
    """Connect clients.

    Args:
        port: of the server.
        count: how many.
        channels: gives the public channels of a client by its number.
    """
    clients: list[Client] = []
    while len(clients) < count:
        some = [Client(port) for _ in range(min(AT_ONCE, count - len(clients)))]
        for client in some:
            client.greeted()
        for number, client in enumerate(some, len(clients)):
            client.subscribe(channels(number))
        clients += some
    return clients


def close(clients: Sequence[Reader]) -> None:
    """End connections."""
    for client in clients:
        client.close()


def _frame(text: bytes) -> bytes:
    """Make a text frame; a mask of zeros is a mask, too."""
    length = len(text)
    head = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return b"\x81" + head + bytes(4) + text
