"""``memory://``: apps that are known from the start, those of ``--app`` or the demo app."""

from __future__ import annotations

from txpusher.app_directory import AppDirectory
from txpusher.model import Limits


def create(url: str, reactor: object, defaults: Limits) -> MemoryApps:
    """Make a store without apps; the arguments have nothing to say."""
    return MemoryApps(())


class MemoryApps(AppDirectory):
    """A store of apps that never change."""
