"""One of the places for a worker: there is always one in it, or one on its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from twisted.logger import Logger

from txpusher.workers.backoff import Backoff
from txpusher.workers.waiting import within

if TYPE_CHECKING:
    from txpusher.interfaces import Call, Clock
    from txpusher.workers.process import WorkerProcess

_log = Logger()

READY_WITHIN = 60.0
"""Seconds that a worker may take until it serves, when it is to replace another one."""


class Reports(NamedTuple):
    """Who is told what happens in a slot.

    Args:
        changed: the worker has begun to serve, or has ended.
        ended: a process has ended, whichever it was.
        restarted: another one is started in the place of one that had ``died`` or was ``replaced``.
    """

    changed: Callable[[], None]
    ended: Callable[[WorkerProcess], None]
    restarted: Callable[[int, str], None]


class Slot:
    """Keeps one worker running.

    Args:
        number: as people count.
        launch: starts a process.
        clock: tells the time and wakes up.
        patience: seconds that a worker has to end in, when it is told to.
        reports: hear what happens.

    Attributes:
        worker: the one that serves or is about to, if there is one.
        processes: all there are: this one, and those that come or go.
    """

    def __init__(
        self,
        number: int,
        launch: Callable[[int], WorkerProcess],
        clock: Clock,
        patience: float,
        reports: Reports,
    ) -> None:
        self.number = number
        self.worker: WorkerProcess | None = None
        self.processes: list[WorkerProcess] = []
        self._launch = launch
        self._clock = clock
        self._patience = patience
        self._reports = reports
        self._backoff = Backoff()
        self._retry: Call | None = None
        self._served_since: float | None = None
        self._stopping = False

    @property
    def serves(self) -> bool:
        """Whether there is a worker in it that serves."""
        return self.worker is not None and self.worker.ready.come

    def start(self) -> None:
        """Start a worker; when the machine cannot, it is tried again like one that has ended at once."""
        self._retry = None
        try:
            self.worker = worker = self._started()
        except OSError as error:
            self._start_later(f"cannot be started: {error.strerror}", 0.0)
            return
        worker.ready.then(lambda: self._ready(worker))

    async def replace(self) -> bool:
        """Start another worker, and let the one there is go when the new one serves.

        Returns:
            Whether that went well; if not, all is as it was.
        """
        if self._stopping:
            return False
        try:
            fresh = self._started()
        except OSError as error:
            _log.error(
                "A new worker {slot} cannot be started: {why}", slot=self.number, why=error.strerror
            )
            return False
        if not await self._well(fresh):
            fresh.kill()
            return False
        self._cancel_retry()
        former, self.worker = self.worker, fresh
        self._ready(fresh)
        self._reports.restarted(self.number, "replaced")
        if former is not None:
            await self._dismiss(former)
        return True

    async def stop(self) -> None:
        """Let all its processes end."""
        self._stopping = True
        self._cancel_retry()
        leaving = list(self.processes)
        for process in leaving:
            process.stop()
        for process in leaving:
            await self._gone(process)

    def _started(self) -> WorkerProcess:
        process = self._launch(self.number)
        self.processes.append(process)
        process.ended.then(lambda: self._ended(process))
        return process

    async def _well(self, fresh: WorkerProcess) -> bool:
        if not await within(READY_WITHIN, self._clock, fresh.ready, fresh.ended):
            _log.error("A new worker {slot} did not serve in time", slot=self.number)
            return False
        if fresh.ended.come:
            _log.error("A new worker {slot} ended ({how})", slot=self.number, how=fresh.how)
            return False
        return not self._stopping

    async def _dismiss(self, process: WorkerProcess) -> None:
        process.stop()
        await self._gone(process)

    async def _gone(self, process: WorkerProcess) -> None:
        if not await within(self._patience, self._clock, process.ended):
            _log.error("Worker {slot} does not end and is killed", slot=self.number)
            process.kill()
            await within(self._patience, self._clock, process.ended)

    def _ready(self, process: WorkerProcess) -> None:
        if process is self.worker:
            self._served_since = self._clock.seconds()
            self._reports.changed()

    def _ended(self, process: WorkerProcess) -> None:
        self.processes.remove(process)
        self._reports.ended(process)
        if process is self.worker:
            self.worker = None
            if not self._stopping:
                self._try_again(process)
        self._reports.changed()

    def _try_again(self, process: WorkerProcess) -> None:
        began = self._clock.seconds() if self._served_since is None else self._served_since
        self._served_since = None
        self._reports.restarted(self.number, "died")
        self._start_later(f"ended ({process.how})", self._clock.seconds() - began)

    def _start_later(self, what: str, served: float) -> None:
        wait = self._backoff.wait(served)
        _log.error(
            "Worker {slot} {what}; another one is started in {wait} s",
            slot=self.number,
            what=what,
            wait=wait,
        )
        self._retry = self._clock.callLater(wait, self.start)

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
