"""What one process holds of one app."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from txpusher.core.channel import Channel
    from txpusher.core.connection import Connection
    from txpusher.interfaces import Call
    from txpusher.model import App


class LocalApp:
    """What this process holds of one app.

    Attributes:
        app: the app as it is now, or None when it is gone.
        connections: by their socket id.
        unauthorized: those that have to prove something yet, with the time they came, oldest first.
        channels: by their name.
        is_told: whether `ChannelRegistry.app_changed` tells what the app is; until then the latest lookup does.
        away: users who may be offline, with the call that will find out.
    """

    __slots__ = ("app", "away", "channels", "connections", "is_told", "unauthorized")

    def __init__(self, app: App) -> None:
        self.app: App | None = app
        self.is_told = False
        self.connections: dict[str, Connection] = {}
        self.unauthorized: dict[Connection, float] = {}
        self.channels: dict[str, Channel] = {}
        self.away: dict[str, Call] = {}

    def counted(self) -> int:
        """How many connections count for the app's quota."""
        return len(self.connections) - len(self.unauthorized)
