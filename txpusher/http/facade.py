"""All of the HTTP API as one part, for the composition root: the endpoints, and the two ways in for requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from twisted.internet.interfaces import IProtocol

from txpusher.http.authentication import Authenticator
from txpusher.http.calls import Calls
from txpusher.http.channels import Channels
from txpusher.http.events import Events
from txpusher.http.exchange import Cors
from txpusher.http.fast_lane import FastLane, Lane
from txpusher.http.health import Health
from txpusher.http.idempotency import Idempotency
from txpusher.http.rate_limits import RateLimits
from txpusher.http.requests import ApiSite
from txpusher.http.root import Root
from txpusher.http.users import Users
from txpusher.idle import IdleSweep
from txpusher.transport import address_of

if TYPE_CHECKING:
    from txpusher.core.admission import Admission
    from txpusher.core.occurrences import Occurrence
    from txpusher.core.registry import ChannelRegistry
    from txpusher.idle import Closing
    from txpusher.interfaces import AppStore
    from txpusher.interfaces import Health as State

KEEP_ALIVE = 90.0
"""Seconds an API caller's connection may be idle: more than the 60 to 75 of common proxies."""


class ApiOptions(NamedTuple):
    """What the operator decided about the API; see `txpusher.config.Config`."""

    path_prefix: str
    max_request_size: int
    max_calls_per_minute: int | None
    trusted_hops: int
    cors_origins: tuple[str, ...]
    allow_reserved_events: bool
    shared_limits: bool


class HttpApi:
    """The API of one server.

    Args:
        registry: where events are published.
        apps: whose calls are answered.
        admission: knows whether the server is stopping.
        checks: what else the server's health depends on.
        tell: hears of every call.
        reactor: tells the time.
        closing: closes connections.
        options: see `ApiOptions`.

    Attributes:
        idle: ends connections of publishers that do nothing; has to be started.
    """

    def __init__(
        self,
        registry: ChannelRegistry,
        apps: AppStore,
        admission: Admission,
        checks: Sequence[Callable[[], State]],
        tell: Callable[[Occurrence], None],
        reactor: Any,
        closing: Closing,
        options: ApiOptions,
    ) -> None:
        self.idle = IdleSweep(reactor, KEEP_ALIVE)
        # The addresses of callers are looked at only where they have a limit.
        look = partial(address_of, trusted_hops=options.trusted_hops)
        shared: dict[str, Any] = {
            "path_prefix": options.path_prefix,
            "max_request_size": options.max_request_size,
            "address_of": look if options.max_calls_per_minute else None,
        }
        limiter = registry.adapter.limiter if options.shared_limits else None
        limits = RateLimits(reactor, options.max_calls_per_minute, limiter)
        calls = Calls(Authenticator(apps, time.time, options.path_prefix), apps, limits, tell)
        keys = Idempotency(registry.adapter.receipts, reactor)
        events = Events(registry, limits, keys, allow_reserved=options.allow_reserved_events)
        channels, users = Channels(registry, limits), Users(registry)
        cors, health = Cors(options.cors_origins), Health(apps, admission, checks)
        root = Root(calls, events, channels, users, health, cors)
        self._site = ApiSite(root.app.resource(), reactor, cors, tell, closing, **shared)
        self._lane = Lane(
            calls, events, cors, self.any_request, self.idle, closing, time.time, **shared
        )

    def publishing(self) -> IProtocol:
        """Make the protocol of a connection that begins with a POST."""
        return FastLane(self._lane)

    def any_request(self) -> IProtocol:
        """Make the protocol of any other connection."""
        return cast(IProtocol, self._site.buildProtocol(None))
