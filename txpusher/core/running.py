"""Running coroutines at once: no Deferred is made for what does not have to wait.

An adapter in memory answers without suspending, so nearly every coroutine of the core ends within its first
step. `Deferred.fromCoroutine` costs several microseconds even then; `start` costs a fraction of one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable
from types import coroutine
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from txpusher.errors import ServiceUnavailable

T = TypeVar("T")

_log = Logger()


def start(task: Coroutine[Any, Any, T]) -> Deferred[T] | None:
    """Run ``task`` until it ends or waits.

    Returns:
        None when it has ended; else a Deferred of its end.

    Raises:
        Exception: whatever ``task`` raised before it waited.
    """
    try:
        awaited = task.send(None)
    except StopIteration:
        return None
    return Deferred.fromCoroutine(_rest(task, awaited))


def start_logged(task: Coroutine[Any, Any, None], what: str) -> None:
    """Run ``task``, for which nobody waits; what goes wrong is logged with the sentence ``what``."""

    def log(failure: Failure) -> None:
        if failure.check(ServiceUnavailable):
            _log.warn("{what}: {why}", what=what, why=failure.getErrorMessage())
        else:
            _log.failure("{what}", failure, what=what)

    Deferred.fromCoroutine(task).addErrback(log)


async def together(tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run tasks side by side, and wait for all of them; raises what the first of them has raised."""
    running = [Deferred.fromCoroutine(task) for task in tasks]
    for succeeded, result in await DeferredList(running, consumeErrors=True):
        if not succeeded:
            cast(Failure, result).raiseException()


@coroutine
def _rest(task: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    while True:
        resume: Callable[[Any], Any]
        try:
            answer = yield awaited
        except BaseException as error:  # noqa: BLE001 - it is the task's to handle
            resume, answer = task.throw, error
        else:
            resume = task.send
        try:
            awaited = resume(answer)
        except StopIteration as end:
            return cast(T, end.value)
