"""The connection that brings what others publish.

RESP2, so that all versions of Redis and Valkey will do: once subscribed, only SUBSCRIBE, UNSUBSCRIBE and PING may be
sent, and everything that comes is a list whose first member says what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from txredisapi import ResponseError

from txpusher.adapters.redis.connection import RedisConnection, pack

AT_ONCE = 500
"""Topics of one command: large enough to be few, small enough not to hold up Redis."""


class SubscriberConnection(RedisConnection):
    """A connection to subscribe on.

    Args:
        time: as for `RedisConnection`.
        message: called with topic and message of everything that is published.
        subscribed: called with every topic from whose publishes on nothing is missed.
        refused: called with what Redis says when it refuses a subscription.
    """

    def __init__(
        self,
        time: Callable[[], float],
        message: Callable[[bytes, bytes], None],
        subscribed: Callable[[bytes], None],
        refused: Callable[[ResponseError], None],
    ) -> None:
        super().__init__(time, lambda _: None)  # nothing is published here
        self._message = message
        self._subscribed = subscribed
        self._refused = refused

    def subscribe(self, topics: Iterable[bytes]) -> None:
        """Ask for what is published on these topics."""
        self._write(b"SUBSCRIBE", topics)

    def unsubscribe(self, topics: Iterable[bytes]) -> None:
        """Ask for it no longer."""
        self._write(b"UNSUBSCRIBE", topics)

    def _write(self, command: bytes, topics: Iterable[bytes]) -> None:
        names = list(topics)
        for begin in range(0, len(names), AT_ONCE):
            self.transport.write(pack((command, *names[begin : begin + AT_ONCE])))

    def replyReceived(self, reply: Any) -> None:
        """Tell messages and confirmations from answers to commands, which may be lists, too."""
        kind = reply[0] if isinstance(reply, list) else None
        if kind == b"message":
            self._message(reply[1], reply[2])
        elif kind == b"subscribe":
            self._subscribed(reply[1])
        elif kind != b"unsubscribe":
            super().replyReceived(reply)

    def unasked(self, reply: Any) -> None:
        """Take an error, which answers a subscription: nobody waits for the replies to those."""
        if isinstance(reply, ResponseError):
            self._refused(reply)
        else:
            super().unasked(reply)
