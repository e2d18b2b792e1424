"""Stand-ins for what is around webhooks: somebody who sends, and events to be sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred

from txpusher.webhooks.event import WebhookEvent
from txpusher.webhooks.request import Request


class StandInSender:
    """A `txpusher.webhooks.request.RequestSender` that sends nothing.

    Attributes:
        requests: what it was asked to send, oldest first.
        accepted: those among them that were accepted at once.
        problems: the answers to the next requests; when there is none left, all is accepted.
        late: whether answers come when the test says so, by `answer`.
        closed: how often it was closed.
        cancelled: requests that were cancelled before they were answered.
    """

    def __init__(self, *problems: str | None, late: bool = False) -> None:
        self.requests: list[Request] = []
        self.accepted: list[Request] = []
        self.problems = list(problems)
        self.late = late
        self.closed = 0
        self.cancelled: list[Request] = []
        self._asked: list[Deferred[str | None]] = []

    async def send(self, request: Request) -> str | None:
        """Answer as told."""
        self.requests.append(request)
        if self.late:
            asked: Deferred[str | None] = Deferred(lambda _: self.cancelled.append(request))
            self._asked.append(asked)
            return await asked
        problem = self.problems.pop(0) if self.problems else None
        if problem is None:
            self.accepted.append(request)
        return problem

    def answer(self, problem: str | None = None) -> None:
        """Answer the oldest request that was not answered."""
        self._asked.pop(0).callback(problem)

    def close(self) -> None:
        """Be closed."""
        self.closed += 1

    def bodies(self) -> list[dict[str, Any]]:
        """Give the bodies of all requests."""
        return [json.loads(request.body) for request in self.requests]

    def events(self) -> list[dict[str, Any]]:
        """Give the events of all requests."""
        return [event for body in self.bodies() for event in body["events"]]

    def take(self) -> list[tuple[str, ...]]:
        """Give name, channel and user of all events, and forget the requests."""
        told = [
            tuple(event[field] for field in ("name", "channel", "user_id") if field in event)
            for event in self.events()
        ]
        self.requests.clear()
        return told


def event(number: int = 0, created: float = 0.0, kind: str = "client_event") -> WebhookEvent:
    """Make an event whose text is a number."""
    return WebhookEvent(kind, str(number), 1_000_000 + int(created * 1000), created)


def numbers(events: Sequence[WebhookEvent]) -> list[int]:
    """Give the numbers of events."""
    return [int(event.text) for event in events]
