"""JSON text <-> messages, and WebSocket text frames as bytes.

Source: "Pusher docs: Channels protocol". The rule that bites is double encoding: ``data`` of channel events,
``connection_established``, ``subscription_succeeded``, member and count events is JSON text inside a JSON string;
``data`` of ``pusher:error``, ``subscription_error``, ``signin_success``, ``signin_error`` and ``watchlist_events`` is
an object, as official clients read it.

A frame is built once and written to any number of sockets: a server's frames are not masked, so the bytes are
the same for everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from txpusher.errors import InvalidMessage, PusherError, SigninRefused, SubscriptionRefused
from txpusher.model import PresenceMember
from txpusher.protocol.messages import (
    ClientEvent,
    ClientMessage,
    Ignored,
    Ping,
    Signin,
    Subscribe,
    Unsubscribe,
)
from txpusher.protocol.names import CLIENT_EVENT_PREFIX

PING_FRAME = b"\x89\x00"


def frame(payload: bytes) -> bytes:
    """Wrap JSON text, as UTF-8, into one final unmasked WebSocket text frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size < 65536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), payload)


def stringify(data: object) -> str:
    """Give ``data`` as the string it travels as: strings untouched, the rest as compact JSON.

    Raises:
        InvalidMessage: it is nested too deeply to be written again.
    """
    if isinstance(data, str):
        return data
    try:
        return orjson.dumps(data).decode()
    except orjson.JSONEncodeError as error:
        raise InvalidMessage(f"data cannot be encoded: {error}") from error


# From clients


def decode(payload: bytes) -> ClientMessage:
    """Read one client message.

    Args:
        payload: the UTF-8 text of a WebSocket message.

    Raises:
        InvalidMessage: it is not JSON, not an object, or a field has the wrong type; the text names the field.
    """
    try:
        message = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidMessage(f"Invalid JSON: {error}") from error
    if not isinstance(message, dict):
        raise InvalidMessage("Invalid message: it must be a JSON object")
    event = message.get("event")
    if not isinstance(event, str):
        raise InvalidMessage("Invalid message: event must be a string")
    if event.startswith(CLIENT_EVENT_PREFIX):
        return _client_event(event, message)
    reader = _READERS.get(event)
    return Ignored(event) if reader is None else reader(message.get("data"))


def _client_event(event: str, message: Mapping[str, Any]) -> ClientEvent:
    channel = message.get("channel")
    if not isinstance(channel, str):
        raise InvalidMessage(f"{event}: channel must be a string")
    return ClientEvent(event, channel, stringify(message.get("data")))


