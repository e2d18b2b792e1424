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

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger

from txpusher import __version__
from txpusher.apps.memory import MemoryApps
from txpusher.core import watchlists
from txpusher.core.admission import Admission
from txpusher.core.authorization import AuthorizationSweep
from txpusher.core.clustering import ClusterNode
from txpusher.core.draining import drain
from txpusher.core.liveness import Liveness
from txpusher.core.registry import ChannelRegistry, Options
from txpusher.core.running import start_logged
from txpusher.core.telling import teller
from txpusher.embedding import Embedded
from txpusher.errors import ConfigError
from txpusher.http.facade import ApiOptions, HttpApi
from txpusher.idle import Closing, IdleSweep
from txpusher.interfaces import Check, Health
from txpusher.listening import PublicPort
from txpusher.metrics.facade import Metrics
from txpusher.metrics.snapshot import take
from txpusher.plugging import make
from txpusher.ports import Ports
from txpusher.process import raise_open_files
from txpusher.protocol.activity import Timeouts
from txpusher.served_apps import ServedApps
from txpusher.transport import address_of
from txpusher.webhooks.facade import Webhooks
from txpusher.webhooks.queue import Terms
from txpusher.webhooks.sender import Sender
from txpusher.websocket import PusherWebSocketFactory

if TYPE_CHECKING:
    from txpusher.config import Config
    from txpusher.interfaces import AppStore
    from txpusher.model import App

_log = Logger()
T = TypeVar("T")

CLOSING_TIME = 5.0
"""Seconds a client has to go along with the end of its connection."""
FLUSHING_TIME = 1.0
"""Seconds that webhooks have at the end, however long the drain took."""


class PusherService(Embedded):
    """A realtime server as a Twisted service; parent it in any application.

    Args:
        config: see `txpusher.config.Config`.
        reactor: runs it.
        listener: listens for it, as a reactor does; None is the reactor itself.
        group: tells how the other processes are that serve the same addresses.

    Raises:
        ConfigError: a setting is wrong; the error names it.
    """

    name = "txpusher"

    def __init__(
        self, config: Config, reactor: Any, *, listener: Any = None, group: Check = Health
    ) -> None:
        if config.workers != 1:
            raise ConfigError("--workers", "a service is one process; twistd starts several")
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
            limiter=self._adapter.limiter if config.shared_limits else None,
            strict=config.strict_handshake,
        )
        self._handshakes = IdleSweep(reactor, config.handshake_timeout)
        self._closing = Closing(reactor, CLOSING_TIME)
        self._websockets = PusherWebSocketFactory(
            self._admission,
            self.registry,
            reactor,
            self._closing,
            path_prefix=config.path_prefix,
            max_message_size=config.max_message_size,
            max_backlog=config.max_backlog,
            # The addresses of clients are looked at only where they have a limit.
            address_of=partial(address_of, trusted_hops=config.trusted_hops)
            if config.max_connects_per_minute
            else None,
        )
        self._api = self._http_api(reactor, group)
        public = PublicPort(
            websocket=lambda: cast(IProtocol, self._websockets.buildProtocol(None)),
            publishing=self._api.publishing,
            http=self._api.any_request,
            idle=self._handshakes,
            tell=tell,
        )
        self._public = Ports(
            listener or reactor, config.listen, public, "--listen", eager=config.eager_send
        )
        metrics = (config.metrics,) if config.metrics else ()
        self._private = Ports(reactor, metrics, self._metrics.site(), "--metrics")
        self.reactor = reactor

    def _http_api(self, reactor: Any, group: Check) -> HttpApi:
        config = self.config
        return HttpApi(
            self.registry,
            self._apps,
            self._admission,
            (self._adapter.health, self._served.health, self._webhooks.health, group),
            self._tell,
            reactor,
            self._closing,
            ApiOptions(
                config.path_prefix,
                config.max_request_size,
                config.max_api_calls_per_minute,
                config.trusted_hops,
                config.cors_origins,
                config.allow_reserved_events,
                config.shared_limits,
            ),
        )

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
        self._port_label()  # known from the start, also to whoever asks only when nobody listens any more
        self._private.listen()
        self._admission.closing = False
        self._metrics.start()
        self._webhooks.start()
        for part in self._sweeps():
            part.start()
        joined = self._adapter.start(ClusterNode(self.registry, self._apps))
        start_logged(joined, "The adapter did not start")
        served = self._served.start(self._app_changed, self._tell)
        start_logged(served, "The app store did not start")
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
        self.registry.outage.stop()
        self.registry.quota.stop()
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
            self._api.idle,
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

    # For the application around it; more is in `Embedded`

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
