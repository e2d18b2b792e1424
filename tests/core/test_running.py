"""Coroutines that run at once, and those that have to wait."""

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.logger import LogLevel, capturedLogs

from tests.doubles import AdapterAwayError
from txpusher.core.running import start, start_logged, together
from txpusher.errors import ServiceUnavailable


def test_a_coroutine_that_need_not_wait():
    """What ends at once needs no Deferred."""
    done = []

    async def task():
        done.append(await succeed(1))

    assert start(task()) is None
    assert done == [1]


def test_an_error_at_once():
    """What is raised before anything was waited for is raised by the call."""

    async def task():
        raise AdapterAwayError

    with pytest.raises(AdapterAwayError):
        start(task())


def test_a_coroutine_that_waits():
    """What has to wait, also more than once, ends when the last answer has come; the result is the task's."""
    answers = [Deferred(), Deferred(), Deferred()]
    results = []

    async def task():
        return [await answer for answer in answers]

    start(task()).addCallback(results.append)
    for i, answer in enumerate(answers):
        assert results == []
        answer.callback(i)
    assert results == [[0, 1, 2]]


def test_an_answer_that_is_there_already():
    """An answer that came while another one was awaited is not waited for again."""
    first, second = Deferred(), Deferred()
    results = []

    async def task():
        return await first, await second

    start(task()).addCallback(results.append)
    second.callback(2)
    first.callback(1)
    assert results == [(1, 2)]


def test_a_late_error_is_the_tasks_to_handle():
    """An awaited failure is raised where it is awaited; a task may go on after it, and wait again."""
    first, second = Deferred(), Deferred()
    results = []

    async def task():
        try:
            await first
        except AdapterAwayError:
            return await second

    start(task()).addCallback(results.append)
    first.errback(AdapterAwayError())
    assert results == []
    second.callback("after all")
    assert results == ["after all"]


def test_a_late_error_that_nobody_handles():
    """What the task does not handle fails the Deferred."""
    answer = Deferred()
    failures = []

    async def task():
        await answer

    start(task()).addErrback(lambda failure: failures.append(failure.type))
    answer.errback(AdapterAwayError())
    assert failures == [AdapterAwayError]


def test_an_error_that_ends_the_task_well():
    """A task that returns when it is told of an error has succeeded."""
    answer = Deferred()
    results = []

    async def task():
        try:
            await answer
        except AdapterAwayError:
            return "recovered"

    start(task()).addCallback(results.append)
    answer.errback(AdapterAwayError())
    assert results == ["recovered"]


def test_a_task_may_be_cancelled():
    """Cancelling the Deferred cancels what the task waits for."""
    answer = Deferred()
    failures = []

    async def task():
        await answer

    waiting = start(task())
    waiting.addErrback(lambda failure: failures.append(failure.type))
    waiting.cancel()
    assert failures == [CancelledError]


def test_nobody_waits_and_a_failure_is_logged():
    """What goes wrong in a task that nobody waits for is logged with a sentence, now or later."""
    waiting = Deferred()

    async def fail_later():
        await waiting
        raise ValueError

    async def fail():
        raise ValueError

    async def end():
        pass

    with capturedLogs() as logs:
        for task, what in ((end(), "no"), (fail(), "one"), (fail_later(), "two")):
            start_logged(task, what)
        waiting.callback(None)
    assert [log["what"] for log in logs] == ["one", "two"]


def test_what_is_away_is_one_line_of_the_log():
    """What fails as something is away is logged without a traceback: it is nobody's mistake."""

    async def task():
        raise ServiceUnavailable("Redis is away")

    with capturedLogs() as logs:
        start_logged(task(), "It was not done")
    (log,) = logs
    assert (log["log_level"], log["what"], log["why"]) == (
        LogLevel.warn,
        "It was not done",
        "Redis is away",
    )


def test_together():
    """Tasks run side by side; when one fails the others are waited for, and the first failure is raised."""
    answers, ended = [Deferred() for _ in range(3)], []

    async def task(answer):
        ended.append(await answer)

    outcome = []
    start(together(task(answer) for answer in answers)).addErrback(outcome.append)
    answers[2].callback(2)
    answers[0].errback(AdapterAwayError())
    assert (ended, outcome) == ([2], [])
    answers[1].callback(1)
    assert ended == [2, 1]
    assert outcome[0].type is AdapterAwayError
    assert start(together([])) is None
