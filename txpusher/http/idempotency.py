"""Idempotency keys: a publish that is sent again, because its answer was lost, is published once and answered alike.

Whoever comes first with a key takes it, publishes, and leaves the answer as a receipt. Who comes later is given that
answer; who comes while the first is under way waits a little. A publish that fails gives its key back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

import orjson
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from txpusher.errors import BadRequest, ServiceUnavailable
from txpusher.model import Receipt

if TYPE_CHECKING:
    from txpusher.http.exchange import Answer
    from txpusher.interfaces import Clock, Receipts
    from txpusher.model import App
    from txpusher.protocol.api import Publication

_log = Logger()

HEADER = "x-idempotency-key"

ASK_AGAIN = 6
"""How often somebody asks again for a key that is under way."""
PAUSE = 0.05
"""Seconds before each time."""

Publish = Callable[[Mapping[str, bytes]], Awaitable["Answer"]]
"""Publishes what was not published before; it is given the earlier answers by their keys."""


class Idempotency:
    """Sees to it that what has the same key is published once.

    Args:
        receipts: remembers keys and answers, for all nodes.
        clock: wakes up who waits.
    """

    def __init__(self, receipts: Receipts, clock: Clock) -> None:
        self._receipts = receipts
        self._clock = clock

    async def once(self, app: App, prints: Mapping[str, bytes], publish: Publish) -> Answer:
        """Publish, unless that was done before.

        Args:
            app: whose keys they are.
            prints: the keys, with fingerprints of what is published under each.
            publish: does it, and gives the answer to remember.

        Raises:
            BadRequest: a key was used for something else.
            ServiceUnavailable: another publish with the same key takes too long, or the receipts are away.
        """
        ttl = app.limits.idempotency_ttl
        if ttl is None:
            return await publish({})
        earlier: dict[str, bytes] = {}
        taken: dict[str, bytes] = {}
        try:
            # In one order everywhere, so that no two batches wait for each other.
            for key, own in sorted(prints.items()):
                answer = await self._claim(app, key, own, ttl)
                if answer is None:
                    taken[key] = own
                else:
                    earlier[key] = answer
            published = await publish(earlier)
        except Exception:
            for key in taken:
                await _tried(self._receipts.release(app.id, key))
            raise
        for key, own in taken.items():
            receipt = Receipt(own, published.body)
            await _tried(self._receipts.settle(app.id, key, receipt, ttl))
        return published

    async def _claim(self, app: App, key: str, fingerprint: bytes, ttl: int) -> bytes | None:
        """Take a key, or give the answer of the publish that had it."""
        for attempt in range(1 + ASK_AGAIN):
            if attempt:
                await self._pause()
            receipt = await self._receipts.claim(app.id, key, fingerprint, ttl)
            if receipt is None:
                return None
            if receipt.fingerprint != fingerprint:
                raise other_payload(key)
            if receipt.answer is not None:
                return receipt.answer
        raise ServiceUnavailable(
            "A publish with the same idempotency_key is still under way", {"Retry-After": "1"}
        )

    async def _pause(self) -> None:
        over: Deferred[None] = Deferred()
        self._clock.callLater(PAUSE, over.callback, None)
        await over


def named(kind: str, key: str) -> str:
    """Keep the keys of events, batches and items of batches apart."""
    return f"{kind}:{key}"


def other_payload(name: str) -> BadRequest:
    """Make the error about a key that is used for two things; ``name`` is as made by `named`."""
    key = name.partition(":")[2]
    return BadRequest(
        f"idempotency_key {key!r} was used for something else; what is new needs a new key"
    )


def fingerprint(publications: Iterable[Publication]) -> bytes:
    """Give a short value that differs when anything differs about what is published, or asked about it."""
    content = [
        (event.name, event.channels, event.data, event.socket_id, sorted(info))
        for event, info, _ in publications
    ]
    return sha256(orjson.dumps(content)).digest()


async def _tried(change: Awaitable[None]) -> None:
    # The publish is over: whatever becomes of its keys, it is answered as it ended.
    try:
        await change
    except Exception as error:  # noqa: BLE001 - as said
        _log.warn("An idempotency key could not be settled or released: {error}", error=error)
