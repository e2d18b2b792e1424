"""One metrics page for all workers."""

import pytest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.wire_doubles import HttpClient, http
from tests.worker_doubles import FakeWorker
from txpusher.workers.metrics import ANSWER_TIME, GroupMetrics
from txpusher.workers.slot import Reports, Slot


class Group:
    """Two slots with workers that serve, and their metrics."""

    def __init__(self):
        self.clock, self.started, self.slots = Clock(), [], []
        self.metrics = GroupMetrics("x_", lambda: "6001", self.slots, self.clock)
        reports = Reports(lambda: None, self.metrics.ended, self.metrics.restarted)
        for number in (1, 2):
            slot = Slot(number, self.launch, self.clock, 1, reports)
            self.slots.append(slot)
            slot.start()
            self.started[-1].serve()

    def launch(self, number):
        self.started.append(FakeWorker(number))
        return self.started[-1]

    def gather(self):
        over = []
        Deferred.fromCoroutine(self.metrics.gather()).addCallback(over.append)
        return over

    def numbers(self, name):
        """Give the samples of this name, by what their labels say beside the port."""
        return {
            " ".join(f"{k}={v}" for k, v in sorted(labels.items()) if k != "port"): value
            for family in self.metrics.collect()
            for sample, labels, value, *_ in family.samples
            if sample == f"x_{name}"
        }


@pytest.fixture
def group():
    return Group()


def families(calls, connected):
    return (
        CounterMetricFamily("x_calls_total", "Calls", value=calls),
        GaugeMetricFamily("x_connected", "Connected", value=connected),
    )


def test_all_are_asked(group):
    """The numbers of all workers are there, by worker and in all."""
    over = group.gather()
    group.started[0].give(*families(1, 10))
    assert over == []
    group.started[1].give(*families(2, 20))
    assert over == [None]
    assert group.numbers("calls_total") == {"": 3, "worker=1": 1, "worker=2": 2}
    assert group.numbers("connected") == {"": 30, "worker=1": 10, "worker=2": 20}
    assert group.numbers("workers") == {"": 2}
    assert group.numbers("workers_up") == {"": 2, "worker=1": 1, "worker=2": 1}


def test_a_worker_that_is_late(group):
    """What it gave last is shown, and that it is late."""
    for worker in group.started:
        worker.give(*families(1, 1))
    over = group.gather()
    group.started[0].give(*families(5, 5))
    group.clock.advance(ANSWER_TIME)
    assert over == [None]
    assert group.numbers("calls_total") == {"": 6, "worker=1": 5, "worker=2": 1}
    assert group.numbers("workers_up") == {"": 1, "worker=1": 1, "worker=2": 0}


def test_a_worker_that_is_gone(group):
    """What it counted stays in the sums, what it had does not; that it is gone is seen."""
    for worker in group.started:
        worker.give(*families(1, 1))
    group.started[0].end(signal=9)
    over = group.gather()
    group.started[1].give(*families(2, 2))
    assert over == [None]
    assert group.numbers("calls_total") == {"": 3, "worker=2": 2}
    assert group.numbers("connected") == {"": 2, "worker=2": 2}
    assert group.numbers("workers_up") == {"": 1, "worker=1": 0, "worker=2": 1}
    assert group.numbers("worker_restarts_total") == {
        "reason=died worker=1": 1,
        "reason=died worker=2": 0,
        "reason=replaced worker=1": 0,
        "reason=replaced worker=2": 0,
    }


def test_a_worker_that_is_starting(group):
    """One that does not serve yet is not waited for."""
    group.started[0].end()
    group.clock.advance(1)
    assert group.started[2].orders == []
    over = group.gather()
    group.started[1].give()
    assert over == [None]
    assert group.started[2].orders == []


def test_a_worker_that_leaves(group):
    """While it drains its numbers are in the sums, and the worker is the one that took its place."""
    for worker in group.started:
        worker.give(*families(1, 1))
    Deferred.fromCoroutine(group.slots[0].replace())
    group.started[2].serve()
    group.started[2].give(*families(4, 4))
    assert group.numbers("calls_total") == {"": 6, "worker=1": 4, "worker=2": 1}
    assert group.numbers("connected") == {"": 6, "worker=1": 4, "worker=2": 1}
    group.started[0].give(*families(2, 0))
    group.started[0].end()
    assert group.numbers("calls_total") == {"": 7, "worker=1": 4, "worker=2": 1}
    assert group.numbers("worker_restarts_total")["reason=replaced worker=1"] == 1


def test_the_page(group):
    """All of it is shown over HTTP."""
    client = HttpClient(group.metrics.site().buildProtocol(None))
    for worker in group.started:
        worker.transport.writeToChild = lambda *_, worker=worker: worker.give(*families(2, 1))
    answer = client.ask(http("GET", "/metrics"))
    assert answer.status == 200
    assert b'x_workers_up{port="6001",worker="2"} 1.0\n' in answer.body
    assert b"x_calls_total 4.0\n" in answer.body
