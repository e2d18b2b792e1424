"""One thread, one connection, one question at a time, and an end to each of them.

The threads are stand-ins, adbapi is the real one, and the driver is one that breaks as it is told.
"""

import sys
from types import ModuleType

import pytest
from twisted.internet.defer import CancelledError, Deferred, TimeoutError  # noqa: A004 - Twisted's
from twisted.logger import capturedLogs
from twisted.python import threadpool

from tests.store_doubles import ThreadReactor, Threads
from txpusher.sql.database import Database
from txpusher.sql.pool import ThreadPool, _DaemonThread


class Connection:
    """A connection that may be lost: everything fails then."""

    def __init__(self):
        self.lost = self.closed = False
        self.commits = 0

    def commit(self):
        self.check()
        self.commits += 1

    def close(self):
        self.closed = True
        self.check()

    def check(self):
        if self.lost:
            raise ConnectionError("lost")


class Driver(ModuleType):
    """A DB-API module.

    Attributes:
        connections: all there were.
        down: whether nobody can connect.
    """

    apilevel, threadsafety = "2.0", 1

    def __init__(self):
        super().__init__("breaking_driver")
        self.connections = []
        self.down = False

    def connect(self, **arguments):
        assert arguments == {"host": "h"}
        if self.down:
            raise ConnectionError("refused")
        self.connections.append(Connection())
        return self.connections[-1]


@pytest.fixture
def driver(monkeypatch):
    made = Driver()
    monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.setattr(threadpool, "ThreadPool", Threads)
    return made


@pytest.fixture
def cut():
    """Give the list of the connections that were cut."""
    return []


@pytest.fixture
def reactor():
    return ThreadReactor()


@pytest.fixture
def pool(driver, reactor, cut):
    return make(reactor, cut)


def make(reactor, cut, **more):
    database = Database("breaking_driver", {"host": "h"}, "apps", "db://h", cut=cut.append, **more)
    made = ThreadPool(database, reactor)
    made.threads = made._connections.threadpool
    return made


def ask(pool, question=lambda connection: connection.check()):
    """Give the outcome, which is empty while there is none."""
    outcome = []
    pool.run(question).addBoth(outcome.append)
    return outcome


def ask_and_hang(pool, question):
    """Give the outcome of a question that the thread begins with when somebody waits already."""
    pool.threads.hang = True
    outcome = ask(pool, question)
    pool.threads.go_on()
    return outcome


def stop(pool):
    return Deferred.fromCoroutine(pool.stop())


def test_an_answer(pool, driver, reactor):
    """Questions are asked on one connection, and their answers given."""
    assert ask(pool, lambda connection: connection.commits) == [0]
    assert ask(pool, lambda connection: connection.commits) == [1]
    assert len(driver.connections) == 1
    assert reactor.getDelayedCalls() == []


def test_a_connection_that_is_not_kept(driver, reactor, cut):
    """Where a file may have been replaced each question has a connection of its own, and old ones are closed."""
    pool = make(reactor, cut, kept=False)
    for _ in range(2):
        assert ask(pool, lambda connection: connection.commits) == [0]
    assert [connection.closed for connection in driver.connections] == [True, False]


@pytest.mark.parametrize("kept", [True, False])
def test_nobody_answers_the_door(driver, reactor, cut, kept):
    """A database that cannot be connected to is an error, and nothing that adbapi would log."""
    pool = make(reactor, cut, kept=kept)
    driver.down = True
    with capturedLogs() as logs:
        (failure,) = ask(pool)
    assert failure.check(ConnectionError)
    driver.down = False
    assert ask(pool) == [None]
    assert logs == []


def test_a_restart_of_the_database(pool, driver):
    """A connection that was lost meanwhile is replaced, and the question asked again."""
    ask(pool)
    driver.connections[0].lost = True
    with capturedLogs() as logs:
        assert ask(pool) == [None]
    assert len(driver.connections) == 2
    assert driver.connections[0].closed
    assert logs == []


