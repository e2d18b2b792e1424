"""Connections that have to prove something in time, in apps that take authorized connections only.

Signing in is a proof, and so is a subscription to a channel that needs an authorization. Until then a connection does
not count for the app's quota. Source: "Pusher docs: Authorized connections".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.occurrences import ConnectionRefused
from txpusher.core.running import start_logged
from txpusher.errors import ConnectionEnded, NotAuthorizedInTime, OverQuota

if TYPE_CHECKING:
    from txpusher.core.connection import Connection
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import Call


def authorized(connection: Connection) -> None:
    """Note that a connection has proved something; from now on it counts for the quota, and may be one too many."""
    local = connection.registry.apps[connection.app.id]
    if local.unauthorized.pop(connection, None) is None:
        return
    start_logged(_check_quota(connection), "The quota of an app could not be looked at")


async def _check_quota(connection: Connection) -> None:
    if not await connection.registry.quota.has_place(connection.app) and not connection.closed:
        _turn_away(connection, OverQuota())


def _turn_away(connection: Connection, problem: ConnectionEnded) -> None:
    connection.registry.tell(ConnectionRefused(connection.app.id, problem.reason))
    connection.end(problem)


class AuthorizationSweep:
    """Ends connections whose time is over: one look a second for all of them.

    Args:
        registry: holds them, for each app in the order they came.
    """

    def __init__(self, registry: ChannelRegistry) -> None:
        self._registry = registry
        self._call: Call | None = None

    def start(self) -> None:
        """Begin to look."""
        self._call = self._registry.clock.callLater(1, self._sweep)

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _sweep(self) -> None:
        # First, so that no error may end the sweeping.
        self.start()
        now = self._registry.clock.seconds()
        for local in self._registry.apps.values():
            while local.unauthorized:
                connection, since = next(iter(local.unauthorized.items()))
                if now - since < connection.app.limits.authorization_timeout:
                    break
                del local.unauthorized[connection]
                _turn_away(connection, NotAuthorizedInTime())
