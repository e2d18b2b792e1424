"""One connection to Redis."""

from unittest import mock

import pytest
from OpenSSL.SSL import Error as SSLError
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from txredisapi import ConnectionError as LostError
from txredisapi import ResponseError

from tests.doubles import now
from tests.redis_doubles import SILENCE, FakeRedis
from txpusher.adapters.redis import connection as connection_module
from txpusher.adapters.redis.connection import RedisConnection
from txpusher.errors import ServiceUnavailable


class Open:
    """A connection that is open."""

    def __init__(self):
        self.redis = FakeRedis()
        self.clock = Clock()
        self.dropped = []
        self.connection = RedisConnection(self.clock.seconds, self.dropped.append)
        factory = mock.Mock(buildProtocol=lambda _: self.connection)
        self.redis.connect(factory)
        (self.peer,) = self.redis.peers


@pytest.fixture
def there():
    return Open()


async def ask(there, *command):
    return await there.connection.execute_command(*command)


def test_replies_are_bytes(there):
    """Nothing that looks like a number or text is turned into one."""
    there.redis.replies = {b"GET": b"123", b"LRANGE": [b"1.5", None, 0], b"DEL": 0}
    assert now(ask(there, "GET", "a")) == b"123"
    assert now(ask(there, "LRANGE", "a", 0, 1)) == [b"1.5", None, 0]
    assert now(ask(there, "DEL", "a")) == 0
    assert there.peer.commands[0] == [b"GET", b"a"]


def test_errors(there):
    """What Redis refuses is raised to who asked, and to nobody else."""
    there.redis.replies = {b"GET": Exception("WRONGTYPE no"), b"DEL": 1}
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        now(ask(there, "GET", "a"))
    assert now(ask(there, "DEL", "a")) == 1


def test_publishing_waits_for_nothing(there):
    """A publish is one command; its reply is read and goes to nobody."""
    there.redis.replies = {b"PUBLISH": SILENCE, b"GET": SILENCE}
    there.connection.publish("1", b"topic", b"message")
    answers = []
    there.connection.execute_command("GET", "a").addCallback(answers.append)
    there.connection.publish("1", b"topic", b"\x00")
    assert there.peer.commands == [
        [b"PUBLISH", b"topic", b"message"],
        [b"GET", b"a"],
        [b"PUBLISH", b"topic", b"\x00"],
    ]
    there.peer.say(b":1\r\n$1\r\n")
    assert answers == []
    there.peer.say(b"x\r\n:0\r\n")
    assert answers == [b"x"]
    assert there.dropped == []
    assert there.connection.commands == 3


def test_a_publish_that_is_refused_is_counted(there):
    """A user of Redis who may not publish loses messages, and that is counted."""
    there.redis.replies = {b"PUBLISH": Exception("NOPERM")}
    there.connection.publish("1", b"topic", b"message")
    assert there.dropped == ["1"]


def test_the_end(there):
    """When the connection ends everybody who waits is told, and the publishes under way are counted."""
    there.redis.replies = {b"PUBLISH": SILENCE, b"GET": SILENCE}
    failures, ends = [], []
    there.connection.ended.addCallback(ends.append)
    for app in "12":
        there.connection.publish(app, b"topic", b"message")
        there.connection.execute_command("GET", "a").addErrback(failures.append)
    there.peer.hang_up()
    assert [failure.type for failure in failures] == [LostError] * 2
    assert there.dropped == ["1", "2"]
    assert ends == [None]
    with pytest.raises(ServiceUnavailable, match="away"):
        there.connection.publish("1", b"topic", b"message")
    with pytest.raises(ServiceUnavailable, match="away"):
        there.connection.execute_command("GET", "a")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionDone(), "Connection was closed cleanly."),
        (
            SSLError([("SSL routines", "", "certificate verify failed")]),
            "certificate verify failed",
        ),
        (SSLError(), ""),
    ],
)
def test_why_it_ended(there, error, words):
    """The reason is kept in words."""
    there.connection.connectionLost(Failure(error))
    assert there.connection.reason == words


def test_the_queue_is_bounded(there, monkeypatch):
    """A Redis that does not keep up is given no more to do."""
    monkeypatch.setattr(connection_module, "BACKLOG", 2)
    there.redis.replies = {b"PUBLISH": SILENCE}
    for _ in range(2):
        there.connection.publish("1", b"topic", b"message")
    with pytest.raises(ServiceUnavailable, match="keep up"):
        there.connection.publish("1", b"topic", b"message")
    there.peer.say(b":1\r\n")
    there.connection.publish("1", b"topic", b"message")


def test_so_is_its_size(there, monkeypatch):
    """Large messages fill the memory before they are many; an answer makes room for what it answers, and no more."""
    monkeypatch.setattr(connection_module, "MAX_UNANSWERED", 10)
    there.redis.replies = {b"PUBLISH": SILENCE}
    for size in (4, 7):
        there.connection.publish("1", b"topic", bytes(size))
    with pytest.raises(ServiceUnavailable, match="keep up"):
        there.connection.publish("1", b"topic", b"")
    there.peer.say(b":1\r\n")
    there.connection.publish("1", b"topic", bytes(4))
    with pytest.raises(ServiceUnavailable, match="keep up"):
        there.connection.publish("1", b"topic", b"")


def test_all_commands_have_a_size(there, monkeypatch):
    """Last events and members fill the memory as well as messages."""
    monkeypatch.setattr(connection_module, "MAX_UNANSWERED", 10)
    there.redis.replies = {b"SET": SILENCE}
    failures = []
    there.connection.execute_command("SET", b"k", "\u00e9\u00e9\u00e9", 1).addErrback(
        failures.append
    )
    with pytest.raises(ServiceUnavailable, match="keep up"):
        there.connection.execute_command("GET", "k")
    with pytest.raises(ServiceUnavailable, match="keep up"):
        there.connection.publish("1", b"topic", b"")
    assert failures == []


def test_silence(there):
    """Only who waits for an answer notices silence, and any answer ends it."""
    there.clock.advance(100)
    assert not there.connection.stalled(3)
    there.redis.replies = {b"PUBLISH": SILENCE}
    for _ in range(2):
        there.connection.publish("1", b"topic", b"message")
    there.clock.advance(3)
    assert not there.connection.stalled(3)
    there.clock.advance(1)
    assert there.connection.stalled(3)
    there.peer.say(b":1\r\n")
    assert not there.connection.stalled(3)


def test_somebody_else(there):
    """Whoever answers in another language is hung up on."""
    there.redis.replies = {b"GET": SILENCE}
    failures = []
    there.connection.execute_command("GET", "a").addErrback(failures.append)
    there.peer.say(b"HTTP/1.1 400 Bad Request\r\n")
    assert [failure.type for failure in failures] == [LostError]
