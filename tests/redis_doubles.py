"""A Redis in memory that answers as it is told, for tests of what speaks with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hiredis import Reader
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from txpusher.adapters.redis.scripts import HEARTBEAT

SILENCE = object()
"""What a Redis answers that does not answer, nor anything else on this connection: replies come in order."""
_SAID = object()


def encoded(reply: Any) -> bytes:
    """Encode a reply; exceptions are errors."""
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, Exception):
        return b"-%b\r\n" % str(reply).encode()
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, (list, tuple)):
        return b"*%d\r\n%b" % (len(reply), b"".join(map(encoded, reply)))
    text = reply.encode() if isinstance(reply, str) else reply
    return b"$%d\r\n%b\r\n" % (len(text), text)


class Peer(StringTransport):
    """One connection, as the server sees it.

    Attributes:
        commands: what was sent.
        topics: what was subscribed to.
        protocol: the client's.
    """

    def __init__(self, redis: FakeRedis) -> None:
        super().__init__()
        self.commands: list[list[bytes]] = []
        self.topics: set[bytes] = set()
        self.protocol: Any = None
        self._redis = redis
        self._reader = Reader()
        self._stuck = self._over = False

    def write(self, data: bytes) -> None:
        """Take commands and answer them."""
        self._reader.feed(data)
        while (command := self._reader.gets()) is not False:
            self.commands.append(command)
            reply = self._redis.answer(self, command)
            self._stuck = self._stuck or reply is SILENCE
            if not self._stuck and reply is not _SAID:
                self.say(encoded(reply))

    def say(self, data: bytes) -> None:
        """Send bytes to the client, unless it is gone."""
        if not self._over:
            self.protocol.dataReceived(data)

    def abortConnection(self) -> None:
        """End the connection."""
        self.hang_up()

    def loseConnection(self) -> None:
        """End the connection."""
        self.hang_up()

    def hang_up(self) -> None:
        """End the connection from either side."""
        if not self._over:
            self._over = True
            if self in self._redis.peers:
                self._redis.peers.remove(self)
            self.protocol.connectionLost(Failure(ConnectionDone()))


class FakeRedis:
    """An endpoint with a server behind it.

    Attributes:
        peers: the open connections.
        refusal: what connecting fails with, or None.
        replies: what is answered to a command, by its name or by the hash of a script; a function is asked with the
            command.
        generation: how what is in it is called.
    """

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.attempts = 0
        self.refusal: Exception | None = None
        self.generation = b"first"
        self.replies: dict[bytes, Any] = {}

    def connect(self, factory: Any) -> Deferred[Any]:
        """Connect."""
        self.attempts += 1
        if self.refusal is not None:
            return fail(self.refusal)
        peer = Peer(self)
        peer.protocol = factory.buildProtocol(None)
        self.peers.append(peer)
        peer.protocol.makeConnection(peer)
        return succeed(peer.protocol)

    def answer(self, peer: Peer, command: list[bytes]) -> Any:
        """Give the reply to a command."""
        name = command[0].upper()
        key = command[1] if name == b"EVALSHA" else name
        if key in self.replies:
            reply = self.replies[key]
            return reply(command) if callable(reply) else reply
        known: dict[bytes, Callable[[Peer, list[bytes]], Any]] = {
            b"SUBSCRIBE": self._subscribe,
            b"UNSUBSCRIBE": self._unsubscribe,
            b"PUBLISH": self._publish,
            HEARTBEAT.hash.encode(): lambda *_: [1, self.generation, []],
        }
        return known.get(key, lambda *_: 1)(peer, command)

    def _subscribe(self, peer: Peer, command: list[bytes]) -> Any:
        for topic in command[1:]:
            peer.topics.add(topic)
            peer.say(encoded([b"subscribe", topic, len(peer.topics)]))
        return _SAID

    def _unsubscribe(self, peer: Peer, command: list[bytes]) -> Any:
        for topic in command[1:]:
            peer.topics.discard(topic)
            peer.say(encoded([b"unsubscribe", topic, len(peer.topics)]))
        return _SAID

    def _publish(self, _: Peer, command: list[bytes]) -> int:
        receivers = [peer for peer in self.peers if command[1] in peer.topics]
        for peer in receivers:
            peer.say(encoded([b"message", command[1], command[2]]))
        return len(receivers)

    # What tests do and ask

    def sent(self, name: bytes) -> list[list[bytes]]:
        """Give the commands of a name that were sent on open connections, without the name."""
        return [c[1:] for peer in self.peers for c in peer.commands if c[0] == name]

    def hang_up(self) -> None:
        """End all connections."""
        for peer in list(self.peers):
            peer.hang_up()
