"""One event on its way to one or more receivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson


class WebhookEvent(NamedTuple):
    """An event, written once for all targets that want it.

    Args:
        kind: its name, see `txpusher.webhooks.kinds`.
        text: the event as JSON.
        time_ms: when it was created, in unix milliseconds.
        created: the same in seconds of the clock that never goes back.
        id: in the queue that the nodes of a cluster share, if it is in one.
    """

    kind: str
    text: str
    time_ms: int
    created: float
    id: bytes = b""


def write(kind: str, fields: Mapping[str, Any]) -> str:
    """Give an event as JSON, its name first as Pusher writes it."""
    return orjson.dumps({"name": kind, **fields}).decode()


def body_of(events: Sequence[WebhookEvent]) -> str:
    """Give the body of a request with these events, one or more; its time is that of the first.

    Source: "Pusher docs: Webhooks, format".
    """
    written = ",".join([event.text for event in events])
    return f'{{"time_ms":{events[0].time_ms},"events":[{written}]}}'
