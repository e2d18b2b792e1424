"""The connection for commands, and what becomes of errors: `ServiceUnavailable`, whatever went wrong.

What Redis answers is never shown, but for its first word: the rest may quote what it was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from txredisapi import RedisError, ResponseError

from txpusher.errors import ServiceUnavailable, Unanswered

if TYPE_CHECKING:
    from txpusher.adapters.redis.connection import RedisConnection
    from txpusher.adapters.redis.link import Link
    from txpusher.adapters.redis.scripts import Script

_log = Logger()

_ANEW = frozenset({"READONLY", "LOADING", "MASTERDOWN", "UNBLOCKED", "CLUSTERDOWN", "NOSCRIPT"})
"""Answers of a Redis that is not, or not yet, the one to talk to, or that was made to forget our scripts. One that was
sent again by its text would come after those that were sent behind it."""
_CLUSTER = frozenset({"CROSSSLOT", "MOVED", "ASK"})


class Commands:
    """Asks Redis.

    Args:
        prefix: of all keys.

    Attributes:
        link: the connection; it is set before the first command.
        prefix: with its colon, as bytes.
        refusal: the first word of the last error that Redis answered, until it has answered well.
    """

    link: Link

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix.encode() + b":"
        self.refusal = ""

    def key(self, kind: bytes, app_id: str, name: str) -> bytes:
        """Make a key of an app's: no other app and name have the same."""
        return self.prefix + kind + b":" + place(app_id, name)

    def publish(self, app_id: str, topic: bytes, message: bytes) -> None:
        """Publish, and do not wait.

        Raises:
            ServiceUnavailable: Redis is away or does not keep up.
        """
        self._connection().publish(app_id, topic, message)

    async def run(self, script: Script, *arguments: object) -> Any:
        """Run one of the scripts that take the prefix and no keys.

        Raises:
            ServiceUnavailable: it did not happen.
            Unanswered: nobody knows whether it did.
        """
        return await self.call("EVALSHA", script.hash, 0, self.prefix, *arguments)

    async def run_on(self, script: Script, key: bytes, *arguments: object) -> Any:
        """Run a script on one key; raises as `run`."""
        return await self.call("EVALSHA", script.hash, 1, key, *arguments)

    async def call(self, *command: object) -> Any:
        """Send a plain command; raises as `run`."""
        try:
            reply = await self._connection().execute_command(*command)
        except RedisError as error:
            raise self._unavailable(error) from None
        self.refusal = ""
        return reply

    def _connection(self) -> RedisConnection:
        connection: RedisConnection | None = self.link.connection
        if connection is None:
            raise ServiceUnavailable("Redis is away")
        return connection

    def _unavailable(self, error: RedisError) -> ServiceUnavailable:
        if not isinstance(error, ResponseError):
            return Unanswered("Redis went away")
        self.refusal = refusal(error)
        if _word(error) in _ANEW:
            self.link.abort(self.refusal)
        return ServiceUnavailable(self.refusal)


def place(app_id: str, name: str) -> bytes:
    """Join an app id and a name so that no other ones give the same."""
    app = app_id.encode()
    return b"%d:%b:%b" % (len(app), app, name.encode())


def names(place: bytes) -> tuple[str, str]:
    """Give the app id and the name that a place was made of."""
    size, _, rest = place.partition(b":")
    return rest[: int(size)].decode(), rest[int(size) + 1 :].decode()


def refusal(error: ResponseError) -> str:
    """Describe an error that Redis answered, without quoting it."""
    word = _word(error)
    if word in _CLUSTER:
        return f"Redis Cluster is not supported (Redis answered {word})"
    return f"Redis answered {word}"


def _word(error: ResponseError) -> str:
    return str(error).partition(" ")[0]
