"""Token buckets that all nodes take from, one hash each, by the clock of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.adapters.redis.scripts import TAKE

if TYPE_CHECKING:
    from txpusher.adapters.redis.commands import Commands


class RedisLimiter:
    """See `txpusher.interfaces.Limiter`."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def take(
        self, owner: str, capacity: int, seconds: float, cost: int
    ) -> tuple[bool, float]:
        """See `txpusher.interfaces.Limiter`."""
        key = self._commands.key(b"limit", "", owner)
        passed, left = await self._commands.run_on(TAKE, key, capacity, seconds, cost)
        return bool(passed), float(left)
