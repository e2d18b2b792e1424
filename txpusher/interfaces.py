"""The contracts between the server's mind and the world, by behaviour.

The core awaits these and never asks which implementation it has. An answer may come at once or later; an
implementation in memory never suspends, so the single-process path runs without a Deferred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from txpusher.model import App, CachedEvent, Counts, PresenceMember, Receipt
from txpusher.outbox import Outbox


class Wire(Protocol):
    """What a socket looks like to the core. No method ever raises or blocks."""

    send: Callable[[bytes], None]
    """Write complete WebSocket frames, already encoded. Does nothing once the socket is gone."""

    def ping(self) -> None:
        """Send a WebSocket ping frame."""

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake; nothing may be sent after it."""

    def pause(self) -> None:
        """Stop reading: messages arrive faster than they can be handled."""

    def resume(self) -> None:
        """Read on."""


class Envelope(NamedTuple):
    """What one node tells the others about a channel. It never carries a secret.

    Args:
        app_id: the app.
        channel: the channel whose subscribers are meant.
        frames: encoded WebSocket frames to hand on unchanged, each with the ``socket_id`` that does not get it.
        terminate: whether to end the connections of this user channel instead.
        sender: the id of a dead node on whose behalf this is published; it comes back to whoever publishes it, and does
            not get to that node, should it live after all. Empty for the publishing node itself.
    """

    app_id: str
    channel: str
    frames: Sequence[tuple[bytes, str | None]] = ()
    terminate: bool = False
    sender: str = ""


class Bus(Protocol):
    """Carries envelopes to the other nodes: at most once, in order per sender, never back to the sender."""

    async def publish(self, envelope: Envelope) -> None:
        """Hand the envelope to every other node that watches its app and channel."""

    async def publish_gone(self, envelope: Envelope, user_id: str) -> None:
        """Publish that a user is gone from a presence channel, unless the roster has the user there (again).

        Raises:
            ServiceUnavailable: it was not published, or nobody knows whether it was.
        """

    async def publish_while(
        self,
        envelope: Envelope,
        channel: str,
        *,
        occupied: bool,
        within: float = 0.0,
        quiet: bool = False,
    ) -> None:
        """Publish what follows from a channel being occupied or vacant, unless the roster says otherwise by now.

        It comes back to this node, too, as what is heard last is true only where all of it comes by the same way.

        Args:
            envelope: to whom, and what.
            channel: of the same app.
            occupied: whether it has to have subscriptions, or to have none.
            within: seconds for which it has been vacant: nobody is told then, if this was called since to tell that it
                is occupied.
            quiet: tell nobody that it is occupied, unless they have been told since that it is vacant.

        Raises:
            ServiceUnavailable: it was not published, or nobody knows whether it was.
        """

    async def publish_count(self, app_id: str, channel: str) -> int:
        """Tell the subscribers of a channel how many they are in the roster now; it comes back to this node, too.

        Returns:
            The number; nobody is told when it is 0.

        Raises:
            ServiceUnavailable: nobody was told, or nobody knows whether anybody was.
        """

    async def watch(self, app_id: str, channel: str) -> None:
        """Receive what others publish to this channel from now on."""

    async def unwatch(self, app_id: str, channel: str) -> None:
        """Receive it no longer."""


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


class LastEvents(Protocol):
    """The last event of each cache channel, for a time."""

    async def put(self, app_id: str, channel: str, name: str, data: str, ttl: int) -> None:
        """Remember this event, in place of an older one, for ``ttl`` seconds."""

    async def get(self, app_id: str, channel: str) -> CachedEvent | None:
        """The remembered event, or None when there is none or its time is over."""


class Receipts(Protocol):
    """What publishes with an idempotency key were answered, for a time. Every answer is atomic over all nodes."""

    async def claim(self, app_id: str, key: str, fingerprint: bytes, ttl: int) -> Receipt | None:
        """Take the key for a publish that begins now, or give the receipt of the one that has it.

        Returns:
            None when nobody had the key: it is the caller's for ``ttl`` seconds, who has to `settle` or `release` it.

        Raises:
            ServiceUnavailable: the key is not the caller's; should it be taken all the same, the adapter gives it back.
        """

    async def settle(self, app_id: str, key: str, receipt: Receipt, ttl: int) -> None:
        """Remember how the publish was answered, for ``ttl`` seconds from now."""

    async def release(self, app_id: str, key: str) -> None:
        """Forget the key: its publish failed and may be tried again."""


class Limiter(Protocol):
    """Token buckets that all nodes take from."""

    async def take(
        self, owner: str, capacity: int, seconds: float, cost: int
    ) -> tuple[bool, float]:
        """Take tokens from a bucket, if it has as many or is full.

        Args:
            owner: whose bucket, of which kind.
            capacity: tokens it holds.
            seconds: the time in which it fills.
            cost: tokens to take; they may be more than it holds, which leaves a debt.

        Returns:
            Whether they were taken, and the tokens that are left.
        """


