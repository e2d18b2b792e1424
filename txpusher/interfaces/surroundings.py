"""What the core meets besides other nodes and apps: sockets, time, and those who hear what happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Wire(Protocol):
    """What a socket looks like to the core. No method ever raises or blocks."""

    send: Callable[[bytes], None]
    """Write complete WebSocket frames, already encoded. Does nothing once the socket is gone."""

    def ping(self) -> None:
        """Send a WebSocket ping frame."""

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake; nothing may be sent after it."""

    def pause(self) -> None:
        """Stop reading: messages arrive faster than they can be handled."""

    def resume(self) -> None:
        """Read on."""


class Call(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not call after all."""


class Clock(Protocol):
    """The part of a reactor that tells the time and wakes up; `twisted.internet.task.Clock` is one."""

    def seconds(self) -> float:
        """Seconds on a clock that never goes back."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> Call:  # noqa: A002
        """Call ``callable(*args)`` after ``delay`` seconds."""


class Observer(Protocol):
    """Hears some of the facts of `txpusher.core.occurrences`."""

    @property
    def hears(self) -> Mapping[type, Callable[[Any], None]]:
        """What is called with each kind of occurrence; it must be quick and must not raise."""
