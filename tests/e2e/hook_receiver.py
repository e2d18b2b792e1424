"""An application's end of webhooks: a small HTTP server that remembers what it got and answers as it is told."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Self

from harness import DEADLINE, LOOPBACK, wait_until

HANG, DROP, REDIRECT, LAST, HEAD = "hang", "drop", "redirect", "last", "head"
"""Ways to answer beside a status.

Not at all; by closing; with a redirect; 200, and then by closing; with a head that does not end.
"""


@dataclass
class Received:
    """One request.

    Args:
        method, path, headers, body: of the request; headers as they were written.
        at: when it came, on the monotonic clock.
        connection: the number of the client's port.
    """

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    at: float
    connection: int

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def header(self, name: str) -> str:
        """Give the header that is written so, and there once."""
        (value,) = [value for written, value in self.headers if written == name]
        return value


class HookReceiver:
    """A receiver on a port of the loopback.

    Args:
        port: to listen on; a free one unless it has to be this one.
        certificate: private key and certificate, to speak TLS.
        version: of HTTP; one that speaks 1.0 closes after every answer and does not say so.

    Attributes:
        requests: what came, oldest first.
    """

    def __init__(
        self,
        port: int = 0,
        certificate: tuple[Path, Path] | None = None,
        version: str = "HTTP/1.1",
    ) -> None:
        self.version = version
        self.requests: list[Received] = []
        self._answers: dict[str, list[int | str]] = {}
        self._released = threading.Event()
        self._server = ThreadingHTTPServer((LOOPBACK, port), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate is not None:
            private, public = certificate
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(public, private)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, path: str = "/hook", host: str = LOOPBACK) -> str:
        """Give an address of it."""
        return f"{self._scheme}://{host}:{self._server.server_port}{path}"

    def answer(self, *answers: int | str, path: str = "/hook") -> None:
        """Answer the next requests for a path so; all later ones are accepted."""
        self._answers[path] = list(answers)

    def release(self) -> None:
        """Let go of all requests that were not to be answered, and never hang again."""
        self._released.set()

    def got(self, number: int, path: str = "/hook", deadline: float = DEADLINE) -> list[Received]:
        """Wait for as many requests for a path, and give all there are."""
        what = f"{number} requests for {path}"
        wait_until(lambda: len(self.at(path)) >= number, what, deadline)
        return self.at(path)

    def at(self, path: str) -> list[Received]:
        """Give what came for a path."""
        return [request for request in list(self.requests) if request.path.split("?")[0] == path]

    def events(self, path: str = "/hook") -> list[dict[str, Any]]:
        """Give all events that came for a path."""
        return [event for request in self.at(path) for event in request.json["events"]]

    def until(self, path: str = "/hook", **fields: object) -> list[dict[str, Any]]:
        """Wait for an event with these fields, and give all events up to the first one."""

        def found() -> list[dict[str, Any]] | None:
            events = self.events(path)
            for number, event in enumerate(events, 1):
                if fields.items() <= event.items():
                    return events[:number]
            return None

        return wait_until(found, f"an event with {fields}") or []

    def _write_headers(self, client: BufferedIOBase) -> None:
        client.write(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(OSError):
            while not self._released.is_set():
                client.write(b"X-More: and more\r\n" * 100)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = receiver.version
            # Head and body of an answer are two writes; the second one is not to wait for the client.
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(
                    Received(
                        self.command,
                        self.path,
                        self.headers.items(),
                        body,
                        time.monotonic(),
                        self.client_address[1],
                    )
                )
                answers = receiver._answers.get(self.path.split("?")[0])
                self._say(answers.pop(0) if answers else 200)

            do_GET = do_POST

            def _say(self, answer: int | str) -> None:
                if answer == HANG:
                    receiver._released.wait(DEADLINE)
                if answer == HEAD:
                    receiver._write_headers(self.wfile)
                if answer in {HANG, DROP, HEAD}:
                    self.close_connection = True
                    return
                self.send_response({REDIRECT: 307, LAST: 200}.get(str(answer)) or int(answer))
                if answer == REDIRECT:
                    self.send_header("Location", receiver.url("/elsewhere"))
                if answer == LAST:
                    self.send_header("Connection", "close")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *args: object) -> None:
                """Be quiet."""

        return Handler
