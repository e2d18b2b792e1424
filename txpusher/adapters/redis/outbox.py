"""The outbox in Redis: one script per step. What is kept there is in ``lua/outbox.lua``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from txpusher.adapters.redis.commands import names, place
from txpusher.adapters.redis.scripts import (
    HOOK_BEAT,
    HOOK_DROP,
    HOOK_PULL,
    HOOK_RELEASE,
    HOOK_TELL,
)
from txpusher.outbox import Beat, Look, Notice, Pulled, Queue, Subject, Sweep, Told, Waiting

if TYPE_CHECKING:
    from txpusher.adapters.redis.commands import Commands
    from txpusher.adapters.redis.scripts import Script

AT_ONCE = 100
"""Claims, subjects and swept subjects of one beat: less than a millisecond of Redis' time."""
MOST_BYTES = 64 * 1024 * 1024
"""Of the events that wait for one target, beside their number."""


class RedisOutbox:
    """See `txpusher.outbox.Outbox`.

    Args:
        commands: asks Redis.
        node_id: of this node; claims are kept under it.
        seconds: that a claim holds.
    """

    def __init__(self, commands: Commands, node_id: bytes, seconds: float) -> None:
        self._commands = commands
        self._id = node_id
        self._lease = int(seconds * 1000)

    async def tell(self, news: Sequence[Look | Notice], delay: float, room: int) -> Told:
        """See `txpusher.outbox.Outbox`."""
        asked = {
            "delay": int(delay * 1000),
            "room": room,
            "bytes": MOST_BYTES,
            "news": [_asked(one) for one in news],
        }
        claimed, overflowed = await self._run(HOOK_TELL, orjson.dumps(asked))
        lost = [(_queue(queue), kind.decode()) for queue, kind in overflowed]
        return Told([_queue(queue) for queue in claimed], lost)

    async def pull(self, queue: Queue, done: Sequence[bytes], after: bytes, most: int) -> Pulled:
        """See `txpusher.outbox.Outbox`."""
        claimed, empty, found = await self._run(HOOK_PULL, place(*queue), after, most, *done)
        events = [
            Waiting(number, kind.decode(), text.decode(), int(at), age / 1000)
            for number, kind, text, at, age in found
        ]
        return Pulled(bool(claimed), bool(empty), events)

    async def beat(self, queues: Sequence[Queue], sweep: Sweep) -> Beat:
        """See `txpusher.outbox.Outbox`."""
        own = [place(*queue) for queue in queues]
        lost, taken, due, lengths, wait, app_id, cursor = await self._run(
            HOOK_BEAT, AT_ONCE, sweep.app_id, sweep.cursor or b"0", *own
        )
        return Beat(
            [_queue(queue) for queue in lost],
            [_queue(queue) for queue in taken],
            [_subject(subject) for subject in due],
            {_queue(queue): _numbers(flat) for queue, flat in lengths},
            None if wait < 0 else wait / 1000,
            Sweep() if cursor == b"0" else Sweep(app_id.decode(), cursor),
        )

    async def release(self, queues: Sequence[Queue]) -> None:
        """See `txpusher.outbox.Outbox`."""
        await self._run(HOOK_RELEASE, *[place(*queue) for queue in queues])

    async def drop(self, queue: Queue) -> Mapping[str, int]:
        """See `txpusher.outbox.Outbox`."""
        return _numbers(await self._run(HOOK_DROP, place(*queue)))

    async def forget(self, app_id: str) -> None:
        """See `txpusher.outbox.Outbox`."""
        await self._commands.call("DEL", self._commands.prefix + b"hook:told:" + app_id.encode())

    async def _run(self, script: Script, *arguments: object) -> Any:
        return await self._commands.run(script, self._id, self._lease, *arguments)


def _asked(news: Look | Notice) -> dict[str, Any]:
    if isinstance(news, Notice):
        queues = [place(news.app_id, target).decode() for target in news.targets]
        age = int(news.age * 1000)
        return {"kind": news.kind, "text": news.text, "queues": queues, "age": age}
    subject = news.subject
    name = place(subject.app_id, subject.channel).decode()
    return {
        "subject": name if subject.user_id is None else f"{name} {subject.user_id}",
        "come": _asked(news.come),
        "gone": _asked(news.gone),
        "known": news.known,
    }


def _queue(name: bytes) -> Queue:
    return Queue(*names(name))


def _subject(name: bytes) -> Subject:
    app_id, rest = names(name)
    channel, space, user_id = rest.partition(" ")
    return Subject(app_id, channel, user_id if space else None)


def _numbers(flat: Sequence[bytes]) -> dict[str, int]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {kind.decode(): int(number) for kind, number in pairs}
