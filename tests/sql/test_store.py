"""The app store of a table: what is served from memory, what is asked, and what happens while the database is away."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from tests.contracts.app_store import NEWS, SHOP, answer
from tests.doubles import now
from tests.store_doubles import Heard, InstantPool
from txpusher.apps.sqlite import database
from txpusher.errors import ServiceUnavailable
from txpusher.model import App, Limits
from txpusher.sql.address import parse
from txpusher.sql.store import SqlApps

ONE, TWO = App("1", "one", "s1"), App("2", "two", "s2")
DOWN = ConnectionError("connection refused\n for p4ss")


class Stored:
    """A store, the table behind it, and all that it tells.

    Attributes:
        pool: the way to the database.
        logs: the levels and texts of what was logged.
    """

    def __init__(self, path, *apps, refuse=None, ttl=60):
        self.path = path
        self.logs = []
        self.execute("CREATE TABLE apps (id TEXT, key TEXT, secret TEXT, enabled, max_event_size)")
        for app in apps:
            self.insert(app)
        self.clock, self.heard = Clock(), Heard(refuse)
        where = database(parse(f"sqlite://{path}"))._replace(password="p4ss")
        self.store = SqlApps(where, ttl, Limits(), self.clock, self._pool)

    def _pool(self, database, reactor):
        assert reactor is self.clock
        self.pool = InstantPool(database, reactor)
        return self.pool

    def execute(self, statement, *values):
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, values)

    def insert(self, app):
        columns = "INSERT INTO apps (id, key, secret, enabled) VALUES (?, ?, ?, ?)"
        self.execute(columns, app.id, app.key, app.secret, app.enabled)

    def start(self):
        self.logged(lambda: now(self.heard.listen_to(self.store)))
        self.heard.changes.clear()
        self.heard.reloads.clear()
        self.logs.clear()
        return self

    def logged(self, do):
        with capturedLogs() as logs:
            result = do()
        self.logs += [(log["log_level"], log["log_format"].format(**log)) for log in logs]
        return result

    def advance(self, seconds):
        self.logged(lambda: self.clock.advance(seconds))

    def ask(self, key):
        """Give the outcome of looking a key up, which is empty while it waits."""
        outcome = []
        self.logged(lambda: Deferred.fromCoroutine(self.store.by_key(key)).addBoth(outcome.append))
        return outcome

    def apps(self):
        return list(answer(self.store.all()))


@pytest.fixture
def make(tmp_path):
    """Make and start a store; it is stopped in the end."""
    made = []

    def make(*apps, **how):
        made.append(Stored(tmp_path / "apps.db", *apps, **how))
        return made[-1]

    yield make
    for stored in made:
        now(stored.store.stop())


@pytest.fixture
def stored(make):
    return make(ONE, TWO).start()


def refused(outcome):
    return outcome[0].check(ServiceUnavailable) is not None


# From memory


def test_before_the_start(make):
    """A store that was not started knows nothing, says so, and can be stopped."""
    stored = make(ONE)
    assert stored.apps() == []
    assert refused(stored.ask("one"))
    assert stored.store.health() == (False, "not read yet")
    now(stored.store.stop())
    now(stored.store.reload())


def test_start(make):
    """All apps are read at the start, and told."""
    stored = make(ONE, TWO)
    stored.logged(lambda: now(stored.heard.listen_to(stored.store)))
    assert stored.heard.changes == [("1", ONE), ("2", TWO)]
    assert stored.heard.reloads == [True]
    assert stored.store.health() == (True, "")
    ((level, text),) = stored.logs
    assert level is LogLevel.info
    assert text.endswith("(table apps) was read: 2 apps, 2 of them new or different, 0 gone")


def test_known_apps_cost_no_question(stored):
    """Known apps are answered at once, without asking anybody."""
    asked = stored.pool.asked
    assert answer(stored.store.by_key("one")) is answer(stored.store.by_id("1"))
    assert stored.pool.asked == asked


def test_nothing_changes(stored):
    """A table that does not change is read every minute, and causes nothing."""
    for _ in range(5):
        stored.advance(60)
    assert stored.pool.asked == 6
    assert (stored.heard.changes, stored.heard.reloads, stored.logs) == ([], [], [])


def test_changes(stored):
    """What changed is served after the time to live, and told: what is gone first."""
    stored.execute("DELETE FROM apps WHERE id = 1")
    stored.execute("UPDATE apps SET enabled = 0 WHERE id = 2")
    stored.insert(NEWS)
    stored.advance(59.9)
    assert stored.apps() == [ONE, TWO]
    stored.advance(0.1)
    off = replace(TWO, enabled=False)
    new = App("news", "2", "news-secret", enabled=False)
    assert stored.apps() == [off, new]
    assert stored.heard.changes == [("1", None), ("2", off), ("news", new)]
    assert stored.heard.reloads == [True]
    assert [level for level, _ in stored.logs] == [LogLevel.info]


def test_a_time_to_live(make):
    """How often the table is read is up to the operator."""
    stored = make(ONE, ttl=5).start()
    stored.advance(5)
    assert stored.pool.asked == 2


# Apps that are not known


def test_a_new_app(stored):
    """An app that is new is there when somebody asks for it, and told."""
    stored.insert(SHOP)
    assert answer(stored.store.by_id("1")) == ONE
    stored.execute("UPDATE apps SET id = 3 WHERE key = ?", SHOP.key)
    new = replace(SHOP, id="3")
    assert answer(stored.store.by_key(SHOP.key)) == new
    assert stored.heard.changes == [("3", new)]
    assert stored.heard.reloads == [True]
    assert answer(stored.store.by_id("3")) == new


def test_an_unknown_app(stored):
    """What is nobody's key is asked for once in a few seconds; neither is a key in other letters."""
    for key in ("nobody", "nobody", "ONE", "1"):
        assert answer(stored.store.by_key(key)) is None
    assert stored.pool.asked == 4
    stored.insert(replace(SHOP, id="3", key="nobody"))
    assert answer(stored.store.by_key("nobody")) is None
    stored.advance(5)
    assert answer(stored.store.by_key("nobody")).id == "3"


