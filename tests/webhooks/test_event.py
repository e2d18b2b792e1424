"""Events and the bodies they make."""

import json

from hypothesis import given
from hypothesis import strategies as st

from txpusher.webhooks.event import WebhookEvent, body_of, write

OCCUPIED = WebhookEvent(
    "channel_occupied",
    write("channel_occupied", {"channel": "my-channel"}),
    1327078148132,
    0,
)


def test_one_event():
    """A body looks like the one that Pusher prints."""
    assert body_of([OCCUPIED]) == (
        '{"time_ms":1327078148132,"events":[{"name":"channel_occupied","channel":"my-channel"}]}'
    )


def test_several_events():
    """The events of a body stand in their order, and its time is that of the first."""
    later = WebhookEvent(
        "cache_miss", write("cache_miss", {"channel": "cache-x"}), 1327078149999, 1
    )
    assert json.loads(body_of([OCCUPIED, later])) == {
        "time_ms": 1327078148132,
        "events": [
            {"name": "channel_occupied", "channel": "my-channel"},
            {"name": "cache_miss", "channel": "cache-x"},
        ],
    }


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text(text):
    """Whatever a client sends arrives as it was."""
    assert json.loads(write("client_event", {"data": text})) == {
        "name": "client_event",
        "data": text,
    }
