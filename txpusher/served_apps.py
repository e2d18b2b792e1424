"""The apps that a service serves: those of its store, whether that changes or not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from txpusher.core.occurrences import AppsReloaded, Occurrence
from txpusher.core.running import start
from txpusher.errors import ConfigError
from txpusher.interfaces import ChangingAppStore, Health

if TYPE_CHECKING:
    from txpusher.interfaces import AppStore
    from txpusher.model import App

_log = Logger()


class ServedApps:
    """A store, watched.

    Args:
        store: where the apps are.
        check: raises ConfigError when apps may not be served.

    Raises:
        ConfigError: those that are known from the start may not be, or the store is half a `ChangingAppStore`.
    """

    def __init__(self, store: AppStore, check: Callable[[Iterable[App]], None]) -> None:
        if hasattr(store, "start") and not isinstance(store, ChangingAppStore):
            raise ConfigError(
                "--apps",
                "the store has a start but not all of stop, reload and health, and would never be started",
            )
        self._store = store
        self._check = check
        self._ids: dict[str, None] = {}
        # A store that answers at once can still stop the start; for another it is too late.
        late = start(self._look())
        if late is not None:
            late.addErrback(lambda failure: _log.failure("The apps cannot be served", failure))

    @property
    def ids(self) -> Collection[str]:
        """The ids of the apps that are known now."""
        return self._ids.keys()

    async def start(
        self, changed: Callable[[str, App | None], None], tell: Callable[[Occurrence], None]
    ) -> None:
        """Begin to look for changes, if there can be any.

        Args:
            changed: is called with the id of every app that changed, and the app, or None when it is gone.
            tell: hears that the apps were read again.
        """

        def heard(app_id: str, app: App | None) -> None:
            if app is None:
                self._ids.pop(app_id, None)
            else:
                self._ids[app_id] = None
            changed(app_id, app)

        if isinstance(self._store, ChangingAppStore):
            await self._store.start(self._check, heard, lambda ok: tell(AppsReloaded(ok)))

    async def stop(self) -> None:
        """Look for changes no more."""
        if isinstance(self._store, ChangingAppStore):
            await self._store.stop()

    async def reload(self) -> None:
        """Look for changes now."""
        if isinstance(self._store, ChangingAppStore):
            await self._store.reload()
        else:
            _log.info("There is nothing to reload: these apps do not change")

    def health(self) -> Health:
        """Tell whether the apps that are served are those of the store."""
        return self._store.health() if isinstance(self._store, ChangingAppStore) else Health()

    async def _look(self) -> None:
        apps = list(await self._store.all())
        self._check(apps)
        self._ids = dict.fromkeys(app.id for app in apps)