def test_questions_are_asked_together(stored):
    """While one question is on its way the others wait, and go together then; equal ones are one."""
    stored.pool.held = []
    outcomes = [stored.ask(key) for key in ("a", "b", "a", "c", "b")]
    assert len(stored.pool.held) == 1
    asked = stored.pool.asked
    stored.pool.release()
    assert outcomes == [[None]] * 5
    assert stored.pool.asked == asked + 2


def test_no_answer_overtakes_another(stored):
    """The table is not read while a question is on its way: an app that was just found cannot vanish again."""
    stored.pool.held = []
    stored.insert(replace(SHOP, id="3"))
    outcome = stored.ask(SHOP.key)
    stored.advance(60)
    assert len(stored.pool.held) == 1
    stored.pool.release()
    assert outcome == [replace(SHOP, id="3")]
    assert stored.heard.changes == [("3", replace(SHOP, id="3"))]


@pytest.mark.parametrize(("more", "asked"), [([], 1), (["nobody"], 2)])
def test_questions_before_the_table_was_read(make, more, asked):
    """Who comes before the first answer waits for it, and most need no other one."""
    stored = make(ONE)
    make_pool = stored.store._make_pool

    def held():
        pool = make_pool()
        pool.held = []
        return pool

    stored.store._make_pool = held
    now(stored.heard.listen_to(stored.store))
    outcomes = [stored.ask(key) for key in ["one", "one", *more]]
    assert outcomes == [[]] * len(outcomes)
    stored.logged(stored.pool.release)
    assert outcomes == [[ONE], [ONE], *[[None]] * len(more)]
    assert stored.pool.asked == asked


# Rows that are wrong


def test_a_bad_row(stored):
    """A row that is wrong harms no other; its app goes on, and it is logged once, until it is mended."""
    stored.execute("UPDATE apps SET enabled = 0")
    stored.execute("UPDATE apps SET max_event_size = 'huge' WHERE id = 1")
    for _ in range(3):
        stored.advance(60)
    assert stored.apps() == [replace(TWO, enabled=False), ONE]
    problem = "apps: app '1': max_event_size: expected a whole number, 1 or more, not 'huge'"
    errors = [text for level, text in stored.logs if level is LogLevel.error]
    assert errors == [
        f"An app has wrong settings, and goes on as it was if it was served before: {problem}"
    ]
    assert stored.store.health() == (False, problem)
    assert stored.heard.reloads == [False, False, False]
    stored.execute("UPDATE apps SET max_event_size = NULL")
    stored.advance(60)
    assert stored.store.health().ok
    assert stored.heard.reloads[3:] == [True]
    assert stored.apps() == [replace(ONE, enabled=False), replace(TWO, enabled=False)]


