"""That watchers are told the truth of who is online, at once or after a delay."""

import pytest
from twisted.logger import capturedLogs

from tests.core.test_watchlists import offline, online, signed_in, told
from tests.doubles import (
    APP,
    AwayAdapter,
    FailingAdapter,
    InstantClock,
    LateAdapter,
    Node,
    cluster,
    now,
)
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.occurrences import MessageDropped
from txpusher.core.online import tell_all_away
from txpusher.core.outage import RETRY
from txpusher.core.registry import Options
from txpusher.errors import ServiceUnavailable, Unanswered


def test_a_user_who_comes_to_another_node():
    """That somebody went is not told after it was told that somebody has come, on either node."""
    clock = InstantClock()
    hub = Hub(clock)
    adapter = LateAdapter(MemoryAdapter(hub), {"publish_while"})
    here, there = Node(adapter, clock), Node(MemoryAdapter(hub), clock)
    watchers = [signed_in(node, "ann", "bob") for node in (here, there)]
    bob = signed_in(here, "bob")
    adapter.answer("publish_while", "publish_while")
    for watcher in watchers:
        told(watcher)
    bob.leave()  # the roster says that he was the last
    signed_in(there, "bob")
    adapter.answer("publish_while")
    assert [told(watcher) for watcher in watchers] == [[online("bob")]] * 2


@pytest.mark.parametrize("error", [ServiceUnavailable, Unanswered])
def test_who_could_not_be_told_of(error):
    """What watchers were not told they are told a while later, if it is true then; nobody is a ghost."""
    clock = InstantClock()
    hub = Hub(clock)
    adapter = AwayAdapter(MemoryAdapter(hub))
    here, there = Node(adapter, clock), Node(MemoryAdapter(hub), clock)
    watchers = [signed_in(node, "ann", "bob", "cid") for node in (here, there)]
    cid = signed_in(here, "cid")
    for watcher in watchers:
        told(watcher)
    real, adapter.bus.publish_while = adapter.bus.publish_while, refusing(error)
    signed_in(here, "bob")
    cid.leave()
    assert [told(watcher) for watcher in watchers] == [[], []]
    adapter.bus.publish_while = real
    clock.advance(RETRY)
    assert [told(watcher) for watcher in watchers] == [[online("bob"), offline("cid")]] * 2
    assert not clock.getDelayedCalls()
    assert here.registry.outage.joined == here.registry.outage.left == {}
    assert here.counts("#server-to-user-bob") == (1, 0)


def refusing(error):
    """Make a method that does not happen."""

    async def refuse(*args, **kwargs):
        raise error("away")

    return refuse


def test_who_leaves_what_the_roster_has_lost():
    """Who was taken for gone by the others, and now is, is offline for the watchers of this node, too."""
    here, there = cluster(2)
    watchers = [signed_in(node, "ann", "bob") for node in (here, there)]
    bob = signed_in(here, "bob")
    now(here.adapter.roster.leave("1", "#server-to-user-bob", bob.socket_id))
    for watcher in watchers:
        told(watcher)
    bob.leave()
    here.clock.advance(RETRY)
    assert [told(watcher) for watcher in watchers] == [[offline("bob")]] * 2


# With a delay


def delayed():
    """Make a node that waits two seconds, and a watcher of bob."""
    node = Node(clock=InstantClock(), options=Options(watchlist_delay=2))
    ann = signed_in(node, "ann", "bob")
    told(ann)
    return node, ann


def test_back_in_time():
    """Who is back within the delay was never away, however often."""
    node, ann = delayed()
    bob = signed_in(node, "bob")
    assert told(ann) == [online("bob")]
    for _ in range(3):
        bob.leave()
        node.clock.advance(1.9)
        bob = signed_in(node, "bob")
    node.clock.advance(10)
    assert told(ann) == []


def test_away_for_good():
    """Who is not back within the delay is offline then, once."""
    node, ann = delayed()
    bob = signed_in(node, "bob")
    told(ann)
    bob.leave()
    node.clock.advance(1.9)
    assert told(ann) == []
    node.clock.advance(0.1)
    assert told(ann) == [offline("bob")]
    signed_in(node, "bob")
    assert told(ann) == [online("bob")]


def test_back_on_another_node():
    """The node that waits asks the cluster before it says that somebody is gone; so nobody is told of the return."""
    here, there = cluster(2, options=Options(watchlist_delay=2))
    ann = signed_in(here, "ann", "bob")
    bob = signed_in(here, "bob")
    told(ann)
    bob.leave()
    signed_in(there, "bob")
    here.clock.advance(5)
    assert told(ann) == []


def test_gone_again_elsewhere_meanwhile():
    """Who left here, came back on another node and left here again is waited for from then on, once."""
    here, there = cluster(2, options=Options(watchlist_delay=2))
    ann = signed_in(here, "ann", "bob")
    first, second = signed_in(here, "bob"), None
    told(ann)
    first.leave()
    here.clock.advance(1)
    second = signed_in(there, "bob")
    third = signed_in(here, "bob")
    second.leave()
    told(ann)
    third.leave()
    here.clock.advance(1.9)
    assert told(ann) == []
    here.clock.advance(5)
    assert told(ann) == [offline("bob")]


