"""What the server is to an app store: it checks apps, and hears what changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from txpusher.errors import ConfigError
from txpusher.interfaces import ChangingAppStore
from txpusher.model import App


class Heard:
    """Remembers all that a store tells.

    Args:
        refuse: a secret that may not be served.

    Attributes:
        changes: the apps that changed, in order, by their ids.
        reloads: whether the apps could be read.
    """

    def __init__(self, refuse: str | None = None) -> None:
        self._refused = refuse
        self.changes: list[tuple[str, App | None]] = []
        self.reloads: list[bool] = []

    def listen_to(self, store: ChangingAppStore) -> Any:
        """Start a store."""
        return store.start(self._check, lambda *change: self.changes.append(change), self._reloaded)

    def _check(self, apps: Iterable[App]) -> None:
        if any(app.secret == self._refused for app in apps):
            raise ConfigError("listen", "not these")

    def _reloaded(self, ok: bool) -> None:
        self.reloads.append(ok)
