"""The adapter in memory: the contract of all adapters, and what is its own."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.adapter import AdapterContract, Hearing
from tests.doubles import now
from txpusher.adapters.memory import Hub, MemoryAdapter, create
from txpusher.adapters.memory.values import MemoryLastEvents
from txpusher.core.running import start
from txpusher.interfaces import Envelope, Health
from txpusher.model import CachedEvent, PresenceMember, Receipt


class TestMemoryAdapter(AdapterContract, SynchronousTestCase):
    """The contract, with several nodes on one hub and a clock of our own."""

    def setUp(self):
        self.clock = Clock()

    def make_nodes(self, count):
        hub = Hub(self.clock)
        return [MemoryAdapter(hub) for _ in range(count)]

    def finish(self, test):
        now(test)

    async def wait(self, seconds):
        self.clock.advance(seconds)


def test_create():
    """``memory://`` makes a node that is alone."""
    one, two = create("memory://", Clock()), create("memory://", Clock())
    now(one.roster.join("1", "news", "1.1"))
    assert now(two.roster.channels("1")) == {}
    assert one.health() == Health(ok=True, detail="")


def test_nothing_waits():
    """Every answer comes at once, so that a single process runs without a Deferred."""
    adapter = create("memory://", Clock())
    for task in (
        adapter.start(Hearing()),
        adapter.bus.watch("1", "news"),
        adapter.bus.publish(Envelope("1", "news")),
        adapter.bus.unwatch("1", "news"),
        adapter.roster.join("1", "news", "1.1"),
        adapter.bus.publish_due_count("1", "news", 0, 5),
        adapter.roster.leave("1", "news", "1.1"),
        adapter.roster.restore("1", "news", [("1.1", None)]),
        adapter.quotas.set("1", 1, 1),
        adapter.roster.counts("1", ["news"]),
        adapter.roster.channels("1"),
        adapter.roster.members("1", "news"),
        adapter.last_events.put("1", "cache-x", "e", "1", 1),
        adapter.last_events.get("1", "cache-x"),
        adapter.receipts.claim("1", "event:k", b"", 1),
        adapter.receipts.settle("1", "event:k", Receipt(b"", b"{}"), 1),
        adapter.receipts.release("1", "event:k"),
        adapter.stop(),
        adapter.stop(),
    ):
        assert start(task) is None


def test_who_is_alone():
    """A node is alone on its hub until there is another one, and when that one has stopped."""
    hub = Hub(Clock())
    first = MemoryAdapter(hub)
    assert first.bus.is_alone()
    second = MemoryAdapter(hub)
    assert not first.bus.is_alone()
    now(second.stop())
    assert first.bus.is_alone()


def test_a_node_that_has_not_started_drops_what_it_receives():
    """An envelope that comes before the start harms nobody."""
    hub, hearing = Hub(Clock()), Hearing()
    early, other = MemoryAdapter(hub), MemoryAdapter(hub)
    now(early.bus.watch("1", "news"))
    now(other.bus.publish(Envelope("1", "news")))
    now(early.start(hearing))
    assert hearing.received == []
    now(other.bus.publish(Envelope("1", "news")))
    assert len(hearing.received) == 1


def test_the_time_that_is_left_is_rounded_up():
    """An event that is still kept has at least one second left."""
    clock = Clock()
    last_events = MemoryLastEvents(clock)
    now(last_events.put("1", "cache-x", "e", "1", 10))
    for seconds, ttl in ((0, 10), (0.5, 10), (0.5, 9), (8.9, 1)):
        clock.advance(seconds)
        assert now(last_events.get("1", "cache-x")) == CachedEvent("e", "1", ttl)
    clock.advance(0.1)
    assert now(last_events.get("1", "cache-x")) is None
    assert len(last_events._events) == 0


def test_forgotten_events_take_no_memory():
    """Events nobody asks for are thrown away when others come, so that they do not pile up."""
    clock = Clock()
    last_events = MemoryLastEvents(clock)
    for i in range(10):
        now(last_events.put("1", f"cache-{i}", "e", "1", 10))
    clock.advance(10)
    for i in range(10, 16):
        now(last_events.put("1", f"cache-{i}", "e", "1", 10))
    assert list(last_events._events._kept) == [("1", f"cache-{i}") for i in range(10, 16)]


def test_a_renewed_event_is_young():
    """An event that is put again does not keep the others from being thrown away."""
    clock = Clock()
    last_events = MemoryLastEvents(clock)
    now(last_events.put("1", "cache-a", "e", "1", 10))
    now(last_events.put("1", "cache-b", "e", "1", 10))
    clock.advance(9)
    now(last_events.put("1", "cache-a", "e", "2", 10))
    clock.advance(1)
    now(last_events.put("1", "cache-c", "e", "1", 10))
    assert [channel for _, channel in last_events._events._kept] == ["cache-a", "cache-c"]


def test_left_channels_take_no_memory():
    """The roster keeps nothing of channels and users that have gone."""
    roster = create("memory://", Clock()).roster
    for i in range(3):
        now(roster.join("1", "presence-x", f"{i}.1", PresenceMember("ann")))
    for i in range(3):
        now(roster.leave("1", "presence-x", f"{i}.1"))
    assert not any(roster._apps.values())
