"""``memory://``: one process, everything in dicts; every answer comes at once.

Several adapters made on one `Hub` are several nodes in one process, which is how the tests look at a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING

from txpusher.core.expiring import Expiring
from txpusher.interfaces import Envelope, Figures, Health, Joined, Left, Restored
from txpusher.model import CachedEvent, Counts, PresenceMember, Receipt
from txpusher.protocol import codec

if TYPE_CHECKING:
    from txpusher.interfaces import Clock, Limiter, Node
    from txpusher.outbox import Outbox

_NOBODY = Counts()


def create(url: str, clock: Clock) -> MemoryAdapter:
    """Make the adapter for ``memory://``; ``url`` has nothing to say."""
    return MemoryAdapter(Hub(clock))


class Hub:
    """What the nodes of one process share: the buses, one roster, quotas, the last events and receipts."""

    def __init__(self, clock: Clock) -> None:
        self.buses: list[MemoryBus] = []
        self.connections: dict[str, dict[MemoryQuotas, int]] = {}
        self.roster = MemoryRoster()
        self.clock = clock
        # When channels were occupied that nobody was told to be vacant since; see `MemoryBus.publish_while`.
        self.came: dict[tuple[str, str], float] = {}
        self.last_events = MemoryLastEvents(clock)
        self.receipts = MemoryReceipts(clock)


class MemoryAdapter:
    """One node on a hub."""

    outbox: Outbox | None = None
    limiter: Limiter | None = None

    def __init__(self, hub: Hub) -> None:
        self.bus = MemoryBus(hub)
        self.quotas = MemoryQuotas(hub)
        self.roster = hub.roster
        self.last_events = hub.last_events
        self.receipts = hub.receipts

    async def start(self, node: Node) -> None:
        """Be reached by the other nodes of the hub."""
        self.bus.receive = node.receive

    async def stop(self) -> None:
        """Be reached no longer."""
        self.bus.leave()

    def health(self) -> Health:
        """Memory is always there."""
        return Health()

    def figures(self) -> Figures:
        """Nothing goes over a wire, and no node dies alone."""
        return Figures()


class MemoryBus:
    """Hands envelopes to the other nodes of the hub that watch their channel."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._watched: set[tuple[str, str]] = set()
        self.receive: Callable[[Envelope], None] = lambda _: None
        hub.buses.append(self)

    def leave(self) -> None:
        """Take this node off the hub."""
        if self in self._hub.buses:
            self._hub.buses.remove(self)

    async def publish(self, envelope: Envelope) -> None:
        """See `txpusher.interfaces.Bus`."""
        for bus in self._hub.buses:
            if bus is not self:
                bus._take(envelope)  # noqa: SLF001

    async def publish_gone(self, envelope: Envelope, user_id: str) -> None:
        """See `txpusher.interfaces.Bus`."""
        there = await self._hub.roster.members(envelope.app_id, envelope.channel)
        if all(member.user_id != user_id for member in there):
            await self.publish(envelope)

    async def publish_while(
        self,
        envelope: Envelope,
        channel: str,
        *,
        occupied: bool,
        within: float = 0.0,
        quiet: bool = False,
    ) -> None:
        """See `txpusher.interfaces.Bus`."""
        place, now, hub = (envelope.app_id, channel), self._hub.clock.seconds(), self._hub
        (counts,) = await hub.roster.counts(envelope.app_id, [channel])
        if bool(counts.subscriptions) is not occupied:
            return
        came = hub.came.pop(place, None)
        if occupied:
            hub.came[place] = now
            if quiet and came is not None:
                return
        elif came is not None and came > now - within:
            hub.came[place] = came
            return
        for bus in hub.buses:
            bus._take(envelope)  # noqa: SLF001

    async def publish_count(self, app_id: str, channel: str) -> int:
        """See `txpusher.interfaces.Bus`."""
        (counts,) = await self._hub.roster.counts(app_id, [channel])
        if counts.subscriptions:
            frame = codec.subscription_count(channel, counts.subscriptions)
            for bus in self._hub.buses:
                bus._take(Envelope(app_id, channel, [(frame, None)]))  # noqa: SLF001
        return counts.subscriptions

    def _take(self, envelope: Envelope) -> None:
        if (envelope.app_id, envelope.channel) in self._watched:
            self.receive(envelope)

    async def watch(self, app_id: str, channel: str) -> None:
        """See `txpusher.interfaces.Bus`."""
        self._watched.add((app_id, channel))

    async def unwatch(self, app_id: str, channel: str) -> None:
        """See `txpusher.interfaces.Bus`."""
        self._watched.discard((app_id, channel))


class _Channel:
    """Sockets with their members, and each user's sockets in the order they came."""

    __slots__ = ("sockets", "users")

    def __init__(self) -> None:
        self.sockets: dict[str, PresenceMember | None] = {}
        self.users: dict[str, dict[str, PresenceMember]] = {}

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


class MemoryQuotas:
    """How many connections each node of the hub has."""

    def __init__(self, hub: Hub) -> None:
        self._connections = hub.connections

    async def set(self, app_id: str, connections: int, limit: int | None = None) -> bool:
        """See `txpusher.interfaces.Quotas`."""
        nodes = self._connections.setdefault(app_id, {})
        others = sum(nodes.values()) - nodes.get(self, 0)
        if limit is not None and others + connections > limit:
            return False
        nodes[self] = connections
        return True


class MemoryLastEvents:
    """The last events of cache channels."""

    def __init__(self, clock: Clock) -> None:
        self._events: Expiring[tuple[str, str]] = Expiring(clock)

    async def put(self, app_id: str, channel: str, name: str, data: str, ttl: int) -> None:
        """See `txpusher.interfaces.LastEvents`."""
        self._events.put((app_id, channel), (name, data), ttl)

    async def get(self, app_id: str, channel: str) -> CachedEvent | None:
        """See `txpusher.interfaces.LastEvents`."""
        kept = self._events.get((app_id, channel))
        if kept is None:
            return None
        (name, data), left = kept
        return CachedEvent(name, data, ceil(left))


class MemoryReceipts:
    """The receipts of publishes with an idempotency key."""

    def __init__(self, clock: Clock) -> None:
        self._receipts: Expiring[Receipt] = Expiring(clock)

    async def claim(self, app_id: str, key: str, fingerprint: bytes, ttl: int) -> Receipt | None:
        """See `txpusher.interfaces.Receipts`."""
        kept = self._receipts.get((app_id, key))
        if kept is not None:
            return kept[0]
        self._receipts.put((app_id, key), Receipt(fingerprint), ttl)
        return None

    async def settle(self, app_id: str, key: str, receipt: Receipt, ttl: int) -> None:
        """See `txpusher.interfaces.Receipts`."""
        self._receipts.put((app_id, key), receipt, ttl)

    async def release(self, app_id: str, key: str) -> None:
        """See `txpusher.interfaces.Receipts`."""
        self._receipts.pop((app_id, key))
