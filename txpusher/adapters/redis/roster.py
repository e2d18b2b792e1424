"""The roster in Redis: one script per change, one command per question. What is kept there is in ``lua/roster.lua``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import TYPE_CHECKING

from txpusher.adapters.redis import envelopes
from txpusher.adapters.redis.commands import names, place
from txpusher.adapters.redis.scripts import JOIN, LEAVE, MEMBERS, RESTORE
from txpusher.interfaces import Envelope, Joined, Left, Restored
from txpusher.model import Counts, PresenceMember
from txpusher.protocol import codec

if TYPE_CHECKING:
    from txpusher.adapters.redis.commands import Commands

AT_ONCE = 250
"""Sockets that one script restores: about a millisecond of Redis' time."""
LISTED_AT_ONCE = 1000
"""Entries of a node that are read at once."""
_NOBODY = Counts()


class RedisRoster:
    """See `txpusher.interfaces.Roster`.

    Args:
        commands: asks Redis.
        node_id: of this node; everything that joins here is kept under it.
    """

    def __init__(self, commands: Commands, node_id: bytes) -> None:
        self._commands = commands
        self._id = node_id

    async def join(
        self,
        app_id: str,
        channel: str,
        socket_id: str,
        member: PresenceMember | None = None,
        max_members: int | None = None,
        tell_up_to: int = 0,
    ) -> Joined:
        """See `txpusher.interfaces.Roster`."""
        limit = "" if max_members is None else max_members
        number = (tell_up_to, envelopes.NUMBER if tell_up_to else b"")
        user: tuple[str | bytes, ...] = ()
        if member is not None:
            frame = codec.member_added(channel, member)
            user = (member.user_id, member.user_info, _message(frame, socket_id))
        accepted, first, first_for_user, sockets, users, members = await self._commands.run(
            JOIN, place(app_id, channel), self._id, socket_id, limit, *number, *user
        )
        return Joined(
            bool(accepted),
            bool(first),
            bool(first_for_user),
            Counts(sockets, users),
            _members(members) if member is not None else (),
            told=member is not None or tell_up_to > 0,
        )

    async def leave(
        self,
        app_id: str,
        channel: str,
        socket_id: str,
        member: PresenceMember | None = None,
        tell_up_to: int = 0,
    ) -> Left:
        """See `txpusher.interfaces.Roster`."""
        number = (tell_up_to, envelopes.NUMBER if tell_up_to else b"")
        user: tuple[str | bytes, ...] = ()
        if member is not None:
            frame = codec.member_removed(channel, member.user_id)
            user = (member.user_id, _message(frame, None))
        last, sockets, users, told, found, *was = await self._commands.run(
            LEAVE, place(app_id, channel), socket_id, *number, *user
        )
        (gone,) = _members(was) or (None,)
        told = bool(told) or tell_up_to > 0
        return Left(bool(last), gone, Counts(sockets, users), told=told, found=bool(found))

    async def restore(
        self,
        app_id: str,
        channel: str,
        sockets: Sequence[tuple[str, PresenceMember | None]],
    ) -> Restored:
        """See `txpusher.interfaces.Roster`."""
        # Backwards, as a user's first socket counts.
        known = {m.user_id: m for _, m in reversed(sockets) if m is not None}
        first, counts, new = False, _NOBODY, []
        for begin in range(0, len(sockets), AT_ONCE):
            arguments = [
                part
                for socket_id, member in sockets[begin : begin + AT_ONCE]
                for part in _described(socket_id, member)
            ]
            was_first, subscriptions, users, arrived = await self._commands.run(
                RESTORE, place(app_id, channel), self._id, *arguments
            )
            first, counts = first or bool(was_first), Counts(subscriptions, users)
            new += [known[user_id.decode()] for user_id in arrived]
        return Restored(first, new, counts)

    async def owned(self, cursor: int = 0) -> tuple[int, Sequence[tuple[str, str, str]]]:
        """See `txpusher.interfaces.Roster`."""
        key = self._commands.prefix + b"node:" + self._id
        following, entries = await self._commands.call(
            "SSCAN", key, cursor, "COUNT", LISTED_AT_ONCE
        )
        places = [entry.split(b" ", 1) for entry in entries if not entry.startswith(b"quota ")]
        return int(following), [(*names(there), socket.decode()) for socket, there in places]

    async def counts(self, app_id: str, channels: Sequence[str]) -> list[Counts]:
        """See `txpusher.interfaces.Roster`."""
        known: dict[str, Counts] = {}
        for hidden in (False, True):
            some = [name for name in channels if name.startswith("#") is hidden]
            if some:
                found = await self._commands.call("HMGET", self._index(app_id, some[0]), *some)
                known |= zip(some, map(_counts, found), strict=True)
        return [known[name] for name in channels]

    async def channels(self, app_id: str, prefix: str = "") -> dict[str, Counts]:
        """See `txpusher.interfaces.Roster`."""
        found = await self._commands.call("HGETALL", self._index(app_id, prefix))
        begin = prefix.encode()
        return {
            name.decode(): _counts(text) for name, text in _pairs(found) if name.startswith(begin)
        }

    async def members(self, app_id: str, channel: str) -> Sequence[PresenceMember]:
        """See `txpusher.interfaces.Roster`."""
        return _members(await self._commands.run(MEMBERS, place(app_id, channel)))

    def _index(self, app_id: str, channel: str) -> bytes:
        # Channels of users are as many as there are people; listing the others must not read them.
        kind = b"hidden:" if channel.startswith("#") else b"channels:"
        return self._commands.prefix + kind + app_id.encode()


def _message(frame: bytes, excluded: str | None) -> bytes:
    # From nobody, so that this node's clients are told by way of the bus, too: only there everything has one order.
    return envelopes.encode(Envelope("", "", [(frame, excluded)]), envelopes.NOBODY)


def _described(socket_id: str, member: PresenceMember | None) -> tuple[str, ...]:
    if member is None:
        return (socket_id, "0", "", "")
    return (socket_id, "1", member.user_id, member.user_info)


def _counts(text: bytes | None) -> Counts:
    if text is None:
        return _NOBODY
    sockets, _, users = text.partition(b":")
    return Counts(int(sockets), int(users))


def _members(flat: Sequence[bytes]) -> list[PresenceMember]:
    return list(starmap(_member, _pairs(flat)))


def _member(user_id: bytes, info: bytes) -> PresenceMember:
    return PresenceMember(user_id.decode(), info.decode())


def _pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
