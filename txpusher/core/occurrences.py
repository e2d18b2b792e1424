"""Facts that the core states, for metrics, webhooks and logs to react to.

Each is told once, when it has happened, to every `txpusher.interfaces.Observer`. The core never waits for them.
"""

from __future__ import annotations

from typing import NamedTuple

from txpusher.protocol.names import Kind


class ConnectionOpened(NamedTuple):
    """A client was established."""

    app_id: str
    socket_id: str


class ConnectionRefused(NamedTuple):
    """A client was turned away; ``app_id`` is empty while the app is unknown."""

    app_id: str
    reason: str


class ConnectionLost(NamedTuple):
    """An established client is gone."""

    app_id: str
    socket_id: str


class MessageReceived(NamedTuple):
    """A client sent a message of ``size`` bytes."""

    app_id: str
    size: int


class MessageSent(NamedTuple):
    """One client was sent ``size`` bytes that answer it alone."""

    app_id: str
    size: int


class Delivered(NamedTuple):
    """Events went out to a channel.

    Args:
        kind: the channel's kind.
        messages: WebSocket messages written, all receivers together.
        size: bytes written, all receivers together.
        seconds: from the publish to the last write.
    """

    app_id: str
    kind: Kind
    messages: int
    size: int
    seconds: float


class CompressionAgreed(NamedTuple):
    """A new connection and the server agreed to compress messages."""


class MessagesCompressed(NamedTuple):
    """Messages that are sent at once were compressed; it is told once, however many clients receive them.

    Args:
        size: bytes before.
        compressed: bytes after, as many where they did not get smaller.
    """

    size: int
    compressed: int


class MessageDropped(NamedTuple):
    """Something that was sent did not reach whom it was meant for."""

    app_id: str
    reason: str


class Subscribed(NamedTuple):
    """A connection joined a channel."""

    app_id: str
    channel: str
    kind: Kind


class Unsubscribed(NamedTuple):
    """A connection left a channel."""

    app_id: str
    channel: str
    kind: Kind


class ChannelOccupied(NamedTuple):
    """A channel got its first subscription in the cluster."""

    app_id: str
    channel: str


class ChannelVacated(NamedTuple):
    """A channel lost its last subscription in the cluster."""

    app_id: str
    channel: str


class ChannelRestored(NamedTuple):
    """The roster had forgotten that a channel was occupied; a node that knew it has said so."""

    app_id: str
    channel: str


class MemberAdded(NamedTuple):
    """A user's first connection joined a presence channel."""

    app_id: str
    channel: str
    user_id: str


class MemberRemoved(NamedTuple):
    """A user's last connection left a presence channel."""

    app_id: str
    channel: str
    user_id: str


class MemberRestored(NamedTuple):
    """The roster had forgotten that a user was on a presence channel; a node that knew it has said so."""

    app_id: str
    channel: str
    user_id: str


class SubscriptionCountChanged(NamedTuple):
    """A channel that is not a presence channel has this many subscriptions now."""

    app_id: str
    channel: str
    subscriptions: int


class ClientEventSent(NamedTuple):
    """A client event was accepted; ``user_id`` only on presence channels."""

    app_id: str
    channel: str
    event: str
    data: str
    socket_id: str
    user_id: str | None


class CacheMissed(NamedTuple):
    """Somebody subscribed to a cache channel that remembers nothing."""

    app_id: str
    channel: str


class ApiCalled(NamedTuple):
    """The HTTP API answered a request; sizes are bytes of the bodies."""

    app_id: str
    status: int
    received: int
    sent: int


class WebhookSent(NamedTuple):
    """A receiver accepted an event.

    Args:
        kind: the event's name in webhooks.
        seconds: from the webhook's creation to its acceptance.
    """

    app_id: str
    kind: str
    seconds: float


class WebhookFailed(NamedTuple):
    """A receiver did not accept an event, this time."""

    app_id: str
    kind: str


class WebhookRetried(NamedTuple):
    """An event is being sent again."""

    app_id: str
    kind: str


class WebhookDropped(NamedTuple):
    """An event will not be sent any more, or again."""

    app_id: str
    kind: str
    reason: str


class AppsReloaded(NamedTuple):
    """An app store looked for changes; ``ok`` is False when it could not read them and the old apps stay."""

    ok: bool


Occurrence = (
    ConnectionOpened
    | ConnectionRefused
    | ConnectionLost
    | MessageReceived
    | MessageSent
    | Delivered
    | CompressionAgreed
    | MessagesCompressed
    | MessageDropped
    | Subscribed
    | Unsubscribed
    | ChannelOccupied
    | ChannelVacated
    | ChannelRestored
    | MemberAdded
    | MemberRemoved
    | MemberRestored
    | SubscriptionCountChanged
    | ClientEventSent
    | CacheMissed
    | ApiCalled
    | WebhookSent
    | WebhookFailed
    | WebhookRetried
    | WebhookDropped
    | AppsReloaded
)
