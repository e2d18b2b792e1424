"""The receivers of every app's targets, as its settings are now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from txpusher.webhooks.receiver import Receiver

if TYPE_CHECKING:
    from txpusher.interfaces import Call
    from txpusher.model import App
    from txpusher.webhooks.receiver import Surroundings


LEAVING = 5.0
"""Seconds, beside the delay, in which the receivers of an app that is gone or off are told that its clients leave."""


class _Known(NamedTuple):
    """An app as it was last seen, and its receivers in the order of its targets."""

    app: App | None
    receivers: list[Receiver]

    @property
    def is_served(self) -> bool:
        return _is_served(self.app)


class Receivers:
    """See the module.

    Args:
        around: what they share.
        ended: is called with the app id and each receiver whose target is there no more, and whether it was the last
            one.
        delay: seconds before it is told that somebody is gone.
    """

    def __init__(
        self, around: Surroundings, ended: Callable[[str, Receiver, bool], None], delay: float = 0
    ) -> None:
        self._leaving = delay + LEAVING
        self._leaves: dict[str, Call] = {}
        self._around = around
        self._ended = ended
        self._known: dict[str, _Known] = {}

    def __iter__(self) -> Iterator[tuple[str, int, Receiver]]:
        """Give all of them, each with its app's id and its position."""
        for app_id, known in self._known.items():
            for position, receiver in enumerate(known.receivers, 1):
                yield app_id, position, receiver

    def of(self, app_id: str, app: App | None) -> list[Receiver]:
        """Give those of an app that is so now."""
        # On the hot path of every app: one without webhooks costs these few lines.
        known = self._known.get(app_id)
        if known is None or known.app is not app:
            known = self._learn(app_id, app)
        return known.receivers

    def known(self, app_id: str) -> list[Receiver]:
        """Give those of an app as it was last seen."""
        return self._known[app_id].receivers

    def changed(self, app_id: str, app: App | None) -> None:
        """Serve an app as it is now, if it was served before; None when it is gone."""
        if app_id in self._known:
            self._learn(app_id, app)

    def clear(self) -> None:
        """Forget all of them."""
        self.stop()
        self._known = {}

    def stop(self) -> None:
        """Wait for no app that goes."""
        for leave in self._leaves.values():
            leave.cancel()
        self._leaves = {}

    def _learn(self, app_id: str, app: App | None) -> _Known:
        """Find the receivers of an app's targets; the same address is the same receiver."""
        left: dict[str, Receiver] = {}
        before = self._known.get(app_id)
        if before and before.receivers and not _is_served(app):
            return self._leave(app_id, before._replace(app=app), was_served=before.is_served)
        leave = self._leaves.pop(app_id, None)
        if leave is not None:
            leave.cancel()  # it is back in time
        for receiver in before.receivers if before else ():
            left[receiver.name] = receiver
        known = _Known(app, self._made(app, left) if app is not None and app.enabled else [])
        self._known[app_id] = known
        for receiver in left.values():
            self._ended(app_id, receiver, not known.receivers)
        return known

    def _leave(self, app_id: str, known: _Known, *, was_served: bool) -> _Known:
        """Go on with the receivers of an app that is gone or off until they know that its clients are."""
        self._known[app_id] = known
        if was_served:
            clock = self._around.clock
            self._leaves[app_id] = clock.callLater(self._leaving, self._left, app_id)
        return known

    def _left(self, app_id: str) -> None:
        del self._leaves[app_id]
        known = self._known[app_id]
        self._known[app_id] = _Known(known.app, [])
        for receiver in known.receivers:
            self._ended(app_id, receiver, True)

    def _made(self, app: App, there: dict[str, Receiver]) -> list[Receiver]:
        """Take the receivers of an app's targets out of those that are there, or make them."""
        receivers: dict[str, Receiver] = {}
        for position, target in enumerate(app.webhooks, 1):
            number = 1
            while (name := _name(target.url, number)) in receivers:
                number += 1
            receiver = there.pop(name, None)
            if receiver is None:
                receiver = Receiver(app, target, position, self._around, name)
            else:
                receiver.adopt(app, target, position)
            receivers[name] = receiver
        return list(receivers.values())


def _is_served(app: App | None) -> bool:
    return app is not None and app.enabled


def _name(url: str, number: int) -> str:
    # Addresses may be secret, and names of queues are not.
    return f"{sha256(url.encode()).hexdigest()[:32]}.{number}"
