"""Starting worker processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.endpoints import _SystemdParser

from txpusher.process import CannotStart
from txpusher.workers.orders import Orders
from txpusher.workers.pipes import STDERR, STDIN, STDOUT
from txpusher.workers.process import WorkerProcess
from txpusher.workers.sockets import Holder

TRIAL_TIME = 120.0
"""Seconds; a store that answers slowly is no reason to give up soon."""


@dataclass(frozen=True)
class Launcher:
    """Starts worker processes of one server.

    Args:
        reactor: spawns them; they get one of its kind.
        holder: has the sockets they take over.
        options: those of ``twistd txpusher``.
        directory: where these were read.
    """

    reactor: Any
    holder: Holder
    options: Sequence[str]
    directory: str

    def launch(self, number: int) -> WorkerProcess:
        """Start a process for a slot, whose number is as people count."""
        descriptors: dict[int, int | str] = {STDIN: "w", STDOUT: "r", STDERR: "r"}
        sockets = _placed(self.holder.inherited(number - 1), self._systemd(), descriptors)
        pipe = max(descriptors) + 1
        orders = replace(self._orders(), worker=number, pipe=pipe, sockets=sockets)
        process = WorkerProcess(number)
        self.reactor.spawnProcess(
            process,
            sys.executable,
            self._command(orders),
            env=None,  # ours
            childFDs={**descriptors, pipe: "r"},
        )
        return process

    def try_settings(self) -> bool:
        """Try in another process whether a worker could be made of the settings; to be called before all runs.

        Returns:
            Whether to go on; not when a signal says that it is enough already.

        Raises:
            CannotStart: it could not; the error is what the worker said.
        """
        try:
            with _stopped_by_signals():
                done = subprocess.run(  # noqa: S603 - ourselves
                    self._command(self._orders()),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=TRIAL_TIME,
                    check=False,
                )
        except _Stopped:
            return False  # the process is killed by then
        except OSError as error:
            problem = f"{sys.executable}: {error.strerror}"
            raise CannotStart(f"--workers: cannot start a process: {problem}") from error
        except subprocess.TimeoutExpired as error:
            raise CannotStart(f"the settings were not read within {TRIAL_TIME:.0f} s") from error
        if done.returncode:
            said = done.stderr.strip() or f"a worker ended with status {done.returncode}"
            raise CannotStart(said.splitlines()[-1].removeprefix("txpusher: "))
        return True

    def _orders(self) -> Orders:
        kind = type(self.reactor).__module__
        return Orders(kind, self.directory, systemd=list(self._systemd().values()))

    def _command(self, orders: Orders) -> list[str]:
        # -P: whatever lies in the directory it is started in, as with the script that started us.
        return [sys.executable, "-P", "-m", "txpusher.worker", str(orders), *self.options]

    def _systemd(self) -> dict[int, str]:
        """Give the names of the sockets that systemd gave this process, by their descriptors there."""
        given = _SystemdParser._sddaemon  # noqa: SLF001 - it has taken them out of the environment
        names = {number: name for name, number in given.inheritedNamedDescriptors().items()}
        return {number: names.get(number, "unknown") for number in given.inheritedDescriptors()}


class _Stopped(Exception):
    """What ends a trial is no error."""


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    # The reactor does not run yet, and nobody else looks after these.
    def arrived(number: int, frame: object) -> None:
        raise _Stopped

    before = {each: signal.signal(each, arrived) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, call in before.items():
            signal.signal(each, call)


def _placed(
    held: Mapping[str, list[int]], systemd: Mapping[int, str], descriptors: dict[int, int | str]
) -> dict[str, list[int]]:
    """Give sockets their numbers in the new process, where those of systemd keep theirs."""
    placed: dict[str, list[int]] = {}
    free = max([STDERR, *systemd]) + 1
    for name, ours in held.items():
        kind, _, number = name.rpartition(" ")
        for descriptor in ours:
            if kind == "descriptor":
                theirs = int(number)
            else:
                theirs, free = free, free + 1
            descriptors[theirs] = descriptor
            placed.setdefault(name, []).append(theirs)
    return placed
