"""How each part of a server is made from the settings; `service` says what they do together."""

from __future__ import annotations

import random
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from txpusher.apps.memory import MemoryApps
from txpusher.core.admission import Admission
from txpusher.core.registry import ChannelRegistry, Options
from txpusher.http.facade import ApiOptions, HttpApi
from txpusher.plugging import make
from txpusher.transport import address_of
from txpusher.webhooks.facade import Webhooks
from txpusher.webhooks.queue import Terms
from txpusher.webhooks.sender import Sender
from txpusher.websocket.factory import PusherWebSocketFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from txpusher.config import Config
    from txpusher.core.liveness import Liveness
    from txpusher.core.occurrences import Occurrence
    from txpusher.idle import Closing
    from txpusher.interfaces import Adapter, AppStore, Check
    from txpusher.model import App

    Tell: TypeAlias = Callable[[Occurrence], None]


def app_store(config: Config, reactor: Any) -> AppStore:
    """Make the store that ``--apps`` names, or one of the apps of the other options."""
    if config.apps is None:
        return MemoryApps(config.served_apps())
    store: AppStore = make(config.apps, "txpusher.apps", "--apps", reactor, config.default_limits)
    return store


def webhooks(
    config: Config,
    reactor: Any,
    app: Callable[[str], App | None],
    apps: AppStore,
    adapter: Adapter,
    tell: Tell,
) -> Webhooks:
    """Make what sends webhooks; `app` gives an app as it is served here, and `tell` hears how sending goes."""
    return Webhooks(
        app,
        Sender(reactor),
        reactor,
        time.time,
        random.random,
        tell,
        config.webhook_delay,
        Terms(config.webhook_batch_window, config.webhook_batch_size, config.webhook_queue),
        adapter.outbox,
        apps.by_id,
    )


def registry(
    config: Config, reactor: Any, adapter: Adapter, liveness: Liveness, tell: Tell
) -> ChannelRegistry:
    """Make the registry of connections and channels."""
    options = Options(
        config.activity_timeout,
        config.only_pusher_error,
        config.watchlist_delay,
        config.adapter_required,
    )
    return ChannelRegistry(adapter, reactor, liveness, secrets.randbelow, tell, options)


def admission(
    config: Config, apps: AppStore, channels: ChannelRegistry, adapter: Adapter
) -> Admission:
    """Make what decides who may connect."""
    return Admission(
        apps,
        channels,
        max_connections=config.max_connections,
        max_connects_per_minute=config.max_connects_per_minute,
        limiter=adapter.limiter if config.shared_limits else None,
        strict=config.strict_handshake,
    )


def websockets(
    config: Config,
    reactor: Any,
    admitting: Admission,
    channels: ChannelRegistry,
    closing: Closing,
) -> PusherWebSocketFactory:
    """Make the factory of WebSocket connections."""
    # The addresses of clients are looked at only where they have a limit.
    limited = config.max_connects_per_minute
    return PusherWebSocketFactory(
        admitting,
        channels,
        reactor,
        closing,
        path_prefix=config.path_prefix,
        max_message_size=config.max_message_size,
        max_backlog=config.max_backlog,
        address_of=partial(address_of, trusted_hops=config.trusted_hops) if limited else None,
        compression=config.compression,
    )


def http_api(
    config: Config,
    reactor: Any,
    apps: AppStore,
    admitting: Admission,
    channels: ChannelRegistry,
    checks: Sequence[Check],
    closing: Closing,
    tell: Tell,
) -> HttpApi:
    """Make the HTTP API, whose ``/up`` asks the checks."""
    options = ApiOptions(
        config.path_prefix,
        config.max_request_size,
        config.max_api_calls_per_minute,
        config.trusted_hops,
        config.cors_origins,
        config.allow_reserved_events,
        config.shared_limits,
    )
    return HttpApi(channels, apps, admitting, checks, tell, reactor, closing, options)
