"""The application's own server: signs what clients ask for, with the Python SDK, and serves pages."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pusher

Pages = dict[str, tuple[str, bytes]]


def handler(sdk: pusher.Pusher, user_id: str, pages: Pages) -> type[BaseHTTPRequestHandler]:
    """Make the handler of a server whose every visitor is one user."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = pages.get(self.path.partition("?")[0], ("", b""))
            self._answer(200 if kind else 404, kind, content)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*self._signed(form))

        def _signed(self, form: dict[str, str]) -> tuple[int, str, bytes]:
            channel, socket_id = form.get("channel_name", ""), form["socket_id"]
            if "forbidden" in channel:
                return 403, "text/plain", b"No"
            if not channel:
                answer: Any = sdk.authenticate_user(socket_id, {"id": user_id})
            else:
                member = {"user_id": user_id, "user_info": {"name": user_id.upper()}}
                is_presence = channel.startswith("presence-")
                answer = sdk.authenticate(channel, socket_id, member if is_presence else None)
            return 200, "application/json", json.dumps(answer).encode()

        def _answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def serving(sdk: pusher.Pusher, user_id: str, pages: Pages | None = None) -> Iterator[str]:
    """Run the application's server, and give its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(sdk, user_id, pages or {})) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
