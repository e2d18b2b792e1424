"""Connection quotas over all nodes: every node says how many connections of an app it has, and is told when it is full.

Only apps that have a quota are counted. A node always says its whole number, so nothing can drift, and what was not
heard once is mended by the next. Places that become free are told once a second.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from txpusher.core.running import start_logged
from txpusher.errors import OverQuota, ServiceUnavailable

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import Call
    from txpusher.model import App

SETTLING = 1.0
"""Seconds after which the other nodes know that a place is free."""


class ConnectionQuota:
    """Keeps apps within their quotas; while the other nodes cannot be asked, each node on its own.

    Args:
        registry: knows the connections of this node.
    """

    def __init__(self, registry: ChannelRegistry) -> None:
        self._registry = registry
        # Connections that wait for an answer, by app.
        self._entering: Counter[str] = Counter()
        self._changed: dict[str, Call] = {}

    async def enter(self, app: App) -> None:
        """Take a place for a connection that is about to be established.

        One that has to prove something first takes its place when it has; but there has to be one now.

        Raises:
            OverQuota: there is none.
        """
        quota = app.limits.max_connections
        if quota is None:
            return
        if app.authorized_connections_only:
            if not await self._set(app.id, self._registry.counted(app.id), quota - 1):
                raise OverQuota
            return
        self._entering[app.id] += 1
        try:
            own = self._registry.counted(app.id) + self._entering[app.id]
            if not await self._set(app.id, own, quota):
                raise OverQuota
        finally:
            self._entering[app.id] -= 1
        self.changed(app)  # the client may be gone by now

    async def has_place(self, app: App) -> bool:
        """Tell whether the connections that are there by now are within the quota."""
        quota = app.limits.max_connections
        return quota is None or await self._set(app.id, self._registry.counted(app.id), quota)

    def changed(self, app: App) -> None:
        """Note that this node has more or fewer connections than it said."""
        if app.limits.max_connections is not None and app.id not in self._changed:
            later = self._registry.clock.callLater(SETTLING, self._tell_later, app.id)
            self._changed[app.id] = later

    def stop(self) -> None:
        """Tell nobody any more."""
        for later in self._changed.values():
            later.cancel()
        self._changed.clear()

    async def tell(self, app_id: str) -> None:
        """Say how many connections there are.

        Raises:
            ServiceUnavailable: nobody can be told now.
        """
        own = self._registry.counted(app_id) + self._entering[app_id]
        await self._registry.adapter.quotas.set(app_id, own)

    async def _set(self, app_id: str, own: int, quota: int) -> bool:
        try:
            return await self._registry.adapter.quotas.set(app_id, own, quota)
        except ServiceUnavailable:
            return own <= quota

    def _tell_later(self, app_id: str) -> None:
        del self._changed[app_id]
        start_logged(self._tell_if_possible(app_id), "The other nodes do not know a free place")

    async def _tell_if_possible(self, app_id: str) -> None:
        try:
            await self.tell(app_id)
        except ServiceUnavailable:
            return  # everything is told anew when the adapter is back
