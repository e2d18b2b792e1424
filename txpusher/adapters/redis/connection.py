"""One connection to Redis: txredisapi's commands over hiredis' parser.

Three things are ours. Replies are read without txredisapi's conversions, which turn a channel called ``123`` into a
number. `RedisConnection.publish` sends a command for whose reply nobody waits: txredisapi makes two Deferreds and two
closures per command, which is ten times what a publish costs here. And silence is noticed: see
`RedisConnection.stalled`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, cast

from hiredis import Reader
from hiredis import pack_command as _pack_command
from OpenSSL.SSL import Error as SSLError
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from txredisapi import BaseRedisProtocol, InvalidData, ResponseError

from txpusher.errors import ServiceUnavailable
from txpusher.transport import write_now

BACKLOG = 20_000
"""Commands that may wait for their replies: about a second's worth for Redis."""
MAX_UNANSWERED = 64 * 1024 * 1024
"""Bytes that such commands may have together before nothing more is sent."""
pack = cast(Callable[[tuple[bytes, ...]], bytes], _pack_command)
"""Encodes a command; hiredis' own annotation knows commands of one word only."""
_NOTHING = object()  # hiredis' own word for it is False, which equals the reply 0


class RedisConnection(BaseRedisProtocol):
    """Sends commands and reads replies.

    Args:
        time: gives seconds on a clock that never goes back.
        dropped: is told the app of every publish that Redis refused, or that was under way when the connection ended.

    Attributes:
        commands: how many were sent.
        ended: fires with None when the connection has ended.
        reason: why it has, or empty.
    """

    def __init__(self, time: Callable[[], float], dropped: Callable[[str], None]) -> None:
        super().__init__(charset=None, convertNumbers=False)
        self.commands = 0
        self.ended: Deferred[None] = Deferred()
        self.reason = ""
        self._time = time
        self._dropped = dropped
        self._reader = Reader(
            protocolError=InvalidData, replyError=ResponseError, notEnoughData=_NOTHING
        )
        # Per command that was not answered yet: None, or the app of a publish; and its size in bytes.
        self._waiting: deque[tuple[str | None, int]] = deque()
        self._unanswered = 0
        self._progress = 0.0

    def publish(self, app_id: str, topic: bytes, message: bytes) -> None:
        """Publish, and do not wait for the reply.

        Raises:
            ServiceUnavailable: Redis is gone, or does not keep up.
        """
        self._sending(app_id, len(message))
        # Before the fan-out on this node, which begins when this turn ends: the others have theirs to do, too.
        write_now(self.transport, pack((b"PUBLISH", topic, message)))

    def execute_command(self, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Send any command; the Deferred gives its reply.

        Raises:
            ServiceUnavailable: Redis is gone, or does not keep up.
        """
        parts = [self._encode_value(part) for part in args]
        self._sending(None, sum(map(len, parts)))
        reply: Deferred[Any] = super().execute_command(*parts, **kwargs)
        return reply

    def _sending(self, app_id: str | None, size: int) -> None:
        if not self.connected:
            raise ServiceUnavailable("Redis is away")
        if len(self._waiting) >= BACKLOG or self._unanswered > MAX_UNANSWERED:
            raise ServiceUnavailable("Redis does not keep up")
        if not self._waiting:
            self._progress = self._time()
        self._waiting.append((app_id, size))
        self._unanswered += size
        self.commands += 1

    def stalled(self, timeout: float) -> bool:
        """Tell whether Redis owes replies and has sent nothing for so many seconds."""
        return bool(self._waiting) and self._time() - self._progress > timeout

    # From Twisted and txredisapi

    def dataReceived(self, data: bytes, unpause: bool = False) -> None:
        """Take the replies in these bytes."""
        self._progress = self._time()
        self._reader.feed(data)
        try:
            for reply in iter(self._reader.gets, _NOTHING):
                self.replyReceived(reply)
        except InvalidData:
            # Whoever speaks there is not Redis.
            self.transport.abortConnection()

    def replyReceived(self, reply: Any) -> None:
        """Hand a reply to whoever waits for it, if anybody does."""
        if not self._waiting:
            self.unasked(reply)
            return
        app_id, size = self._waiting.popleft()
        self._unanswered -= size
        if app_id is None:
            super().replyReceived(reply)
        elif isinstance(reply, ResponseError):
            self._dropped(app_id)

    def unasked(self, _: Any) -> None:
        """Hang up: whoever answers what nobody has asked is not Redis."""
        self.transport.abortConnection()

    def connectionLost(self, why: Any = connectionDone) -> None:
        """Fail what waits for replies, and count the publishes among it."""
        self.reason = _words(why)
        waiting, self._waiting = self._waiting, deque()
        for app_id, _ in waiting:
            if app_id is not None:
                self._dropped(app_id)
        # The base class answers all its waiting commands by way of replyReceived.
        self._waiting.extend(command for command in waiting if command[0] is None)
        super().connectionLost(why)
        self.ended.callback(None)


def _words(why: Failure) -> str:
    """Say why a connection has ended; errors of OpenSSL are a list of tuples, whose last text says it."""
    error = why.value
    if isinstance(error, SSLError) and error.args and error.args[0]:
        return str(error.args[0][-1][-1])
    return why.getErrorMessage()