def test_a_bad_row_that_never_was_good(stored):
    """An app that exists and cannot be read is not one that does not exist: its clients may come back."""
    stored.execute("INSERT INTO apps (id, key) VALUES (3, 'three')")
    assert refused(stored.ask("three"))
    reads = stored.pool.asked
    for _ in range(3):
        assert refused(stored.ask("three"))
        stored.advance(5)
    # Every five seconds it costs a small statement, and the table is not read for it.
    assert stored.pool.asked == reads + 2
    assert "apps: app '3': secret: is missing" in stored.logs[0][1]
    stored.execute("UPDATE apps SET secret = 's3' WHERE id = 3")
    stored.advance(60)
    assert stored.ask("three") == [App("3", "three", "s3")]


def test_a_bad_row_and_somebody_else(stored):
    """Who asks for something else while a bad row is found gets an answer of his own."""
    stored.execute("INSERT INTO apps (id, key) VALUES (3, 'three')")
    stored.pool.held = []
    bad, late = stored.ask("three"), stored.ask("nobody")
    stored.logged(stored.pool.release)
    assert refused(bad)
    assert late == [None]


def test_an_app_that_may_not_be_served(make):
    """An app that the server refuses is a bad row."""
    stored = make(ONE, refuse="s2").start()
    stored.insert(TWO)
    assert refused(stored.ask("two"))
    assert stored.store.health() == (False, "app '2': listen: not these")
    assert stored.apps() == [ONE]


# A database that is away


def test_away_and_back(stored):
    """Known apps go on for as long as it takes, others are refused; going and coming back are logged once."""
    stored.pool.error = DOWN
    stored.advance(60)
    for seconds in (1, 2, 4, 5, 5):
        asked = stored.pool.asked
        assert answer(stored.store.by_key("one")) == ONE
        assert refused(stored.ask("nobody"))
        assert stored.pool.asked == asked
        stored.advance(seconds - 0.1)
        assert stored.pool.asked == asked
        stored.advance(0.1)
        assert stored.pool.asked == asked + 1
    assert stored.store.health() == (False, "connection refused for ***")
    assert stored.heard.reloads == [False] * 6
    ((level, text),) = stored.logs
    assert level is LogLevel.error
    assert (
        "2 known ones go on, others are refused until they can: connection refused for ***" in text
    )

    stored.pool.error = None
    stored.insert(SHOP)
    stored.execute("UPDATE apps SET id = 3 WHERE key = ?", SHOP.key)
    stored.advance(5)
    assert stored.store.health() == (True, "")
    assert stored.heard.reloads[6:] == [True]
    assert stored.heard.changes == [("3", replace(SHOP, id="3"))]
    assert [level for level, _ in stored.logs] == [LogLevel.error, LogLevel.info]
    stored.advance(59.9)
    assert stored.heard.reloads[7:] == []


def test_away_at_the_start(make):
    """A server whose database is away starts, and has its apps when it is there."""
    stored = make(ONE)
    stored.path.rename(stored.path.with_suffix(".away"))
    stored.logged(lambda: now(stored.heard.listen_to(stored.store)))
    assert refused(stored.ask("one"))
    assert stored.apps() == []
    stored.path.with_suffix(".away").rename(stored.path)
    stored.advance(1)
    assert stored.ask("one") == [ONE]
    assert stored.heard.reloads == [False, True]


def test_away_when_somebody_asks(stored):
    """Who asks when the database goes away is refused with all others who wait, and it is tried again soon."""
    stored.pool.held = []
    outcomes = [stored.ask("a"), stored.ask("b")]
    stored.pool.error = DOWN
    stored.logged(stored.pool.release)
    assert all(map(refused, outcomes))
    assert not stored.store.health().ok
    stored.pool.error = None
    stored.advance(1)
    assert stored.store.health().ok
    assert stored.ask("a") == [None]


