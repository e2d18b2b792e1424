"""Who somebody says to be: ``channel_data`` of presence channels and ``user_data`` of sign-ins.

Both are JSON text that the application's server signed. Source: "Pusher docs: Presence channels" and "User
authentication". A presence ``user_id`` may be a number, as in the docs' own example; it is a string from here on.
"""

from __future__ import annotations

from typing import Any

import orjson

from txpusher.errors import InvalidChannelData, PresenceMemberTooLarge, SigninRefused
from txpusher.model import Limits, PresenceMember, User


def presence_member(channel_data: str, limits: Limits) -> PresenceMember:
    """Read the member from the ``channel_data`` of a subscription.

    Raises:
        InvalidChannelData: it is not a JSON object with a usable ``user_id``.
        PresenceMemberTooLarge: ``user_info`` is over ``limits.max_presence_member_size``.
    """
    fields = _object(channel_data)
    if fields is None:
        raise InvalidChannelData("channel_data must be a JSON object")
    user_id = _id(fields.get("user_id"))
    if user_id is None:
        raise InvalidChannelData("channel_data: user_id must be a non-empty string or an integer")
    if len(user_id) > limits.max_user_id_length:
        limit = limits.max_user_id_length
        raise InvalidChannelData(
            f"channel_data: user_id is longer than {limit} characters (setting max_user_id_length)"
        )
    return PresenceMember(user_id, _user_info(fields, limits))


def signed_in_user(user_data: str, limits: Limits, *, watchlist: bool = False) -> User:
    """Read the user from the ``user_data`` of a sign-in.

    Args:
        user_data: the JSON text that was signed.
        limits: those of the app.
        watchlist: whether to read whom the user watches; else that is ignored.

    Raises:
        SigninRefused: it is not a JSON object with a non-empty string ``id``, the id or info is too large, or the
            watchlist is no list of ids.
    """
    fields = _object(user_data)
    if fields is None:
        raise SigninRefused("user_data must be a JSON object")
    user_id = fields.get("id")
    if not isinstance(user_id, str) or not user_id:
        raise SigninRefused("user_data: id must be a non-empty string")
    if len(user_id) > limits.max_user_id_length:
        limit = limits.max_user_id_length
        raise SigninRefused(
            f"user_data: id is longer than {limit} characters (setting max_user_id_length)"
        )
    try:
        return User(user_id, _user_info(fields, limits), _watchlist(fields) if watchlist else ())
    except (InvalidChannelData, PresenceMemberTooLarge) as error:
        raise SigninRefused(f"user_data: {error.message}") from error


def _watchlist(fields: dict[str, Any]) -> tuple[str, ...]:
    """Give the distinct ids of the watchlist, in their order; how many count is the caller's business."""
    watchlist = fields.get("watchlist")
    if watchlist is None:
        return ()
    ids = list(map(_id, watchlist)) if isinstance(watchlist, list) else [None]
    if None in ids:
        raise SigninRefused("user_data: watchlist must be a list of user ids")
    return tuple(dict.fromkeys(user_id for user_id in ids if user_id))


def _id(value: object) -> str | None:
    """Give a user's id as the string it travels as, or None when it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def _object(text: str) -> dict[str, Any] | None:
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None


def _user_info(fields: dict[str, Any], limits: Limits) -> str:
    info = fields.get("user_info")
    try:
        text = orjson.dumps({} if info is None else info)
    except orjson.JSONEncodeError as error:
        raise InvalidChannelData(f"user_info cannot be encoded: {error}") from error
    if len(text) > limits.max_presence_member_size:
        raise PresenceMemberTooLarge(
            f"user_info is larger than {limits.max_presence_member_size} bytes "
            "(setting max_presence_member_size)"
        )
    return text.decode()
