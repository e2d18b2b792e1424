"""The composition root: what a running server is made of, in the order of building and of stopping.

Stopping is sequential, so that nothing lies to anybody: ``/up`` turns 503, the listeners close, clients are sent
elsewhere in slices over the drain time, webhooks tell that they are gone, the adapter leaves the cluster, and the
metrics page, which showed all of it, goes last.
"""

from __future__ import annotations

import random
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.logger import Logger

from txpusher import __version__, parts
from txpusher.core import online
from txpusher.core.authorization import AuthorizationSweep
from txpusher.core.clustering import ClusterNode
from txpusher.core.draining import drain
from txpusher.core.liveness import Liveness
from txpusher.core.running import start_logged
from txpusher.core.telling import teller
from txpusher.embedding import Embedded
from txpusher.errors import ConfigError
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

if TYPE_CHECKING:
    from txpusher.config import Config
    from txpusher.core.registry import ChannelRegistry
    from txpusher.metrics.collector import Snapshot
    from txpusher.model import App

_log = Logger()
T = TypeVar("T")

CLOSING_TIME = 5.0
"""Seconds a client has to go along with the end of its connection."""
LEAVING_TIME = 3.0
"""Seconds that the roster has for the last leaves when the server stops, as long as Redis has for an answer."""
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
        self.reactor = reactor
        self._port = ""
        self._make_core()
        self._make_listeners(listener or reactor, group)

    def _make_core(self) -> None:
        config, reactor = self.config, self.reactor
        self._apps = parts.app_store(config, reactor)
        self._served = ServedApps(self._apps, config.refuse_demo_secret)
        self._adapter = make(config.adapter, "txpusher.adapters", "--adapter", reactor)
        self._metrics = Metrics(
            prefix=config.metrics_prefix,
            port=self._port_label,
            snapshot=self._snapshot,
            clock=reactor,
        )
        # Webhooks do not hear of themselves.
        tell_metrics = teller(self._metrics.observer)
        self._webhooks = parts.webhooks(
            config, reactor, self._served_app, self._apps, self._adapter, tell_metrics
        )
        self._tell = teller(self._metrics.observer, self._webhooks)
        timeouts = Timeouts(config.activity_timeout, config.pong_timeout)
        self._liveness = Liveness(reactor, timeouts, random.random)
        self.registry: ChannelRegistry = parts.registry(
            config, reactor, self._adapter, self._liveness, self._tell
        )
        self._authorization = AuthorizationSweep(self.registry)

    def _make_listeners(self, listener: Any, group: Check) -> None:
        config, reactor = self.config, self.reactor
        self._handshakes = IdleSweep(reactor, config.handshake_timeout)
        self._closing = closing = Closing(reactor, CLOSING_TIME)
        self._admission = admission = parts.admission(
            config, self._apps, self.registry, self._adapter
        )
        self._websockets = parts.websockets(config, reactor, admission, self.registry, closing)
        checks = (self._adapter.health, self._served.health, self._webhooks.health, group)
        self._api = parts.http_api(
            config, reactor, self._apps, admission, self.registry, checks, closing, self._tell
        )
        public = PublicPort(
            websocket=lambda: cast(IProtocol, self._websockets.buildProtocol(None)),
            publishing=self._api.publishing,
            http=self._api.any_request,
            idle=self._handshakes,
            tell=self._tell,
            turn=self.registry.turn,
        )
        self._public = Ports(listener, config.listen, public, "--listen", eager=config.eager_send)
        metrics = (config.metrics,) if config.metrics else ()
        self._private = Ports(reactor, metrics, self._metrics.site(), "--metrics")

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
        self.registry.outage.start()
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
        self._websockets.departing.end_all()
        # What follows from the last leaves is told, too.
        await self.registry.leaving.last().addTimeout(
            LEAVING_TIME, self.reactor, onTimeoutCancel=lambda *_: None
        )
        for part in self._sweeps():
            part.stop()
        # Receivers hear of these, too.
        await _tried(self.registry.counting.tell_all(), "Subscribers were not told their number")
        await self._webhooks.stop(max(FLUSHING_TIME, end - self.reactor.seconds()))
        await _tried(self._leave(), "The adapter did not stop")
        self.registry.counting.stop()
        self.registry.outage.stop()
        self.registry.quota.stop()
        await _tried(self._served.stop(), "The app store did not stop")
        self._metrics.stop()
        await self._private.stop_listening()
        self._private.close_connections()

    async def _leave(self) -> None:
        await online.tell_all_away(self.registry)
        await self.registry.counting.tell_all()
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

    # For the webhooks and the metrics

    def _served_app(self, app_id: str) -> App | None:
        return self.registry.app(app_id)

    def _snapshot(self) -> Snapshot:
        store_ok = self._served.health().ok
        return take(self.registry, self._served.ids, self._webhooks.waiting(), store_ok=store_ok)

    def _port_label(self) -> str:
        addresses = self._public.addresses()
        if addresses:
            # Kept while the server drains and listens no more: the time series keep their names.
            self._port = addresses[0].rpartition(":")[2]
        return self._port


async def _tried(task: Coroutine[Any, Any, None], otherwise: str) -> None:
    try:
        await task
    except Exception:  # noqa: BLE001 - the rest is to be stopped all the same
        _log.failure("{what}", what=otherwise)
