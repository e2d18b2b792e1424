"""What is around an app store: the server that checks apps and hears what changed, and the way to a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from txpusher.errors import ConfigError
from txpusher.interfaces import ChangingAppStore
from txpusher.model import App
from txpusher.sql.database import Database


class Heard:
    """Remembers all that a store tells.

    Args:
        refuse: a secret that may not be served.

    Attributes:
        changes: the apps that changed, in order, by their ids.
        reloads: whether the apps could be read.
    """

    def __init__(self, refuse: str | None = None) -> None:
        self._refused = refuse
        self.changes: list[tuple[str, App | None]] = []
        self.reloads: list[bool] = []

    def listen_to(self, store: ChangingAppStore) -> Any:
        """Start a store."""
        return store.start(self._check, lambda *change: self.changes.append(change), self._reloaded)

    def _check(self, apps: Iterable[App]) -> None:
        if any(app.secret == self._refused for app in apps):
            raise ConfigError("listen", "not these")

    def _reloaded(self, ok: bool) -> None:
        self.reloads.append(ok)


class InstantPool:
    """A `txpusher.sql.pool.Pool` without a thread: the real driver asks the real database, at once.

    Attributes:
        error: what every question fails with, if anything.
        held: the questions that wait for `release`; None lets none wait.
        asked: how often the database was asked.
        stopped: whether it was disconnected.
    """

    def __init__(self, database: Database, reactor: Any) -> None:
        self._database = database
        self._connection: Any = None
        self.error: Exception | None = None
        self.held: list[tuple[Deferred[Any], Callable[[Any], Any]]] | None = None
        self.asked = 0
        self.stopped = False

    def run(self, question: Callable[[Any], Any]) -> Deferred[Any]:
        """Ask, or wait."""
        assert not self.stopped
        if self.held is None:
            return execute(self._ask, question)
        self.held.append((Deferred(), question))
        return self.held[-1][0]

    def release(self) -> None:
        """Ask what waits, and let nothing wait any more."""
        held, self.held = self.held or [], None
        for waiting, question in held:
            execute(self._ask, question).chainDeferred(waiting)

    async def stop(self) -> None:
        """Disconnect; whoever waits waits no more."""
        self.stopped = True
        for waiting, _ in self.held or []:
            waiting.cancel()
        if self._connection is not None:
            self._connection.close()

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        self.asked += 1
        if self.error is not None:
            raise self.error
        if self._connection is None:
            driver = import_module(self._database.driver)
            self._connection = driver.connect(**self._database.arguments)
        return question(self._connection)


class Threads:
    """A pool of threads that are none: calls are made at once, or when `go_on` is called."""

    def __init__(self, *sizes: int) -> None:
        self.started = self.stopped = False
        self.hang = False
        self._waiting: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin."""
        self.started = True

    def stop(self) -> None:
        """End; a thread that hangs would be waited for."""
        assert not self.hang, "joins a thread that hangs"
        self.stopped = True

    def callInThreadWithCallback(
        self, on_result: Callable[[bool, Any], None], call: Callable[..., Any], *args: Any
    ) -> None:
        """Call, and say what came of it."""

        def run() -> None:
            try:
                result = call(*args)
            except Exception:  # noqa: BLE001 - as a thread pool does
                on_result(False, Failure())
            else:
                on_result(True, result)

        if self.hang:
            self._waiting.append(run)
        else:
            run()

    def go_on(self) -> None:
        """Make the calls that hang."""
        self.hang = False
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()


class ThreadReactor(Clock):
    """A reactor with threads.

    Attributes:
        triggers: what it would call when it stops.
    """

    def __init__(self, *, running: bool = True) -> None:
        super().__init__()
        self._running = running
        self.triggers: dict[object, Callable[[], None]] = {}

    def callFromThread(self, call: Callable[..., object], *args: object) -> None:
        """Call at once: there is one thread only."""
        call(*args)

    def callWhenRunning(self, call: Callable[[], None]) -> object:
        """Call now or, as far as tests are concerned, never."""
        if self._running:
            call()
            return None
        return self.addSystemEventTrigger("after", "startup", call)

    def addSystemEventTrigger(self, phase: str, event: str, call: Callable[[], None]) -> object:
        """Remember it."""
        number = len(self.triggers) + 1
        self.triggers[number] = call
        return number

    def removeSystemEventTrigger(self, number: object) -> None:
        """Forget it."""
        del self.triggers[number]
