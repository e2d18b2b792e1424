"""An adapter: all that connects a node to the others, and what it tells the node."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from txpusher.interfaces.bus import Bus, Envelope
from txpusher.interfaces.health import Health
from txpusher.interfaces.roster import Left, Roster
from txpusher.interfaces.values import LastEvents, Limiter, Quotas, Receipts
from txpusher.outbox import Outbox


class Node(Protocol):
    """What an adapter tells the node that it connects to the others."""

    def receive(self, envelope: Envelope) -> None:
        """Take what another node has published."""

    def dropped(self, app_id: str, reason: str) -> None:
        """Count an envelope that was lost between the nodes."""

    async def departed(self, app_id: str, channel: str, left: Left, node_id: str) -> None:
        """Tell what follows from a subscription of a dead node having been taken away.

        Args:
            app_id: the app of the channel.
            channel: where it was.
            left: as the roster would have answered the leave.
            node_id: the dead node, for `Envelope.sender`.

        Raises:
            ServiceUnavailable: it could not be told; this is called once more when the adapter is back.
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
