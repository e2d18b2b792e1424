"""What is kept in Redis for a time: last events and receipts, one command each."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from txpusher.adapters.redis.scripts import CLAIM, LAST_EVENT
from txpusher.model import CachedEvent, Receipt

if TYPE_CHECKING:
    from txpusher.adapters.redis.commands import Commands


class RedisLastEvents:
    """See `txpusher.interfaces.LastEvents`."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def put(self, app_id: str, channel: str, name: str, data: str, ttl: int) -> None:
        """See `txpusher.interfaces.LastEvents`."""
        # The length first: name and data may have any character in them.
        value = f"{len(name)}:{name}{data}"
        await self._commands.call("SET", self._key(app_id, channel), value, "EX", ttl)

    async def get(self, app_id: str, channel: str) -> CachedEvent | None:
        """See `txpusher.interfaces.LastEvents`."""
        value, left = await self._commands.run_on(LAST_EVENT, self._key(app_id, channel))
        if value is None:
            return None
        size, _, text = value.decode().partition(":")
        return CachedEvent(text[: int(size)], text[int(size) :], max(1, ceil(left / 1000)))

    def _key(self, app_id: str, channel: str) -> bytes:
        return self._commands.key(b"event", app_id, channel)


class RedisReceipts:
    """See `txpusher.interfaces.Receipts`."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def claim(self, app_id: str, key: str, fingerprint: bytes, ttl: int) -> Receipt | None:
        """See `txpusher.interfaces.Receipts`."""
        begun = _written(Receipt(fingerprint))
        there = await self._commands.run_on(CLAIM, self._key(app_id, key), begun, ttl)
        return None if there is None else _read(there)

    async def settle(self, app_id: str, key: str, receipt: Receipt, ttl: int) -> None:
        """See `txpusher.interfaces.Receipts`."""
        await self._commands.call("SET", self._key(app_id, key), _written(receipt), "EX", ttl)

    async def release(self, app_id: str, key: str) -> None:
        """See `txpusher.interfaces.Receipts`."""
        await self._commands.call("DEL", self._key(app_id, key))

    def _key(self, app_id: str, key: str) -> bytes:
        return self._commands.key(b"receipt", app_id, key)


def _written(receipt: Receipt) -> bytes:
    answered = b"" if receipt.answer is None else b"+" + receipt.answer
    return b"%d:%b%b" % (len(receipt.fingerprint), receipt.fingerprint, answered)


def _read(value: bytes) -> Receipt:
    size, _, rest = value.partition(b":")
    fingerprint, answered = rest[: int(size)], rest[int(size) :]
    return Receipt(fingerprint, answered[1:] if answered else None)
