"""A worker process, as its parent sees it."""

import json

import pytest
from prometheus_client.core import CounterMetricFamily
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel, capturedLogs, eventAsJSON, formatEvent
from twisted.python.failure import Failure

from tests.worker_doubles import PIPE, FakeWorker


@pytest.fixture
def worker():
    return FakeWorker(2)


@pytest.fixture
def clock():
    return Clock()


def test_what_it_is_told(worker):
    """Everything is a line on its standard input."""
    worker.stop()
    worker.reload()
    worker.tell_group(ok=False, detail="1 of 2")
    assert worker.transport.said == [
        {"do": "stop"},
        {"do": "reload"},
        {"do": "group", "ok": False, "detail": "1 of 2"},
    ]


def test_nobody_to_tell(worker):
    """What is said to one that has ended is lost, and does no harm."""
    worker.end()
    worker.stop()
    worker.kill()
    assert worker.transport.said == worker.transport.signals == []


def test_killing(worker):
    """One that does not listen can be ended."""
    worker.kill()
    assert worker.transport.signals == ["KILL"]


def test_ready(worker):
    """It says when it serves."""
    assert not worker.ready.come
    worker.serve()
    assert worker.ready.come


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, "status 0"),
        ({"status": 3}, "status 3"),
        ({"signal": 9}, "killed by signal 9"),
    ],
)
def test_its_end(worker, how, words):
    """What its end was like is told in a few words."""
    worker.end(**how)
    assert worker.ended.come
    assert worker.how == words


# Metrics

FAMILY = CounterMetricFamily("calls_total", "Calls", value=3)


def ask(worker, clock):
    """Ask for metrics, and give a list that is filled when that is over."""
    over = []
    Deferred.fromCoroutine(worker.ask_metrics(2, clock)).addCallback(over.append)
    return over


def values(worker):
    return [sample.value for family in worker.metrics for sample in family.samples]


def test_metrics(worker, clock):
    """It is asked, answers, and what it gave stays."""
    over = ask(worker, clock)
    assert (worker.orders, over) == (["metrics"], [])
    worker.give(FAMILY)
    assert over == [None]
    assert worker.answered
    assert values(worker) == [3]


def test_metrics_that_are_late(worker, clock):
    """One that is late keeps the numbers it gave last, and is not asked again while it still owes some."""
    ask(worker, clock)
    worker.give(FAMILY)
    over = ask(worker, clock)
    clock.advance(2)
    assert over == [None]
    assert not worker.answered
    assert values(worker) == [3]
    ask(worker, clock)
    assert worker.orders == ["metrics", "metrics"]
    worker.give(FAMILY)
    assert worker.answered


def test_last_words(worker):
    """Metrics that nobody asked for are taken, too."""
    worker.give(FAMILY)
    assert values(worker) == [3]


# What it logs


class Source:
    """Something that logs."""

    log = Logger()


def logged(call):
    """Give the JSON lines of what a call logs."""
    with capturedLogs() as events:
        call()
    return "".join(f"{eventAsJSON(event)}\n" for event in events).encode()


def test_log_events(worker):
    """Its log events are its parent's, and say whose they are."""
    worker.childDataReceived(1, logged(lambda: Source.log.warn("{n} of {what}", n=1, what="two")))
    (event,) = worker.events
    assert event["log_system"] == "worker 2: tests.workers.test_process.Source#warn"
    assert (formatEvent(event), event["log_level"], event["n"]) == ("1 of two", LogLevel.warn, 1)


def test_failures(worker):
    """A failure keeps its traceback."""

    def fail():
        try:
            {}["gone"]
        except KeyError:
            Source.log.failure("Oops")

    worker.childDataReceived(1, logged(fail))
    failure = worker.events[0]["log_failure"]
    assert isinstance(failure, Failure)
    assert "in fail" in failure.getTraceback()


def test_events_that_know_their_system(worker):
    """What already says where it comes from keeps that."""
    line = logged(lambda: Source.log.info("x", log_system="reactor"))
    worker.childDataReceived(1, line)
    assert worker.events[0]["log_system"] == "worker 2: reactor"


@pytest.mark.parametrize("line", ["printed", "7", "{}", '{"log_namespace": "x", "log_level": 1}'])
def test_other_lines(worker, line):
    """What is no log event is logged as it is."""
    with capturedLogs() as logs:
        worker.childDataReceived(1, f"{line}\n".encode())
    assert [formatEvent(event) for event in logs] == [f"worker 2 said: {line}"]


def test_last_gasps(worker):
    """What an interpreter says that dies is logged, whatever bytes it is made of."""
    with capturedLogs() as logs:
        worker.childDataReceived(2, b"Fatal \xff\n\nerr")
        worker.childDataReceived(2, b"or\n")
    assert [formatEvent(event) for event in logs] == [
        "worker 2 said: Fatal \N{REPLACEMENT CHARACTER}",
        "worker 2 said: error",
    ]


def test_a_bug_in_what_it_tells(worker):
    """Nothing but messages comes by its own pipe."""
    with pytest.raises(json.JSONDecodeError):
        worker.childDataReceived(PIPE, b"nonsense\n")
