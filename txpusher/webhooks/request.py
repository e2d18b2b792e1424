"""A webhook request: what is sent, and how a receiver can tell that it is ours.

Source: "Pusher docs: Webhooks, authentication" and the checks of the official libraries, one of which compares the
whole of Content-Type with a string.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from txpusher import __version__
from txpusher.protocol.signatures import sign
from txpusher.webhooks.event import body_of

if TYPE_CHECKING:
    from txpusher.model import App, WebhookTarget
    from txpusher.webhooks.event import WebhookEvent

USER_AGENT = f"txpusher/{__version__}"


class Request(NamedTuple):
    """One POST request.

    Args:
        url: where to.
        headers: pairs of name and value.
        body: the bytes that are signed.
        timeout: seconds that the whole exchange may take.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout: float


class RequestSender(Protocol):
    """Sends requests."""

    async def send(self, request: Request) -> str | None:
        """Send a request and wait for the answer; it may be cancelled, and does not raise otherwise.

        Returns:
            None when it was answered 2xx, else what was wrong, without anything secret.
        """

    def close(self) -> None:
        """Keep no connection any longer."""


def signed(app: App, target: WebhookTarget, events: Sequence[WebhookEvent]) -> Request:
    """Make the request that tells one target of an app of events.

    Args:
        app: whose key and secret sign.
        target: where it goes; its own headers come last, and may name another ``User-Agent``.
        events: one or more, oldest first.
    """
    body = body_of(events)
    headers = {
        "Content-Type": "application/json",
        "X-Pusher-Key": app.key,
        "X-Pusher-Signature": sign(app.secret, body),
    }
    if all(name.lower() != "user-agent" for name, _ in target.headers):
        headers["User-Agent"] = USER_AGENT
    return Request(target.url, (*headers.items(), *target.headers), body.encode(), target.timeout)
