"""A fixed set of apps and how to find one: what every store that holds its apps in memory is made of."""

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
