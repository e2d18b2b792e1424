"""The receivers of every app's targets, as its settings are now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from txpusher.webhooks.receiver import Receiver

if TYPE_CHECKING:
    from txpusher.model import App
    from txpusher.webhooks.receiver import Surroundings


class _Known(NamedTuple):
    """An app as it was last seen, and its receivers in the order of its targets."""

    app: App | None
    receivers: list[Receiver]


class Receivers:
    """See the module.

    Args:
        around: what they share.
        ended: is called with the app id and each receiver whose target is there no more, and whether it was the last
            one.
    """

    def __init__(self, around: Surroundings, ended: Callable[[str, Receiver, bool], None]) -> None:
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

    def apps(self) -> list[str]:
        """Give the ids of the apps that have some."""
        return [app_id for app_id, known in self._known.items() if known.receivers]

    def changed(self, app_id: str, app: App | None) -> None:
        """Serve an app as it is now, if it was served before; None when it is gone."""
        if app_id in self._known:
            self._learn(app_id, app)

    def clear(self) -> None:
        """Forget all of them."""
        self._known = {}

    def _learn(self, app_id: str, app: App | None) -> _Known:
        """Find the receivers of an app's targets; the same address is the same receiver."""
        left: dict[str, Receiver] = {}
        before = self._known.get(app_id)
        for receiver in before.receivers if before else ():
            left[receiver.name] = receiver
        known = _Known(app, self._made(app, left) if app is not None and app.enabled else [])
        self._known[app_id] = known
        for receiver in left.values():
            self._ended(app_id, receiver, not known.receivers)
        return known

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


def _name(url: str, number: int) -> str:
    # Addresses may be secret, and names of queues are not.
    return f"{sha256(url.encode()).hexdigest()[:32]}.{number}"
