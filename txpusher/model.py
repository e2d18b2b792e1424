"""The values the whole server talks about: apps, their limits and webhooks, events, users, members.

All of them are frozen and carry no behaviour. Sizes are bytes, durations seconds, unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Limits:
    """What one app may do. ``None`` means "no limit".

    The defaults follow soketi (100 KB payloads, 200-character names); Pusher's own are smaller.

    Args:
        max_connections: sockets open at once, on all nodes together.
        max_backend_events_per_second: events published over HTTP a second, each counted once per channel.
        max_read_requests_per_second: calls over HTTP that only ask, a second.
        max_client_events_per_second: client events a second, per connection.
        max_subscriptions: channels of one connection; leaving them all takes microseconds each.
        max_presence_members: distinct users of one presence channel.
        max_presence_member_size: bytes of ``user_info`` as JSON text.
        max_user_id_length: characters of a presence or signed-in user id.
        max_channel_name_length: characters, prefix included.
        max_channels_per_event: channels one publish may name.
        max_event_name_length: characters.
        max_event_size: bytes of an event's ``data`` in UTF-8.
        max_batch_size: events in one ``batch_events`` request.
        max_watchlist_size: users one user may watch.
        max_idempotency_key_length: characters.
        idempotency_ttl: seconds an idempotency key is remembered; None remembers none.
        authorization_timeout: seconds a connection has where ``App.authorized_connections_only`` is set.
        cache_ttl: seconds a cache channel remembers its last event.
    """

    max_connections: int | None = None
    max_backend_events_per_second: int | None = None
    max_read_requests_per_second: int | None = None
    max_client_events_per_second: int | None = 10
    max_subscriptions: int | None = 5000
    max_presence_members: int | None = 100
    max_presence_member_size: int = 2 * 1024
    max_user_id_length: int = 200
    max_channel_name_length: int = 200
    max_channels_per_event: int = 100
    max_event_name_length: int = 200
    max_event_size: int = 100 * 1024
    max_batch_size: int = 10
    max_watchlist_size: int = 100
    max_idempotency_key_length: int = 128
    idempotency_ttl: int | None = 120
    authorization_timeout: int = 30
    cache_ttl: int = 3600


PUSHER_LIMITS = Limits(
    max_presence_member_size=1024,
    max_user_id_length=128,
    max_channel_name_length=164,
    max_event_size=10 * 1024,
    cache_ttl=30 * 60,
)
"""Pusher's own limits ("Pusher docs: Channels limits"), where they are not the usual ones."""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where webhooks are sent, and which.

    All parts of the filter have to match; empty ones match everything. The address and the headers may hold secrets
    and are not shown.

    Args:
        url: takes the POST requests; ``http://`` or ``https://``.
        event_types: the kinds of events that are sent, by their names in webhooks.
        channel_prefix: what the channel's name has to begin with.
        channel_suffix: what it has to end with.
        channel_pattern: a regular expression that has to be found in it.
        headers: further request headers, as pairs of name and value.
        timeout: seconds the receiver has to answer.
        batch_window: seconds for which events are collected into one request; None takes the server's setting.
        batch_size: events of one request; None takes the server's setting.
    """

    url: str = field(repr=False)
    event_types: tuple[str, ...]
    channel_prefix: str = ""
    channel_suffix: str = ""
    channel_pattern: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout: float = 10.0
    batch_window: float | None = None
    batch_size: int | None = None


@dataclass(frozen=True, slots=True)
class App:
    """One tenant: its credentials, its switches and its limits.

    Args:
        id: the ``app_id`` of HTTP paths.
        key: the public key of WebSocket URLs and signatures.
        secret: the shared secret that signs; never logged, never sent.
        enabled: a disabled app refuses connections with 4003 and API calls with 403.
        client_events: whether clients may send ``client-`` events.
        user_authentication: whether ``pusher:signin`` is answered.
        subscription_count: whether ``pusher_internal:subscription_count`` is sent.
        watchlist_events: whether signed-in users are told who of their watchlist comes and goes.
        authorized_connections_only: whether a connection is closed with 4009 that neither signs in nor subscribes to
            a channel that needs an authorization within ``Limits.authorization_timeout``.
        terminate_on_limit: whether a connection is closed with 4301 that sends too many client events.
        tls_only: whether plain ``ws://`` connections are refused with 4000.
        allowed_origins: patterns an ``Origin`` header must match; empty allows all.
        webhooks: who is told what happens.
        limits: see `Limits`.
    """

    id: str
    key: str
    secret: str = field(repr=False)
    enabled: bool = True
    client_events: bool = False
    user_authentication: bool = True
    subscription_count: bool = False
    watchlist_events: bool = False
    authorized_connections_only: bool = False
    terminate_on_limit: bool = False
    tls_only: bool = False
    allowed_origins: tuple[str, ...] = ()
    webhooks: tuple[WebhookTarget, ...] = ()
    limits: Limits = Limits()


class Event(NamedTuple):
    """One event to publish.

    Args:
        name: the event's name.
        channels: distinct channel names that get it.
        data: the payload as text; JSON by convention, never parsed on the way.
        socket_id: a connection that does not get it, usually the one that caused it.
    """

    name: str
    channels: tuple[str, ...]
    data: str
    socket_id: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in user.

    Args:
        id: the user's id.
        info: the ``user_info`` for presence channels, as JSON text.
        watchlist: the ids of the users whose coming and going this one is told.
    """

    id: str
    info: str = "{}"
    watchlist: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PresenceMember:
    """Somebody on a presence channel: one per user id, however many sockets that user has.

    ``user_info`` is JSON text: it is checked once and never parsed again.
    """

    user_id: str
    user_info: str = "{}"


@dataclass(frozen=True, slots=True)
class Counts:
    """How full a channel is: ``subscriptions`` counts sockets, ``users`` distinct presence members."""

    subscriptions: int = 0
    users: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of a publish that had an idempotency key.

    Args:
        fingerprint: of what was published; another one under the same key is a mistake.
        answer: the body it was answered with, or None while it is under way.
    """

    fingerprint: bytes
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class CachedEvent:
    """The last event of a cache channel and the seconds it will still be kept."""

    name: str
    data: str
    ttl: int
