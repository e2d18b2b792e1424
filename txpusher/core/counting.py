"""``pusher_internal:subscription_count``: how many subscriptions a channel has, told to its subscribers.

On every change up to 100 subscriptions, above that at most every five seconds and only while there is change, once for
all nodes: each node where it changes asks the bus a while later, which knows whether it was told since. Whatever tells
it, roster or bus, reads the number at the moment of publishing, and all nodes hear it by the same way: so the last
number that a subscriber hears is the true one. Source: "Pusher docs: Channels events, subscription count".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.occurrences import MessageDropped, SubscriptionCountChanged
from txpusher.core.running import start_logged
from txpusher.errors import ServiceUnavailable, Unanswered

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
        # Channels whose number is told later, by app id and name, with the time.
        self._due: dict[tuple[str, str], tuple[float, Call]] = {}
        # Those of them that are told whatever was told meanwhile: an attempt to tell their number has failed.
        self._owed: set[tuple[str, str]] = set()

    async def changed(self, app_id: str, name: str, count: int, *, told: bool = False) -> None:
        """Tell the new number now, or with the next ones in a while; also when nobody can be told now.

        Args:
            app_id: an app that wants it.
            name: of the channel; not a presence channel. It may have no subscriber here.
            count: subscriptions in the cluster.
            told: whether the subscribers were told already, if they are to be told at once.
        """
        place = app_id, name
        if count > FREQUENT_UP_TO:
            self._later(place, INTERVAL)
        elif count and not told:
            await self._tell(place)
        else:
            self._registry.tell(SubscriptionCountChanged(app_id, name, count))
        if not count and place in self._due:
            self._take(place).cancel()

    async def tell_all(self) -> None:
        """Tell at once what is due, as the server stops; what cannot be told is counted."""
        while self._due:
            place = next(iter(self._due))
            owed = place in self._owed
            self._take(place).cancel()
            try:
                # What has changed since it was told would be told later, when this node is no more.
                if owed or await self._publish_if_due(place):
                    await self._publish(place)
            except ServiceUnavailable as error:
                self._registry.tell(MessageDropped(place[0], error.reason))

    def stop(self) -> None:
        """Tell nobody any more."""
        for _, call in self._due.values():
            call.cancel()
        self._due.clear()
        self._owed.clear()

    def _later(self, place: tuple[str, str], seconds: float) -> None:
        clock = self._registry.clock
        at = clock.seconds() + seconds
        if place in self._due:
            earlier, call = self._due[place]
            if earlier <= at:
                return
            call.cancel()
        self._due[place] = at, clock.callLater(seconds, self._now, place)

    def _now(self, place: tuple[str, str]) -> None:
        step = self._tell if place in self._owed else self._tell_if_due
        self._take(place)
        start_logged(step(place), "Subscribers were not told their number")

    def _take(self, place: tuple[str, str]) -> Call:
        self._owed.discard(place)
        return self._due.pop(place)[1]

    async def _tell(self, place: tuple[str, str]) -> None:
        try:
            await self._publish(place)
        except ServiceUnavailable:
            self._owe(place)

    async def _tell_if_due(self, place: tuple[str, str]) -> None:
        try:
            again = await self._publish_if_due(place)
        except Unanswered:
            # Subscribers may have been told, but observers of this were not.
            self._owe(place)
        except ServiceUnavailable:
            self._later(place, INTERVAL)
        else:
            if again:
                self._later(place, again)

    def _owe(self, place: tuple[str, str]) -> None:
        self._owed.add(place)
        self._later(place, INTERVAL)

    async def _publish(self, place: tuple[str, str]) -> None:
        self._told(place, await self._registry.adapter.bus.publish_count(*place))

    async def _publish_if_due(self, place: tuple[str, str]) -> float:
        bus = self._registry.adapter.bus
        count, again = await bus.publish_due_count(*place, FREQUENT_UP_TO, INTERVAL)
        self._told(place, count)
        return again

    def _told(self, place: tuple[str, str], count: int) -> None:
        if count:
            self._registry.tell(SubscriptionCountChanged(*place, count))
