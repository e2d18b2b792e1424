"""Who may connect: every check between a WebSocket's handshake and ``pusher:connection_established``.

The order is that of "Pusher docs: Channels protocol, connection": the server, the request, the app, TLS, the origin,
the node, the quota; how often an address connects comes before all that strangers may try out. A refusal is an error
that knows its close code; it is sent after the handshake, as browsers cannot read the answer to a failed one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from txpusher.core.limits import MINUTE
from txpusher.core.metering import Meter
from txpusher.core.occurrences import ConnectionRefused
from txpusher.errors import (
    AppDisabled,
    AppsUnavailable,
    ConnectionEnded,
    ConnectRateExceeded,
    OriginNotAllowed,
    OverCapacity,
    ServiceUnavailable,
    ShuttingDown,
    TlsRequired,
    UnknownApp,
)
from txpusher.protocol.handshakes import Handshake, check
from txpusher.protocol.origins import origin_allowed

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import AppStore, Limiter
    from txpusher.model import App

_log = Logger()

LOGGED_ORIGINS = 1000
"""Refused origins that are logged, each once for an app; any number of others may be made up."""
LOGGED_LENGTH = 200
"""Characters of each."""


class Admission:
    """The checks, with what they look at.

    Args:
        apps: where apps are found by their key.
        registry: counts the connections there are.
        max_connections: connections this process may have, or None.
        max_connects_per_minute: connections that one IP address may open, or None.
        limiter: counts these for all nodes together; None counts for this one.
        strict: insist on well-formed ``protocol`` and ``version`` parameters.

    Attributes:
        closing: set when the server stops; everybody is refused then.
    """

    def __init__(
        self,
        apps: AppStore,
        registry: ChannelRegistry,
        *,
        max_connections: int | None = None,
        max_connects_per_minute: int | None = None,
        limiter: Limiter | None = None,
        strict: bool = False,
    ) -> None:
        self.closing = False
        self._apps = apps
        self._registry = registry
        self._max_connections = max_connections
        self._max_connects = max_connects_per_minute
        self._connects = Meter("connects", registry.clock, MINUTE, limiter)
        self._strict = strict
        self._origins = _RefusedOrigins()

    async def admit(self, handshake: Handshake) -> App:
        """Give the app that the client may connect to.

        Raises:
            ConnectionEnded: the client may not; the error says why.
        """
        app = None
        try:
            app = await self._app(handshake)
            self._check(app, handshake)
            if app.limits.max_connections is not None:
                await self._registry.quota.enter(app)
                app = self._latest(app)  # the other nodes may have taken their time, too
                self._check(app, handshake)
        except ConnectionEnded as problem:
            self._registry.tell(ConnectionRefused(app.id if app else "", problem.reason))
            raise
        return app

    async def _app(self, handshake: Handshake) -> App:
        self._check_open()
        await self._check_rate(handshake.address)
        key = check(handshake, strict=self._strict)
        try:
            app = await self._apps.by_key(key)
        except ServiceUnavailable as error:
            raise AppsUnavailable from error
        if app is None:
            raise UnknownApp
        return self._latest(app)

    def _latest(self, app: App) -> App:
        # It may have changed while it was looked up.
        latest = self._registry.latest(app)
        if latest is None:
            raise UnknownApp
        return latest

    def _check(self, app: App, handshake: Handshake) -> None:
        self._check_open()  # again: the app store may have taken its time
        if not app.enabled:
            raise AppDisabled
        if app.tls_only and not handshake.secure:
            raise TlsRequired
        self._check_origin(app, handshake.origin)
        self._check_room(app)

    def _check_open(self) -> None:
        if self.closing:
            raise ShuttingDown

    async def _check_rate(self, address: str | None) -> None:
        limit = self._max_connects
        if limit is None or address is None:
            return
        if not (await self._connects.take(address, limit)).passed:
            raise ConnectRateExceeded

    def _check_origin(self, app: App, origin: str | None) -> None:
        if app.allowed_origins and not origin_allowed(origin, app.allowed_origins):
            self._origins.log(app.id, origin)
            raise OriginNotAllowed

    def _check_room(self, app: App) -> None:
        registry = self._registry
        if (
            self._max_connections is not None
            and registry.connection_count() >= self._max_connections
        ):
            raise OverCapacity


class _RefusedOrigins:
    """Logs each origin once, as a page that may not connect tries again and again."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def log(self, app_id: str, origin: str | None) -> None:
        """Log that an app refuses an origin, unless that was done."""
        refused = (app_id, "(none)" if origin is None else _printable(origin[:LOGGED_LENGTH]))
        if refused in self._logged or len(self._logged) >= LOGGED_ORIGINS:
            return
        self._logged.add(refused)
        _log.warn(
            "Origin {origin} may not connect to app {app_id} (app setting allowed_origins)",
            app_id=app_id,
            origin=refused[1],
        )
        if len(self._logged) == LOGGED_ORIGINS:
            _log.warn(
                "{count} refused origins were logged; further ones are only counted",
                count=LOGGED_ORIGINS,
            )


def _printable(text: str) -> str:
    """Escape what a terminal would obey, as a stranger wrote it."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
