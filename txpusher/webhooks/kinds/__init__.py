"""The kinds of webhook events, one file each; the file's name is the event's name.

Source: "Pusher docs: Webhooks, events". A new kind is a new file with a `KIND`.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from txpusher.webhooks.kind import Kind


def _found() -> dict[str, Kind]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").KIND for name in names}


KINDS: dict[str, Kind] = _found()
"""All kinds by their names."""
