"""Every error, with the code, the label and the words that its reader gets."""

import inspect

import pytest

from txpusher import errors
from txpusher.errors import ApiError, ConfigError, ConnectionEnded, PusherError, SubscriptionRefused

TOLD_BY_WEBSOCKET = [
    # class, code, label, ends the connection
    (errors.PusherError, None, "invalid_message", False),
    (errors.InvalidMessage, None, "invalid_message", False),
    (errors.ConnectionEnded, 4200, "invalid_message", True),
    (errors.TlsRequired, 4000, "tls_required", True),
    (errors.UnknownApp, 4001, "unknown_app", True),
    (errors.AppDisabled, 4003, "app_disabled", True),
    (errors.OverQuota, 4004, "over_quota", True),
    (errors.PathNotFound, 4005, "path_not_found", True),
    (errors.InvalidVersion, 4006, "invalid_version", True),
    (errors.UnsupportedProtocol, 4007, "unsupported_protocol", True),
    (errors.NoProtocol, 4008, "no_protocol", True),
    (errors.OriginNotAllowed, 4009, "origin_not_allowed", True),
    (errors.Terminated, 4009, "terminated", True),
    (errors.NotAuthorizedInTime, 4009, "not_authorized_in_time", True),
    (errors.OverCapacity, 4100, "over_capacity", True),
    (errors.ConnectRateExceeded, 4100, "connect_rate", True),
    (errors.AppsUnavailable, 4100, "apps_unavailable", True),
    (errors.InternalError, 4100, "internal_error", True),
    (errors.ShuttingDown, 4200, "shutting_down", True),
    (errors.PongNotReceived, 4201, "pong_not_received", True),
    (errors.ClientEventRefused, 4301, "client_event_refused", False),
    (errors.ClientEventsDisabled, 4301, "client_events_disabled", False),
    (errors.ClientEventRateExceeded, 4301, "client_event_rate", False),
    (errors.ClientEventRateEnded, 4301, "client_event_rate", True),
    (errors.WatchlistTooLong, 4302, "watchlist_too_long", False),
    (errors.SigninRefused, 4009, "signin_refused", False),
    (errors.SubscriptionRefused, 4009, "subscription_refused", False),
    (errors.InvalidChannel, None, "invalid_channel", False),
    (errors.InvalidChannelData, None, "invalid_channel_data", False),
    (errors.TooManySubscriptions, 4009, "too_many_subscriptions", False),
    (errors.PresenceChannelFull, 4009, "presence_channel_full", False),
    (errors.PresenceMemberTooLarge, 4009, "presence_member_too_large", False),
]

TOLD_BY_HTTP = [
    (errors.ApiError, 500),
    (errors.BadRequest, 400),
    (errors.Unauthorized, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.MethodNotAllowed, 405),
    (errors.PayloadTooLarge, 413),
    (errors.UpgradeRequired, 426),
    (errors.TooManyRequests, 429),
    (errors.HeadTooLarge, 431),
    (errors.ServiceUnavailable, 503),
    (errors.Unanswered, 503),
]


def defined(base):
    """All errors of the module that are of a kind."""
    return {
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, base)
    }


def test_every_error_is_in_the_tables():
    """No error is left untested."""
    assert defined(PusherError) == {row[0] for row in TOLD_BY_WEBSOCKET}
    assert defined(ApiError) == {row[0] for row in TOLD_BY_HTTP}
    assert defined(Exception) == defined(PusherError) | defined(ApiError) | {ConfigError}


@pytest.mark.parametrize(("error", "code", "reason", "ends"), TOLD_BY_WEBSOCKET)
def test_codes(error, code, reason, ends):
    """Each error has its documented code and a label, and says whether the connection ends."""
    assert (error.code, error.reason, issubclass(error, ConnectionEnded)) == (code, reason, ends)
    assert code is None or type(code) is int


@pytest.mark.parametrize("error", [row[0] for row in TOLD_BY_WEBSOCKET])
def test_words(error):
    """Each error has words of its own for the client, or those it is given."""
    usual, special = error(), error("something else")
    assert str(usual) == usual.message == error.default != ""
    assert str(special) == special.message == "something else"


@pytest.mark.parametrize(
    "error", sorted(defined(ConnectionEnded), key=lambda error: error.__name__)
)
def test_close_frames(error):
    """What ends a connection fits into a close frame: an application's code and 123 bytes of reason."""
    assert 4000 <= error.code <= 4999
    assert len(error.default.encode()) <= 123


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        # Clients never come back.
        (
            range(4000, 4100),
            {
                *(errors.TlsRequired, errors.UnknownApp, errors.AppDisabled, errors.OverQuota),
                *(errors.PathNotFound, errors.InvalidVersion, errors.UnsupportedProtocol),
                *(errors.NoProtocol, errors.OriginNotAllowed, errors.Terminated),
                errors.NotAuthorizedInTime,
            },
        ),
        # They come back after a second.
        (
            range(4100, 4200),
            {
                *(errors.OverCapacity, errors.InternalError),
                *(errors.ConnectRateExceeded, errors.AppsUnavailable),
            },
        ),
        # They come back at once.
        (range(4200, 4300), {ConnectionEnded, errors.ShuttingDown, errors.PongNotReceived}),
    ],
)
def test_what_clients_do(codes, expected):
    """The range of a close code decides whether and when clients come back."""
    assert {error for error in defined(ConnectionEnded) if error.code in codes} == expected


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (errors.SubscriptionRefused, "AuthError", 401),
        (errors.InvalidChannel, "InvalidChannel", 400),
        (errors.InvalidChannelData, "InvalidChannelData", 400),
        (errors.TooManySubscriptions, "LimitReached", 403),
        (errors.PresenceChannelFull, "LimitReached", 403),
        (errors.PresenceMemberTooLarge, "LimitReached", 413),
    ],
)
def test_subscription_errors(error, kind, status):
    """A refused subscription has the type and status that pusher-js and Laravel Echo show."""
    assert (error.type, error.status) == (kind, status)


def test_every_subscription_error_is_in_the_table():
    """No refusal of a subscription is left untested."""
    assert len(defined(SubscriptionRefused)) == 6


@pytest.mark.parametrize(("error", "status"), TOLD_BY_HTTP)
def test_statuses(error, status):
    """Each error of the API has its HTTP status, the caller's text and, where needed, headers."""
    plain = error("name is missing")
    assert (plain.status, plain.message, str(plain), plain.headers) == (
        status,
        "name is missing",
        "name is missing",
        {},
    )
    assert error("no", {"Allow": "POST"}).headers == {"Allow": "POST"}


def test_headers_are_not_shared():
    """Headers added to one error do not show up in another."""
    errors.NotFound("a").headers["X"] = "1"
    assert errors.NotFound("b").headers == {}


def test_config_error():
    """A wrong setting is named as the operator wrote it."""
    error = ConfigError("--listen", "'tcp:x' is not an endpoint")
    assert str(error) == "--listen: 'tcp:x' is not an endpoint"
    assert (error.setting, error.message) == ("--listen", "'tcp:x' is not an endpoint")
    assert isinstance(error, ValueError)
