"""A server that stops waits for those who are about to leave."""

import pytest

from tests.doubles import LateAdapter, Node
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.leaving import Leaving


def test_nobody():
    """Where nobody is leaving there is nothing to wait for."""
    assert Leaving().last().called


def test_the_last_one_counts():
    """All who wait go on when the last one has left; one who gave up before is not told."""
    leaving = Leaving()
    leaving.begin()
    leaving.begin()
    waiting, impatient = leaving.last(), leaving.last()
    impatient.addErrback(lambda _: None)
    impatient.cancel()
    leaving.end()
    assert not waiting.called
    leaving.end()
    assert waiting.called


@pytest.mark.parametrize("failing", [True, False])
def test_a_connection_leaves_when_the_roster_has_taken_it(failing):
    """It counts from when it is gone until the roster has answered, whatever the answer is."""
    clock = Node().clock
    adapter = LateAdapter(MemoryAdapter(Hub(clock)), {"leave"})
    node = Node(adapter, clock)
    client = node.connect()
    client.subscribe("news")
    client.leave()
    last = node.registry.leaving.last()
    assert not last.called
    if failing:
        adapter.fail("leave")
    else:
        adapter.answer("leave")
    assert last.called
