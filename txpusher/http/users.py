"""``POST /apps/{id}/users/{user_id}/terminate_connections``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core import users
from txpusher.http.exchange import EMPTY

if TYPE_CHECKING:
    from txpusher.core.registry import ChannelRegistry
    from txpusher.http.exchange import Answer, ApiRequest
    from txpusher.model import App


class Users:
    """Acts on signed-in users.

    Args:
        registry: knows their connections.
    """

    def __init__(self, registry: ChannelRegistry) -> None:
        self._registry = registry

    async def terminate(self, app: App, _request: ApiRequest, user_id: str) -> Answer:
        """End every connection that is signed in as this user; an unknown user is no error."""
        await users.terminate(self._registry, app.id, user_id)
        return EMPTY
