"""A connection that is made again."""

import pytest
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.doubles import now
from tests.redis_doubles import SILENCE, FakeRedis
from txpusher.adapters.redis.connection import RedisConnection
from txpusher.adapters.redis.link import FIRST_DELAY, LAST_DELAY, Link


class Kept:
    """A link to a Redis in memory."""

    def __init__(self, longest=LAST_DELAY):
        self.redis = FakeRedis()
        self.clock = Clock()
        self.made = []
        self.problem = None
        self.link = Link(
            *("test", self.redis, self.clock, self.build, self.prepare, self.made.append),
            *(lambda: 1.0, longest),
        )

    def build(self):
        return RedisConnection(self.clock.seconds, lambda _: None)

    async def prepare(self, connection):
        if self.problem is not None:
            raise self.problem
        await connection.execute_command("PING")


@pytest.fixture
def kept():
    kept = Kept()
    yield kept
    now(kept.link.stop())


def test_connecting(kept):
    """A connection is there when it is prepared."""
    assert kept.link.connection is None
    kept.link.start()
    kept.link.start()
    assert kept.made == [kept.link.connection]
    assert kept.redis.attempts == 1
    assert kept.link.problem == ""
    now(kept.link.stop())


def test_a_loss(kept):
    """A connection that is lost is made again, after a moment."""
    kept.link.start()
    kept.redis.hang_up()
    assert kept.link.connection is None
    assert kept.link.problem == "the connection was lost"
    assert kept.link.losses == 1
    kept.clock.advance(FIRST_DELAY)
    assert len(kept.made) == 2
    assert kept.link.connection is kept.made[1]


def test_refusals(kept):
    """What cannot be connected to is tried again, at growing distances; a name that is unknown is no other case."""
    kept.redis.refusal = DNSLookupError("no such name")
    with capturedLogs() as logs:
        kept.link.start()
        for attempts in range(1, 8):
            assert kept.redis.attempts == attempts
            kept.clock.advance(min(LAST_DELAY, FIRST_DELAY * 2**attempts))
    assert "no such name" in kept.link.problem
    assert len([log for log in logs if "Cannot use Redis" in log["log_format"]]) == 1
    kept.redis.refusal = None
    kept.clock.advance(LAST_DELAY)
    assert kept.link.connection is not None
    assert kept.link.losses == 0


def test_the_longest_distance():
    """Between two attempts there is never more time than was said."""
    kept = Kept(longest=0.25)
    kept.redis.refusal = DNSLookupError("no such name")
    kept.link.start()
    kept.clock.pump([0.2, 0.25, 0.25, 0.25])
    assert kept.redis.attempts == 5
    now(kept.link.stop())


@pytest.mark.parametrize("silent", [False, True])
def test_a_connection_of_no_use(kept, silent):
    """A connection that cannot be prepared, or ends before it is, is given up, and another one is made."""
    if silent:
        kept.redis.replies = {b"PING": SILENCE}
    else:
        kept.problem = ValueError("wrong password")
    kept.link.start()
    if silent:
        kept.redis.hang_up()
    assert kept.redis.peers == []
    assert kept.link.connection is None
    assert kept.link.problem == ("Connection was closed cleanly." if silent else "wrong password")
    kept.problem, kept.redis.replies = None, {}
    kept.clock.advance(1)
    assert kept.link.connection is not None


def test_a_connection_that_ends_while_it_seems_prepared(kept):
    """A preparation that ends well on a connection that is over is none."""

    async def prepare(connection):
        connection.transport.hang_up()

    kept.link._prepare = prepare
    kept.link.start()
    assert kept.made == []
    assert kept.link.problem == "Connection was closed cleanly."


def test_silence(kept):
    """A connection that owes an answer for too long is ended."""
    kept.link.check(3)
    kept.link.start()
    kept.link.check(3)
    kept.redis.replies = {b"GET": SILENCE}
    kept.link.connection.execute_command("GET", "a").addErrback(lambda _: None)
    kept.clock.advance(4)
    kept.link.check(3)
    assert kept.link.connection is None
    assert kept.link.problem == "no answer in 3 seconds"


def test_stopping(kept):
    """After the stop there is no connection, and nothing is due."""
    now(kept.link.stop())
    kept.link.start()
    now(kept.link.stop())
    assert kept.redis.peers == []
    assert kept.link.problem == "stopped"
    assert not kept.clock.getDelayedCalls()
    kept.link.abort("nothing there")


def test_stopping_between_two_attempts(kept):
    """The same while it waits."""
    kept.redis.refusal = ConnectionRefusedError("no")
    kept.link.start()
    now(kept.link.stop())
    assert not kept.clock.getDelayedCalls()
