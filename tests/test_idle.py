"""Connections that do nothing are ended, all by one sweep a second."""

from twisted.internet.task import Clock

from txpusher.idle import Closing, IdleSweep


class Idler:
    """Remembers when its time was over."""

    def __init__(self, clock):
        self.clock = clock
        self.ended = None

    def timed_out(self):
        assert self.ended is None
        self.ended = self.clock.seconds()


def swept(timeout=10):
    clock = Clock()
    sweep = IdleSweep(clock, timeout)
    sweep.start()
    return clock, sweep


def test_who_does_nothing_is_ended():
    """After the time-out, and not before, somebody who was not touched is told once that the time is over."""
    clock, sweep = swept()
    idler = Idler(clock)
    sweep.touch(idler)
    clock.pump([1] * 9)
    assert idler.ended is None
    clock.pump([1] * 20)
    assert idler.ended == 10


def test_who_does_something_has_the_whole_time_again():
    """Each touch begins the time anew."""
    clock, sweep = swept()
    idler = Idler(clock)
    for _ in range(5):
        sweep.touch(idler)
        clock.pump([1] * 9)
    assert idler.ended is None
    clock.pump([1] * 2)
    assert idler.ended == 46


def test_who_is_gone_is_left_alone():
    """Somebody who was forgotten is not ended, and may be forgotten again."""
    clock, sweep = swept()
    idler = Idler(clock)
    sweep.touch(idler)
    sweep.forget(idler)
    sweep.forget(idler)
    clock.pump([1] * 30)
    assert idler.ended is None


def test_everybody_has_a_time_of_their_own():
    """Those who came later, or did something meanwhile, are ended later."""
    clock, sweep = swept()
    first, second, third = (Idler(clock) for _ in range(3))
    sweep.touch(first)
    clock.pump([1] * 3)
    sweep.touch(second)
    sweep.touch(third)
    clock.pump([1] * 3)
    sweep.touch(first)
    clock.pump([1] * 30)
    assert (first.ended, second.ended, third.ended) == (16, 13, 13)


def test_one_who_is_ended_may_take_others_along():
    """Whoever is ended may forget others, and come back."""
    clock, sweep = swept()
    other = Idler(clock)

    class Leader(Idler):
        def timed_out(self):
            super().timed_out()
            sweep.forget(other)
            sweep.touch(last)

    last = Idler(clock)
    sweep.touch(Leader(clock))
    sweep.touch(other)
    clock.pump([1] * 15)
    assert (other.ended, last.ended) == (None, None)
    clock.pump([1] * 6)
    assert last.ended == 20


def test_many_are_ended_by_one_call():
    """However many there are, one call a second looks after them."""
    clock, sweep = swept()
    idlers = [Idler(clock) for _ in range(1000)]
    for idler in idlers:
        sweep.touch(idler)
    assert len(clock.getDelayedCalls()) == 1
    clock.pump([1] * 10)
    assert {idler.ended for idler in idlers} == {10}
    assert len(clock.getDelayedCalls()) == 1


def test_nobody_is_ended_after_the_stop():
    """Stopped, it ends nobody and leaves no call behind; it may be stopped again, or before it was started."""
    clock, sweep = swept()
    idler = Idler(clock)
    sweep.touch(idler)
    sweep.stop()
    sweep.stop()
    assert clock.getDelayedCalls() == []
    clock.pump([1] * 30)
    assert idler.ended is None
    IdleSweep(clock, 1).stop()


def test_it_can_be_started_again():
    """After a stop and another start it goes on."""
    clock, sweep = swept()
    idler = Idler(clock)
    sweep.touch(idler)
    sweep.stop()
    clock.advance(5)
    sweep.start()
    clock.pump([1] * 5)
    assert idler.ended == 10


class Line:
    """A connection to be closed."""

    def __init__(self, connected):
        self.connected = connected
        self.calls = []

    def loseConnection(self):
        self.calls.append("lose")

    def abortConnection(self):
        self.calls.append("abort")


def test_closing():
    """A connection is closed politely, and for good when it is still there after its time."""
    clock = Clock()
    closing = Closing(clock, 5)
    closing.start()
    polite, stubborn = Line(connected=False), Line(connected=True)
    for line in (polite, stubborn):
        closing.close(line)
        assert line.calls == ["lose"]
    clock.pump([1] * 7)
    assert polite.calls == ["lose"]
    assert stubborn.calls == ["lose", "abort"]
