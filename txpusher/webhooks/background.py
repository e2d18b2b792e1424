"""Work for which nobody waits."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from txpusher.errors import ServiceUnavailable

_log = Logger()


def run(work: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
    """Do it.

    That what it depends on is away is no news: whoever looks after that says so, and the work is done again later.
    """
    Deferred.fromCoroutine(work(*arguments)).addErrback(_logged)


def _logged(failure: Failure) -> None:
    if not failure.check(ServiceUnavailable):
        _log.failure("Bug in what is done for webhooks", failure)