def test_the_database_went_away(pool, driver):
    """When it cannot be replaced, that is the error, also the next time; then all is well again."""
    ask(pool)
    driver.connections[0].lost, driver.down = True, True
    with capturedLogs() as logs:
        for _ in range(2):
            (failure,) = ask(pool)
            assert failure.getErrorMessage() == "refused"
    assert logs == []
    driver.down = False
    assert ask(pool) == [None]


def test_a_question_that_fails(pool, driver):
    """A question that fails on a new connection is not asked again, and its connection is not used again."""
    asked = []

    def fail(connection):
        asked.append(connection)
        raise ZeroDivisionError

    with capturedLogs() as logs:
        (failure,) = ask(pool, fail)
    assert failure.check(ZeroDivisionError)
    assert len(asked) == 1
    assert driver.connections[0].closed
    assert logs == []
    assert ask(pool) == [None]
    assert len(driver.connections) == 2


def test_a_question_that_hangs(pool, reactor):
    """Nobody waits for an answer longer than five seconds, and what comes later is not heard."""
    pool.threads.hang = True
    outcome = ask(pool)
    reactor.advance(4.9)
    assert outcome == []
    reactor.advance(0.1)
    assert outcome[0].check(TimeoutError)
    assert outcome[0].getErrorMessage() == "no answer within 5 seconds"
    assert ask(pool)[0].getErrorMessage() == "the last question is not answered yet"
    pool.threads.go_on()
    assert ask(pool) == [None]


def test_a_connection_that_hangs(pool, driver, reactor, cut):
    """A connection whose answer does not come is cut, which ends the question; it is not asked again then."""
    ask(pool)
    asked = []

    def hang(connection):
        asked.append(connection)
        reactor.advance(5)  # the reactor goes on meanwhile
        assert cut == driver.connections
        driver.connections[0].lost = True
        connection.check()

    (failure,) = ask_and_hang(pool, hang)
    assert failure.check(TimeoutError)
    assert len(asked) == 1
    assert ask(pool) == [None]


def test_a_connection_that_cannot_be_cut(pool, reactor):
    """Cutting is a try: the connection may be closed at that moment."""
    pool._database = pool._database._replace(cut=Connection.check)

    def hang(connection):
        connection._connection.lost = True
        reactor.advance(5)

    (failure,) = ask_and_hang(pool, hang)
    assert failure.check(TimeoutError)


def test_stop(pool, driver, reactor):
    """A stop closes the connection and ends the thread, at once when nothing is being asked."""
    ask(pool)
    assert len(reactor.triggers) == 1
    assert stop(pool).called
    assert driver.connections[0].closed
    assert pool.threads.stopped
    assert reactor.triggers == {}
    assert reactor.getDelayedCalls() == []


def test_stop_while_a_question_hangs(pool, reactor):
    """A stop answers who waits, and waits itself for the end of the question."""
    pool.threads.hang = True
    outcome, stopping = ask(pool), stop(pool)
    assert outcome[0].check(CancelledError)
    assert not stopping.called
    pool.threads.go_on()
    assert stopping.called
    assert pool.threads.stopped
    assert reactor.getDelayedCalls() == []


@pytest.mark.parametrize("running", [True, False])
def test_stop_without_an_end(driver, cut, running):
    """A thread that does not come back is left behind after two seconds, and the end of the process is not held up."""
    reactor = ThreadReactor(running=running)
    pool = make(reactor, cut)
    pool.threads.hang = True
    ask(pool)
    stopping = stop(pool)
    with capturedLogs() as logs:
        reactor.advance(2)
    assert stopping.called
    assert reactor.triggers == {}
    (log,) = logs
    assert log["log_format"].format(**log) == "db://h does not answer and is left behind"
    pool.threads.go_on()


def test_stop_of_a_connection_that_is_lost(pool, driver):
    """What cannot be closed in order is closed all the same, without a word."""
    ask(pool)
    driver.connections[0].lost = True
    with capturedLogs() as logs:
        assert stop(pool).called
    assert logs == []


def test_the_thread_ends_with_the_process(pool):
    """The thread is one that nobody has to wait for."""
    assert pool.threads.threadFactory is _DaemonThread
    assert _DaemonThread(name="any").daemon
