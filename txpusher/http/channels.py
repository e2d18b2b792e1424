"""``GET /apps/{id}/channels`` and what is below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from txpusher.errors import BadRequest
from txpusher.http.exchange import json_answer
from txpusher.protocol import api
from txpusher.protocol.names import kind_of
from txpusher.protocol.signatures import parse_query

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry
    from txpusher.http.exchange import Answer, ApiRequest
    from txpusher.http.rate_limits import RateLimits
    from txpusher.model import App


class Channels:
    """Answers questions about channels, for the whole cluster.

    Args:
        registry: its adapter knows the answers.
        limits: how often one app may ask.
    """

    def __init__(self, registry: ChannelRegistry, limits: RateLimits) -> None:
        self._adapter = registry.adapter
        self._limits = limits

    async def list_all(self, app: App, request: ApiRequest) -> Answer:
        """List the occupied channels.

        Raises:
            BadRequest: ``info`` asks for what is not known of these channels.
            TooManyRequests: the app asks too often.
        """
        query = dict(parse_query(request.query))
        prefix, info = query.get("filter_by_prefix", ""), api.parse_info(query.get("info"))
        api.check_channel_list_info(prefix, info)
        standing = await self._limits.read(app)
        channels = await self._adapter.roster.channels(app.id, prefix)
        answers = {
            name: api.counts_answer(kind_of(name), counts, info)
            for name, counts in channels.items()
            if not kind_of(name).is_internal
        }
        return json_answer({"channels": answers}, standing)

    async def show(self, app: App, request: ApiRequest, channel: str) -> Answer:
        """Tell whether a channel is occupied, and what ``info`` asks for.

        Raises:
            BadRequest: the name is not valid, or ``info`` asks for what such a channel does not have.
            TooManyRequests: the app asks too often.
        """
        kind = api.check_channel(channel, app.limits)
        info = api.parse_info(dict(parse_query(request.query)).get("info"))
        api.check_channel_info(kind, info)
        standing = await self._limits.read(app)
        (counts,) = await self._adapter.roster.counts(app.id, [channel])
        answer: dict[str, Any] = {"occupied": counts.subscriptions > 0}
        answer |= api.counts_answer(kind, counts, info)
        if "cache" in info:
            answer["cache"] = api.cache_answer(await self._adapter.last_events.get(app.id, channel))
        return json_answer(answer, standing)

    async def users(self, app: App, _request: ApiRequest, channel: str) -> Answer:
        """List the distinct users of a presence channel.

        Raises:
            BadRequest: it is not a presence channel.
            TooManyRequests: the app asks too often.
        """
        if not api.check_channel(channel, app.limits).is_presence:
            raise BadRequest("The channel must be a presence channel")
        standing = await self._limits.read(app)
        members = await self._adapter.roster.members(app.id, channel)
        return json_answer({"users": [{"id": member.user_id} for member in members]}, standing)
