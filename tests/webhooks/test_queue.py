"""What waits for a target: order, windows, retries, bounds, and the end."""

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.doubles import turn
from tests.webhook_doubles import event, numbers
from txpusher.webhooks.queue import MOST_BYTES, MOST_BYTES_OF_REQUEST, TargetQueue, Terms

ALONE = Terms(0, 100, 1000)


class Report(list):
    """Remembers what became of events: a word, their numbers, and why."""

    def note(self, *what):
        self.append(what)

    def accepted(self, events):
        self.note("accepted", numbers(events))

    def retried(self, events):
        self.note("retried", numbers(events))

    def failed(self, events, problem):
        self.note("failed", numbers(events), problem)

    def dropped(self, events, reason):
        self.note("dropped", numbers(events), reason)

    def expired(self, events):
        self.note("expired", numbers(events))

    def overflowed(self, lost):
        self.note("overflowed", numbers([lost]))

    def relaxed(self):
        """That is the log's business."""

    def of(self, *words):
        return [number for word, events, *_ in self if word in words for number in events]


class Target:
    """A queue with its clock and a receiver.

    Args:
        answers: to the first requests, None for accepted; all later ones are accepted.
        late: whether the receiver answers only when it is told to.
        terms: of the queue.
    """

    def __init__(self, *answers, late=False, terms=ALONE):
        self.clock, self.report = Clock(), Report()
        self.answers, self.late = list(answers), late
        self.asked, self.requests, self.cancelled = [], [], []
        self.queue = TargetQueue(terms, self.deliver, self.clock, lambda: 0.0, self.report)

    async def deliver(self, events):
        self.requests.append((self.clock.seconds(), numbers(events)))
        if self.late:
            self.asked.append(Deferred(lambda _: self.cancelled.append(numbers(events))))
            return await self.asked[-1]
        return self.answers.pop(0) if self.answers else None

    def put(self, *events):
        for number in events:
            self.queue.put(event(number, self.clock.seconds()))

    def turns(self, times=20):
        for _ in range(times):
            turn(self.clock)

    def sent(self):
        return [events for _, events in self.requests]

    def answer(self, problem=None):
        self.asked.pop(0).callback(problem)
        self.turns()

    def is_idle(self):
        return not list(self.queue) and not self.clock.getDelayedCalls()


# Sending


def test_never_in_the_turn_of_the_caller():
    """Whoever has something to tell does not wait for its being sent, however much there is."""
    target = Target()
    target.put(1, 2, 3)
    assert target.requests == []
    turn(target.clock)
    assert target.sent() == [[1]]


def test_one_by_one():
    """Without a window each event is a request, in order."""
    target = Target()
    target.put(1, 2, 3)
    target.turns()
    assert target.sent() == [[1], [2], [3]]
    assert target.report == [("accepted", [1]), ("accepted", [2]), ("accepted", [3])]
    assert target.is_idle()


def test_one_request_at_a_time():
    """While a request is under way the next events wait."""
    target = Target(late=True)
    target.put(1, 2)
    target.turns()
    assert target.sent() == [[1]]
    assert numbers(list(target.queue)) == [1, 2]
    target.put(3)
    target.answer()
    assert target.sent() == [[1], [2]]
    target.answer()
    target.answer()
    assert target.sent() == [[1], [2], [3]]
    assert target.is_idle()


def test_a_window():
    """Events are collected for as long as the window says, counted from the first."""
    target = Target(terms=Terms(2.0, 100, 1000))
    target.put(1)
    target.clock.advance(1)
    target.put(2, 3)
    target.clock.advance(0.9)
    assert target.requests == []
    target.clock.advance(0.1)
    assert target.requests == [(2.0, [1, 2, 3])]
    target.put(4)
    target.clock.advance(2)
    assert target.requests[1:] == [(4.0, [4])]


def test_enough_for_a_request():
    """A request that is full goes out before its window is over; the rest has the rest of its own."""
    target = Target(terms=Terms(2.0, 3, 1000))
    target.put(1, 2)
    target.clock.advance(1)
    target.put(3, 4, 5)
    assert target.requests == []
    target.turns()
    assert target.requests == [(1.0, [1, 2, 3])]
    target.clock.advance(1.9)
    assert len(target.requests) == 1
    target.clock.advance(0.1)
    assert target.requests[1:] == [(3.0, [4, 5])]


def test_what_came_during_a_request():
    """Events that have waited for a request to end do not wait for a window as well."""
    target = Target(late=True, terms=Terms(2.0, 3, 1000))
    target.put(1)
    target.clock.advance(2)
    target.put(2)
    target.clock.advance(1)
    target.put(3)
    target.clock.advance(1)
    target.answer()
    assert target.sent() == [[1], [2, 3]]


