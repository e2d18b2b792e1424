"""What is kept in Redis for a time: last events and receipts, one command each."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from math import ceil
from typing import TYPE_CHECKING

from txpusher.adapters.redis.scripts import CLAIM, LAST_EVENT, RELEASE
from txpusher.errors import ServiceUnavailable, Unanswered
from txpusher.model import CachedEvent, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """See `txpusher.interfaces.Receipts`.

    A claim without an answer may have taken its key, which nobody would give back. So what is written by a claim is
    like nothing else, and is taken away as soon as Redis is back; so is what could not be released. What could not be
    settled is settled then: else its key would be under way until it is forgotten, and the event published once more.

    Args:
        commands: asks Redis.
        node_id: of this node.
        time: gives seconds on a clock that never goes back.
    """

    def __init__(self, commands: Commands, node_id: bytes, time: Callable[[], float]) -> None:
        self._commands = commands
        self._id = node_id
        self._time = time
        self._numbers = count()
        # What claims have written, by key; and keys with what is to be taken away from them.
        self._begun: dict[bytes, bytes] = {}
        self._owed: set[tuple[bytes, bytes]] = set()
        # Receipts that Redis was not told, by key, with the times when they are to be forgotten.
        self._unsettled: dict[bytes, tuple[bytes, float]] = {}

    async def claim(self, app_id: str, key: str, fingerprint: bytes, ttl: int) -> Receipt | None:
        """See `txpusher.interfaces.Receipts`."""
        place = self._key(app_id, key)
        begun = b"%b-%b %d" % (_written(Receipt(fingerprint)), self._id, next(self._numbers))
        try:
            there = await self._commands.run_on(CLAIM, place, begun, ttl)
        except Unanswered:
            self._owed.add((place, begun))
            raise
        if there is not None:
            return _read(there)
        self._begun[place] = begun
        return None

    async def settle(self, app_id: str, key: str, receipt: Receipt, ttl: int) -> None:
        """See `txpusher.interfaces.Receipts`."""
        place = self._key(app_id, key)
        self._begun.pop(place, None)
        await self._settle(place, _written(receipt), self._time() + ttl)

    async def _settle(self, place: bytes, written: bytes, until: float) -> None:
        seconds = ceil(until - self._time())
        if seconds <= 0:
            return  # after so long an outage somebody else may have the key
        try:
            await self._commands.call("SET", place, written, "EX", seconds)
        except ServiceUnavailable:
            self._unsettled[place] = (written, until)
            raise

    async def release(self, app_id: str, key: str) -> None:
        """See `txpusher.interfaces.Receipts`."""
        place = self._key(app_id, key)
        begun = self._begun.pop(place, None)
        if begun is not None:
            await self._take_away(place, begun)

    async def make_good(self) -> None:
        """Settle and release what could not be before, as far as that is possible now."""
        unsettled, self._unsettled = self._unsettled, {}
        for place, (written, until) in unsettled.items():
            with suppress(ServiceUnavailable):
                await self._settle(place, written, until)
        owed, self._owed = self._owed, set()
        for place, begun in owed:
            with suppress(ServiceUnavailable):
                await self._take_away(place, begun)

    async def _take_away(self, place: bytes, begun: bytes) -> None:
        try:
            await self._commands.run_on(RELEASE, place, begun)
        except ServiceUnavailable:
            self._owed.add((place, begun))
            raise

    def _key(self, app_id: str, key: str) -> bytes:
        return self._commands.key(b"receipt", app_id, key)


def _written(receipt: Receipt) -> bytes:
    answered = b"" if receipt.answer is None else b"+" + receipt.answer
    return b"%d:%b%b" % (len(receipt.fingerprint), receipt.fingerprint, answered)


def _read(value: bytes) -> Receipt:
    size, _, rest = value.partition(b":")
    fingerprint, answered = rest[: int(size)], rest[int(size) :]
    # What is under way has a minus there, and which claim it is.
    return Receipt(fingerprint, answered[1:] if answered.startswith(b"+") else None)
