"""One worker process, as its parent sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client.core import Metric
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, eventFromJSON, globalLogPublisher
from twisted.python.failure import Failure

from txpusher.metrics.transfer import unpacked
from txpusher.workers.pipes import STDERR, STDIN, STDOUT, Lines, decode, encode
from txpusher.workers.waiting import Moment, within

if TYPE_CHECKING:
    from txpusher.interfaces import Clock

_log = Logger()


class WorkerProcess(ProcessProtocol):
    """A worker process: what it is told, and what it tells.

    Args:
        number: of its slot, as people count.
        publish: takes its log events.

    Attributes:
        transport: the process itself.
        ready: it serves.
        ended: it is gone, and all it said has been heard.
        metrics: the families it gave last.
        answered: whether it gave them when it was last asked.
        unanswered: how often it was asked for a sign of life since it last said anything.
        how: it ended, in two or three words.
    """

    transport: Any

    def __init__(
        self, number: int, publish: Callable[[dict[str, Any]], object] = globalLogPublisher
    ) -> None:
        self.number = number
        self.ready = Moment()
        self.ended = Moment()
        self.metrics: Sequence[Metric] = ()
        self.answered = False
        self.unanswered = 0
        self.how = ""
        self._publish = publish
        self._lines = {STDOUT: Lines(), STDERR: Lines()}
        self._messages = Lines()
        self._metrics_came = Moment()
        self._metrics_came.happen()

    # What it is told

    def stop(self) -> None:
        """Let it send its clients away and end."""
        self._say({"do": "stop"})

    def reload(self) -> None:
        """Let it do what SIGHUP does to a server."""
        self._say({"do": "reload"})

    def tell_group(self, *, ok: bool, detail: str) -> None:
        """Tell it how the group is."""
        self._say({"do": "group", "ok": ok, "detail": detail})

    def ask(self) -> None:
        """Ask it for a sign of life."""
        self.unanswered += 1
        self._say({"do": "answer"})

    def kill(self) -> None:
        """End it now."""
        try:
            self.transport.signalProcess("KILL")
        except ProcessExitedAlready:
            return

    async def ask_metrics(self, seconds: float, clock: Clock) -> None:
        """Ask for its metrics, and wait for them as long as that."""
        if self._metrics_came.come:  # else it still owes them to somebody
            self._metrics_came = Moment()
            self._say({"do": "metrics"})
        self.answered = await within(seconds, clock, self._metrics_came)

    def _say(self, message: dict[str, Any]) -> None:
        if STDIN in self.transport.pipes:
            self.transport.writeToChild(STDIN, encode(message))

    # What it tells

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Hear what came by one of its pipes."""
        if childFD not in self._lines:
            for line in self._messages.feed(data):
                self._told(decode(line))
            return
        hear = self._logged if childFD == STDOUT else self._said
        for line in self._lines[childFD].feed(data):
            hear(line.decode("utf-8", "replace"))

    def _told(self, message: dict[str, Any]) -> None:
        self.unanswered = 0
        if message["told"] == "ready":
            self.ready.happen()
        elif message["told"] == "metrics":
            self.metrics = unpacked(message["families"])
            self._metrics_came.happen()

    def _logged(self, line: str) -> None:
        try:
            event = eventFromJSON(line)
            system = f"{event['log_namespace']}#{event['log_level'].name}"
        except (ValueError, KeyError, TypeError, AttributeError):
            self._said(line)
            return
        event["log_system"] = f"worker {self.number}: {event.get('log_system', system)}"
        self._publish(event)

    def _said(self, line: str) -> None:
        if line:
            _log.error("worker {worker} said: {line}", worker=self.number, line=line)

    def processEnded(self, reason: Failure) -> None:
        """Note its end."""
        value: Any = reason.value
        number, status = getattr(value, "signal", None), value.exitCode
        self.how = f"killed by signal {number}" if number else f"status {status}"
        self.ended.happen()
