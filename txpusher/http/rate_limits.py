"""How often may be called: by one IP address and for one app. The same for every way a request comes in.

The address is looked at before the signature, as that is what protects from guessing. An app pays for what is valid
only: for a publish its channels, for a question 1, for terminating connections nothing. Whoever was subject to a limit
is told by the answer's headers how far it is used up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.limits import MINUTE, Standing
from txpusher.core.metering import Meter
from txpusher.errors import TooManyRequests

if TYPE_CHECKING:
    from txpusher.http.exchange import Answer
    from txpusher.interfaces import Clock, Limiter
    from txpusher.model import App


class RateLimits:
    """The limits on calls.

    Args:
        clock: tells the time.
        calls_per_minute: calls that one IP address may make, or None.
        limiter: counts for all nodes together; None counts for this one.
    """

    def __init__(
        self,
        clock: Clock,
        calls_per_minute: int | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        self._per_minute = calls_per_minute
        self._addresses = Meter("calls", clock, MINUTE, limiter)
        self._publishes = Meter("publishes", clock, 1, limiter)
        self._reads = Meter("reads", clock, 1, limiter)

    async def call(self, address: str) -> Standing | None:
        """Count a call of an IP address; None when it has no limit.

        Raises:
            TooManyRequests: it calls too often.
        """
        limit = self._per_minute
        if limit is None:
            return None
        return _passed(
            await self._addresses.take(address, limit),
            f"This IP address made more than {limit} calls a minute "
            "(option --max-api-calls-per-minute)",
        )

    async def publish(self, app: App, channels: int) -> Standing | None:
        """Count a publish of an app; None when it has no limit.

        Args:
            app: who publishes.
            channels: those that get an event, each once for every event.

        Raises:
            TooManyRequests: the app publishes too much; nothing may be published.
        """
        limit = app.limits.max_backend_events_per_second
        if limit is None or not channels:
            return None
        return _passed(
            await self._publishes.take(app.id, limit, channels),
            f"This app publishes more than {limit} events a second, each counted once for every channel "
            "(setting max_backend_events_per_second)",
        )

    async def read(self, app: App) -> Standing | None:
        """Count a question of an app; None when it has no limit.

        Raises:
            TooManyRequests: the app asks too often.
        """
        limit = app.limits.max_read_requests_per_second
        if limit is None:
            return None
        return _passed(
            await self._reads.take(app.id, limit),
            f"This app asks more than {limit} questions a second (setting max_read_requests_per_second)",
        )


def with_rate_headers(answer: Answer, of_address: Standing | None) -> Answer:
    """Tell the caller how far its limits are used up.

    Args:
        answer: knows the standing of the app's limit, if it was subject to one.
        of_address: the standing of the address.

    Returns:
        The answer with headers about the limit that is used up further. One that was refused by a limit is about that
        one already.
    """
    standings = [standing for standing in (of_address, answer.standing) if standing is not None]
    if not standings or answer.status == TooManyRequests.status:
        return answer
    least = min(standings, key=lambda standing: standing.remaining / standing.limit)
    return answer._replace(headers=(*answer.headers, *_headers(least).items()))


def _passed(standing: Standing, problem: str) -> Standing:
    if not standing.passed:
        raise TooManyRequests(problem, _headers(standing))
    return standing


def _headers(standing: Standing) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(standing.limit),
        "X-RateLimit-Remaining": str(standing.remaining),
        "X-RateLimit-Reset": str(standing.reset),
        "Retry-After": str(standing.retry_after),
    }
