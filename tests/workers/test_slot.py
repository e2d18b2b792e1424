"""One place for a worker."""

import errno
from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from tests.worker_doubles import FakeWorker
from txpusher.workers.slot import READY_WITHIN, Reports, Slot

PATIENCE = 20


@pytest.fixture
def place():
    """Make a slot, and remember what it starts and reports."""

    def launch(number):
        if problems:
            raise problems.pop()
        started.append(FakeWorker(number))
        return started[-1]

    clock, started, told, problems = Clock(), [], [], []
    reports = Reports(
        lambda: told.append("changed"),
        told.append,
        lambda number, reason: told.append((number, reason)),
    )
    slot = Slot(1, launch, clock, PATIENCE, reports)
    return SimpleNamespace(slot=slot, clock=clock, started=started, told=told, problems=problems)


@pytest.fixture
def serving(place):
    """Make a slot whose worker serves."""
    place.slot.start()
    place.started[0].serve()
    place.told.clear()
    return place


def begin(coroutine):
    """Start something, and give a list of its result."""
    results = []
    Deferred.fromCoroutine(coroutine).addCallback(results.append)
    return results


def test_start(place):
    """A worker is started, and counts when it says that it serves."""
    place.slot.start()
    assert place.slot.worker is place.started[0]
    assert not place.slot.serves
    place.started[0].serve()
    assert place.slot.serves
    assert place.told == ["changed"]


# Workers that die


def test_a_worker_that_dies(serving):
    """Another one takes its place, a second later."""
    with capturedLogs() as logs:
        serving.started[0].end(signal=9)
    assert [formatEvent(event) for event in logs] == [
        "Worker 1 ended (killed by signal 9); another one is started in 1.0 s"
    ]
    assert serving.told == [serving.started[0], (1, "died"), "changed"]
    assert (serving.slot.serves, serving.slot.processes) == (False, [])
    serving.clock.advance(1)
    assert serving.slot.worker is serving.started[1]


def test_workers_that_die_at_once(place):
    """Each is waited for longer than the one before."""
    place.slot.start()
    for wait in (1, 2, 4):
        place.started[-1].end(status=1)
        before = len(place.started)
        place.clock.advance(wait - 0.1)
        assert len(place.started) == before
        place.clock.advance(0.1)
        assert len(place.started) == before + 1


def test_a_machine_that_cannot_start_it(place):
    """A worker for which there is no process, descriptor or memory now is tried again, with growing pauses."""
    place.problems += [OSError(errno.EMFILE, "Too many open files") for _ in range(2)]
    with capturedLogs() as logs:
        place.slot.start()
        place.clock.advance(1)
    assert [formatEvent(log) for log in logs] == [
        f"Worker 1 cannot be started: Too many open files; another one is started in {wait} s"
        for wait in (1.0, 2.0)
    ]
    assert not place.slot.serves
    place.clock.advance(2)
    place.started[0].serve()
    assert place.slot.serves
    assert (1, "died") not in place.told