def test_other_terms():
    """New terms hold for the next request."""
    target = Target(late=True)
    target.put(1, 2, 3)
    target.turns()
    target.queue.terms = Terms(1.0, 2, 1000)
    target.answer()
    assert target.sent() == [[1], [2, 3]]


# Failing


def test_retries():
    """What was not accepted is sent again, the same, after growing pauses; later events wait behind it."""
    target = Target("500", "500", "gone")
    target.put(1, 2)
    target.clock.pump([0.5] * 20)
    assert target.requests[:4] == [(0.5, [1]), (1.5, [1]), (3.5, [1]), (7.5, [1])]
    assert target.sent()[4:] == [[2]]
    assert target.report == [
        ("failed", [1], "500"),
        ("retried", [1]),
        ("failed", [1], "500"),
        ("retried", [1]),
        ("failed", [1], "gone"),
        ("retried", [1]),
        ("accepted", [1]),
        ("accepted", [2]),
    ]
    assert target.is_idle()


def test_a_batch_is_retried_as_it_was():
    """Events that come meanwhile are no part of a batch that is sent again."""
    target = Target("500", terms=Terms(1.0, 10, 1000))
    target.put(1, 2)
    target.clock.advance(1)
    target.put(3)
    target.clock.pump([1, 1])
    assert target.sent() == [[1, 2], [1, 2], [3]]


def test_no_way_around_a_pause():
    """New events, however many, do not end the pause before a retry."""
    target = Target("500", terms=Terms(1.0, 2, 1000))
    target.put(1)
    target.clock.advance(1)
    target.put(2, 3, 4, 5)
    target.turns()
    assert target.sent() == [[1]]


def test_five_minutes():
    """A receiver that is down is asked less and less; what is too old is dropped, what is younger goes on."""
    target = Target(*["down"] * 1000)
    target.put(1)
    target.clock.advance(100)
    target.put(2)
    target.clock.pump([1] * 199)
    assert target.report.of("expired") == []
    assert len(target.requests) < 12
    target.clock.pump([1] * 62)
    assert target.report.of("expired") == [1]
    assert target.sent()[-1] == [2]
    assert ("retried", [2]) not in target.report
    target.clock.pump([1] * 100)
    assert target.report.of("expired") == [1, 2]
    assert target.is_idle()
    gaps = [b - a for (a, _), (b, _) in zip(target.requests, target.requests[1:], strict=False)]
    assert max(gaps) <= 62


def test_what_is_too_old_is_not_even_tried():
    """After a long time, all that is too old is dropped at once, and the rest is sent."""
    target = Target(late=True)
    target.put(1)
    target.turns()
    target.put(2, 3)
    target.clock.advance(299)
    target.put(4)
    target.clock.advance(2)
    target.answer("down")
    target.clock.advance(1)
    assert ("expired", [1, 2, 3]) in target.report
    assert target.sent() == [[1], [4]]


def test_part_of_a_batch_is_too_old():
    """Of a batch that is sent again, only what is too old is dropped."""
    target = Target(*["down"] * 9, terms=Terms(100.0, 10, 1000))
    target.put(1)
    target.clock.advance(99)
    target.put(2)
    target.clock.pump([1] * 300)
    assert target.report.of("expired") == [1]
    assert target.sent()[-1] == [2]
    assert target.report.of("accepted") == [2]


def test_it_works_again():
    """After a success pauses begin with a second again."""
    target = Target("500", "500", None, "500")
    target.put(1)
    target.clock.pump([1] * 10)
    target.put(2)
    target.clock.pump([0, 1, 0])
    assert target.sent() == [[1], [1], [1], [2], [2]]


def test_a_bug_of_the_sender():
    """An error that nobody expected is logged and is a failure like any other, however often it happens."""
    target = Target()

    async def broken(events):
        raise ZeroDivisionError

    target.queue._deliver = broken
    with capturedLogs() as logs:
        target.put(1)
        target.turns()
        target.put(2)
        target.clock.pump([1] * 4)
    assert len(logs) > 1
    assert {log["log_failure"].type for log in logs} == {ZeroDivisionError}
    assert target.report.of("failed")[:2] == [1, 1]
    target.queue._deliver = target.deliver
    target.clock.pump([1] * 10)
    assert target.sent() == [[1], [2]]


