"""``POST /apps/{id}/events`` and ``POST /apps/{id}/batch_events``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from txpusher.errors import ServiceUnavailable
from txpusher.http.exchange import EMPTY, Answer, json_answer
from txpusher.http.idempotency import HEADER, fingerprint, named, other_payload
from txpusher.protocol import api
from txpusher.protocol.names import kind_of

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry
    from txpusher.http.exchange import ApiRequest
    from txpusher.http.idempotency import Idempotency
    from txpusher.http.rate_limits import RateLimits
    from txpusher.model import App
    from txpusher.protocol.api import Publication


class Events:
    """Publishes events.

    Args:
        registry: where they are published.
        limits: how much one app may publish.
        idempotency: knows what was published before.
        allow_reserved: whether event names may begin with ``pusher:`` or ``pusher_internal:``.
    """

    def __init__(
        self,
        registry: ChannelRegistry,
        limits: RateLimits,
        idempotency: Idempotency,
        *,
        allow_reserved: bool = False,
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._idempotency = idempotency
        self._allow_reserved = allow_reserved

    async def publish(self, app: App, request: ApiRequest) -> Answer:
        """Publish one event on one or more channels.

        Raises:
            ApiError: the body is not valid, the app publishes too much, or the same event is under way; nothing was
                published.
        """
        publication = api.parse_event(request.body, app.limits, allow_reserved=self._allow_reserved)
        key = publication.key or _key_of(request, app)
        if key is None:
            return await self._publish(app, publication)
        name = named("event", key)

        async def publish(earlier: Mapping[str, bytes]) -> Answer:
            return _again(earlier, name) or await self._publish(app, publication)

        prints = {name: fingerprint([publication])}
        return await self._idempotency.once(app, prints, publish)

    async def publish_batch(self, app: App, request: ApiRequest) -> Answer:
        """Publish several events, in order.

        Raises:
            ApiError: as for one event.
        """
        batch = api.parse_batch(request.body, app.limits, allow_reserved=self._allow_reserved)
        key = _key_of(request, app)
        if key is None:
            return await self._publish_items(app, batch)
        name = named("batch", key)

        async def publish(earlier: Mapping[str, bytes]) -> Answer:
            return _again(earlier, name) or await self._publish_items(app, batch)

        return await self._idempotency.once(app, {name: fingerprint(batch)}, publish)

    async def _publish(self, app: App, publication: Publication) -> Answer:
        event, info, _ = publication
        standing = await self._limits.publish(app, len(event.channels))
        await self._registry.publish(app, (event,))
        if not info:
            return EMPTY if standing is None else EMPTY._replace(standing=standing)
        counts = await self._counts(app, [(channel, info) for channel in event.channels])
        return json_answer({"channels": dict(zip(event.channels, counts, strict=True))}, standing)

    async def _publish_items(self, app: App, batch: Sequence[Publication]) -> Answer:
        """Publish those items of a batch that were not published before."""
        prints = _item_prints(batch)
        if not prints:
            return await self._publish_batch(app, batch, range(len(batch)))

        async def publish(earlier: Mapping[str, bytes]) -> Answer:
            return await self._publish_batch(app, batch, _new_items(batch, earlier))

        return await self._idempotency.once(app, prints, publish)

    async def _publish_batch(
        self, app: App, batch: Sequence[Publication], new: Sequence[int]
    ) -> Answer:
        """Publish the items at these positions; the answer is about all."""
        standing = await self._limits.publish(app, len(new))
        await self._registry.publish(app, [batch[i].event for i in new])
        if not any(publication.info for publication in batch):
            return EMPTY if standing is None else EMPTY._replace(standing=standing)
        wanted = [(batch[i].event.channels[0], batch[i].info) for i in new]
        counts = dict(zip(new, await self._counts(app, wanted), strict=True))
        return json_answer({"batch": [counts.get(i, {}) for i in range(len(batch))]}, standing)

    async def _counts(
        self, app: App, wanted: list[tuple[str, api.Attributes]]
    ) -> list[dict[str, Any]]:
        if not wanted:
            return []
        names = [channel for channel, _ in wanted]
        try:
            counts = await self._registry.adapter.roster.counts(app.id, names)
        except ServiceUnavailable:
            # It is published: an error would have it published again.
            return [{} for _ in wanted]
        return [
            api.counts_answer(kind_of(channel), count, info)
            for (channel, info), count in zip(wanted, counts, strict=True)
        ]


def _key_of(request: ApiRequest, app: App) -> str | None:
    key = request.headers.get(HEADER)
    return None if key is None else api.parse_key(key, app.limits, "X-Idempotency-Key")


def _again(earlier: Mapping[str, bytes], name: str) -> Answer | None:
    """Give the answer of before; it was no error, or there would be none."""
    body = earlier.get(name)
    return None if body is None else EMPTY._replace(body=body)


def _item_prints(batch: Sequence[Publication]) -> dict[str, bytes]:
    prints: dict[str, bytes] = {}
    for publication in batch:
        if publication.key is not None:
            name, own = named("item", publication.key), fingerprint([publication])
            if prints.setdefault(name, own) != own:
                raise other_payload(name)
    return prints


def _new_items(batch: Sequence[Publication], earlier: Mapping[str, bytes]) -> list[int]:
    """Give the positions of the items that were not published before, nor stand further in front."""
    new, seen = [], set(earlier)
    for i, publication in enumerate(batch):
        name = None if publication.key is None else named("item", publication.key)
        if name not in seen:
            new.append(i)
        if name is not None:
            seen.add(name)
    return new
