"""The values that the whole server talks about."""

import dataclasses

import pytest

from txpusher.model import (
    PUSHER_LIMITS,
    App,
    CachedEvent,
    Counts,
    Event,
    Limits,
    PresenceMember,
    Receipt,
    User,
    WebhookTarget,
)

VALUES = [
    App("1", "key", "secret"),
    Limits(),
    Event("e", ("a",), "d"),
    User("7"),
    PresenceMember("7"),
    Counts(),
    CachedEvent("e", "d", 60),
    Receipt(b"f"),
    WebhookTarget("https://example.com", ("cache_miss",)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_do_not_change(value):
    """Values that are passed around stay as they are; another one is another value."""
    is_tuple = isinstance(value, tuple)
    field = value._fields[0] if is_tuple else dataclasses.fields(value)[0].name
    replace = type(value)._replace if is_tuple else dataclasses.replace
    with pytest.raises(AttributeError):
        setattr(value, field, "other")
    same = replace(value)
    assert same == value
    assert hash(same) == hash(value)
    # With -b it is an error to compare bytes with text.
    other = b"other" if isinstance(getattr(value, field), bytes) else "other"
    assert replace(value, **{field: other}) != value


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_take_no_more_than_their_fields(value):
    """There may be many of them, so they have no room for anything else."""
    assert not hasattr(value, "__dict__")


def test_usual_limits():
    """An app without settings has these limits."""
    assert dataclasses.asdict(Limits()) == {
        "max_connections": None,
        "max_backend_events_per_second": None,
        "max_read_requests_per_second": None,
        "max_client_events_per_second": 10,
        "max_subscriptions": 5000,
        "max_presence_members": 100,
        "max_presence_member_size": 2048,
        "max_user_id_length": 200,
        "max_channel_name_length": 200,
        "max_channels_per_event": 100,
        "max_event_name_length": 200,
        "max_event_size": 102_400,
        "max_batch_size": 10,
        "max_watchlist_size": 100,
        "max_idempotency_key_length": 128,
        "idempotency_ttl": 120,
        "authorization_timeout": 30,
        "cache_ttl": 3600,
    }


def test_pushers_limits():
    """Pusher's own limits differ where its documentation says so."""
    usual, pushers = dataclasses.asdict(Limits()), dataclasses.asdict(PUSHER_LIMITS)
    assert {name: pushers[name] for name in usual if usual[name] != pushers[name]} == {
        "max_presence_member_size": 1024,
        "max_user_id_length": 128,
        "max_channel_name_length": 164,
        "max_event_size": 10_240,
        "cache_ttl": 1800,
    }


def test_webhook_targets_are_not_shown():
    """Addresses and headers of receivers may hold secrets."""
    target = WebhookTarget(
        "https://example.com/s3cr3t", ("cache_miss",), headers=(("Authorization", "s3cr3t"),)
    )
    assert "s3cr3t" not in repr(App("1", "key", "secret", webhooks=(target,)))


def test_usual_app():
    """An app without settings takes all origins and signs users in; the rest has to be switched on."""
    assert dataclasses.asdict(App("1", "key", "secret")) == {
        "id": "1",
        "key": "key",
        "secret": "secret",
        "enabled": True,
        "client_events": False,
        "user_authentication": True,
        "subscription_count": False,
        "watchlist_events": False,
        "authorized_connections_only": False,
        "terminate_on_limit": False,
        "tls_only": False,
        "allowed_origins": (),
        "webhooks": (),
        "limits": dataclasses.asdict(Limits()),
    }


def test_secret_is_not_shown():
    """An app that ends up in a log does not tell its secret."""
    app = App("1", "key", "s3cr3t")
    assert "s3cr3t" not in repr(app)
    assert "s3cr3t" not in str([app])
    assert "key" in repr(app)


def test_the_rest_may_be_left_out():
    """An event has no sender, a user and a member no info, and a channel nobody on it, unless one says so."""
    assert Event("e", ("a",), "d").socket_id is None
    assert User("7").info == PresenceMember("7").user_info == "{}"
    assert Counts() == Counts(subscriptions=0, users=0)
