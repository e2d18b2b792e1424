"""Every error that a client, an API caller or an operator can see.

* `PusherError`: told over the WebSocket; knows its protocol code and whether it ends the connection.
* `ApiError`: told over HTTP; knows its status.
* `ConfigError`: told on the command line; names the setting.

The codes and what clients do on them are from "Pusher docs: Channels protocol, error codes": 4000-4099 do not
reconnect, 4100-4199 reconnect after a second, 4200-4299 reconnect at once, ``None`` is a refused request.
"""

from __future__ import annotations

from typing import ClassVar


class PusherError(Exception):
    """Something a WebSocket client is told by ``pusher:error``.

    Args:
        message: the text for the client.

    Attributes:
        code: the protocol's number, or None where Pusher sends none.
        reason: the label of the counters that count it.
    """

    code: ClassVar[int | None] = None
    reason: ClassVar[str] = "invalid_message"
    default: ClassVar[str] = "Invalid message"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default)
        self.message = message or self.default


class InvalidMessage(PusherError):
    """The message could not be understood; the connection stays."""


class ConnectionEnded(PusherError):
    """Base of the errors that refuse or end a connection with a close code."""

    code: ClassVar[int] = 4200


class TlsRequired(ConnectionEnded):
    """The app takes only TLS connections and this one is plain."""

    code = 4000
    reason = "tls_required"
    default = "Application only accepts TLS connections, reconnect using wss://"


class UnknownApp(ConnectionEnded):
    """No app has the key of the URL."""

    code = 4001
    reason = "unknown_app"
    default = "Application does not exist"


class AppDisabled(ConnectionEnded):
    """The app exists and is switched off."""

    code = 4003
    reason = "app_disabled"
    default = "Application disabled"


class OverQuota(ConnectionEnded):
    """The app has as many connections as it may have."""

    code = 4004
    reason = "over_quota"
    default = "Application is over connection quota"


class PathNotFound(ConnectionEnded):
    """A WebSocket was opened on a path that is not ``/app/{key}``."""

    code = 4005
    reason = "path_not_found"
    default = "Path not found"


class InvalidVersion(ConnectionEnded):
    """The client's ``version`` parameter is not a version string."""

    code = 4006
    reason = "invalid_version"
    default = "Invalid version string format"


class UnsupportedProtocol(ConnectionEnded):
    """The ``protocol`` parameter is not one of 5, 6, 7."""

    code = 4007
    reason = "unsupported_protocol"
    default = "Unsupported protocol version"


class NoProtocol(ConnectionEnded):
    """There is no ``protocol`` parameter and the server was told to insist on one."""

    code = 4008
    reason = "no_protocol"
    default = "No protocol version supplied"


class OriginNotAllowed(ConnectionEnded):
    """The ``Origin`` header matches none of the app's patterns."""

    code = 4009
    reason = "origin_not_allowed"
    default = "Origin not allowed"


class Terminated(ConnectionEnded):
    """The application asked to end all connections of this user."""

    code = 4009
    reason = "terminated"
    default = "You got disconnected by the app."


class NotAuthorizedInTime(ConnectionEnded):
    """The app takes only authorized connections, and this one has proved nothing."""

    code = 4009
    reason = "not_authorized_in_time"
    default = "Connection not authorized within timeout"


class OverCapacity(ConnectionEnded):
    """This process has as many connections as it may have."""

    code = 4100
    reason = "over_capacity"
    default = "Over capacity"


class ConnectRateExceeded(ConnectionEnded):
    """One IP address connects more often than it may."""

    code = 4100
    reason = "connect_rate"
    default = "Too many connections were opened from this address, try again later"


class AppsUnavailable(ConnectionEnded):
    """The app store is away and does not remember this app; the client may come back in a second."""

    code = 4100
    reason = "apps_unavailable"
    default = "The app cannot be looked up, try again later"


class InternalError(ConnectionEnded):
    """A bug of ours; the client may come back in a second."""

    code = 4100
    reason = "internal_error"
    default = "Internal error, please reconnect"


class ShuttingDown(ConnectionEnded):
    """The server is stopping; another one, or the next one, takes over."""

    code = 4200
    reason = "shutting_down"
    default = "Server closed. Please reconnect shortly."


class PongNotReceived(ConnectionEnded):
    """The client stayed silent after a ping."""

    code = 4201
    reason = "pong_not_received"
    default = "Pong reply not received"


class ClientEventRefused(PusherError):
    """A client event was not relayed; the connection stays."""

    code = 4301
    reason = "client_event_refused"
    default = "Client event rejected"


