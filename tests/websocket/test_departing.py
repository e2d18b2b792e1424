"""Clients that have gone are ended in turns, however many go at once."""

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure

from tests.doubles import turn
from txpusher.websocket.departing import SLICE, Departing

GONE = Failure(ConnectionDone())


class Transport:
    """Notes that it has ended, in a list that it shares with others."""

    def __init__(self, ended):
        self.ended = ended

    def connectionLost(self, reason):
        assert reason is GONE
        self.ended.append(self)


class Broken:
    def connectionLost(self, reason):
        raise ValueError


def leave(count):
    """Let so many go at once."""
    clock, ended = Clock(), []
    departing = Departing(clock)
    transports = [Transport(ended) for _ in range(count)]
    for transport in transports:
        departing.end(transport, GONE)
    return clock, departing, transports, ended


def test_one_who_goes_ends_in_the_next_turn():
    """Not at once, as nobody knows how many follow, but without delay; and then there is nothing left to do."""
    clock, _, transports, ended = leave(1)
    assert ended == []
    clock.advance(0)
    assert ended == transports
    assert clock.getDelayedCalls() == []


def test_many_take_turns():
    """A slice ends in each turn, in the order in which they went, those who go meanwhile after the others."""
    clock, departing, transports, ended = leave(SLICE + 1)
    turn(clock)
    assert ended == transports[:SLICE]
    late = Transport(ended)
    departing.end(late, GONE)
    turn(clock)
    assert ended == [*transports, late]
    assert clock.getDelayedCalls() == []


def test_a_bug_is_no_other_transports_matter():
    """What goes wrong with one is logged, and the others end all the same."""
    clock, departing, transports, ended = leave(1)
    departing.end(Broken(), GONE)
    departing.end(transports[0], GONE)
    with capturedLogs() as logs:
        clock.advance(0)
    assert ended == transports * 2
    assert [log["log_level"] for log in logs] == [LogLevel.critical]


def test_all_end_when_the_server_stops():
    """Nobody waits for a turn then, and nothing is left to be called."""
    clock, departing, transports, ended = leave(2 * SLICE)
    departing.end_all()
    assert ended == transports
    assert clock.getDelayedCalls() == []
    departing.end_all()
    assert ended == transports
