"""What goes over the sockets: handshakes, frames and signed requests, made without a library."""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import time

LOOPBACK = "127.0.0.1"
APP_ID, KEY, SECRET = "1", "bench-key", "bench-secret"
DEADLINE = 30.0  # seconds that any single step may take
DATA_SIZE = 100

HANDSHAKE = (
    f"GET /app/{KEY}?protocol=7&client=bench&version=1.0 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
PUBLISHED_AT = re.compile(rb"@(\d{19})")
"""The monotonic time in nanoseconds, which all processes of a machine share."""


def dial(port: int) -> socket.socket:
    """Connect, with small packets sent at once."""
    connection = socket.create_connection((LOOPBACK, port), DEADLINE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def subscription(channel: str) -> bytes:
    """Give the frame that subscribes; a mask of zeros is a mask, too."""
    text = f'{{"event":"pusher:subscribe","data":{{"channel":"{channel}"}}}}'.encode()
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


def frame_size(data: bytes | bytearray) -> int:
    """Give the length of the frame at the beginning, its head included; it has at most 64 KB."""
    return 2 + data[1] if data[1] < 126 else 4 + int.from_bytes(data[2:4], "big")


def publish(batch: int) -> bytes:
    """Sign a publish of as many events on ``bench-0``, which carry the time that it is."""
    data = f"@{time.monotonic_ns():019d}".ljust(DATA_SIZE, "x")
    event = f'{{"name":"e","channel":"bench-0","data":"{data}"}}'
    if batch == 1:
        return post("events", event.encode())
    return post("batch_events", f'{{"batch":[{",".join([event] * batch)}]}}'.encode())


def post(what: str, body: bytes) -> bytes:
    """Sign a request to publish; ``what`` is the end of its path."""
    path = f"/apps/{APP_ID}/{what}"
    query = f"auth_key={KEY}&auth_timestamp={int(time.time())}&auth_version=1.0&body_md5="
    query += hashlib.md5(body, usedforsecurity=False).hexdigest()
    signed = hmac.digest(SECRET.encode(), f"POST\n{path}\n{query}".encode(), "sha256").hex()
    head = f"POST {path}?{query}&auth_signature={signed} HTTP/1.1\r\nHost: localhost\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def check(begin: float, what: str) -> None:
    """End what takes too long.

    Raises:
        TimeoutError: it does.
    """
    if time.monotonic() - begin > DEADLINE:
        raise TimeoutError(f"after {DEADLINE:g} s there are not {what}")
