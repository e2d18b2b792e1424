"""The server side of the chat example: serves chat.html, authorizes its subscriptions, publishes its messages.

    twistd --nodaemon --pidfile= txpusher        # in one terminal: the demo app on port 6001
    python examples/chat_server.py               # in another: http://127.0.0.1:8000

It shows the three things that an application's own server does beside a Pusher-compatible one, with nothing but the
standard library: it holds the secret, it decides who may subscribe to what, and it publishes.

The page loads pusher-js from ``examples/pusher.min.js`` when that file is there, which works offline, and from a CDN
otherwise. To put it there: ``npm pack pusher-js && tar -xzOf pusher-js-*.tgz package/dist/web/pusher.min.js``.
"""

import argparse
import hashlib
import hmac
import json
import re
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from publish import publish

HERE = Path(__file__).parent
FILES = {
    "/": ("chat.html", "text/html; charset=utf-8"),
    "/pusher.min.js": ("pusher.min.js", "text/javascript; charset=utf-8"),
}
NAME = re.compile(r"[\w .-]{1,30}")
MAX_BODY = 10_000


def authorization(app: str, socket_id: str, channel: str, name: str) -> dict[str, str]:
    """Say that this socket may be on this presence channel, as this user: sign it."""
    _, key, secret = app.split(":", 2)
    # The signature is over this very text, so it is sent as it was signed: as a string.
    channel_data = json.dumps({"user_id": name, "user_info": {"name": name}})
    text = f"{socket_id}:{channel}:{channel_data}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {"auth": f"{key}:{signature}", "channel_data": channel_data}


class Chat(BaseHTTPRequestHandler):
    """Answers one request of the page."""

    protocol_version = "HTTP/1.1"
    url = ""
    app = ""

    def do_GET(self) -> None:
        """Give the page, pusher-js if there is a copy, or where and as which app to connect."""
        if self.path == "/settings.json":
            server = urlsplit(self.url)
            settings = {
                "key": self.app.split(":")[1],
                "host": server.hostname,
                "port": server.port or (443 if server.scheme == "https" else 80),
                "tls": server.scheme == "https",
            }
            self._answer(200, settings)
            return
        name, content_type = FILES.get(urlsplit(self.path).path, ("", ""))
        if name and (HERE / name).is_file():
            self._send(200, (HERE / name).read_bytes(), content_type)
        else:
            self._answer(404, {"error": "not found"})

    def do_POST(self) -> None:
        """Authorize a subscription or publish a message."""
        size = int(self.headers.get("Content-Length") or 0)
        if size > MAX_BODY:
            self.close_connection = True
            self._answer(413, {"error": "too large"})
            return
        form = {
            name: values[-1]
            for name, values in parse_qs(self.rfile.read(size).decode(errors="replace")).items()
        }
        # A real application knows the user from its session, never from the form.
        if not NAME.fullmatch(form.get("name", "")):
            self._answer(
                403, {"error": "a name has 1 to 30 letters, digits, spaces, dots or dashes"}
            )
        elif self.path == "/auth":
            self._authorize(form)
        elif self.path == "/messages":
            self._publish(form)
        else:
            self._answer(404, {"error": "not found"})

    def _authorize(self, form: dict[str, str]) -> None:
        """Let everybody onto the one channel of this chat, and nobody onto another one."""
        channel = form.get("channel_name", "")
        if channel == "presence-chat":
            self._answer(
                200, authorization(self.app, form.get("socket_id", ""), channel, form["name"])
            )
        else:
            self._answer(403, {"error": f"nobody may subscribe to {channel}"})

    def _publish(self, form: dict[str, str]) -> None:
        """Send the message to everybody."""
        data = json.dumps({"name": form["name"], "text": form.get("text", "")})
        try:
            publish(self.url, self.app, ["chat"], "message", data)
        except urllib.error.HTTPError as error:
            self._answer(502, {"error": error.read().decode()})
        except OSError as error:
            self._answer(502, {"error": f"{self.url}: {error}"})
        else:
            self._answer(200, {})

    def _answer(self, status: int, value: object) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="Serve the chat example.")
    parser.add_argument(
        "--port", type=int, default=8000, help="of this server; default: %(default)s"
    )
    parser.add_argument(
        "--url", default="http://127.0.0.1:6001", help="of txpusher; default: %(default)s"
    )
    parser.add_argument("--app", default="app-id:app-key:app-secret", metavar="ID:KEY:SECRET")
    options = parser.parse_args()
    Chat.url, Chat.app = options.url, options.app
    with ThreadingHTTPServer(("127.0.0.1", options.port), Chat) as server:
        print(f"http://127.0.0.1:{server.server_port}")
        server.serve_forever()


if __name__ == "__main__":
    main()
