"""How something is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Health(NamedTuple):
    """``ok`` is False when something the server depends on is away; ``detail`` says what."""

    ok: bool = True
    detail: str = ""


Check = Callable[[], Health]
"""Tells how something is right now."""
