"""Where apps are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from txpusher.interfaces.health import Health
from txpusher.model import App


class AppStore(Protocol):
    """Where apps are looked up.

    A lookup may raise `txpusher.errors.ServiceUnavailable`; API calls are answered 503 then, and connections 4100.
    """

    async def by_key(self, key: str) -> App | None:
        """The app with this public key."""

    async def by_id(self, app_id: str) -> App | None:
        """The app with this id."""

    async def all(self) -> Iterable[App]:
        """Every app that is known now."""


@runtime_checkable
class ChangingAppStore(AppStore, Protocol):
    """A store whose apps change while the server runs."""

    async def start(
        self,
        check: Callable[[Iterable[App]], None],
        changed: Callable[[str, App | None], None],
        reloaded: Callable[[bool], None],
    ) -> None:
        """Begin to look for changes. A store that cannot be read now goes on trying, and does not raise.

        Args:
            check: has to be called with apps before they are served; it raises ConfigError when they may not be.
            changed: is called with the id of every app that is another one now, and with the app, or with None when
                it is gone.
            reloaded: is called after every look that found a change, failed or was asked for by `reload`: True when
                everything could be read.
        """

    async def stop(self) -> None:
        """Look for changes no more."""

    async def reload(self) -> None:
        """Look for changes now, while started. What cannot be read is logged, and the old apps stay."""

    def health(self) -> Health:
        """Whether the apps that are served are those that are written there now."""