def _fields(event: str, data: object) -> Mapping[str, Any]:
    # Some small clients encode their own data twice.
    if isinstance(data, str):
        try:
            data = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise InvalidMessage(f"{event}: data is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise InvalidMessage(f"{event}: data must be an object")
    return data


def _text(event: str, fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise InvalidMessage(f"{event}: {name} must be a string")
    return value


def _optional_text(event: str, fields: Mapping[str, Any], name: str) -> str | None:
    return None if fields.get(name) is None else _text(event, fields, name)


def _subscribe(data: object) -> Subscribe:
    event = "pusher:subscribe"
    fields = _fields(event, data)
    channel = _text(event, fields, "channel")
    try:
        auth, channel_data = (_optional_text(event, fields, n) for n in ("auth", "channel_data"))
    except InvalidMessage as error:
        return Subscribe(channel, problem=error.message)
    return Subscribe(channel, auth, channel_data)


def _unsubscribe(data: object) -> Unsubscribe:
    event = "pusher:unsubscribe"
    return Unsubscribe(_text(event, _fields(event, data), "channel"))


def _signin(data: object) -> Signin:
    event = "pusher:signin"
    fields = _fields(event, data)
    try:
        return Signin(_text(event, fields, "auth"), _text(event, fields, "user_data"))
    except InvalidMessage as error:
        return Signin(problem=error.message)


_READERS: dict[str, Callable[[object], ClientMessage]] = {
    "pusher:ping": lambda _: Ping(),
    "pusher:subscribe": _subscribe,
    "pusher:unsubscribe": _unsubscribe,
    "pusher:signin": _signin,
}


# To clients


def _text_in_text(value: object) -> bytes:
    return orjson.dumps(orjson.dumps(value).decode())


def _on_channel(event: bytes, channel: str, data: bytes) -> bytes:
    return frame(b'{"event":"%b","channel":%b,"data":%b}' % (event, orjson.dumps(channel), data))


PONG = frame(b'{"event":"pusher:pong","data":{}}')


def channel_event(name: str, channel: str, data: str, user_id: str | None = None) -> bytes:
    """Frame an event for the subscribers of a channel; ``user_id`` only for client events on presence."""
    message = {"event": name, "channel": channel, "data": data}
    if user_id is not None:
        message["user_id"] = user_id
    return frame(orjson.dumps(message))


def connection_established(socket_id: str, activity_timeout: int) -> bytes:
    """Frame the first message of a connection; ``activity_timeout`` in seconds."""
    data = _text_in_text({"socket_id": socket_id, "activity_timeout": activity_timeout})
    return frame(b'{"event":"pusher:connection_established","data":%b}' % data)


def error(problem: PusherError, channel: str | None = None) -> bytes:
    """Frame ``pusher:error``; with ``channel`` pusher-js emits it on that channel too."""
    message: dict[str, Any] = {"event": "pusher:error"}
    if channel is not None:
        message["channel"] = channel
    message["data"] = {"code": problem.code, "message": problem.message}
    return frame(orjson.dumps(message))


def subscription_error(problem: SubscriptionRefused, channel: str) -> bytes:
    """Frame ``pusher:subscription_error``, the event pusher-js and Laravel Echo bind to."""
    return _on_channel(b"pusher:subscription_error", channel, orjson.dumps(_refusal(problem)))


def signin_error(problem: SigninRefused) -> bytes:
    """Frame ``pusher:signin_error``, in the shape in which pusher-js tells of a sign-in that it could not ask for."""
    return frame(orjson.dumps({"event": "pusher:signin_error", "data": _refusal(problem)}))


def _refusal(problem: SubscriptionRefused | SigninRefused) -> dict[str, Any]:
    return {"type": problem.type, "error": problem.message, "status": problem.status}


def subscription_succeeded(channel: str) -> bytes:
    """Frame the confirmation of a subscription that is not presence."""
    return _on_channel(b"pusher_internal:subscription_succeeded", channel, b'"{}"')


def presence_succeeded(channel: str, members: Sequence[PresenceMember]) -> bytes:
    """Frame the confirmation of a presence subscription: all members, the new one included."""
    presence = {
        "ids": [member.user_id for member in members],
        "hash": {member.user_id: orjson.Fragment(member.user_info) for member in members},
        "count": len(members),
    }
    data = _text_in_text({"presence": presence})
    return _on_channel(b"pusher_internal:subscription_succeeded", channel, data)


def member_added(channel: str, member: PresenceMember) -> bytes:
    """Frame the arrival of a user for the others on the channel."""
    data = _text_in_text(
        {"user_id": member.user_id, "user_info": orjson.Fragment(member.user_info)}
    )
    return _on_channel(b"pusher_internal:member_added", channel, data)


def member_removed(channel: str, user_id: str) -> bytes:
    """Frame the departure of a user for the others on the channel."""
    return _on_channel(
        b"pusher_internal:member_removed", channel, _text_in_text({"user_id": user_id})
    )


def subscription_count(channel: str, count: int) -> bytes:
    """Frame how many subscriptions the channel has."""
    data = _text_in_text({"subscription_count": count})
    return _on_channel(b"pusher_internal:subscription_count", channel, data)


def cache_miss(channel: str) -> bytes:
    """Frame that a cache channel remembers nothing."""
    return _on_channel(b"pusher:cache_miss", channel, b'"{}"')


def watchlist_events(online: Sequence[str], offline: Sequence[str]) -> bytes:
    """Frame who of a watchlist is online and offline, by user id; a list without anybody is left out."""
    events = [
        {"name": name, "user_ids": user_ids}
        for name, user_ids in (("online", online), ("offline", offline))
        if user_ids
    ]
    message = {"event": "pusher_internal:watchlist_events", "data": {"events": events}}
    return frame(orjson.dumps(message))


def signin_success(user_data: str) -> bytes:
    """Frame the confirmation of a sign-in; never with the ``auth`` that proved it."""
    return frame(orjson.dumps({"event": "pusher:signin_success", "data": {"user_data": user_data}}))