def test_a_bug_of_the_queue():
    """Even an error of its own ends nothing for good: what comes later takes the rest along."""
    target = Target()
    target.queue._attempt = mock.Mock(side_effect=ZeroDivisionError)
    with capturedLogs() as logs:
        for number in (1, 2, 3):
            target.put(number)
            target.turns()
    assert [log["log_failure"].type for log in logs] == [ZeroDivisionError] * 3
    del target.queue._attempt
    target.put(4)
    target.turns()
    assert target.sent() == [[1], [2], [3], [4]]


def test_a_bug_at_the_end():
    """What an unexpected error left behind is counted at the end."""
    target = Target()
    target.queue._deliver = mock.Mock(side_effect=ZeroDivisionError)
    with capturedLogs():
        target.put(1, 2)
        target.turns()
    assert finish(target, 5).called
    assert target.report == [("dropped", [1, 2], "stopped")]
    assert target.queue.left == 2
    assert target.is_idle()


# Bounds


def test_a_full_queue():
    """When there is no room the oldest of those that wait is dropped; what is under way is not."""
    target = Target(late=True, terms=Terms(0, 1, 3))
    target.put(1)
    target.turns()
    target.put(2, 3, 4)
    assert target.report == []
    target.put(5, 6)
    assert target.report == [("overflowed", [2]), ("overflowed", [3])]
    for _ in range(4):
        target.answer()
    assert target.sent() == [[1], [4], [5], [6]]


def test_bytes():
    """Large events are bounded by their bytes, in the queue and in a request; one that is larger goes alone."""
    target = Target(late=True, terms=Terms(1, 100, 1000))
    size = MOST_BYTES // 64
    large = [event(number)._replace(text=f"{number}".ljust(size)) for number in range(66)]
    for one in large[:32]:
        target.queue.put(one)
    assert not target.queue.is_filling
    for one in large[32:]:
        target.queue.put(one)
    assert target.queue.is_filling
    assert target.report.of("overflowed") == [0, 1]
    target.clock.advance(1)
    target.answer()
    assert target.sent() == [[2], [3]]


