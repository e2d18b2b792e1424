"""``POST /apps/{id}/events`` and ``POST /apps/{id}/batch_events``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from txpusher.http.exchange import EMPTY, json_answer
from txpusher.protocol import api
from txpusher.protocol.names import kind_of

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry
    from txpusher.http.exchange import Answer, ApiRequest
    from txpusher.model import App


class Events:
    """Publishes events.

    Args:
        registry: where they are published.
        allow_reserved: whether event names may begin with ``pusher:`` or ``pusher_internal:``.
    """

    def __init__(self, registry: ChannelRegistry, *, allow_reserved: bool = False) -> None:
        self._registry = registry
        self._allow_reserved = allow_reserved

    async def publish(self, app: App, request: ApiRequest) -> Answer:
        """Publish one event on one or more channels.

        Raises:
            ApiError: the body is not valid; nothing was published.
        """
        event, info = api.parse_event(request.body, app.limits, allow_reserved=self._allow_reserved)
        await self._registry.publish(app, (event,))
        if not info:
            return EMPTY
        counts = await self._counts(app, [(channel, info) for channel in event.channels])
        return json_answer({"channels": dict(zip(event.channels, counts, strict=True))})

    async def publish_batch(self, app: App, request: ApiRequest) -> Answer:
        """Publish several events, in order.

        Raises:
            ApiError: the body is not valid; nothing was published.
        """
        batch = api.parse_batch(request.body, app.limits, allow_reserved=self._allow_reserved)
        await self._registry.publish(app, [event for event, _ in batch])
        if not any(info for _, info in batch):
            return EMPTY
        return json_answer(
            {"batch": await self._counts(app, [(e.channels[0], info) for e, info in batch])}
        )

    async def _counts(
        self, app: App, wanted: list[tuple[str, api.Attributes]]
    ) -> list[dict[str, Any]]:
        counts = await self._registry.adapter.roster.counts(
            app.id, [channel for channel, _ in wanted]
        )
        return [
            api.counts_answer(kind_of(channel), count, info)
            for (channel, info), count in zip(wanted, counts, strict=True)
        ]
