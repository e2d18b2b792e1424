"""The database's thread: one thread, one connection, one question at a time, and an end to each of them.

It is a pool of `twisted.enterprise.adbapi`, which joins its thread when it is closed and logs tracebacks when a
connection that is lost cannot be rolled back or closed. A driver that hangs must not hang the process, and a database
that goes away is no bug: hence the connections that are thrown away after any error, the thread that may be left
behind, and the time-outs of our own beside those of the drivers.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, Protocol, TypeVar

from twisted.enterprise import adbapi
from twisted.internet.defer import Deferred, TimeoutError, fail, succeed  # noqa: A004 - Twisted's
from twisted.logger import Logger

from txpusher.sql.database import Database

_log = Logger()
T = TypeVar("T")

ANSWER = 5.0
"""Seconds that a question may take in all."""
ENDING = 2.0
"""Seconds that a stop waits for the thread."""


class Pool(Protocol):
    """A way to ask a database."""

    def run(self, question: Callable[[Any], T]) -> Deferred[T]:
        """Call ``question`` with a connection; it may block. Fails with whatever it or the driver raises."""

    async def stop(self) -> None:
        """Disconnect. Questions that are not answered by then fail."""


class ThreadPool:
    """A `Pool` with a thread.

    Args:
        database: is asked.
        reactor: runs the rest of the server.
    """

    def __init__(self, database: Database, reactor: Any) -> None:
        self._database = database
        self._reactor = reactor
        self._working: Deferred[Any] = succeed(None)
        self._answer: Deferred[Any] = succeed(None)
        # The thread's: the connection that is in use, and whether it was made for this question. And ours: whether
        # anybody waits for the answer.
        self._connection: Any = None
        self._new = self._given_up = False
        self._connections = _Connections(
            database.driver,
            cp_reactor=reactor,
            cp_min=1,
            cp_max=1,
            cp_openfun=self._opened,
            **database.arguments,
        )

    def run(self, question: Callable[[Any], T]) -> Deferred[T]:
        """See `Pool`."""
        if not self._working.called:
            return fail(TimeoutError("the last question is not answered yet"))
        self._given_up = False
        self._working = self._connections.runWithConnection(self._ask, question)
        answer: Deferred[T] = Deferred()
        self._working.chainDeferred(answer)
        self._answer = answer
        return answer.addTimeout(ANSWER, self._reactor, self._timed_out)

    async def stop(self) -> None:
        """See `Pool`."""
        self._cut()
        self._answer.cancel()
        over: Deferred[None] = Deferred()
        self._working.addBoth(lambda _: over.callback(None) if not over.called else None)
        over.addTimeout(ENDING, self._reactor)
        try:
            await over
        except TimeoutError:
            _log.warn(
                "{database} does not answer and is left behind", database=self._database.shown
            )
            self._connections.leave()
        else:
            self._connections.close()

    # In the thread

    def _opened(self, connection: Any) -> None:
        self._new = True

    def _ask(self, connection: Any, question: Callable[[Any], T]) -> T:
        if not (self._new or self._database.kept):
            connection.reconnect()
        new, self._new = self._new, False
        try:
            return self._use(connection, question)
        except Exception:
            if new or self._given_up:
                raise
        # The database may have been restarted since it was last asked.
        connection.reconnect()
        self._new = False
        return self._use(connection, question)

    def _use(self, connection: Any, question: Callable[[Any], T]) -> T:
        self._connection = connection._connection  # noqa: SLF001 - what adbapi wraps
        try:
            return question(connection)
        finally:
            self._connection = None

    # In the reactor

    def _timed_out(self, value: Any, seconds: float) -> Any:
        self._cut()
        raise TimeoutError(f"no answer within {seconds:g} seconds")

    def _cut(self) -> None:
        self._given_up = True
        connection = self._connection
        if connection is not None:
            # It may be closed at this very moment.
            with suppress(Exception):
                self._database.cut(connection)


class _Connection(adbapi.Connection):
    """A connection that is thrown away after any error."""

    def rollback(self) -> None:
        # It is gone already when it was to be replaced and could not be.
        with suppress(Exception):
            self._pool.disconnect(self._connection)


class _DaemonThread(Thread):
    """A thread that ends with the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, daemon=True, **kwargs)


class _Connections(adbapi.ConnectionPool):
    """Connections that may break, and one thread that nobody has to wait for."""

    connectionFactory = _Connection

    def __init__(self, driver: str, **arguments: Any) -> None:
        super().__init__(driver, **arguments)
        self.threadpool.threadFactory = _DaemonThread

    def leave(self) -> None:
        """Forget the thread, which hangs, and end with the process all the same."""
        for trigger in (self.startID, self.shutdownID):
            if trigger is not None:
                self._reactor.removeSystemEventTrigger(trigger)
        self.startID = self.shutdownID = None
        self.running = False

    def _close(self, connection: Any) -> None:
        with suppress(Exception):
            connection.close()
