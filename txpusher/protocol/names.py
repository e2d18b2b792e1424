"""Names: channels and their kinds, events, socket ids. The only reader of prefixes.

Source: "Pusher docs: Channels, channel naming conventions" and the regular expressions of the official server
libraries. Prefixes are anchored: ``my-cache-x`` is a public channel.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum

USER_CHANNEL_PREFIX = "#server-to-user-"
WATCHLIST_CHANNEL_PREFIX = "#watchlist-"
CLIENT_EVENT_PREFIX = "client-"
RESERVED_EVENT_PREFIXES = ("pusher:", "pusher_internal:")

_CHANNEL = re.compile(r"[-a-zA-Z0-9_=@,.;]+")
_SOCKET_ID = re.compile(r"[0-9]+\.[0-9]+", re.ASCII)
_SOCKET_ID_HALF = 10**10


class Kind(Enum):
    """What a channel is, decided by its name's prefix; the value is the label in metrics."""

    PUBLIC = "public"
    PRIVATE = "private"
    PRESENCE = "presence"
    ENCRYPTED = "private_encrypted"
    CACHE = "cache"
    PRIVATE_CACHE = "private_cache"
    ENCRYPTED_CACHE = "private_encrypted_cache"
    PRESENCE_CACHE = "presence_cache"
    USER = "user"
    WATCHLIST = "watchlist"

    # Attributes, not properties: they are read on the hot path. Set below.
    is_public: bool
    is_presence: bool
    is_cache: bool
    is_internal: bool
    takes_client_events: bool


for _kind in Kind:
    _kind.is_public = _kind in {Kind.PUBLIC, Kind.CACHE}
    _kind.is_presence = _kind in {Kind.PRESENCE, Kind.PRESENCE_CACHE}
    _kind.is_cache = _kind.value.endswith("cache")
    _kind.is_internal = _kind in {Kind.USER, Kind.WATCHLIST}
    _kind.takes_client_events = not _kind.is_public and not _kind.is_internal

# Longest first, so that "private-cache-x" is not taken for private.
_PREFIXES = (
    ("private-encrypted-cache-", Kind.ENCRYPTED_CACHE),
    ("private-encrypted-", Kind.ENCRYPTED),
    ("private-cache-", Kind.PRIVATE_CACHE),
    ("private-", Kind.PRIVATE),
    ("presence-cache-", Kind.PRESENCE_CACHE),
    ("presence-", Kind.PRESENCE),
    ("cache-", Kind.CACHE),
    (USER_CHANNEL_PREFIX, Kind.USER),
    (WATCHLIST_CHANNEL_PREFIX, Kind.WATCHLIST),
)


def kind_of(channel: str) -> Kind:
    """Tell the kind of a channel from its name."""
    for prefix, kind in _PREFIXES:
        if channel.startswith(prefix):
            return kind
    return Kind.PUBLIC


def channel_problem(channel: object, max_length: int) -> str | None:
    """Say what is wrong with a channel name that a client or an API caller gave, or None.

    Args:
        channel: the name as it came; anything but a string is wrong.
        max_length: characters, prefix included.
    """
    if not isinstance(channel, str):
        return "channel must be a string"
    if len(channel) > max_length:
        return (
            f"channel name is longer than {max_length} characters (setting max_channel_name_length)"
        )
    if not _CHANNEL.fullmatch(channel):
        return f"channel name {channel!r} is invalid: use letters, digits and _ - = @ , . ;"
    return None


def user_channel_problem(channel: str, max_length: int) -> str | None:
    """Say what is wrong with a server-to-user channel name, or None.

    Args:
        channel: a name that starts with ``#server-to-user-``.
        max_length: characters of the user id; the prefix is not counted.
    """
    length = len(channel) - len(USER_CHANNEL_PREFIX)
    if length < 1:
        return f"channel name {channel!r} is invalid: the user id is missing"
    if length > max_length:
        return f"user id in the channel name is longer than {max_length} characters (setting max_user_id_length)"
    return None


def user_channel(user_id: str) -> str:
    """Name the channel on which the server reaches a signed-in user."""
    return USER_CHANNEL_PREFIX + user_id


def user_of_channel(name: str) -> str:
    """Give the user whose channel this is; the reverse of `user_channel`."""
    return name[len(USER_CHANNEL_PREFIX) :]


def watchlist_channel(user_id: str) -> str:
    """Name the channel on which watchers of a user are told of the user's coming and going."""
    return WATCHLIST_CHANNEL_PREFIX + user_id


def user_of_watchlist(name: str) -> str:
    """Give the user whose watchers this channel tells; the reverse of `watchlist_channel`."""
    return name[len(WATCHLIST_CHANNEL_PREFIX) :]


def is_socket_id(text: object) -> bool:
    """Tell whether this looks like a socket id: digits, a dot, digits."""
    return isinstance(text, str) and _SOCKET_ID.fullmatch(text) is not None


def new_socket_id(randbelow: Callable[[int], int]) -> str:
    """Draw a socket id: two numbers of up to ten digits.

    Args:
        randbelow: a function like `secrets.randbelow`; it must be unguessable, as the id is what
            channel authorizations are bound to.
    """
    return f"{randbelow(_SOCKET_ID_HALF)}.{randbelow(_SOCKET_ID_HALF)}"
