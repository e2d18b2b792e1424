"""``memory://``: apps that are known from the start, those of ``--app`` or the demo app."""

from __future__ import annotations

from typing import NoReturn

from txpusher.app_directory import AppDirectory
from txpusher.errors import ConfigError
from txpusher.model import Limits


def create(url: str, reactor: object, defaults: Limits) -> NoReturn:
    """Refuse to make a store that nobody could put an app into.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(
        "--apps", "memory:// has no apps; name them by --app, or a file with them: file:///path"
    )


class MemoryApps(AppDirectory):
    """A store of apps that never change."""
