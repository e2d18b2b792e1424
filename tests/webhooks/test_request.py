"""Requests that a receiver can verify."""

from txpusher import __version__
from txpusher.model import App, WebhookTarget
from txpusher.webhooks.event import WebhookEvent, write
from txpusher.webhooks.request import signed

# The app and the webhook of Pusher's printed examples.
APP = App("3", "278d425bdf160c739803", "7ad3773142a6692b25b8")
EVENTS = [
    WebhookEvent(
        "channel_occupied",
        write("channel_occupied", {"channel": "my-channel"}),
        1327078148132,
        0,
    )
]


def test_the_printed_example():
    """Body and signature are, to the byte, those that the official libraries accept."""
    target = WebhookTarget("https://a.example/hook", ("channel_occupied",), timeout=7.5)
    request = signed(APP, target, EVENTS)
    assert request.body == (
        b'{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"my-channel"}]}'
    )
    assert request.headers == (
        ("Content-Type", "application/json"),
        ("X-Pusher-Key", "278d425bdf160c739803"),
        (
            "X-Pusher-Signature",
            "c19001ae3963ccb13bf618e5b16ba9848e7e74df0993aa0689168e341c6833cf",
        ),
        ("User-Agent", f"txpusher/{__version__}"),
    )
    assert (request.url, request.timeout) == ("https://a.example/hook", 7.5)


def test_headers_of_the_target():
    """A target's own headers come with every request; it may call us by another name."""
    target = WebhookTarget(
        "http://a", ("cache_miss",), headers=(("Authorization", "Bearer t"), ("user-agent", "we"))
    )
    headers = signed(APP, target, EVENTS).headers
    assert headers[-2:] == (("Authorization", "Bearer t"), ("user-agent", "we"))
    assert [name.lower() for name, _ in headers].count("user-agent") == 1


def test_the_signature_is_over_the_bytes():
    """Characters that are several bytes are signed as these."""
    event = WebhookEvent("client_event", write("client_event", {"data": "é☃"}), 1, 0)
    plain = signed(APP, WebhookTarget("http://a", ("client_event",)), [event])
    assert "é☃".encode() in plain.body
    other = signed(App("3", "k", "another"), WebhookTarget("http://a", ("client_event",)), [event])
    assert dict(plain.headers)["X-Pusher-Signature"] != dict(other.headers)["X-Pusher-Signature"]
