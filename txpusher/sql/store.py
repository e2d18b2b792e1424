"""The app store of a table: all apps in memory, read again every so often, and asked for when somebody new comes.

Known apps are answered from memory, at once, whatever the database does. One question is on its way at a time, the
whole table or a few names, so no answer overtakes a newer one. While the database is away, it is tried again and
again, and who asks for an app that is not known is told to come back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from txpusher.app_directory import AppDirectory
from txpusher.core.running import start
from txpusher.errors import ServiceUnavailable
from txpusher.interfaces import Health
from txpusher.model import App, Limits
from txpusher.sql.lookups import Lookups, Question
from txpusher.sql.merging import merge
from txpusher.sql.pool import Pool, ThreadPool
from txpusher.sql.rows import Row, RowReader

if TYPE_CHECKING:
    from txpusher.interfaces import Call, Clock
    from txpusher.sql.database import Database

_log = Logger()

PATIENCE = 5.0
"""Seconds between two tries, at most, while the database is away."""
NOT_YET = "not read yet"


class SqlApps(AppDirectory):
    """The apps of one table.

    Args:
        database: where it is.
        ttl: seconds from one reading to the next.
        defaults: the limits of apps that are written without them.
        reactor: a clock, and what runs the thread.
        pool: makes a way to ask the database.
    """

    def __init__(
        self,
        database: Database,
        ttl: float,
        defaults: Limits,
        reactor: Any,
        pool: Callable[[Database, Any], Pool] = ThreadPool,
    ) -> None:
        super().__init__(())
        self._database = database
        self._ttl = ttl
        self._clock: Clock = reactor
        self._make_pool = lambda: pool(database, reactor)
        self._pool: Pool | None = None
        self._reader = RowReader(database, defaults)
        self._lookups = Lookups(reactor, self._wake)
        self._call: Call | None = None
        self._due = self._working = False
        self._reloads: list[Deferred[None]] = []
        self._away = NOT_YET
        self._patience = 1.0
        self._problems: dict[str, str] = {}

    # As an app store

    async def by_key(self, key: str) -> App | None:
        """Give the app with this public key."""
        return self._by_key.get(key) or await self._by_question(Question("key", key))

    async def by_id(self, app_id: str) -> App | None:
        """Give the app with this id."""
        return self._by_id.get(app_id) or await self._by_question(Question("id", app_id))

    async def start(
        self,
        check: Callable[[Iterable[App]], None],
        changed: Callable[[str, App | None], None],
        reloaded: Callable[[bool], None],
    ) -> None:
        """See `txpusher.interfaces.ChangingAppStore`."""
        self._check, self._changed, self._reloaded = check, changed, reloaded
        self._pool = self._make_pool()
        self._read_again()

    async def stop(self) -> None:
        """See `txpusher.interfaces.ChangingAppStore`."""
        pool, self._pool = self._pool, None
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._lookups.fail(ServiceUnavailable("The server is stopping"))
        reloads, self._reloads = self._reloads, []
        for done in reloads:
            done.callback(None)
        if pool is not None:
            await pool.stop()

    async def reload(self) -> None:
        """Read the table now, all of it."""
        if self._pool is not None:
            done: Deferred[None] = Deferred()
            self._reloads.append(done)
            self._read_again()
            await done

    def health(self) -> Health:
        """Tell whether the database answers, and whether all its rows can be read."""
        problems = [self._away] if self._away else list(self._problems.values())
        return Health(not problems, "; ".join(problems))

    # One question at a time

    async def _by_question(self, question: Question) -> App | None:
        if self._pool is None or self._away not in {"", NOT_YET}:
            raise ServiceUnavailable("Apps cannot be looked up now, try again later")
        await self._lookups.ask(question)
        return self._known(question)

    def _known(self, question: Question) -> App | None:
        apps = self._by_id if question.column == "id" else self._by_key
        return apps.get(question.name)

    def _read_again(self) -> None:
        self._due = True
        self._wake()

    def _wake(self) -> None:
        if not self._working:
            self._working = True
            unfinished = start(self._work())
            if unfinished is not None:
                unfinished.addErrback(
                    lambda failure: _log.failure("Bug while reading apps", failure)
                )

    async def _work(self) -> None:
        try:
            while self._pool is not None and (self._due or self._lookups):
                await (self._read(self._pool) if self._due else self._look_up(self._pool))
        finally:
            self._working = False

    async def _look_up(self, pool: Pool) -> None:
        questions = self._still_open()
        names = sorted({question.name for question in questions})
        if not names:
            return
        try:
            found = await pool.run(lambda connection: self._reader.known(connection, names))
        except Exception as error:  # noqa: BLE001 - drivers raise what they like
            self._failed(error)
            return
        there = _questions(found)
        # Those that were wrong when the table was read are so until it is read again: asking does not help.
        wrong = _questions(row for row in found if row[0] in self._problems)
        for question in questions:
            if question not in there or question in wrong:
                self._lookups.settle(question, exists=question in wrong)
        there -= wrong
        if not there.isdisjoint(questions) and await self._read(pool):
            for question in self._still_open():
                if question in there:
                    self._lookups.settle(question, exists=True)

    def _still_open(self) -> list[Question]:
        """Answer the questions about apps that were read meanwhile, and give the next of the others."""
        questions = self._lookups.next()
        for question in questions:
            if self._known(question) is not None:
                self._lookups.found(question)
        return [question for question in questions if self._known(question) is None]

    async def _read(self, pool: Pool) -> bool:
        self._due = False
        reloads, self._reloads = self._reloads, []
        try:
            rows = await pool.run(self._reader.every)
        except Exception as error:  # noqa: BLE001 - drivers raise what they like
            self._failed(error, asked=bool(reloads))
        else:
            self._take(rows, asked=bool(reloads))
        for done in reloads:
            done.callback(None)
        return not self._away

    # What comes of it

    def _failed(self, error: Exception, *, asked: bool = False) -> None:
        if self._pool is None:
            return
        reason = self._database.reason(error)
        news = self._away in {"", NOT_YET}
        if news or asked:
            _log.error(
                "The apps of {database} cannot be read; {known} known ones go on, others are refused until "
                "they can: {reason}",
                database=self._database.shown,
                known=len(self._by_id),
                reason=reason,
            )
        if news:
            self._patience = 1.0
        self._away = reason
        self._lookups.fail(ServiceUnavailable("Apps cannot be looked up now, try again later"))
        self._schedule(min(self._patience, self._ttl))
        self._patience = min(2 * self._patience, PATIENCE)
        self._reloaded(False)

    def _take(self, rows: list[Row], *, asked: bool) -> None:
        if self._pool is None:
            return
        was_ok = self.health().ok
        apps, problems = merge(rows, self._by_id, self._check)
        different = self.replace(apps)
        self._log_problems(problems, asked=asked)
        self._away, self._problems = "", problems
        if different or not was_ok or asked:
            _log.info(
                "{database} was read: {count} apps, {different} of them new or different, {gone} gone",
                database=self._database.shown,
                count=len(apps),
                different=sum(app is not None for _, app in different),
                gone=sum(app is None for _, app in different),
            )
        self._schedule(self._ttl)
        for app_id, app in different:
            self._changed(app_id, app)
        if different or not was_ok or asked or problems:
            self._reloaded(not problems)

    def _log_problems(self, problems: dict[str, str], *, asked: bool) -> None:
        for app_id, problem in problems.items():
            if asked or self._problems.get(app_id) != problem:
                _log.error(
                    "An app has wrong settings, and goes on as it was if it was served before: {problem}",
                    problem=problem,
                )

    def _schedule(self, seconds: float) -> None:
        if self._call is not None:
            self._call.cancel()
        self._call = self._clock.callLater(seconds, self._later)

    def _later(self) -> None:
        self._call = None
        self._read_again()


def _questions(rows: Iterable[tuple[str, str]]) -> set[Question]:
    """Give the questions that rows of id and key answer."""
    return {
        question
        for app_id, key in rows
        for question in (Question("id", app_id), Question("key", key))
    }
