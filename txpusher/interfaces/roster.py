"""The shared truth about who is where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from txpusher.model import Counts, PresenceMember


class Joined(NamedTuple):
    """The answer to a join.

    Args:
        accepted: False when the presence channel was full; nothing was changed then.
        first_in_channel: the channel had no subscription before.
        first_for_user: the member's user had no socket on the channel before.
        counts: the channel's counts afterwards.
        members: everybody on the presence channel, the joiner included.
        told: whether the roster tells the channel's subscribers on all nodes, this one included, of members that come,
            or their number where it was asked to.
    """

    accepted: bool
    first_in_channel: bool
    first_for_user: bool
    counts: Counts
    members: Sequence[PresenceMember]
    told: bool = False


class Left(NamedTuple):
    """The answer to a leave.

    Args:
        last_in_channel: the channel has no subscription any more.
        last_for_user: the member whose user has no socket on the channel any more, else None.
        counts: the channel's counts afterwards.
        told: whether the roster tells the channel's subscribers on all nodes, this one included, that the member went,
            or their number where it was asked to.
        found: whether the subscription was there. One that has been there is missing when the roster has lost it, or
            took this node for dead.
    """

    last_in_channel: bool
    last_for_user: PresenceMember | None
    counts: Counts
    told: bool = False
    found: bool = True


class Restored(NamedTuple):
    """The answer to a restoration.

    Args:
        first_in_channel: the channel had no subscription before.
        new_members: those whose user had no socket on the channel before.
        counts: the channel's counts afterwards.
    """

    first_in_channel: bool
    new_members: Sequence[PresenceMember]
    counts: Counts


class Roster(Protocol):
    """The shared truth about who is subscribed where. Every answer is atomic over all nodes.

    A roster whose answers come late tells of members and numbers itself, by way of the bus: so all subscribers are told
    in the order in which it happened, whatever node it happened on, and whenever its answer arrives there.
    """

    async def join(
        self,
        app_id: str,
        channel: str,
        socket_id: str,
        member: PresenceMember | None = None,
        max_members: int | None = None,
        tell_up_to: int = 0,
    ) -> Joined:
        """Add a subscription; a user who is already there is admitted to a full channel.

        While a user has several sockets, the info of the first one that is still there counts.

        Args:
            app_id: the app.
            channel: the channel.
            socket_id: whose subscription it is.
            member: who it is on a presence channel.
            max_members: users that the channel may have.
            tell_up_to: the greatest number of subscriptions that subscribers are told; 0 when they are told none.
        """

    async def leave(
        self,
        app_id: str,
        channel: str,
        socket_id: str,
        member: PresenceMember | None = None,
        tell_up_to: int = 0,
    ) -> Left:
        """Take the subscription away; unknown ones change nothing and are last of nothing.

        Args:
            app_id: the app.
            channel: the channel.
            socket_id: whose subscription it is.
            member: as it joined. Without it the roster cannot tell that the member went.
            tell_up_to: as with `join`.
        """

    async def restore(
        self,
        app_id: str,
        channel: str,
        sockets: Sequence[tuple[str, PresenceMember | None]],
    ) -> Restored:
        """Add many subscriptions of this node again, without regard to limits; those that are there stay."""

    async def owned(self, cursor: int = 0) -> tuple[int, Sequence[tuple[str, str, str]]]:
        """Some of what the roster has of this node: app id, channel and socket id of each subscription.

        Args:
            cursor: 0, then what the last answer gave.

        Returns:
            The cursor for the next question, or 0 when this was the last part. What comes or goes meanwhile may be
            there or not, and something may come twice.
        """

    async def counts(self, app_id: str, channels: Sequence[str]) -> list[Counts]:
        """The counts of these channels, in their order; zero for vacant ones."""

    async def channels(self, app_id: str, prefix: str = "") -> dict[str, Counts]:
        """All occupied channels whose name starts with ``prefix``.

        Channels of users, whose names begin with ``#``, need not be among them unless the prefix begins so, too.
        """

    async def members(self, app_id: str, channel: str) -> Sequence[PresenceMember]:
        """The distinct users of a presence channel."""
