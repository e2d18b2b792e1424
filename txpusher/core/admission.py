"""Who may connect: every check between a WebSocket's handshake and ``pusher:connection_established``.

The order is that of "Pusher docs: Channels protocol, connection": the server, the request, the app, TLS, the origin,
the node, the quota. A refusal is an error that knows its close code; it is sent after the handshake, as browsers
cannot read the answer to a failed one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from txpusher.core.occurrences import ConnectionRefused
from txpusher.errors import (
    AppDisabled,
    ConnectionEnded,
    OriginNotAllowed,
    OverCapacity,
    ShuttingDown,
    TlsRequired,
    UnknownApp,
)
from txpusher.protocol.handshakes import Handshake, check
from txpusher.protocol.origins import origin_allowed

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import AppStore
    from txpusher.model import App

_log = Logger()


class Admission:
    """The checks, with what they look at.

    Args:
        apps: where apps are found by their key.
        registry: counts the connections there are.
        max_connections: connections this process may have, or None.
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
        strict: bool = False,
    ) -> None:
        self.closing = False
        self._apps = apps
        self._registry = registry
        self._max_connections = max_connections
        self._strict = strict

    async def admit(self, handshake: Handshake) -> App:
        """Give the app that the client may connect to.

        Raises:
            ConnectionEnded: the client may not; the error says why.
        """
        app = None
        try:
            app = await self._app(handshake)
            self._check(app, handshake)
            await self._registry.quota.enter(app)
            self._check_open()  # once more: so may the other nodes
        except ConnectionEnded as problem:
            self._registry.tell(ConnectionRefused(app.id if app else "", problem.reason))
            raise
        return app

    async def _app(self, handshake: Handshake) -> App:
        self._check_open()
        app = await self._apps.by_key(check(handshake, strict=self._strict))
        if app is None:
            raise UnknownApp
        return app

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

    def _check_origin(self, app: App, origin: str | None) -> None:
        if app.allowed_origins and not origin_allowed(origin, app.allowed_origins):
            _log.warn(
                "Origin {origin} may not connect to app {app_id} (app setting allowed_origins)",
                origin=origin,
                app_id=app.id,
            )
            raise OriginNotAllowed

    def _check_room(self, app: App) -> None:
        registry = self._registry
        if (
            self._max_connections is not None
            and registry.connection_count() >= self._max_connections
        ):
            raise OverCapacity
