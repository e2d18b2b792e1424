"""What goes over the sockets: handshakes, frames and signed requests, made without a library."""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
import ssl
import time

LOOPBACK = "127.0.0.1"
APP_ID, KEY, SECRET = "1", "bench-key", "bench-secret"
DEADLINE = 30.0  # seconds that any single step may take
DATA_SIZE = 100
FIRST = 1000  # number of the first of several channels
PRIVATE = "private-bench"

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE  # the server's certificate is of today

HANDSHAKE = (
    f"GET /app/{KEY}?protocol=7&client=bench&version=1.0 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
SOCKET_ID = re.compile(rb'socket_id\\?":\\?"([0-9.]+)')
PUBLISHED_AT = re.compile(rb"@(\d{19})")
"""The monotonic time in nanoseconds, which all processes of a machine share."""


def dial(port: int, *, tls: bool = False) -> socket.socket:
    """Connect, with small packets sent at once, by TLS without asking who that is."""
    connection = socket.create_connection((LOOPBACK, port), DEADLINE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # With a time limit, Python would ask the kernel before every read whether there is something.
    connection.settimeout(None)
    return TLS.wrap_socket(connection) if tls else connection


def channel(number: int) -> str:
    """Name a channel: ``bench-0``, or one of those from ``FIRST`` on, whose names are equally long."""
    return f"bench-{number}"


def subscription(name: str, socket_id: str = "") -> bytes:
    """Give the frame that subscribes, with a signature where it takes one; a mask of zeros is a mask, too."""
    auth = ""
    if name.startswith("private-"):
        signed = hmac.digest(SECRET.encode(), f"{socket_id}:{name}".encode(), "sha256").hex()
        auth = f',"auth":"{KEY}:{signed}"'
    return client_frame(f'{{"event":"pusher:subscribe","data":{{"channel":"{name}"{auth}}}}}')


def client_frame(text: str) -> bytes:
    """Give the text frame of a client, for at most 64 KB."""
    payload = text.encode()
    size = len(payload)
    head = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + head + bytes(4) + payload


def frame_size(data: bytes | bytearray) -> int:
    """Give the length of the frame at the beginning, its head included; it has at most 64 KB."""
    return 2 + data[1] if data[1] < 126 else 4 + int.from_bytes(data[2:4], "big")


def publish(batch: int, size: int = DATA_SIZE, name: str = "bench-0") -> bytes:
    """Sign a publish of as many events on one channel, which carry the time that it is.

    Args:
        batch: events of the request.
        size: bytes of the data of each.
        name: the channel.
    """
    data = f"@{time.monotonic_ns():019d}".ljust(size, "x")
    event = f'{{"name":"e","channel":"{name}","data":"{data}"}}'
    if batch == 1:
        return post("events", event.encode())
    return post("batch_events", f'{{"batch":[{",".join([event] * batch)}]}}'.encode())


def post(what: str, body: bytes) -> bytes:
    """Sign a request to publish; ``what`` is the end of its path."""
    return _request("POST", what, f"body_md5={_md5(body)}", body)


def get(what: str, query: str) -> bytes:
    """Sign a request that asks for something.

    Args:
        what: the end of its path.
        query: the parameters after the usual ones, in the order of the alphabet.
    """
    return _request("GET", what, query, b"")


def _request(method: str, what: str, query: str, body: bytes) -> bytes:
    path = f"/apps/{APP_ID}/{what}"
    query = f"auth_key={KEY}&auth_timestamp={int(time.time())}&auth_version=1.0&{query}"
    signed = hmac.digest(SECRET.encode(), f"{method}\n{path}\n{query}".encode(), "sha256").hex()
    head = f"{method} {path}?{query}&auth_signature={signed} HTTP/1.1\r\nHost: localhost\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def check(begin: float, what: str) -> None:
    """End what takes too long.

    Raises:
        TimeoutError: it does.
    """
    if time.monotonic() - begin > DEADLINE:
        raise TimeoutError(f"after {DEADLINE:g} s there are not {what}")
