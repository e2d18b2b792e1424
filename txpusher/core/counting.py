"""``pusher_internal:subscription_count``: how many subscriptions a channel has, told to its subscribers.

On every change up to 100 subscriptions, above that at most every five seconds and only while there is change.
Whatever tells it, roster or bus, reads the number at the moment of publishing, and all nodes hear it by the same way:
so the last number that a subscriber hears is the true one. Source: "Pusher docs: Channels events, subscription count".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.occurrences import MessageDropped, SubscriptionCountChanged
from txpusher.core.running import start_logged
from txpusher.errors import ServiceUnavailable

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import Call
    from txpusher.model import App
    from txpusher.protocol.names import Kind

FREQUENT_UP_TO = 100
INTERVAL = 5.0


def told_up_to(app: App, kind: Kind) -> int:
    """Give up to which number the subscribers of a channel are told it at every change; 0 where it is never told."""
    return FREQUENT_UP_TO if app.subscription_count and not kind.is_presence else 0


class Counting:
    """Tells it, now or later.

    Args:
        registry: of this node.
    """

    def __init__(self, registry: ChannelRegistry) -> None:
        self._registry = registry
        # Channels whose number is told later, by app id and name.
        self._due: dict[tuple[str, str], Call] = {}

    async def changed(self, app_id: str, name: str, count: int, *, told: bool = False) -> None:
        """Tell the new number now, or with the next ones in a while; also when nobody can be told now.

        Args:
            app_id: an app that wants it.
            name: of the channel; not a presence channel. It may have no subscriber here.
            count: subscriptions in the cluster.
            told: whether the subscribers were told already, if they are to be told at once.
        """
        if count > FREQUENT_UP_TO:
            self._later(app_id, name)
        elif count and not told:
            await self._tell(app_id, name)
        else:
            self._registry.tell(SubscriptionCountChanged(app_id, name, count))
        if not count and (call := self._due.pop((app_id, name), None)) is not None:
            call.cancel()

    async def tell_all(self) -> None:
        """Tell at once what is due, as the server stops; what cannot be told is counted."""
        while self._due:
            place, call = self._due.popitem()
            call.cancel()
            try:
                await self._publish(*place)
            except ServiceUnavailable as error:
                self._registry.tell(MessageDropped(place[0], error.reason))

    def stop(self) -> None:
        """Tell nobody any more."""
        for call in self._due.values():
            call.cancel()
        self._due.clear()

    def _later(self, app_id: str, name: str) -> None:
        place = app_id, name
        if place not in self._due:
            self._due[place] = self._registry.clock.callLater(INTERVAL, self._tell_later, *place)

    def _tell_later(self, app_id: str, name: str) -> None:
        del self._due[app_id, name]
        start_logged(self._tell(app_id, name), "Subscribers were not told their number")

    async def _tell(self, app_id: str, name: str) -> None:
        try:
            await self._publish(app_id, name)
        except ServiceUnavailable:
            self._later(app_id, name)

    async def _publish(self, app_id: str, name: str) -> None:
        count = await self._registry.adapter.bus.publish_count(app_id, name)
        if count:
            self._registry.tell(SubscriptionCountChanged(app_id, name, count))
