"""What an adapter tells this node: messages of others, the end of a dead node, and its own return after an outage.

Whatever the roster decides, one node tells as an occurrence. Clients are told over the bus: of a dead node's members by
whichever node has buried it, in the dead node's name, so that a node that was only cut off does not tell its own
clients that they are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core import online
from txpusher.core.catching_up import catch_up
from txpusher.core.counting import told_up_to
from txpusher.core.occurrences import MessageDropped
from txpusher.core.returning import write_anew
from txpusher.core.subscribing import tell_departure
from txpusher.errors import ServiceUnavailable
from txpusher.interfaces import Envelope
from txpusher.protocol import codec
from txpusher.protocol.names import Kind, kind_of, user_of_channel

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import AppStore, Left
    from txpusher.model import App


class ClusterNode:
    """See `txpusher.interfaces.Node`.

    Args:
        registry: of this node.
        apps: where apps are found that the registry does not know.
    """

    def __init__(self, registry: ChannelRegistry, apps: AppStore) -> None:
        self._registry = registry
        self._apps = apps

    def receive(self, envelope: Envelope) -> None:
        """Take what another node has published."""
        self._registry.receive(envelope)

    def dropped(self, app_id: str, reason: str) -> None:
        """Count an envelope that was lost between the nodes."""
        self._registry.tell(MessageDropped(app_id, reason))

    async def departed(self, app_id: str, channel: str, left: Left, node_id: str) -> None:
        """Tell what follows from a subscription of a dead node having been taken away."""
        kind = kind_of(channel)
        if kind is Kind.USER:
            if left.last_in_channel:
                user_id = user_of_channel(channel)
                await online.tell(self._registry, app_id, user_id, online=False, sender=node_id)
            return
        gone = left.last_for_user
        if gone is not None:
            # The user may have come back, to any node, since this was found out.
            frame = codec.member_removed(channel, gone.user_id)
            envelope = Envelope(app_id, channel, [(frame, None)], sender=node_id)
            await self._registry.adapter.bus.publish_gone(envelope, gone.user_id)
        tell_departure(self._registry, app_id, channel, left)
        if kind.is_presence:
            return
        app = await self._app(app_id)
        if app is not None and told_up_to(app, kind):
            await self._registry.counting.changed(app_id, channel, left.counts.subscriptions)

    async def _app(self, app_id: str) -> App | None:
        # Perhaps nobody of it has ever been connected here.
        if app_id in self._registry.apps:
            return self._registry.app(app_id)
        try:
            return await self._apps.by_id(app_id)
        except ServiceUnavailable:
            return None

    async def returned(self, *, forgotten: bool, settling: float) -> None:
        """Write everything of this node to the roster and the quotas anew."""
        await write_anew(self._registry, forgotten=forgotten, settling=settling)

    async def missed(self) -> None:
        """Tell clients how things are."""
        await catch_up(self._registry)
