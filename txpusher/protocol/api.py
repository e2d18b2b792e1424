"""The HTTP API's bodies and queries in, its answers out, as values.

Everything is validated before anything is published. Source: "Pusher docs: HTTP API".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from txpusher.errors import BadRequest, InvalidMessage, PayloadTooLarge
from txpusher.model import CachedEvent, Counts, Event, Limits
from txpusher.protocol.codec import stringify
from txpusher.protocol.names import (
    RESERVED_EVENT_PREFIXES,
    USER_CHANNEL_PREFIX,
    Kind,
    channel_problem,
    is_socket_id,
    kind_of,
    user_channel_problem,
)

Attributes = frozenset[str]
"""What an ``info`` parameter asks for: user_count, subscription_count, cache."""

NO_ATTRIBUTES: Attributes = frozenset()


class Publication(NamedTuple):
    """One event of a request.

    Args:
        event: what is published.
        info: what its sender wants to know about its channels.
        key: its ``idempotency_key``, if it has one.
    """

    event: Event
    info: Attributes
    key: str | None = None


def parse_event(body: bytes, limits: Limits, *, allow_reserved: bool) -> Publication:
    """Read the body of ``POST /apps/{id}/events``.

    Raises:
        BadRequest: a field is missing or wrong; the text names it.
        PayloadTooLarge: ``data`` is over the app's limit.
    """
    fields = _object(body)
    channels = fields.get("channels")
    if not channels:
        channels = [_one_channel("channel (or channels)", fields)]
    if not isinstance(channels, list):
        raise BadRequest("channels must be a list of channel names")
    _check_count(channels, limits)
    return _publication(fields, channels, limits, allow_reserved=allow_reserved)


def _check_count(channels: Sequence[object], limits: Limits) -> None:
    if len(channels) > limits.max_channels_per_event:
        raise BadRequest(
            f"channels: {len(channels)} are more than {limits.max_channels_per_event} "
            "(setting max_channels_per_event)"
        )


def parse_batch(body: bytes, limits: Limits, *, allow_reserved: bool) -> list[Publication]:
    """Read the body of ``POST /apps/{id}/batch_events``.

    Raises:
        BadRequest: a field of any event is missing or wrong; the text names the event and the field.
        PayloadTooLarge: the ``data`` of any event is over the app's limit.
    """
    batch = _object(body).get("batch")
    if not isinstance(batch, list):
        raise BadRequest("batch must be a list of events")
    if len(batch) > limits.max_batch_size:
        raise BadRequest(
            f"batch: {len(batch)} events are more than {limits.max_batch_size} (setting max_batch_size)"
        )
    return [
        _batch_item(i, item, limits, allow_reserved=allow_reserved) for i, item in enumerate(batch)
    ]


def _batch_item(index: int, item: object, limits: Limits, *, allow_reserved: bool) -> Publication:
    if not isinstance(item, dict):
        raise BadRequest(f"batch[{index}]: an event must be an object")
    try:
        channel = _one_channel("channel", item)
        return _publication(item, [channel], limits, allow_reserved=allow_reserved)
    except (BadRequest, PayloadTooLarge) as error:
        raise type(error)(f"batch[{index}]: {error.message}") from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"body is not valid JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadRequest("body must be a JSON object")
    return fields


def _one_channel(name: str, fields: Mapping[str, Any]) -> object:
    channel = fields.get("channel")
    if channel is None:
        raise BadRequest(f"{name} is missing")
    return channel


def _publication(
    fields: Mapping[str, Any], channels: Sequence[object], limits: Limits, *, allow_reserved: bool
) -> Publication:
    get = fields.get
    name = _event_name(get("name"), limits, allow_reserved=allow_reserved)
    data = _data(get("data"), limits)
    for channel in channels:
        _check_name(channel, limits)
    socket_id, info, key = get("socket_id"), get("info"), get("idempotency_key")
    if socket_id is not None and not is_socket_id(socket_id):
        raise BadRequest("socket_id must be two numbers with a dot between them")
    distinct: tuple[Any, ...] = tuple(channels)
    if len(distinct) > 1:
        distinct = tuple(dict.fromkeys(distinct))
    return Publication(
        Event(name, distinct, data, socket_id),
        parse_info(info) if info else NO_ATTRIBUTES,
        None if key is None else parse_key(key, limits),
    )


def checked(event: Event, limits: Limits, *, allow_reserved: bool) -> Event:
    """Check an event that did not come over HTTP by the same rules; its channels are distinct afterwards.

    Raises:
        BadRequest: a field breaks a rule; the text names it.
        PayloadTooLarge: ``data`` is over the app's limit.
    """
    fields = {"name": event.name, "data": event.data, "socket_id": event.socket_id}
    _check_count(event.channels, limits)
    if not event.channels:
        raise BadRequest("channel (or channels) is missing")
    return _publication(fields, event.channels, limits, allow_reserved=allow_reserved).event


def _event_name(name: object, limits: Limits, *, allow_reserved: bool) -> str:
    if not isinstance(name, str) or not name:
        raise BadRequest("name is missing" if name is None else "name must be a non-empty string")
    if len(name) > limits.max_event_name_length:
        limit = limits.max_event_name_length
        raise BadRequest(f"name is longer than {limit} characters (setting max_event_name_length)")
    if name.startswith(RESERVED_EVENT_PREFIXES) and not allow_reserved:
        raise BadRequest(f"name {name!r} is reserved (option --allow-reserved-events)")
    return name


def _data(data: object, limits: Limits) -> str:
    text = data if isinstance(data, str) else _encoded(data)
    # A character is at most four bytes: most texts need not be encoded to be measured.
    if len(text) * 4 > limits.max_event_size and len(text.encode()) > limits.max_event_size:
        raise PayloadTooLarge(
            f"data of this event exceeds the allowed maximum of {limits.max_event_size} bytes "
            "(setting max_event_size)"
        )
    return text


def _encoded(data: object) -> str:
    if data is None:
        raise BadRequest("data is missing")
    try:
        return stringify(data)
    except InvalidMessage as error:
        raise BadRequest(error.message) from error


def check_channel(channel: object, limits: Limits) -> Kind:
    """Check a channel that an API caller named, and tell its kind.

    Raises:
        BadRequest: the name breaks the naming rules.
    """
    _check_name(channel, limits)
    return kind_of(str(channel))


def _check_name(channel: object, limits: Limits) -> None:
    if isinstance(channel, str) and channel.startswith(USER_CHANNEL_PREFIX):
        problem = user_channel_problem(channel, limits.max_user_id_length)
    else:
        problem = channel_problem(channel, limits.max_channel_name_length)
    if problem:
        raise BadRequest(problem)


def parse_info(info: object) -> Attributes:
    """Read an ``info`` parameter: attribute names with commas between; unknown ones are ignored.

    Raises:
        BadRequest: it is not a string.
    """
    if not info:
        return NO_ATTRIBUTES
    if not isinstance(info, str):
        raise BadRequest("info must be a string of attribute names with commas between them")
    return frozenset(name.strip() for name in info.split(","))


def parse_key(key: object, limits: Limits, field: str = "idempotency_key") -> str:
    """Read an idempotency key.

    Args:
        key: the key.
        limits: how long it may be.
        field: where it is written.

    Raises:
        BadRequest: it is not a string, empty, or too long; the text names the field.
    """
    if not isinstance(key, str) or not key:
        raise BadRequest(f"{field} must be a non-empty string")
    if len(key) > limits.max_idempotency_key_length:
        limit = limits.max_idempotency_key_length
        raise BadRequest(
            f"{field} is longer than {limit} characters (setting max_idempotency_key_length)"
        )
    return key


def check_channel_list_info(prefix: str, info: Attributes) -> None:
    """Check the ``info`` of ``GET /apps/{id}/channels``.

    Raises:
        BadRequest: ``user_count`` is asked for channels that may not be presence channels.
    """
    if "user_count" in info and not prefix.startswith("presence-"):
        raise BadRequest(
            "info: user_count is known for presence channels only; set filter_by_prefix to presence- or longer"
        )


def check_channel_info(kind: Kind, info: Attributes) -> None:
    """Check the ``info`` of ``GET /apps/{id}/channels/{name}``.

    Raises:
        BadRequest: an attribute is not known for this kind of channel.
    """
    if "user_count" in info and not kind.is_presence:
        raise BadRequest(
            "info: cannot retrieve the user count unless the channel is a presence channel"
        )
    if "cache" in info and not kind.is_cache:
        raise BadRequest("info: cache is known for cache channels only")


def counts_answer(kind: Kind, counts: Counts, info: Attributes) -> dict[str, int]:
    """Give the attributes that were asked for and apply to this kind of channel."""
    answer = {}
    if "user_count" in info and kind.is_presence:
        answer["user_count"] = counts.users
    if "subscription_count" in info:
        answer["subscription_count"] = counts.subscriptions
    return answer


def cache_answer(cached: CachedEvent | None) -> dict[str, Any] | None:
    """Give the last event of a cache channel, with the seconds it will still be kept."""
    return None if cached is None else {"data": cached.data, "ttl": cached.ttl}
