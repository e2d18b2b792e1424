"""``GET /up``, ``GET /up/{id}`` and ``GET /usage``: is this server well? Not signed, never slow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.errors import ServiceUnavailable
from txpusher.http.exchange import Answer, json_answer
from txpusher.process import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from txpusher import interfaces
    from txpusher.core.admission import Admission


class Health:
    """Says how the server is.

    Args:
        apps: there has to be one that is enabled.
        admission: knows whether the server is stopping.
        checks: tell how the parts are without which the server still serves, but not everything.
    """

    def __init__(
        self,
        apps: interfaces.AppStore,
        admission: Admission,
        checks: Sequence[Callable[[], interfaces.Health]],
    ) -> None:
        self._apps = apps
        self._admission = admission
        self._checks = checks

    async def up(self) -> Answer:
        """Tell whether clients may be sent here."""
        enabled = any(app.enabled for app in await self._apps.all())
        return self._verdict(enabled=enabled)

    async def app_up(self, app_id: str) -> Answer:
        """Tell whether clients of this app may be sent here."""
        try:
            app = await self._apps.by_id(app_id)
        except ServiceUnavailable:
            return self._verdict(enabled=False)
        return _said(404, "NOT_FOUND") if app is None else self._verdict(enabled=app.enabled)

    async def usage(self) -> Answer:
        """Tell how much memory the host, or its cgroup, has left; in bytes."""
        return json_answer({"memory": memory()._asdict()})

    def _verdict(self, *, enabled: bool) -> Answer:
        if self._admission.closing:
            return _said(503, "DRAINING")
        if not enabled:
            return _said(503, "ERROR")
        return _said(200, "OK" if all(check().ok for check in self._checks) else "DEGRADED")


def _said(status: int, word: str) -> Answer:
    return Answer(status, word.encode(), (("X-Health-Check", word),), "text/plain; charset=utf-8")