class ClientEventsDisabled(ClientEventRefused):
    """The app does not allow client events."""

    reason = "client_events_disabled"
    default = "Client events are not enabled for this app (app setting client_events)"


class ClientEventRateExceeded(ClientEventRefused):
    """One connection sent more client events a second than its app allows."""

    reason = "client_event_rate"
    default = "Client event rejected due to rate limit"


class ClientEventRateEnded(ConnectionEnded):
    """The same, and the app ends such connections."""

    code = 4301
    reason = "client_event_rate"
    default = "Client event rejected due to rate limit"


class WatchlistTooLong(PusherError):
    """The user watches more users than the app allows; the first ones count."""

    code = 4302
    reason = "watchlist_too_long"
    default = "Watchlist limit exceeded"


class SigninRefused(PusherError):
    """``pusher:signin`` did not prove who the user is; told as ``pusher:signin_error`` and ``pusher:error``.

    Attributes:
        type: the ``type`` of ``pusher:signin_error``, as pusher-js spells its own.
        status: the ``status`` beside it.
    """

    code = 4009
    reason = "signin_refused"
    default = "Connection not authorized"
    type: ClassVar[str] = "AuthError"
    status: ClassVar[int] = 401


class SubscriptionRefused(PusherError):
    """A subscription failed; told as ``pusher:subscription_error`` and ``pusher:error``.

    Attributes:
        type: the ``type`` of ``pusher:subscription_error``, as pusher-js spells its own.
        status: the ``status`` beside it.
    """

    code: ClassVar[int | None] = 4009
    reason = "subscription_refused"
    default = "Subscription refused"
    type: ClassVar[str] = "AuthError"
    status: ClassVar[int] = 401


class InvalidChannel(SubscriptionRefused):
    """The channel name breaks the naming rules."""

    code = None
    reason = "invalid_channel"
    type = "InvalidChannel"
    status = 400


class InvalidChannelData(SubscriptionRefused):
    """The presence ``channel_data`` is missing, not JSON, or has no usable ``user_id``."""

    code = None
    reason = "invalid_channel_data"
    type = "InvalidChannelData"
    status = 400


class TooManySubscriptions(SubscriptionRefused):
    """The connection is on as many channels as the app allows."""

    reason = "too_many_subscriptions"
    type = "LimitReached"
    status = 403


class PresenceChannelFull(SubscriptionRefused):
    """The presence channel has as many distinct users as the app allows."""

    reason = "presence_channel_full"
    type = "LimitReached"
    status = 403


class PresenceMemberTooLarge(SubscriptionRefused):
    """The member's ``user_info`` is larger than the app allows."""

    reason = "presence_member_too_large"
    type = "LimitReached"
    status = 413


class ApiError(Exception):
    """Something an HTTP caller is told as ``{"error": text, "code": status}``.

    Args:
        message: the text for the caller; it names the offending field or setting.
        headers: further response headers, such as ``Allow``.
    """

    status: ClassVar[int] = 500

    def __init__(self, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}


class BadRequest(ApiError):
    """The request cannot be understood or breaks a rule."""

    status = 400


class Unauthorized(ApiError):
    """The request is not signed by the app's key and secret, or not now."""

    status = 401


class Forbidden(ApiError):
    """The app may not do this."""

    status = 403


class NotFound(ApiError):
    """There is no such app or path."""

    status = 404


class MethodNotAllowed(ApiError):
    """The path exists and does not take this method; ``Allow`` names those it takes."""

    status = 405


class UpgradeRequired(ApiError):
    """The path is for WebSocket clients."""

    status = 426


class PayloadTooLarge(ApiError):
    """A limit on sizes was passed; the text names the limit and its setting."""

    status = 413


class TooManyRequests(ApiError):
    """A limit on rates was passed; the text names the limit and its setting."""

    status = 429


class HeadTooLarge(ApiError):
    """The request line and the headers are larger than anybody needs."""

    status = 431


class ServiceUnavailable(ApiError):
    """The server is stopping, or what it depends on is away.

    Attributes:
        reason: the label of the counter of what did not get to the other nodes.
    """

    status = 503
    reason: ClassVar[str] = "bus_away"


class Unanswered(ServiceUnavailable):
    """The question was sent and no answer came: nobody knows whether what was asked for has happened."""


class ConfigError(ValueError):
    """A setting is wrong.

    Args:
        setting: the option, key or variable as the operator wrote it.
        message: what is wrong with it.
    """

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(f"{setting}: {message}")
        self.setting = setting
        self.message = message