class Quotas(Protocol):
    """How many connections of each app there are, all nodes together."""

    async def set(self, app_id: str, connections: int, limit: int | None = None) -> bool:
        """Say how many connections this node has, or is about to have.

        Returns:
            False when all nodes together would have more than ``limit``; nothing was changed then.
        """


class Node(Protocol):
    """What an adapter tells the node that it connects to the others."""

    def receive(self, envelope: Envelope) -> None:
        """Take what another node has published."""

    def dropped(self, app_id: str, reason: str) -> None:
        """Count an envelope that was lost between the nodes."""

    async def departed(self, app_id: str, channel: str, left: Left, node_id: str) -> None:
        """Tell what follows from a subscription of a dead node having been taken away; must not raise.

        Args:
            app_id: the app of the channel.
            channel: where it was.
            left: as the roster would have answered the leave.
            node_id: the dead node, for `Envelope.sender`.
        """

    async def returned(self, *, forgotten: bool, settling: float) -> None:
        """Write everything of this node to the roster and the quotas anew; what was away is back.

        Args:
            forgotten: whether the roster has lost its entries without anybody having been told so.
            settling: seconds after which all nodes will have written theirs.

        Raises:
            ServiceUnavailable: it is away again; this is called once more when it is back.
        """

    async def missed(self) -> None:
        """Tell clients how things are: what others told was not heard for a while, and all nodes are back by now.

        Raises:
            ServiceUnavailable: the roster is away; this is called once more when it is back.
        """


class Adapter(Protocol):
    """One way of clustering: a bus, a roster and what else the nodes share, started and stopped together.

    Whatever is asked of them may raise `txpusher.errors.ServiceUnavailable`; what is local goes on then.

    Attributes:
        outbox: what the nodes share about webhooks; None where there is one node, which needs to ask nobody.
    """

    bus: Bus
    roster: Roster
    quotas: Quotas
    last_events: LastEvents
    receipts: Receipts
    limiter: Limiter | None
    outbox: Outbox | None

    async def start(self, node: Node) -> None:
        """Connect; ``node`` is told what happens on the others."""

    async def stop(self) -> None:
        """Leave the roster and disconnect."""

    def health(self) -> Health:
        """How well the adapter works right now."""

    def figures(self) -> Figures:
        """What it has done since its start."""


class Figures(NamedTuple):
    """Counters of an adapter.

    Args:
        commands: sent to whatever connects the nodes.
        reconnects: connections to it that were lost and had to be made again.
        reaped: dead nodes that this one has buried.
    """

    commands: int = 0
    reconnects: int = 0
    reaped: int = 0


class Health(NamedTuple):
    """``ok`` is False when something the server depends on is away; ``detail`` says what."""

    ok: bool = True
    detail: str = ""


Check = Callable[[], Health]
"""Tells how something is right now."""


class AppStore(Protocol):
    """Where apps are looked up.

    A lookup may raise `txpusher.errors.ServiceUnavailable`; API calls are answered 503 then, and connections 4100.
    """

    async def by_key(self, key: str) -> App | None:
        """The app with this public key."""

    async def by_id(self, app_id: str) -> App | None:
        """The app with this id."""

    async def all(self) -> Iterable[App]:
        """Every app that is known now."""


@runtime_checkable
class ChangingAppStore(AppStore, Protocol):
    """A store whose apps change while the server runs."""

    async def start(
        self,
        check: Callable[[Iterable[App]], None],
        changed: Callable[[str, App | None], None],
        reloaded: Callable[[bool], None],
    ) -> None:
        """Begin to look for changes. A store that cannot be read now goes on trying, and does not raise.

        Args:
            check: has to be called with apps before they are served; it raises ConfigError when they may not be.
            changed: is called with the id of every app that is another one now, and with the app, or with None when
                it is gone.
            reloaded: is called after every look that found a change, failed or was asked for by `reload`: True when
                everything could be read.
        """

    async def stop(self) -> None:
        """Look for changes no more."""

    async def reload(self) -> None:
        """Look for changes now, while started. What cannot be read is logged, and the old apps stay."""

    def health(self) -> Health:
        """Whether the apps that are served are those that are written there now."""


class Call(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not call after all."""


class Clock(Protocol):
    """The part of a reactor that tells the time and wakes up; `twisted.internet.task.Clock` is one."""

    def seconds(self) -> float:
        """Seconds on a clock that never goes back."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> Call:  # noqa: A002
        """Call ``callable(*args)`` after ``delay`` seconds."""


class Observer(Protocol):
    """Hears some of the facts of `txpusher.core.occurrences`."""

    @property
    def hears(self) -> Mapping[type, Callable[[Any], None]]:
        """What is called with each kind of occurrence; it must be quick and must not raise."""
