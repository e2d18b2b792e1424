"""Waiting for what happens once."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.doubles import now
from txpusher.workers.waiting import Moment, within


def test_a_moment():
    """Who waits is called once, when it happens; who comes later is called at once."""
    moment, calls = Moment(), []
    moment.then(lambda: calls.append("early"))
    assert (calls, moment.come) == ([], False)
    moment.happen()
    moment.happen()
    moment.then(lambda: calls.append("late"))
    assert (calls, moment.come) == (["early", "late"], True)


def wait(clock, *moments):
    results = []
    Deferred.fromCoroutine(within(5, clock, *moments)).addCallback(results.append)
    return results


def test_the_first_of_several():
    """One of them is enough, and then the clock is not needed any more."""
    clock, one, other = Clock(), Moment(), Moment()
    results = wait(clock, one, other)
    clock.advance(4.9)
    assert results == []
    other.happen()
    assert results == [True]
    assert clock.getDelayedCalls() == []
    one.happen()


def test_too_late():
    """After the time the answer is no, whatever comes then."""
    clock, moment = Clock(), Moment()
    results = wait(clock, moment)
    clock.advance(5)
    moment.happen()
    assert results == [False]


def test_it_has_come_already():
    """Nobody waits for what has come."""
    clock, moment = Clock(), Moment()
    moment.happen()
    assert now(within(5, clock, Moment(), moment)) is True
    assert clock.getDelayedCalls() == []
