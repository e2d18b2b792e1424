"""What the application around a server can do without HTTP, on the reactor's thread, with the same checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from txpusher import errors
from txpusher.core import users
from txpusher.protocol.api import checked
from txpusher.protocol.names import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.core import Metric

    from txpusher.config import Config
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import Adapter, AppStore, Health
    from txpusher.metrics.facade import Metrics
    from txpusher.model import App, Counts, Event, PresenceMember
    from txpusher.served_apps import ServedApps


class Embedded(Service):
    """A service that can be asked by the program it is part of."""

    config: Config
    registry: ChannelRegistry
    _apps: AppStore
    _served: ServedApps
    _adapter: Adapter
    _metrics: Metrics

    def publish(self, app_id: str, *events: Event) -> Deferred[None]:
        """Publish events in order, without HTTP and with the same checks.

        Args:
            app_id: the app on whose channels they are published.
            events: all are checked before any is published.

        Returns:
            A Deferred, which may be awaited, of their having been handed on.

        Raises:
            NotFound, Forbidden: (as a failure) there is no such app, or it is switched off.
            ServiceUnavailable: (as a failure) the app is not known, and the app store is away.
            BadRequest, PayloadTooLarge: (as a failure) an event breaks a rule; nothing was published.
        """

        async def run() -> None:
            app = await self._app(app_id)
            reserved = self.config.allow_reserved_events
            safe = [checked(event, app.limits, allow_reserved=reserved) for event in events]
            await self.registry.publish(app, safe)

        return Deferred.fromCoroutine(run())

    def channels(self, app_id: str, prefix: str = "") -> Deferred[dict[str, Counts]]:
        """Give the occupied channels of an app whose names begin with ``prefix``, with their counts."""

        async def run() -> dict[str, Counts]:
            found = await self._adapter.roster.channels(app_id, prefix)
            return {name: counts for name, counts in found.items() if not kind_of(name).is_internal}

        return Deferred.fromCoroutine(run())

    def counts(self, app_id: str, channels: Sequence[str]) -> Deferred[list[Counts]]:
        """Give the counts of these channels, in their order."""
        return Deferred.fromCoroutine(self._adapter.roster.counts(app_id, channels))

    def members(self, app_id: str, channel: str) -> Deferred[Sequence[PresenceMember]]:
        """Give the distinct users of a presence channel."""
        return Deferred.fromCoroutine(self._adapter.roster.members(app_id, channel))

    def terminate(self, app_id: str, user_id: str) -> Deferred[None]:
        """End every connection that is signed in as this user."""
        return Deferred.fromCoroutine(users.terminate(self.registry, app_id, user_id))

    def health(self) -> Health:
        """Tell how what it needs to serve anybody is: its adapter and, as long as no app is known, its app store."""
        adapter = self._adapter.health()
        return self._served.health() if adapter.ok and not self._served.ids else adapter

    def metrics(self) -> Iterable[Metric]:
        """Give the metrics as they are now."""
        return self._metrics.registry.collect()

    async def _app(self, app_id: str) -> App:
        app = await self._apps.by_id(app_id)
        if app is None:
            raise errors.NotFound(f"There is no app with the id {app_id!r}")
        if not app.enabled:
            raise errors.Forbidden("This app is disabled")
        return app
