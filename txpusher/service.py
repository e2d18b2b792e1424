"""The composition root: what a running server is made of, in the order of building and of stopping.

Stopping is sequential, so that nothing lies to anybody: ``/up`` turns 503, the listeners close, clients are sent
elsewhere in slices over the drain time, webhooks tell that they are gone, the adapter leaves the cluster, and the
metrics page, which showed all of it, goes last.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger

from txpusher import __version__, errors
from txpusher.apps.memory import MemoryApps
from txpusher.core import users, watchlists
from txpusher.core.admission import Admission
from txpusher.core.authorization import AuthorizationSweep
from txpusher.core.clustering import ClusterNode
from txpusher.core.draining import drain
from txpusher.core.liveness import Liveness
from txpusher.core.registry import ChannelRegistry, Options
from txpusher.core.telling import teller
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
from txpusher.idle import Closing, IdleSweep
from txpusher.listening import PublicPort
from txpusher.metrics.facade import Metrics
from txpusher.metrics.snapshot import take
from txpusher.plugging import make
from txpusher.ports import Ports
from txpusher.process import raise_open_files
from txpusher.protocol.activity import Timeouts
from txpusher.protocol.api import checked
from txpusher.protocol.names import kind_of
from txpusher.served_apps import ServedApps
from txpusher.transport import address_of
from txpusher.webhooks.facade import Webhooks
from txpusher.webhooks.queue import Terms
from txpusher.webhooks.sender import Sender
from txpusher.websocket import PusherWebSocketFactory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from txpusher.config import Config
    from txpusher.interfaces import AppStore
    from txpusher.model import App, Counts, Event, PresenceMember
    from txpusher.transport import AddressOf

_log = Logger()
T = TypeVar("T")

CLOSING_TIME = 5.0
"""Seconds a client has to go along with the end of its connection."""
KEEP_ALIVE = 90.0
"""Seconds an API caller's connection may be idle: more than the 60 to 75 of common proxies."""
FLUSHING_TIME = 1.0
"""Seconds that webhooks have at the end, however long the drain took."""


