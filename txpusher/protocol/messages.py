"""What clients say, as frozen values. `txpusher.protocol.codec` makes them from text.

Every field is exactly what the client sent, checked for its type and nothing else.
"""

from __future__ import annotations

from typing import NamedTuple


class Ping(NamedTuple):
    """``pusher:ping``."""


class Subscribe(NamedTuple):
    """``pusher:subscribe``; ``channel_data`` is the JSON text that was signed.

    ``problem`` says what is wrong with the message beside the channel, which has to be named in the answer.
    """

    channel: str
    auth: str | None = None
    channel_data: str | None = None
    problem: str | None = None


class Unsubscribe(NamedTuple):
    """``pusher:unsubscribe``."""

    channel: str


class Signin(NamedTuple):
    """``pusher:signin``; ``user_data`` is the JSON text that was signed, ``problem`` what is wrong with the message."""

    auth: str = ""
    user_data: str = ""
    problem: str | None = None


class ClientEvent(NamedTuple):
    """A ``client-`` event; ``data`` is text already, double-encoded if it was not a string."""

    event: str
    channel: str
    data: str


class Ignored(NamedTuple):
    """An event that needs no answer: ``pusher:pong`` and every name we do not know."""

    event: str


ClientMessage = Ping | Subscribe | Unsubscribe | Signin | ClientEvent | Ignored
