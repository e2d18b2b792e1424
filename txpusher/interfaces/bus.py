"""What goes from node to node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


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


class CountTold(NamedTuple):
    """What became of a number that was due.

    Args:
        number: what subscribers were told; 0 when they were told none.
        again: seconds after which it has to be asked for once more, as it has changed since it was told; else 0.
    """

    number: int
    again: float = 0.0


class Bus(Protocol):
    """Carries envelopes to the other nodes: at most once, in order per sender, never back to the sender."""

    def is_alone(self) -> bool:
        """Whether there cannot be another node now; what is published then need not be handed on.

        It is asked at every publish: answer from memory, and False when in doubt.
        """

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
            quiet: tell nobody that it is occupied, unless anybody has been told since that it is vacant, by this or by
                the answer of `occupied`.

        Raises:
            ServiceUnavailable: it was not published, or nobody knows whether it was.
        """

    async def occupied(self, app_id: str, channels: Sequence[str]) -> list[bool]:
        """Look which channels are occupied, for somebody who is told so: that the others are vacant counts as told.

        Raises:
            ServiceUnavailable: nobody knows now.
        """

    async def publish_count(self, app_id: str, channel: str) -> int:
        """Tell the subscribers of a channel how many they are in the roster now; it comes back to this node, too.

        Returns:
            The number; nobody is told when it is 0.

        Raises:
            ServiceUnavailable: nobody was told, or nobody knows whether anybody was.
        """

    async def publish_due_count(
        self, app_id: str, channel: str, above: int, every: float
    ) -> CountTold:
        """Tell the subscribers of a large channel how many they are, as `publish_count`, but once for all nodes.

        Every node where the number has changed asks for it a while later. The first one has it told; for those that
        come after it there is nothing to do until it changes again.

        Args:
            app_id: the app.
            channel: of that app.
            above: the number above which it is large: up to that, every change is told at once by whoever makes it.
            every: seconds in which nobody is told twice.

        Raises:
            ServiceUnavailable: nobody was told.
            Unanswered: nobody knows whether anybody was.
        """

    async def watch(self, app_id: str, channel: str) -> None:
        """Receive what others publish to this channel from now on."""

    async def unwatch(self, app_id: str, channel: str) -> None:
        """Receive it no longer."""
