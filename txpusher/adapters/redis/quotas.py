"""How many connections every app has, node by node, in one hash per app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.adapters.redis.scripts import ENTER

if TYPE_CHECKING:
    from txpusher.adapters.redis.commands import Commands


class RedisQuotas:
    """See `txpusher.interfaces.Quotas`."""

    def __init__(self, commands: Commands, node_id: bytes) -> None:
        self._commands = commands
        self._id = node_id

    async def set(self, app_id: str, connections: int, limit: int | None = None) -> bool:
        """See `txpusher.interfaces.Quotas`."""
        most = "" if limit is None else limit
        return bool(await self._commands.run(ENTER, self._id, app_id, connections, most))