def test_away_after_an_app_was_found(stored):
    """When a new app is there and then the database is away, nobody knows."""
    stored.insert(replace(SHOP, id="3"))
    stored.pool.held = []
    outcome = stored.ask(SHOP.key)
    ask, stored.pool._ask = stored.pool._ask, None

    def once(question):
        stored.pool.error = DOWN if stored.pool.asked else None
        return ask(question)

    stored.pool.asked, stored.pool._ask = 0, once
    stored.logged(stored.pool.release)
    assert refused(outcome)
    assert not stored.store.health().ok


def test_often(make):
    """A table that is read every second is tried as often while it is away."""
    stored = make(ONE, ttl=1).start()
    stored.pool.error = DOWN
    for _ in range(4):
        stored.advance(1)
    assert stored.heard.reloads == [False] * 4


# Reloading and stopping


def test_reload(stored):
    """A reload reads at once, and says so also when nothing changed."""
    stored.logged(lambda: now(stored.store.reload()))
    assert stored.heard.reloads == [True]
    assert len(stored.logs) == 1
    stored.execute("DELETE FROM apps WHERE id = 1")
    stored.logged(lambda: now(stored.store.reload()))
    assert stored.heard.changes == [("1", None)]
    stored.pool.error = DOWN
    stored.logged(lambda: now(stored.store.reload()))
    assert stored.heard.reloads == [True, True, False]
    assert stored.apps() == [TWO]


def test_reload_while_all_is_not_well(stored):
    """Whoever asks for a reload is told what is wrong, also if it was logged before."""
    for seconds in (60, 1):
        stored.pool.error = DOWN
        stored.advance(seconds)
    stored.logged(lambda: now(stored.store.reload()))
    assert len(stored.logs) == 2
    assert stored.logs[0] == stored.logs[1]
    stored.pool.error = None
    stored.execute("UPDATE apps SET max_event_size = 'huge' WHERE id = 1")
    stored.advance(60)
    stored.logs.clear()
    stored.logged(lambda: now(stored.store.reload()))
    (error,) = (text for level, text in stored.logs if level is LogLevel.error)
    assert "app '1': max_event_size: expected a whole number, 1 or more, not 'huge'" in error


def test_reload_while_a_question_is_on_its_way(stored):
    """A reload waits for its turn, and ends after a reading that began later."""
    stored.pool.held = []
    stored.ask("nobody")
    done = Deferred.fromCoroutine(stored.store.reload())
    assert not done.called
    stored.logged(stored.pool.release)
    assert done.called
    assert stored.heard.reloads == [True]


def test_stop(stored):
    """A stopped store asks no more, and what it knew it still knows."""
    now(stored.store.stop())
    now(stored.store.stop())
    assert stored.pool.stopped
    assert stored.clock.getDelayedCalls() == []
    assert answer(stored.store.by_key("one")) == ONE
    assert refused(stored.ask("nobody"))


@pytest.mark.parametrize("reading", [True, False])
def test_stop_while_somebody_waits(stored, reading):
    """Who waits when the server stops is refused, nothing is logged, and it can be started again."""
    stored.pool.held = []
    if reading:
        stored.clock.advance(60)
    outcome = stored.ask("nobody")
    done = Deferred.fromCoroutine(stored.store.reload())
    now(stored.store.stop())
    assert refused(outcome)
    assert done.called
    assert (stored.logs, stored.heard.reloads) == ([], [])
    assert stored.clock.getDelayedCalls() == []
    stored.start()
    assert stored.ask("nobody") == [None]


def test_an_answer_after_the_stop(stored):
    """What is answered when the store has stopped is not served."""
    stored.pool.held = []
    stored.clock.advance(60)
    stored.execute("DELETE FROM apps")
    (waiting, question), stored.pool.held = stored.pool.held[0], []
    rows = stored.pool._ask(question)
    now(stored.store.stop())
    waiting.callback(rows)
    assert stored.apps() == [ONE, TWO]


def test_a_bug(stored, monkeypatch):
    """A bug of who listens is logged, and ends neither the reading nor the answering."""
    monkeypatch.setattr(stored.store, "_changed", None)
    stored.execute("DELETE FROM apps WHERE id = 1")
    stored.pool.held = []
    stored.clock.advance(60)
    stored.logged(stored.pool.release)
    assert "Bug while reading apps" in [text for _, text in stored.logs]
    assert stored.ask("nobody") == [None]
    assert stored.clock.getDelayedCalls()
