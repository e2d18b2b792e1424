"""``memory://``: apps that are known from the start, those of ``--app`` or the demo app."""

from __future__ import annotations

from txpusher.app_directory import AppDirectory


def create(url: str) -> MemoryApps:
    """Make a store without apps; ``url`` has nothing to say."""
    return MemoryApps(())


class MemoryApps(AppDirectory):
    """A store of apps that never change."""
