"""Going on while the roster is away, and what it has to be told when it is back.

Whoever subscribes meanwhile is confirmed by what this node knows, and whoever leaves is gone for this node. What
follows for the whole cluster (occupied, vacated, members added and removed) is told when the roster can decide it; the
clients of this node are told at once, of what happens on this node.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from txpusher.core.running import start_logged
from txpusher.errors import ServiceUnavailable, Unanswered
from txpusher.interfaces import Joined
from txpusher.model import Counts, PresenceMember
from txpusher.protocol import codec

if TYPE_CHECKING:
    from txpusher.core.channel import Channel
    from txpusher.core.connection import Connection
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import Call


RETRY = 5.0
"""Seconds until the roster is told again what it could not be told."""
UNKNOWN = Counts()
"""How full a channel is while nobody can be asked."""


class Place(NamedTuple):
    """A subscription, by name."""

    app_id: str
    channel: str
    socket_id: str


class Outage:
    """What the roster was not told.

    What failed once is told again after a while, also when nobody says that the roster was away: it may only have been
    full, or busy.

    Args:
        registry: of this node.
        tell: tells the roster; it raises ServiceUnavailable as long as that is in vain.

    Attributes:
        joined: who subscribed, and whether the roster may have heard of it all the same.
        left: who left that the roster has, or may have, with its member.
    """

    def __init__(self, registry: ChannelRegistry, tell: Callable[[], Awaitable[None]]) -> None:
        self._registry = registry
        self._tell = tell
        self._retry: Call | None = None
        self._stopped = False
        self._settling: dict[object, tuple[Call, dict[Place, PresenceMember | None]]] = {}
        self.joined: dict[Place, bool] = {}
        self.left: dict[Place, PresenceMember | None] = {}

    def join(self, place: Place, member: PresenceMember | None, error: ServiceUnavailable) -> None:
        """Remember who joined while the roster was away; one who was somebody else before has left as well."""
        if place in self.left and self.left[place] == member:
            del self.left[place]  # it is where the roster has it
        else:
            self.joined[place] = isinstance(error, Unanswered)
        self._later()

    def leave(self, place: Place, member: PresenceMember | None) -> None:
        """Remember who left while the roster was away."""
        if self.joined.pop(place, True):
            self.left[place] = member
        self._later()

    def settle(self, seconds: float) -> None:
        """Tell who has left when all nodes have written themselves anew, after so many seconds."""
        left = dict(self.left)
        self.left.clear()
        key = object()
        call = self._registry.clock.callLater(seconds, self._settled, key)
        self._settling[key] = call, left

    def waits(self, place: Place) -> bool:
        """Whether somebody left of whom the roster is told later."""
        return place in self.left or any(place in left for _, left in self._settling.values())

    def check_join(self, place: Place, member: PresenceMember | None) -> None:
        """See that nobody joins in the place of somebody else whom the roster still has.

        A leave that was to be told later is told next, as the join has to wait for it.

        Raises:
            ServiceUnavailable: it has to be told first that the other one has left.
        """
        for _, left in self._settling.values():
            if place in left and left[place] != member:
                self.left[place] = left.pop(place)
        if place in self.left and self.left[place] != member:
            raise ServiceUnavailable("The roster still has somebody else in this place")

    def check_leave(self, place: Place) -> None:
        """See that nobody leaves in the place of somebody else.

        Raises:
            ServiceUnavailable: the roster has been told neither of that one's leave nor of this one's join.
        """
        if place in self.left and place in self.joined:
            raise ServiceUnavailable("The roster still has somebody else in this place")

    def _settled(self, key: object) -> None:
        _, left = self._settling.pop(key)
        for place, member in left.items():
            self.leave(place, member)
        start_logged(self._tell_missing(), "Some who left during an outage are in the roster")

    def start(self) -> None:
        """Tell what has to be told, after a `stop`."""
        self._stopped = False

    def stop(self) -> None:
        """Tell nobody any more, whatever may come."""
        self._stopped = True
        for call in (self._retry, *(call for call, _ in self._settling.values())):
            if call is not None:
                call.cancel()
        self._retry = None
        self._settling.clear()

    def _later(self) -> None:
        if self._retry is None and (self.joined or self.left) and not self._stopped:
            self._retry = self._registry.clock.callLater(RETRY, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        start_logged(self._tell_missing(), "The roster was not told everything")

    async def _tell_missing(self) -> None:
        try:
            await self._tell()
        except ServiceUnavailable:
            self._later()

    def subscribe(
        self,
        connection: Connection,
        channel: Channel,
        member: PresenceMember | None,
        error: ServiceUnavailable,
    ) -> Joined:
        """Answer a join in the roster's place, and tell the others on this node of a new member."""
        members = _members(channel.name, channel.subscribers)
        if channel.name not in connection.subscriptions:
            limit = connection.app.limits.max_presence_members
            if member is not None and member.user_id not in members:
                if limit is not None and len(members) >= limit:
                    return Joined(False, False, False, UNKNOWN, ())
                members[member.user_id] = member
                self._tell_here(connection, channel, codec.member_added(channel.name, member))
            place = Place(channel.app_id, channel.name, connection.socket_id)
            self.join(place, member, error)
        return Joined(True, False, False, UNKNOWN, list(members.values()))

    def unsubscribe(
        self, connection: Connection, channel: Channel, member: PresenceMember | None
    ) -> None:
        """Take a leave in the roster's place, and tell the others on this node of a member who is gone."""
        self.leave(Place(channel.app_id, channel.name, connection.socket_id), member)
        if member is not None and member.user_id not in _members(channel.name, channel.subscribers):
            frame = codec.member_removed(channel.name, member.user_id)
            self._tell_here(connection, channel, frame)

    def _tell_here(self, connection: Connection, channel: Channel, frame: bytes) -> None:
        self._registry.deliver(channel.app_id, channel.name, [(frame, connection.socket_id)])


def _members(name: str, connections: Iterable[Connection]) -> dict[str, PresenceMember]:
    """Give the members on a channel of this node, by user id; who came first counts."""
    members: dict[str, PresenceMember] = {}
    for connection in connections:
        member = connection.subscriptions.get(name, (None, None))[1]
        if member is not None:
            members.setdefault(member.user_id, member)
    return members
