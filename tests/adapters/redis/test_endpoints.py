"""Where connections to Redis go."""

import pytest
from twisted.internet.defer import CancelledError, succeed
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from tests.doubles import now
from tests.redis_doubles import SILENCE, FakeRedis
from txpusher.adapters import rediss
from txpusher.adapters.redis import create
from txpusher.adapters.redis.endpoints import SentinelEndpoint, endpoint
from txpusher.adapters.redis.url import parse
from txpusher.errors import ConfigError, ServiceUnavailable


def test_tcp_and_unix():
    """Each shape of a URL has its endpoint."""
    reactor = MemoryReactorClock()
    assert isinstance(endpoint(parse("redis://h"), reactor), HostnameEndpoint)
    assert isinstance(endpoint(parse("redis+unix:///path"), reactor), UNIXClientEndpoint)
    assert isinstance(endpoint(parse("redis+sentinel://h/m"), reactor), SentinelEndpoint)
    assert not isinstance(endpoint(parse("rediss://h"), reactor), HostnameEndpoint)


def test_no_authorities(tmp_path):
    """A file of authorities that cannot be read, or has none, is named."""
    with pytest.raises(ConfigError, match=r"--adapter: ca: cannot read /nowhere: No such file"):
        endpoint(parse("rediss://h?ca=/nowhere"), MemoryReactorClock())
    path = tmp_path / "ca.pem"
    for text in ("", "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"ca\.pem has no certificates"):
            endpoint(parse(f"rediss://h?ca={path}"), MemoryReactorClock())


def test_create():
    """The module makes adapters, also by its other name, each with an id of its own."""
    one, two = (create("redis://h", MemoryReactorClock()) for _ in range(2))
    assert one.bus._id != two.bus._id
    assert len(one.bus._id) == 8
    assert not one.health().ok
    assert rediss.create is create


class Sentinels:
    """Some Sentinels, each a Redis in memory, and the masters they name."""

    def __init__(self, *answers):
        self.clock = Clock()
        self.asked = []
        self.servers = {}
        for i, answer in enumerate(answers):
            server = self.servers[f"s{i}", 26379] = FakeRedis()
            if isinstance(answer, Exception):
                server.refusal = answer
            else:
                server.replies = {b"SENTINEL": answer}
        hosts = ",".join(host for host, _ in self.servers)
        url = f"redis+sentinel://{hosts}/m?sentinel_user=me&sentinel_password=hidden"
        self.endpoint = SentinelEndpoint(parse(url), self.connector, self.clock)

    def connector(self, host, port):
        self.asked.append((host, port))
        return self.servers.get((host, port), self)

    def connect(self, factory):
        """Be the master that was named."""
        return succeed("connected")

    async def go(self):
        return await self.endpoint.connect(None)


def test_the_master_is_asked_for():
    """The first Sentinel that answers names the master; it is logged in to, and left."""
    sentinels = Sentinels([b"10.0.0.1", b"7000"])
    commands = []
    server = sentinels.servers["s0", 26379]
    server.replies[b"AUTH"] = commands.append
    server.replies[b"SENTINEL"] = lambda command: commands.append(command) or [b"10.0.0.1", b"7000"]
    assert now(sentinels.go()) == "connected"
    assert sentinels.asked == [("s0", 26379), ("10.0.0.1", 7000)]
    assert commands == [
        [b"AUTH", b"me", b"hidden"],
        [b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", b"m"],
    ]
    assert server.peers == []
    assert not sentinels.clock.getDelayedCalls()


def test_a_sentinel_that_cannot_tell():
    """Those that are away, refuse or do not know are passed over, and the one that knew is asked first next time."""
    sentinels = Sentinels(ConnectionError("no"), Exception("ERR no"), None, [b"h", b"1"])
    sentinels.servers["s1", 26379].refusal = None
    sentinels.servers["s1", 26379].replies = {b"AUTH": Exception("WRONGPASS")}
    assert now(sentinels.go()) == "connected"
    assert [host for host, _ in sentinels.asked] == ["s0", "s1", "s2", "s3", "h"]
    sentinels.asked.clear()
    now(sentinels.go())
    assert [host for host, _ in sentinels.asked] == ["s3", "h"]


def test_a_sentinel_that_says_nothing():
    """It is left after a while."""
    sentinels = Sentinels(SILENCE, [b"h", b"1"])
    outcome = []
    sentinels.endpoint.connect(None).addCallback(outcome.append)
    assert outcome == []
    sentinels.clock.advance(3)
    assert outcome == ["connected"]
    assert not sentinels.clock.getDelayedCalls()


def test_asking_no_more():
    """When nobody wants to know the master any more, no further Sentinel is asked, and no server connected to."""
    sentinels = Sentinels(SILENCE, [b"h", b"1"])
    outcome = []
    waiting = sentinels.endpoint.connect(None).addErrback(outcome.append)
    waiting.cancel()
    assert outcome[0].type is CancelledError
    assert sentinels.asked == [("s0", 26379)]
    assert not sentinels.clock.getDelayedCalls()


def test_no_sentinel_knows():
    """It is an outage like any other."""
    sentinels = Sentinels(None, ConnectionError("no"))
    with pytest.raises(ServiceUnavailable, match="No Sentinel knows the master m"):
        now(sentinels.go())
