"""Waiting that can be cut short."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.doubles import turn
from txpusher.webhooks.pausing import Pause


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pause(clock):
    return Pause(clock)


def wait(pause, seconds):
    return Deferred.fromCoroutine(pause.wait(seconds))


def test_the_whole_time(clock, pause):
    """A pause takes the time that was asked for."""
    over = wait(pause, 5)
    clock.advance(4.9)
    assert not over.called
    clock.advance(0.1)
    assert over.called


def test_no_time_is_the_next_turn(clock, pause):
    """Without any time, a pause lasts until this turn is over, cut short or not."""
    over = wait(pause, 0)
    pause.cut_short()
    assert not over.called
    turn(clock)
    assert over.called


def test_cut_short(clock, pause):
    """A pause that is cut short, however often, is over in the next turn; nothing is left on the clock."""
    over = wait(pause, 5)
    pause.cut_short()
    pause.cut_short()
    assert not over.called
    turn(clock)
    assert over.called
    assert clock.getDelayedCalls() == []


def test_nobody_waits(clock, pause):
    """Without anybody who waits there is nothing to cut short, before a pause and after one."""
    pause.cut_short()
    over = wait(pause, 1)
    clock.advance(1)
    pause.cut_short()
    assert over.called
    assert clock.getDelayedCalls() == []


def test_again(clock, pause):
    """One pause can follow another."""
    first = wait(pause, 1)
    pause.cut_short()
    turn(clock)
    second = wait(pause, 1)
    assert first.called
    assert not second.called
    clock.advance(1)
    assert second.called
