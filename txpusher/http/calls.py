"""One API call: limit, authenticate, do, answer, count. The same for every way a request comes in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from txpusher.core.occurrences import ApiCalled
from txpusher.errors import ApiError, NotFound
from txpusher.http.exchange import Answer, ApiRequest, error_answer
from txpusher.http.rate_limits import with_rate_headers
from txpusher.protocol.signatures import parse_query

if TYPE_CHECKING:
    from txpusher.core.limits import Standing
    from txpusher.core.occurrences import Occurrence
    from txpusher.http.authentication import Authenticator
    from txpusher.http.rate_limits import RateLimits
    from txpusher.interfaces import AppStore
    from txpusher.model import App

_log = Logger()

SignedEndpoint = Callable[["App", ApiRequest], Awaitable[Answer]]


class _Failed(ApiError):
    """A bug of ours."""

    status = 500


class Calls:
    """Runs calls, and turns whatever goes wrong into an answer.

    Args:
        authenticator: checks signed requests.
        apps: finds the app of a key, where a path does not name the app.
        limits: how often one address may call.
        tell: hears `ApiCalled`.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        apps: AppStore,
        limits: RateLimits,
        tell: Callable[[Occurrence], None],
    ) -> None:
        self._authenticator = authenticator
        self._apps = apps
        self._limits = limits
        self._tell = tell

    async def signed(
        self, app_id: str | None, request: ApiRequest, endpoint: SignedEndpoint
    ) -> Answer:
        """Answer a request that has to be signed.

        Args:
            app_id: from the path; None takes the app of ``auth_key``, for the one SDK call whose path lacks it.
            request: the request.
            endpoint: does what is asked.
        """
        app: App | None = None
        of_address: Standing | None = None
        try:
            if request.address is not None:
                of_address = await self._limits.call(request.address)
            if app_id is None:
                app_id = await self._id_by_key(request)
            app = await self._authenticator.authenticate(app_id, request)
            answer = await endpoint(app, request)
        except Exception as error:  # noqa: BLE001 - a bug must not end the connection without an answer
            answer = self._wrong(error, request)
        if of_address is not None or answer.standing is not None:
            answer = with_rate_headers(answer, of_address)
        self._tell(
            ApiCalled(app.id if app else "", answer.status, len(request.body), len(answer.body))
        )
        return answer

    async def open(self, request: ApiRequest, endpoint: Callable[[], Awaitable[Answer]]) -> Answer:
        """Answer a request that anybody may make."""
        try:
            answer = await endpoint()
        except Exception as error:  # noqa: BLE001 - as above
            answer = self._wrong(error, request)
        self._tell(ApiCalled("", answer.status, len(request.body), len(answer.body)))
        return answer

    async def refused(self, request: ApiRequest, error: ApiError) -> Answer:
        """Answer a request that leads nowhere."""

        async def refuse() -> Answer:
            raise error

        return await self.open(request, refuse)

    async def _id_by_key(self, request: ApiRequest) -> str:
        app = await self._apps.by_key(dict(parse_query(request.query)).get("auth_key", ""))
        if app is None:
            raise NotFound("There is no app with this auth_key")
        return app.id

    @staticmethod
    def _wrong(error: Exception, request: ApiRequest) -> Answer:
        if isinstance(error, ApiError):
            return error_answer(error)
        _log.failure(
            "Bug while answering {method} {path}", method=request.method, path=request.path
        )
        return error_answer(_Failed("Internal server error"))
