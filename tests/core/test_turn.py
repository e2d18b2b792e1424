"""What is done at the end of a reactor turn."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.doubles import turn
from txpusher.core.turn import Turn


@pytest.fixture
def clock():
    return Clock()


def test_all_is_done_at_the_end_in_order_by_one_call(clock):
    """However much is asked for, the reactor is asked once."""
    done, now = [], Turn(clock)
    for name in "abc":
        now.at_end(lambda name=name: done.append(name))
    assert (done, len(clock.getDelayedCalls())) == ([], 1)
    turn(clock)
    assert done == ["a", "b", "c"]
    assert not clock.getDelayedCalls()


def test_what_is_asked_for_at_the_end_is_for_the_next_turn(clock):
    """Nothing keeps a turn from ending."""
    done, now = [], Turn(clock)

    def again():
        done.append(len(done))
        now.at_end(again)

    now.at_end(again)
    for turns in (1, 2, 3):
        turn(clock)
        assert done == list(range(turns))


def test_a_bug_does_not_cost_the_others_their_end(clock):
    """One call that fails is logged, and the next ones are made."""
    done, now = [], Turn(clock)
    now.at_end(lambda: 1 / 0)
    now.at_end(lambda: done.append(1))
    with capturedLogs() as logs:
        turn(clock)
    assert done == [1]
    assert [log["log_failure"].type for log in logs] == [ZeroDivisionError]
