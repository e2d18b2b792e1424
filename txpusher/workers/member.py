"""A worker from inside: a server on inherited sockets that does what its parent says."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet._posixstdio import StandardIO
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.logger import globalLogBeginner, jsonFileLogObserver
from twisted.python.failure import Failure

from txpusher.daemon import Daemon
from txpusher.interfaces import Health
from txpusher.metrics.transfer import packed
from txpusher.process import one_line
from txpusher.service import PusherService
from txpusher.workers.pipes import STDIN, Lines, decode, encode
from txpusher.workers.sockets import Heir
from txpusher.workers.waiting import Moment

if TYPE_CHECKING:
    from txpusher.config import Config
    from txpusher.workers.orders import Orders

LOOK_AGAIN = 0.05
"""Seconds between two looks at whether the worker is ready."""
ACCEPT_AFTER = 5.0
"""Seconds after which a worker without its adapter or any app accepts clients all the same, as a single process does;
unless it is to replace one of a group that is complete."""


def trial(config: Config, reactor: Any) -> None:
    """Make a server, and throw it away.

    Raises:
        CannotStart: a setting is wrong that only its part can judge.
    """
    with one_line():
        PusherService(config, reactor)


class Member(Protocol):
    """A worker, and the protocol of the pipes to its parent.

    Args:
        config: of the one process that this is.
        reactor: runs it.
        orders: say what it inherits.

    Raises:
        CannotStart: a setting is wrong.
    """

    transport: Any

    def __init__(self, config: Config, reactor: Any, orders: Orders) -> None:
        self._reactor = reactor
        self._orders = orders
        self._group = Health(ok=False, detail="nothing is known of the other workers yet")
        self._heir = Heir(reactor, orders.sockets)
        with one_line():
            self._server = Daemon(config, reactor, listener=self._heir, group=lambda: self._group)
        self._lines = Lines()
        self._closed = Moment()
        self._stopping = False

    # Starting and stopping

    def run(self) -> None:
        """Serve until it is enough.

        Raises:
            CannotStart: a socket is not there.
        """
        globalLogBeginner.beginLoggingTo([jsonFileLogObserver(sys.stdout, recordSeparator="")])
        self.start()
        StandardIO(self, stdin=STDIN, stdout=self._orders.pipe, reactor=self._reactor)
        # Once the reactor has installed its own: those stop it twice, which is an error, when told twice.
        self._reactor.callLater(0, self._take_signals)
        self._reactor.run()

    def start(self) -> None:
        """Begin to serve."""
        self._server.privilegedStartService()
        self._server.startService()
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stopped)

    def stop(self) -> None:
        """Stop; again does nothing."""
        if not self._stopping:
            self._stopping = True
            self._reactor.stop()

    def _take_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._reactor.callFromThread(self.stop))

    async def _serve_to_the_end(self) -> None:
        await self._server.stopService()
        if self._closed.come:
            return
        self._tell_metrics()
        heard: Deferred[None] = Deferred()
        self._closed.then(lambda: heard.callback(None))
        self.transport.loseConnection()
        await heard

    def _stopped(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._serve_to_the_end())

    # The pipes

    def connectionMade(self) -> None:
        """Tell the parent when this worker serves."""
        self._look(self._reactor.seconds() + ACCEPT_AFTER)

    def _look(self, accept_at: float) -> None:
        """See whether it serves: one without its adapter, or without apps yet, could only turn clients away."""
        well = self._server.health().ok
        if well or (self._reactor.seconds() >= accept_at and not self._group.ok):
            self._heir.accept()
        if well:
            self._say({"told": "ready"})
        elif not self._stopping:
            self._reactor.callLater(LOOK_AGAIN, self._look, accept_at)

    def dataReceived(self, data: bytes) -> None:
        """Do what the parent says."""
        for line in self._lines.feed(data):
            self._do(decode(line))

    def _do(self, order: dict[str, Any]) -> None:
        if order["do"] == "group":
            self._group = Health(order["ok"], order["detail"])
            return
        calls: dict[str, Callable[[], object]] = {
            "stop": self.stop,
            "reload": self._server.reload,
            "metrics": self._tell_metrics,
            "answer": lambda: self._say({"told": "alive"}),
        }
        calls[order["do"]]()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """End without a parent: nobody would look after this worker."""
        self._closed.happen()
        self.stop()

    def _tell_metrics(self) -> None:
        self._say({"told": "metrics", "families": packed(self._server.metrics())})

    def _say(self, message: dict[str, Any]) -> None:
        self.transport.write(encode(message))
