"""A set of apps and how to find one: what every store that holds its apps in memory is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from txpusher.app_settings import index

if TYPE_CHECKING:
    from txpusher.model import App


class AppDirectory:
    """Apps in dicts.

    Args:
        apps: those there are.

    Raises:
        ConfigError: two of them have the same id or key.
    """

    def __init__(self, apps: Iterable[App]) -> None:
        self._by_id, self._by_key = index(apps, "app")

    async def by_key(self, key: str) -> App | None:
        """See `txpusher.interfaces.AppStore`."""
        return self._by_key.get(key)

    async def by_id(self, app_id: str) -> App | None:
        """See `txpusher.interfaces.AppStore`."""
        return self._by_id.get(app_id)

    async def all(self) -> Iterable[App]:
        """See `txpusher.interfaces.AppStore`."""
        return self._by_id.values()

    def replace(self, apps: Iterable[App]) -> list[tuple[str, App | None]]:
        """Hold these apps from now on, all at once.

        Returns:
            The ids of the apps that are other ones now, each with its app, or with None when it is gone.

        Raises:
            ConfigError: two of them have the same id or key; nothing was replaced then.
        """
        old = self._by_id
        self._by_id, self._by_key = index(apps, "app")
        gone = [app_id for app_id in old if app_id not in self._by_id]
        differ = [(app_id, app) for app_id, app in self._by_id.items() if old.get(app_id) != app]
        return [*((app_id, None) for app_id in gone), *differ]
