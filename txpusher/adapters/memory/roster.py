"""Who is subscribed where, in dicts."""

from __future__ import annotations

from collections.abc import Sequence

from txpusher.interfaces import CountTold, Joined, Left, Restored
from txpusher.model import Counts, PresenceMember

_NOBODY = Counts()


class _Channel:
    """Sockets with their members, and each user's sockets in the order they came.

    `told_until` is how long nobody is told the number again, `changed` whether it has changed since it was told.
    """

    __slots__ = ("changed", "sockets", "told_until", "users")

    def __init__(self) -> None:
        self.sockets: dict[str, PresenceMember | None] = {}
        self.users: dict[str, dict[str, PresenceMember]] = {}
        self.told_until = 0.0
        self.changed = False

    def counts(self) -> Counts:
        return Counts(len(self.sockets), len(self.users))

    def members(self) -> list[PresenceMember]:
        return [next(iter(sockets.values())) for sockets in self.users.values()]


class MemoryRoster:
    """Who is subscribed where, in dicts: app -> channel -> sockets and users."""

    def __init__(self) -> None:
        self._apps: dict[str, dict[str, _Channel]] = {}

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
        there = self._apps.setdefault(app_id, {}).setdefault(channel, _Channel())
        if socket_id in there.sockets:
            return Joined(True, False, False, there.counts(), there.members())
        first_for_user = member is not None and member.user_id not in there.users
        if first_for_user and max_members is not None and len(there.users) >= max_members:
            self._drop_if_empty(app_id, channel, there)
            return Joined(False, False, False, there.counts(), ())
        first_in_channel = not there.sockets
        there.sockets[socket_id] = member
        there.changed = True
        if member is None:
            return Joined(True, first_in_channel, False, there.counts(), ())
        there.users.setdefault(member.user_id, {})[socket_id] = member
        return Joined(True, first_in_channel, first_for_user, there.counts(), there.members())

    async def leave(
        self,
        app_id: str,
        channel: str,
        socket_id: str,
        member: PresenceMember | None = None,
        tell_up_to: int = 0,
    ) -> Left:
        """See `txpusher.interfaces.Roster`."""
        there = self._apps.get(app_id, {}).get(channel)
        if there is None or socket_id not in there.sockets:
            counts = _NOBODY if there is None else there.counts()
            return Left(False, None, counts, found=False)
        was = there.sockets.pop(socket_id)
        there.changed = True
        gone = was if was is not None and self._leave_user(there, was, socket_id) else None
        self._drop_if_empty(app_id, channel, there)
        return Left(not there.sockets, gone, there.counts())

    @staticmethod
    def _leave_user(there: _Channel, member: PresenceMember, socket_id: str) -> bool:
        sockets = there.users[member.user_id]
        del sockets[socket_id]
        if sockets:
            return False
        del there.users[member.user_id]
        return True

    def _drop_if_empty(self, app_id: str, channel: str, there: _Channel) -> None:
        if not there.sockets:
            del self._apps[app_id][channel]

    async def restore(
        self,
        app_id: str,
        channel: str,
        sockets: Sequence[tuple[str, PresenceMember | None]],
    ) -> Restored:
        """See `txpusher.interfaces.Roster`."""
        first, new, counts = False, [], _NOBODY
        for socket_id, member in sockets:
            joined = await self.join(app_id, channel, socket_id, member)
            first, counts = first or joined.first_in_channel, joined.counts
            if member is not None and joined.first_for_user:
                new.append(member)
        return Restored(first, new, counts)

    async def owned(self, cursor: int = 0) -> tuple[int, Sequence[tuple[str, str, str]]]:
        """See `txpusher.interfaces.Roster`; as memory never returns to an older state, nobody has to know."""
        return 0, ()

    async def counts(self, app_id: str, channels: Sequence[str]) -> list[Counts]:
        """See `txpusher.interfaces.Roster`."""
        there = self._apps.get(app_id, {})
        return [there[name].counts() if name in there else _NOBODY for name in channels]

    def take_due_count(
        self, app_id: str, channel: str, above: int, every: float, now: float
    ) -> CountTold:
        """Take the number that is told now, if any is; see `txpusher.interfaces.Bus.publish_due_count`."""
        there = self._apps.get(app_id, {}).get(channel)
        if there is None or len(there.sockets) <= above or not there.changed:
            return CountTold(0)
        if now < there.told_until:
            return CountTold(0, there.told_until - now)
        there.told_until, there.changed = now + every, False
        return CountTold(len(there.sockets))

    async def channels(self, app_id: str, prefix: str = "") -> dict[str, Counts]:
        """See `txpusher.interfaces.Roster`."""
        there = self._apps.get(app_id, {})
        return {
            name: channel.counts() for name, channel in there.items() if name.startswith(prefix)
        }

    async def members(self, app_id: str, channel: str) -> Sequence[PresenceMember]:
        """See `txpusher.interfaces.Roster`."""
        there = self._apps.get(app_id, {}).get(channel)
        return there.members() if there else ()
