"""What the adapter tells this node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.occurrences import MessageDropped

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import Envelope, Left


class ClusterNode:
    """See `txpusher.interfaces.Node`.

    Args:
        registry: of this node.
    """

    def __init__(self, registry: ChannelRegistry) -> None:
        self._registry = registry

    def receive(self, envelope: Envelope) -> None:
        """Take what another node has published."""
        self._registry.receive(envelope)

    def dropped(self, app_id: str, reason: str) -> None:
        """Count an envelope that was lost between the nodes."""
        self._registry.tell(MessageDropped(app_id, reason))

    async def departed(self, app_id: str, channel: str, left: Left, node_id: str) -> None:
        """Tell it."""

    async def returned(self, *, forgotten: bool) -> None:
        """Write it."""
