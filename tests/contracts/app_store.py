"""What every app store has to do; a store's own tests subclass this and say how one with given apps is made."""

from __future__ import annotations

from dataclasses import asdict

from txpusher.core.running import start
from txpusher.model import App, Limits, WebhookTarget

SHOP = App("1", "shop-key", "shop-secret")
NEWS = App(
    "news",
    "2",
    "news-secret",
    enabled=False,
    client_events=True,
    user_authentication=False,
    subscription_count=True,
    watchlist_events=True,
    authorized_connections_only=True,
    terminate_on_limit=True,
    tls_only=True,
    allowed_origins=("*.example.com", "https://example.org"),
    webhooks=(
        WebhookTarget("https://example.com/hook", ("channel_occupied", "channel_vacated")),
        WebhookTarget(
            "http://127.0.0.1:8000/hook",
            ("client_event",),
            channel_prefix="private-",
            channel_suffix="-eu",
            channel_pattern="[0-9]",
            headers=(("X-Any", "v"),),
            timeout=2.5,
            batch_window=0.5,
            batch_size=20,
        ),
    ),
    limits=Limits(
        max_connections=5,
        max_backend_events_per_second=50,
        max_read_requests_per_second=20,
        max_client_events_per_second=None,
        max_subscriptions=30,
        max_presence_members=None,
        max_presence_member_size=1024,
        max_user_id_length=20,
        max_channel_name_length=50,
        max_channels_per_event=3,
        max_event_name_length=40,
        max_event_size=2048,
        max_batch_size=4,
        max_watchlist_size=7,
        max_idempotency_key_length=64,
        idempotency_ttl=None,
        authorization_timeout=5,
        cache_ttl=60,
    ),
)


def table(app):
    """Write an app as operators do: flat, and 0 for no limit."""
    settings = asdict(app)
    limits = {name: limit or 0 for name, limit in settings.pop("limits").items()}
    settings["webhooks"] = [
        {name: dict(value) if name == "headers" else value for name, value in target.items()}
        for target in settings["webhooks"]
    ]
    if not settings["allowed_origins"]:
        del settings["allowed_origins"]
    return {**settings, **limits}


def answer(question):
    """Give what a store answers at once."""
    answers = []
    assert start(_into(answers, question)) is None
    return answers[0]


async def _into(answers, question):
    answers.append(await question)


class AppStoreContract:
    """The suite; `store` is what a subclass gives."""

    def store(self, apps, tmp_path):
        """Make a store that holds these apps."""
        raise NotImplementedError

    def test_by_key(self, tmp_path):
        """An app is found by its key, with everything that was said about it."""
        store = self.store([SHOP, NEWS], tmp_path)
        assert answer(store.by_key("shop-key")) == SHOP
        assert answer(store.by_key("2")) == NEWS

    def test_by_id(self, tmp_path):
        """An app is found by its id."""
        store = self.store([SHOP, NEWS], tmp_path)
        assert answer(store.by_id("1")) == SHOP
        assert answer(store.by_id("news")) == NEWS

    def test_unknown(self, tmp_path):
        """What is no app's key or id finds nothing; a key is no id, nor the other way round."""
        store = self.store([SHOP, NEWS], tmp_path)
        for key in ("", "1", "news", "SHOP-KEY"):
            assert answer(store.by_key(key)) is None
        for app_id in ("", "2", "shop-key"):
            assert answer(store.by_id(app_id)) is None

    def test_all(self, tmp_path):
        """All apps are listed, in the order they were written."""
        assert list(answer(self.store([SHOP, NEWS], tmp_path).all())) == [SHOP, NEWS]