def test_stopping_one_that_could_not_be_started(place):
    """Nothing is tried again after the stop."""
    place.problems.append(BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"))
    with capturedLogs():
        place.slot.start()
    begin(place.slot.stop())
    assert not place.clock.getDelayedCalls()


def test_a_healthy_minute(place):
    """A worker that served for a minute is replaced soon, whatever was before."""
    place.slot.start()
    for wait in (1, 2):
        place.started[-1].end(status=1)
        place.clock.advance(wait)
    place.started[-1].serve()
    place.clock.advance(60)
    place.started[-1].end(status=1)
    place.clock.advance(1)
    assert len(place.started) == 4


# Replacing


def test_replacing(serving):
    """The new one serves before the old one is told to go, and it is over when that has gone."""
    result = begin(serving.slot.replace())
    old, new = serving.started
    assert (serving.slot.worker, old.orders) == (old, [])
    new.serve()
    assert (serving.slot.worker, old.orders, result) == (new, ["stop"], [])
    assert serving.told == ["changed", (1, "replaced")]
    old.end()
    assert result == [True]
    assert serving.slot.processes == [new]
    assert len(serving.started) == 2


def test_an_old_one_that_does_not_go(serving):
    """It is killed when its time is over, and no other process is."""
    result = begin(serving.slot.replace())
    old, new = serving.started
    new.serve()
    serving.clock.advance(PATIENCE)
    assert (old.transport.signals, new.transport.signals) == (["KILL"], [])
    assert result == []
    old.end(signal=9)
    assert result == [True]


@pytest.mark.parametrize("way", ["late", "dead"])
def test_a_new_one_that_does_not_serve(serving, way):
    """The old one stays, and the new one is not left behind."""
    result = begin(serving.slot.replace())
    old, new = serving.started
    if way == "late":
        serving.clock.advance(READY_WITHIN)
        assert new.transport.signals == ["KILL"]
    else:
        new.end(status=1)
    assert result == [False]
    assert serving.slot.worker is old
    assert serving.slot.serves
    assert old.orders == []
    assert (1, "replaced") not in serving.told


def test_a_machine_that_cannot_start_a_new_one(serving):
    """The worker there is stays, and the log says why."""
    serving.problems.append(OSError(errno.ENOMEM, "Cannot allocate memory"))
    with capturedLogs() as logs:
        replacing = Deferred.fromCoroutine(serving.slot.replace())
    assert replacing.result is False
    assert formatEvent(logs[0]) == "A new worker 1 cannot be started: Cannot allocate memory"
    assert serving.slot.serves
    assert serving.started[0].orders == []


def test_replacing_one_that_is_dead(serving):
    """When none is there the new one fills the gap, and the try that was due is not needed."""
    serving.started[0].end(status=1)
    result = begin(serving.slot.replace())
    new = serving.started[1]
    new.serve()
    assert result == [True]
    assert serving.slot.worker is new
    serving.clock.advance(100)
    assert len(serving.started) == 2


def test_an_old_one_that_dies_meanwhile(serving):
    """One that is started in its place is told to go as it would have been."""
    result = begin(serving.slot.replace())
    old, new = serving.started
    old.end(status=1)
    serving.clock.advance(1)
    third = serving.started[2]
    new.serve()
    assert (serving.slot.worker, third.orders) == (new, ["stop"])
    third.serve()
    assert serving.slot.worker is new
    third.end()
    assert result == [True]


# Stopping


def test_stopping(serving):
    """All its processes are told to go, and when they have, it is over."""
    begin(serving.slot.replace())
    stopped = begin(serving.slot.stop())
    old, new = serving.started
    assert [old.orders, new.orders] == [["stop"], ["stop"]]
    new.end()
    assert stopped == []
    old.end()
    assert stopped == [None]
    serving.clock.advance(100)
    assert len(serving.started) == 2


def test_stopping_one_that_does_not_go(serving):
    """It is killed, and even one that survives that is not waited for for ever."""
    stopped = begin(serving.slot.stop())
    serving.clock.advance(PATIENCE)
    assert serving.started[0].transport.signals == ["KILL"]
    serving.clock.advance(PATIENCE)
    assert stopped == [None]


def test_stopping_between_two_workers(serving):
    """No other one is started then."""
    serving.started[0].end(status=1)
    assert begin(serving.slot.stop()) == [None]
    serving.clock.advance(100)
    assert len(serving.started) == 1


def test_replacing_after_the_stop(serving):
    """What stops is not replaced."""
    begin(serving.slot.stop())
    assert begin(serving.slot.replace()) == [False]
    assert len(serving.started) == 1


def test_serving_after_the_stop(serving):
    """A replacement that begins to serve too late replaces nobody."""
    result = begin(serving.slot.replace())
    old, new = serving.started
    begin(serving.slot.stop())
    new.serve()
    assert result == [False]
    assert serving.slot.worker is old