def test_reloads_on_two_nodes():
    """Who is back within the delay since the last leave was never away, whatever node waits since an earlier one."""
    here, there = cluster(2, options=Options(watchlist_delay=2))
    ann = signed_in(here, "ann", "bob")
    signed_in(here, "bob").leave()  # this node looks at 2.0
    here.clock.advance(0.3)
    bob = signed_in(there, "bob")
    told(ann)
    for gone in (1.0, 2.5, 4.0, 5.5):
        here.clock.advance(gone - here.clock.seconds())
        bob.leave()
        here.clock.advance(1.4)
        bob = signed_in(there, "bob")
    assert told(ann) == []
    bob.leave()
    here.clock.advance(1.9)
    assert told(ann) == []
    here.clock.advance(0.1)
    assert told(ann) == [offline("bob")]


def test_a_watcher_who_comes_while_somebody_is_away():
    """Who was told in between that the user is offline hears of the return, on whatever nodes they are."""
    for watcher, user in ((0, 0), (0, 1), (1, 0), (1, 1)):
        nodes = cluster(2, options=Options(watchlist_delay=2))
        bob = signed_in(nodes[0], "bob")
        bob.leave()
        nodes[0].clock.advance(1)
        ann = signed_in(nodes[watcher], "ann", "bob")
        assert told(ann) == [offline("bob")]
        bob = signed_in(nodes[user], "bob")
        nodes[0].clock.advance(5)
        assert told(ann) == [online("bob")]
        bob.leave()
        signed_in(nodes[0], "bob")
        nodes[0].clock.advance(5)
        assert told(ann) == []


def test_nobody_is_waited_for_at_the_end():
    """When the server stops, watchers elsewhere are told at once, and nothing is left on the clock."""
    here, there = cluster(2, options=Options(watchlist_delay=2))
    ann = signed_in(there, "ann", "bob", "cid")
    bob, cid = signed_in(here, "bob"), signed_in(here, "cid")
    told(ann)
    bob.leave()
    cid.leave()
    signed_in(there, "cid")
    told(ann)
    now(tell_all_away(here.registry))
    assert told(ann) == [offline("bob")]
    assert not here.clock.getDelayedCalls()


def test_the_delay_is_the_watched_apps():
    """Where watchlists are off nobody waits for anybody."""
    node = Node(options=Options(watchlist_delay=2))
    signed_in(node, "bob", app=APP).leave()
    assert not node.clock.getDelayedCalls()


def test_a_roster_that_is_away_when_the_delay_ends():
    """Watchers are told when it is back, after another delay; of who has come meanwhile nobody is told anything."""
    clock = InstantClock()
    adapter = AwayAdapter(MemoryAdapter(Hub(clock)))
    node = Node(adapter, clock, options=Options(watchlist_delay=2))
    ann = signed_in(node, "ann", "bob", "cid")
    for user in ("bob", "cid"):
        signed_in(node, user).leave()
    told(ann)
    adapter.error = ServiceUnavailable("away")
    clock.advance(2)
    adapter.error = None
    signed_in(node, "cid")
    assert told(ann) == []
    clock.advance(RETRY)
    clock.advance(2)
    assert told(ann) == [offline("bob")]


def test_a_bug_when_the_delay_ends():
    """It is logged, as nobody waits for it."""
    clock = InstantClock()
    adapter = FailingAdapter(MemoryAdapter(Hub(clock)))
    node = Node(adapter, clock, options=Options(watchlist_delay=2))
    signed_in(node, "bob").leave()
    adapter.failing.add("publish_while")
    with capturedLogs() as logs:
        clock.advance(2)
    assert [log["what"] for log in logs] == ["Watchers were not told who is offline"]


def test_nobody_can_be_told_at_the_end():
    """What could not be told is counted, for each user; the server stops all the same."""
    clock = InstantClock()
    adapter = AwayAdapter(MemoryAdapter(Hub(clock)))
    node = Node(adapter, clock, options=Options(watchlist_delay=2))
    for user in ("bob", "cid"):
        signed_in(node, user).leave()
    adapter.error = ServiceUnavailable("away")
    now(tell_all_away(node.registry))
    assert node.told.of(MessageDropped) == [MessageDropped("1", "bus_away")] * 2
    assert not clock.getDelayedCalls()


def test_a_node_that_stops_while_another_waits():
    """Who comes back in time is said to be online when anybody has told meanwhile that the user is not."""
    here, there = cluster(2, options=Options(watchlist_delay=10))
    ann = signed_in(there, "ann", "bob")
    for node in (here, there):
        signed_in(node, "bob").leave()
    told(ann)
    now(tell_all_away(here.registry))
    assert told(ann) == [offline("bob")]
    signed_in(there, "bob")
    assert told(ann) == [online("bob")]


@pytest.mark.parametrize("heard", [True, False])
def test_a_sign_in_whose_answer_was_lost_and_a_sign_out(heard):
    """Nothing is left to be told of who has gone, whether the roster had heard of the sign-in or not."""
    clock = InstantClock()
    hub = Hub(clock)
    adapter = AwayAdapter(MemoryAdapter(hub))
    here = Node(adapter, clock)
    adapter.error = Unanswered("away")
    bob = signed_in(here, "bob")
    adapter.error = None
    if heard:
        now(hub.roster.join("1", "#server-to-user-bob", bob.socket_id))
    bob.leave()
    clock.advance(RETRY)
    clock.advance(RETRY)
    assert here.registry.outage.joined == here.registry.outage.left == {}
    assert here.counts("#server-to-user-bob") == (0, 0)
