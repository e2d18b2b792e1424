"""Waiting that can be cut short."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.doubles import turn
from txpusher.webhooks.naps import Nap


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def nap(clock):
    return Nap(clock)


def sleep(nap, seconds):
    return Deferred.fromCoroutine(nap.sleep(seconds))


def test_the_whole_time(clock, nap):
    """Without being woken, a sleeper waits as long as it wanted to."""
    asleep = sleep(nap, 5)
    clock.advance(4.9)
    assert not asleep.called
    clock.advance(0.1)
    assert asleep.called


def test_no_time_is_the_next_turn(clock, nap):
    """Somebody who does not want to wait waits until this turn is over, woken or not."""
    asleep = sleep(nap, 0)
    nap.wake()
    assert not asleep.called
    turn(clock)
    assert asleep.called


def test_woken(clock, nap):
    """A sleeper who is woken, however often, goes on in the next turn; nothing is left on the clock."""
    asleep = sleep(nap, 5)
    nap.wake()
    nap.wake()
    assert not asleep.called
    turn(clock)
    assert asleep.called
    assert clock.getDelayedCalls() == []


def test_nobody_sleeps(clock, nap):
    """Waking nobody changes nothing, before a sleep and after one."""
    nap.wake()
    asleep = sleep(nap, 1)
    clock.advance(1)
    nap.wake()
    assert asleep.called
    assert clock.getDelayedCalls() == []


def test_again(clock, nap):
    """One nap can follow another."""
    first = sleep(nap, 1)
    nap.wake()
    turn(clock)
    second = sleep(nap, 1)
    assert first.called
    assert not second.called
    clock.advance(1)
    assert second.called
