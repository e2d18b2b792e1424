"""Processes that are none, for what looks after workers."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.python.failure import Failure

from tests.socket_doubles import Reactor
from txpusher.metrics.transfer import packed
from txpusher.workers.pipes import encode
from txpusher.workers.process import WorkerProcess

PIPE = 9


class FakeTransport:
    """A process as its protocol sees it.

    Attributes:
        said: the messages it was sent.
        signals: the signals it was sent.
        gone: whether signals come too late.
    """

    def __init__(self) -> None:
        self.pipes = {0: None}
        self.said: list[Any] = []
        self.signals: list[str] = []
        self.gone = False

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """Remember messages."""
        assert descriptor == 0
        self.said += map(json.loads, data.splitlines())

    def signalProcess(self, name: str) -> None:
        """Remember a signal."""
        if self.gone:
            raise ProcessExitedAlready
        self.signals.append(name)


class FakeWorker(WorkerProcess):
    """A worker process that does what a test says."""

    def __init__(self, number: int = 1) -> None:
        self.events: list[Any] = []
        super().__init__(number, self.events.append)
        self.transport = FakeTransport()

    @property
    def orders(self) -> list[str]:
        """What it was told to do, but for the group's health."""
        return [said["do"] for said in self.transport.said if said["do"] != "group"]

    @property
    def group(self) -> Any:
        """What it was told last of the group."""
        return [said for said in self.transport.said if said["do"] == "group"][-1]

    def serve(self) -> None:
        """Say that it serves."""
        self.childDataReceived(PIPE, encode({"told": "ready"}))

    def live(self) -> None:
        """Give a sign of life."""
        self.childDataReceived(PIPE, encode({"told": "alive"}))

    def give(self, *families: Any) -> None:
        """Send metrics."""
        self.childDataReceived(PIPE, encode({"told": "metrics", "families": packed(families)}))

    def end(self, status: int = 0, signal: int | None = None) -> None:
        """End."""
        self.transport.gone = True
        self.transport.pipes.clear()
        error = ProcessTerminated(status, signal) if status or signal else ProcessDone(0)
        self.processEnded(Failure(error))


class Spawner(Reactor):
    """A reactor that starts processes which are none.

    Attributes:
        spawned: those it started.
    """

    _exitSignal: Any = 15

    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[SimpleNamespace] = []
        self.running: list[Any] = []

    def spawnProcess(
        self, protocol: Any, executable: str, args: Any, env: Any, childFDs: Any
    ) -> None:
        """Start nothing."""
        protocol.transport = FakeTransport()
        self.spawned.append(
            SimpleNamespace(
                protocol=protocol, executable=executable, args=args, env=env, childFDs=childFDs
            )
        )

    def callWhenRunning(self, call: Any) -> None:
        """Run already."""
        call()

    def callFromThread(self, call: Any) -> None:
        """Call at once."""
        call()