def test_requests_of_a_size():
    """A request has no more bytes than fit; what does not waits for the next."""
    target = Target(terms=Terms(1, 100, 1000))
    for number in range(5):
        text = f"{number}".ljust(MOST_BYTES_OF_REQUEST // 2)
        target.queue.put(event(number)._replace(text=text))
    target.clock.advance(1)
    target.turns()
    assert target.sent() == [[0, 1], [2, 3], [4]]


def test_more_than_half():
    """A queue says when more than half of its room is taken."""
    target = Target(late=True, terms=Terms(0, 1, 4))
    target.put(1, 2, 3)
    assert target.queue.is_filling
    target.turns()
    assert not target.queue.is_filling


# The end


def finish(target, seconds):
    return Deferred.fromCoroutine(target.queue.finish(seconds))


def test_nothing_to_finish():
    """An empty queue ends at once, and takes nothing more."""
    target = Target()
    assert finish(target, 5).called
    assert target.is_idle()
    target.put(1)
    assert target.report == [("dropped", [1], "stopped")]
    assert target.is_idle()


def test_finishing_what_waits():
    """At the end windows close, and everything is sent, in order."""
    target = Target(late=True, terms=Terms(60.0, 2, 1000))
    target.put(1)
    finished = finish(target, 5)
    target.turns()
    assert target.sent() == [[1]]
    target.put(2, 3, 4)
    target.answer()
    target.answer()
    assert not finished.called
    target.answer()
    assert target.sent() == [[1], [2, 3], [4]]
    assert finished.called
    assert target.queue.left == 0
    assert target.is_idle()


def test_a_last_try():
    """What waits for a retry is tried at once at the end, and again as long as there is time."""
    target = Target("500", "500", "500")
    target.put(1, 2)
    target.clock.pump([0, 1, 0])
    assert target.sent() == [[1], [1]]
    finished = finish(target, 5)
    target.clock.pump([0, 4, 0, 0])
    assert target.sent() == [[1], [1], [1], [1], [2]]
    assert finished.called
    assert target.queue.left == 0


def test_no_time_for_a_retry():
    """A retry that would come too late is not waited for: what is left is dropped and counted."""
    target = Target("500", "500", "500")
    target.put(1, 2, 3)
    target.clock.pump([0, 1, 0])
    finished = finish(target, 3)
    target.turns()
    assert finished.called
    assert target.queue.left == 3
    assert target.report[-1] == ("dropped", [1, 2, 3], "stopped")
    assert target.is_idle()


def test_no_time_for_an_answer():
    """A request that takes too long is cancelled."""
    target = Target(late=True)
    target.put(1, 2)
    target.turns()
    finished = finish(target, 3)
    target.clock.advance(2.9)
    assert not finished.called
    target.clock.advance(0.1)
    target.turns()
    assert finished.called
    assert target.cancelled == [[1]]
    assert target.queue.left == 2
    assert target.report == [("dropped", [1, 2], "stopped")]
    assert target.is_idle()


@pytest.mark.parametrize("moment", ["waiting", "asking", "pausing"])
def test_a_target_that_is_removed(moment):
    """Whatever a queue was doing, when it is ended all is dropped for that reason and nothing is sent any more."""
    target = Target("500", late=moment == "asking", terms=Terms(1.0, 2, 1000))
    target.put(1)
    if moment != "waiting":
        target.clock.advance(1)
        target.put(2)
    sent = target.sent()
    left = numbers(list(target.queue))
    target.queue.end("target_removed")
    target.put(3)
    target.turns()
    target.clock.advance(100)
    assert target.report[-2:] == [
        ("dropped", left, "target_removed"),
        ("dropped", [3], "target_removed"),
    ]
    assert target.sent() == sent
    assert target.is_idle()


def test_a_sender_that_answers_its_cancellation():
    """A request that ends with words when it is cancelled counts once, as dropped."""
    target = Target()
    asked = Deferred(lambda d: d.callback("it was cancelled"))

    async def deliver(events):
        return await asked

    target.queue._deliver = deliver
    target.put(1)
    target.turns()
    target.queue.end("target_removed")
    target.turns()
    assert target.report == [("dropped", [1], "target_removed")]
    assert target.is_idle()


@given(
    st.lists(
        st.tuples(st.just("put"), st.integers(1, 4))
        | st.tuples(st.just("wait"), st.floats(0, 90))
        | st.tuples(st.just("turn")),
        max_size=40,
    ),
    st.lists(st.sampled_from([None, "500"]), max_size=30),
    st.sampled_from([Terms(0, 5, 6), Terms(1.0, 3, 6), Terms(20.0, 2, 100)]),
    st.none() | st.floats(0.1, 10),
)
def test_every_event_ends_once_and_in_order(steps, answers, terms, stop_after):
    """Whatever happens, each event is accepted or dropped exactly once, and the accepted ones are in order."""
    target = Target(*answers, terms=terms)
    put = 0
    for step in steps:
        if step[0] == "put":
            target.put(*range(put, put + step[1]))
            put += step[1]
        elif step[0] == "wait":
            target.clock.advance(step[1])
        else:
            turn(target.clock)
    if stop_after is not None:
        finish(target, stop_after)
    for _ in range(400):
        target.clock.advance(1)
    ended = target.report.of("accepted", "dropped", "expired", "overflowed")
    assert sorted(ended) == list(range(put))
    accepted = target.report.of("accepted")
    assert accepted == sorted(accepted)
    assert all(len(events) <= (terms.size if terms.window else 1) for events in target.sent())
    assert target.is_idle()


# Leaving it to others


def abandon(target, seconds):
    return Deferred.fromCoroutine(target.queue.abandon(seconds))


def test_abandoned_while_it_waits():
    """What waits for a window or for the next attempt is neither sent nor dropped."""
    for terms, answers in ((Terms(5.0, 10, 100), ()), (ALONE, ("500",))):
        target = Target(*answers, terms=terms)
        target.put(1, 2)
        target.turns()
        before = len(target.requests)
        assert abandon(target, 1).called
        target.turns()
        target.clock.advance(60)
        assert len(target.requests) == before
        assert target.report.of("dropped", "accepted") == []
        assert target.clock.getDelayedCalls() == []


def test_abandoned_before_anything_came():
    """There is nothing to wait for."""
    target = Target()
    assert abandon(target, 1).called
    assert target.is_idle()


@pytest.mark.parametrize(
    ("problem", "word"), [(None, ("accepted", [1])), ("500", ("failed", [1], "500"))]
)
def test_abandoned_while_a_request_is_under_way(problem, word):
    """It may be answered, and is sent no more if it failed; nothing else is."""
    target = Target(late=True)
    target.put(1, 2)
    target.turns()
    abandoned = abandon(target, 1)
    assert not abandoned.called
    target.answer(problem)
    assert abandoned.called
    assert target.report == [word]
    target.clock.advance(60)
    assert target.sent() == [[1]]
    assert target.clock.getDelayedCalls() == []


def test_abandoned_in_a_hurry():
    """When the time is over the request is cancelled, and nobody is told."""
    target = Target(late=True)
    target.put(1, 2)
    target.turns()
    abandoned = abandon(target, 1)
    target.clock.advance(1)
    assert abandoned.called
    assert target.cancelled == [[1]]
    assert target.report == []