class PusherService(Service):
    """A realtime server as a Twisted service; parent it in any application.

    Args:
        config: see `txpusher.config.Config`.
        reactor: runs it.

    Raises:
        ConfigError: a setting is wrong; the error names it.
    """

    name = "txpusher"

    def __init__(self, config: Config, reactor: Any) -> None:
        self.config = config
        self._apps = _app_store(config, reactor)
        self._served = ServedApps(self._apps, config.refuse_demo_secret)
        self._port = ""
        self._adapter = make(config.adapter, "txpusher.adapters", "--adapter", reactor)
        self._metrics = Metrics(
            prefix=config.metrics_prefix,
            port=self._port_label,
            snapshot=lambda: take(
                self.registry,
                self._served.ids,
                self._webhooks.waiting(),
                store_ok=self._served.health().ok,
            ),
            clock=reactor,
        )
        self._webhooks = Webhooks(
            lambda app_id: self.registry.app(app_id),  # noqa: PLW0108 - made below, and told by
            Sender(reactor),
            reactor,
            time.time,
            random.random,
            teller(self._metrics.observer),
            config.webhook_delay,
            Terms(config.webhook_batch_window, config.webhook_batch_size, config.webhook_queue),
            self._adapter.outbox,
            self._apps.by_id,
        )
        self._tell = tell = teller(self._metrics.observer, self._webhooks)
        timeouts = Timeouts(config.activity_timeout, config.pong_timeout)
        self._liveness = Liveness(reactor, timeouts, random.random)
        self.registry: ChannelRegistry = ChannelRegistry(
            self._adapter,
            reactor,
            self._liveness,
            secrets.randbelow,
            tell,
            Options(
                config.activity_timeout,
                config.only_pusher_error,
                config.watchlist_delay,
                config.adapter_required,
            ),
        )
        self._authorization = AuthorizationSweep(self.registry)
        self._admission = Admission(
            self._apps,
            self.registry,
            max_connections=config.max_connections,
            max_connects_per_minute=config.max_connects_per_minute,
            strict=config.strict_handshake,
        )
        self._handshakes = IdleSweep(reactor, config.handshake_timeout)
        self._publishers = IdleSweep(reactor, KEEP_ALIVE)
        self._closing = Closing(reactor, CLOSING_TIME)
        self._websockets = PusherWebSocketFactory(
            self._admission,
            self.registry,
            reactor,
            self._closing,
            path_prefix=config.path_prefix,
            max_message_size=config.max_message_size,
            max_backlog=config.max_backlog,
            address_of=self._address_of(config.max_connects_per_minute),
        )
        public = self._public_port(reactor)
        self._public = Ports(reactor, config.listen, public, "--listen", eager=config.eager_send)
        metrics = (config.metrics,) if config.metrics else ()
        self._private = Ports(reactor, metrics, self._metrics.site(), "--metrics")
        self.reactor = reactor

    def _public_port(self, reactor: Any) -> PublicPort:
        """Build the HTTP side, and the port that tells it from WebSockets."""
        config, tell = self.config, self._tell
        limits = RateLimits(reactor, config.max_api_calls_per_minute)
        authenticator = Authenticator(self._apps, time.time, config.path_prefix)
        calls = Calls(authenticator, self._apps, limits, tell)
        events = Events(
            self.registry,
            limits,
            Idempotency(self._adapter.receipts, reactor),
            allow_reserved=config.allow_reserved_events,
        )
        channels = Channels(self.registry, limits)
        cors = Cors(config.cors_origins)
        checks = (self._adapter.health, self._served.health, self._webhooks.health)
        health = Health(self._apps, self._admission, checks)
        root = Root(calls, events, channels, Users(self.registry), health, cors)
        shared: dict[str, Any] = {
            "path_prefix": config.path_prefix,
            "max_request_size": config.max_request_size,
            "address_of": self._address_of(config.max_api_calls_per_minute),
        }
        site = ApiSite(root.app.resource(), reactor, cors, tell, self._closing, **shared)
        lane = Lane(
            calls,
            events,
            cors,
            lambda: site.buildProtocol(None),
            self._publishers,
            self._closing,
            time.time,
            **shared,
        )
        return PublicPort(
            websocket=lambda: cast(IProtocol, self._websockets.buildProtocol(None)),
            publishing=lambda: FastLane(lane),
            http=lambda: cast(IProtocol, site.buildProtocol(None)),
            idle=self._handshakes,
            tell=tell,
        )

    def _address_of(self, limit: int | None) -> AddressOf | None:
        """Look at the addresses of clients only where they have a limit."""
        return partial(address_of, trusted_hops=self.config.trusted_hops) if limit else None

    # Starting and stopping

    def privilegedStartService(self) -> None:
        """Bind the listeners, while ports below 1024 and root's keys are still allowed.

        Raises:
            ConfigError: an address is taken, forbidden or impossible.
        """
        super().privilegedStartService()
        self._public.listen()
        self._private.listen()

    def startService(self) -> None:
        """Begin to serve."""
        super().startService()
        open_files = raise_open_files()
        self._public.listen()
        self._private.listen()
        self._admission.closing = False
        self._metrics.start()
        self._webhooks.start()
        for part in self._sweeps():
            part.start()
        _logged(self._adapter.start(ClusterNode(self.registry)), "The adapter did not start")
        served = self._served.start(self._app_changed, self._tell)
        _logged(served, "The app store did not start")
        self._report(open_files)

    def stopService(self) -> Deferred[None]:
        """Stop serving, in order; fires when all is done."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._admission.closing = True
        end = self.reactor.seconds() + self.config.drain
        self._webhooks.close()
        await self._public.stop_listening()
        await drain(self.registry.connections(), self.config.drain, self.reactor)
        self._public.close_connections()
        for part in self._sweeps():
            part.stop()
        await self._webhooks.stop(max(FLUSHING_TIME, end - self.reactor.seconds()))
        await _tried(self._leave(), "The adapter did not stop")
        await _tried(self._served.stop(), "The app store did not stop")
        self._metrics.stop()
        await self._private.stop_listening()
        self._private.close_connections()

    async def _leave(self) -> None:
        await watchlists.tell_all_away(self.registry)
        await self._adapter.stop()

    def _app_changed(self, app_id: str, app: App | None) -> None:
        self.registry.app_changed(app_id, app)
        self._webhooks.changed(app_id, app)

    def _sweeps(self) -> tuple[Liveness | IdleSweep | AuthorizationSweep, ...]:
        return (
            self._liveness,
            self._authorization,
            self._handshakes,
            self._publishers,
            self._closing,
        )

    def _report(self, open_files: int) -> None:
        if self.config.demo:
            _log.warn(
                "No app is configured: serving the demo app app-id, whose secret everybody knows. "
                "Configure your own by --app ID:KEY:SECRET or --apps URL."
            )
        _log.info(
            "txpusher {version} listens on {public}, metrics on {metrics}; {apps} apps, adapter {adapter}; "
            "{open_files} open files (RLIMIT_NOFILE) allow about {connections} connections",
            version=__version__,
            public=", ".join(self._public.addresses()),
            metrics=", ".join(self._private.addresses()) or "none",
            apps=len(self._served.ids),
            adapter=self.config.adapter.partition(":")[0],
            open_files=open_files,
            connections=max(0, open_files - 50),
        )

    # For the application around it

    def publish(self, app_id: str, *events: Event) -> Deferred[None]:
        """Publish events in order, without HTTP and with the same checks.

        Args:
            app_id: the app on whose channels they are published.
            events: all are checked before any is published.

        Returns:
            A Deferred, which may be awaited, of their having been handed on.

        Raises:
            NotFound, Forbidden: (as a failure) there is no such app, or it is switched off.
            ServiceUnavailable: (as a failure) the app is not known, and the app store is away.
            BadRequest, PayloadTooLarge: (as a failure) an event breaks a rule; nothing was published.
        """

        async def run() -> None:
            app = await self._app(app_id)
            reserved = self.config.allow_reserved_events
            safe = [checked(event, app.limits, allow_reserved=reserved) for event in events]
            await self.registry.publish(app, safe)

        return Deferred.fromCoroutine(run())

    def channels(self, app_id: str, prefix: str = "") -> Deferred[dict[str, Counts]]:
        """Give the occupied channels of an app whose names begin with ``prefix``, with their counts."""

        async def run() -> dict[str, Counts]:
            found = await self._adapter.roster.channels(app_id, prefix)
            return {name: counts for name, counts in found.items() if not kind_of(name).is_internal}

        return Deferred.fromCoroutine(run())

    def counts(self, app_id: str, channels: Sequence[str]) -> Deferred[list[Counts]]:
        """Give the counts of these channels, in their order."""
        return Deferred.fromCoroutine(self._adapter.roster.counts(app_id, channels))

    def members(self, app_id: str, channel: str) -> Deferred[Sequence[PresenceMember]]:
        """Give the distinct users of a presence channel."""
        return Deferred.fromCoroutine(self._adapter.roster.members(app_id, channel))

    def terminate(self, app_id: str, user_id: str) -> Deferred[None]:
        """End every connection that is signed in as this user."""
        return Deferred.fromCoroutine(users.terminate(self.registry, app_id, user_id))

    def reload(self) -> Deferred[None]:
        """Read the apps of ``--apps`` again, now. What is wrong with them is logged, and the old ones stay.

        ``twistd txpusher`` does it on SIGHUP.

        Returns:
            A Deferred of its end; it does not fail on apps that cannot be read.
        """
        return Deferred.fromCoroutine(self._served.reload())

    def addresses(self) -> list[str]:
        """Give where it listens for clients now, such as ``127.0.0.1:6001``."""
        return self._public.addresses()

    async def _app(self, app_id: str) -> App:
        app = await self._apps.by_id(app_id)
        if app is None:
            raise errors.NotFound(f"There is no app with the id {app_id!r}")
        if not app.enabled:
            raise errors.Forbidden("This app is disabled")
        return app

    # For the metrics

    def _port_label(self) -> str:
        addresses = self._public.addresses()
        if addresses:
            # Kept while the server drains and listens no more: the time series keep their names.
            self._port = addresses[0].rpartition(":")[2]
        return self._port


def _app_store(config: Config, reactor: Any) -> AppStore:
    if config.apps is None:
        return MemoryApps(config.served_apps())
    store: AppStore = make(config.apps, "txpusher.apps", "--apps", reactor, config.default_limits)
    return store


async def _tried(task: Coroutine[Any, Any, None], otherwise: str) -> None:
    try:
        await task
    except Exception:  # noqa: BLE001 - the rest is to be stopped all the same
        _log.failure("{what}", what=otherwise)


def _logged(task: Coroutine[Any, Any, T], what: str) -> None:
    done = Deferred.fromCoroutine(task)
    done.addErrback(lambda failure: _log.failure("{what}", failure, what=what))
