"""The parent of several workers: it holds the addresses, keeps the workers running, and shows their metrics.

Signals: SIGTERM sends the clients of all workers away and ends; SIGHUP is passed on; SIGUSR2 replaces the workers one
by one. (twistd uses SIGUSR1 for its log file.)
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from txpusher import __version__
from txpusher.ports import Ports
from txpusher.process import CannotStart, one_line
from txpusher.workers.launching import Launcher
from txpusher.workers.metrics import GroupMetrics
from txpusher.workers.slot import Reports, Slot
from txpusher.workers.sockets import Holder

if TYPE_CHECKING:
    from txpusher.config import Config

_log = Logger()

GRACE = 15.0
"""Seconds that a worker has to end in, beside those over which it sends its clients away."""


class Supervisor(Service):
    """Keeps the workers of one server running.

    Args:
        config: of the server; its workers read it anew.
        reactor: runs it, and starts processes.
        options: those of ``twistd txpusher``, which the workers get.
        directory: where these were read.

    Raises:
        ConfigError: an endpoint is none.
    """

    name = "txpusher"

    def __init__(
        self, config: Config, reactor: Any, options: Sequence[str], directory: str
    ) -> None:
        self.config = config
        self.reactor = reactor
        self._holder = Holder(reactor, config.workers)
        self._launcher = Launcher(reactor, self._holder, options, directory)
        self.slots: list[Slot] = []
        self._metrics = GroupMetrics(config.metrics_prefix, self._port_label, self.slots, reactor)
        self._make_slots()
        nobody = Factory()
        nobody.noisy = False
        self._public = Ports(self._holder, config.listen, nobody, "--listen", eager=False)
        metrics = (config.metrics,) if config.metrics else ()
        self._private = Ports(reactor, metrics, self._metrics.site(), "--metrics")
        self._port = ""
        self._replacing = False
        self._stopping = False
        self._signals: dict[int, Any] = {}

    def _make_slots(self) -> None:
        reports = Reports(self._changed, self._metrics.ended, self._metrics.restarted)
        patience = self.config.drain + GRACE
        for number in range(1, self.config.workers + 1):
            slot = Slot(number, self._launcher.launch, self.reactor, patience, reports)
            self.slots.append(slot)

    # Starting and stopping

    def privilegedStartService(self) -> None:
        """Bind the listeners, while ports below 1024 are still allowed.

        Raises:
            CannotStart: an address is taken, forbidden or impossible.
        """
        super().privilegedStartService()
        self._bind()

    def startService(self) -> None:
        """Start the workers.

        Raises:
            CannotStart: none could be made of the settings.
        """
        super().startService()
        self._bind()
        try:
            self._launcher.try_settings()
        except CannotStart:
            self._holder.close()
            raise
        self._listen_to("SIGHUP", self.reload)
        self._listen_to("SIGUSR2", self.replace_workers)
        _log.info(
            "txpusher {version} listens on {public} with {workers} workers, metrics on {metrics}",
            version=__version__,
            public=", ".join(self._public.addresses()),
            workers=len(self.slots),
            metrics=", ".join(self._private.addresses()) or "none",
        )
        self.reactor.callWhenRunning(self._start_workers)

    def stopService(self) -> Deferred[None]:
        """Let all workers send their clients away and end; fires when they have."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._stopping = True
        self._port_label()
        stopping = [Deferred.fromCoroutine(slot.stop()) for slot in self.slots]
        self._holder.close()
        await gatherResults(stopping)
        await self._private.stop_listening()
        self._private.close_connections()
        for number, before in self._signals.items():
            signal.signal(number, before)
        # twistd would end by the signal that stopped it, which service supervisors report as a failure.
        self.reactor._exitSignal = None  # noqa: SLF001

    def _bind(self) -> None:
        with one_line():
            self._public.listen()
            self._private.listen()

    def _start_workers(self) -> None:
        for slot in self.slots:
            slot.start()

    # While it runs

    def reload(self) -> None:
        """Let all workers read their apps again."""
        for slot in self.slots:
            for process in slot.processes:
                process.reload()

    def replace_workers(self) -> Deferred[None]:
        """Replace the workers one by one; the first that cannot be replaced ends it."""
        return Deferred.fromCoroutine(self._replace_workers())

    async def _replace_workers(self) -> None:
        if self._replacing or self._stopping:
            _log.warn("The workers are being replaced or stopped already")
            return
        self._replacing = True
        try:
            await self._replace_one_by_one()
        finally:
            self._replacing = False

    async def _replace_one_by_one(self) -> None:
        for slot in self.slots:
            if not await slot.replace():
                if not self._stopping:
                    _log.error("The workers from {slot} on stay as they are", slot=slot.number)
                return
        _log.info("All workers have been replaced")

    def _changed(self) -> None:
        """Tell all workers how many serve, and let none of the others' clients wait for one that does not."""
        serving = sum(slot.serves for slot in self.slots)
        for slot in self.slots:
            if serving and not slot.processes and not self._stopping:
                self._holder.silence(slot.number - 1)
            for process in slot.processes:
                process.tell_group(
                    ok=serving == len(self.slots),
                    detail=f"{serving} of {len(self.slots)} workers serve",
                )

    def _listen_to(self, name: str, call: Callable[[], object]) -> None:
        def arrived(number: int, frame: object) -> None:
            # Python runs this between any two instructions; the rest is done in a turn of the reactor.
            self.reactor.callFromThread(call)

        number = getattr(signal, name)
        self._signals[number] = signal.signal(number, arrived)

    def _port_label(self) -> str:
        addresses = self._public.addresses()
        if addresses:
            # Kept while the workers drain: the time series keep their names.
            self._port = addresses[0].rpartition(":")[2]
        return self._port
