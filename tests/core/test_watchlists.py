"""Who is told that somebody comes and goes, and what is told first."""

from dataclasses import replace

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.doubles import (
    APP,
    InstantClock,
    LateAdapter,
    Node,
    cluster,
    now,
    turn,
)
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.users import terminate
from txpusher.errors import ShuttingDown
from txpusher.model import Limits

WATCHED = replace(APP, watchlist_events=True)


def signed_in(node, user, *watchlist, app=WATCHED):
    """Connect a client that is signed in and watches."""
    client = node.connect(app)
    client.sign_in(user, watchlist=list(watchlist))
    return client


def told(client):
    """Give what a client was told of its watchlist, and forget it."""
    return [m["data"]["events"] for m in client.wire.take() if "watchlist" in m["event"]]


def online(*users):
    return [{"name": "online", "user_ids": list(users)}]


def offline(*users):
    return [{"name": "offline", "user_ids": list(users)}]


def test_the_state_comes_after_the_sign_in():
    """Right after the success one message tells who is online and who is not, in the shape pusher-js reads."""
    node = Node()
    signed_in(node, "bob")
    ann = signed_in(node, "ann", "bob", "cid")
    assert ann.wire.names() == ["signin_success", "watchlist_events"]
    assert ann.wire[1] == {
        "event": "pusher_internal:watchlist_events",
        "data": {"events": [*online("bob"), *offline("cid")]},
    }


@pytest.mark.parametrize(
    ("watchlist", "state"),
    [([], []), (["bob"], [online("bob")]), (["cid"], [offline("cid")])],
)
def test_empty_lists_are_left_out(watchlist, state):
    """Nobody online, nobody offline, nobody watched: what has nothing to say is not said."""
    node = Node()
    signed_in(node, "bob")
    assert told(signed_in(node, "ann", *watchlist)) == state


def test_coming_and_going():
    """Watchers are told of a user's first connection and of the last, by whatever way it ends."""
    node = Node()
    ann, other = signed_in(node, "ann", "bob"), signed_in(node, "other", "ann")
    assert (told(ann), told(other)) == ([offline("bob")], [online("ann")])
    first, second = signed_in(node, "bob"), signed_in(node, "bob", "cid")
    assert told(ann) == [online("bob")]
    first.leave()
    assert told(ann) == []
    second.leave()
    assert told(ann) == [offline("bob")]
    signed_in(node, "bob")
    now(terminate(node.registry, "1", "bob"))
    assert told(ann) == [online("bob"), offline("bob")]
    assert told(other) == []


def test_all_connections_of_a_watcher_are_told():
    """Every tab of the watcher hears of it."""
    node = Node()
    tabs = [signed_in(node, "ann", "bob") for _ in range(2)]
    for tab in tabs:
        told(tab)
    signed_in(node, "bob")
    assert [told(tab) for tab in tabs] == [[online("bob")]] * 2


def test_oneself():
    """Who watches oneself is online."""
    assert told(signed_in(Node(), "ann", "ann")) == [online("ann")]


def test_on_another_node():
    """State and transitions are those of the whole cluster."""
    here, there = cluster(2)
    first = signed_in(there, "bob")
    ann = signed_in(here, "ann", "bob")
    assert told(ann) == [online("bob")]
    second = signed_in(here, "bob")
    first.leave()
    assert told(ann) == []
    second.leave()
    signed_in(there, "bob")
    assert told(ann) == [offline("bob"), online("bob")]


def test_apps_do_not_mix():
    """A user of the same id in another app is somebody else."""
    node = Node()
    other = replace(WATCHED, id="2", key="key2")
    ann = signed_in(node, "ann", "bob")
    signed_in(node, "bob", app=other)
    assert told(ann) == [offline("bob")]


def test_switched_off():
    """Without the app's switch nobody is told anything, and a malformed watchlist does not disturb."""
    node = Node()
    ann = signed_in(node, "ann", "bob", app=APP)
    signed_in(node, "bob", app=APP)
    assert ann.wire.names() == ["signin_success"]
    strange = node.connect()
    strange.sign_in("cid", watchlist="bob")
    assert strange.wire.names() == ["signin_success"]


def test_a_malformed_watchlist():
    """Where it counts, a watchlist that is none is refused with the sign-in."""
    client = Node().connect(WATCHED)
    client.sign_in("ann", watchlist="bob")
    (problem,) = client.wire.named("error")
    assert problem["data"]["code"] == 4009
    assert "watchlist" in problem["data"]["message"]


@pytest.mark.parametrize(("size", "refused"), [(2, False), (3, True)])
def test_the_limit(size, refused):
    """A longer watchlist is told so by 4302; the sign-in succeeds and the first ids count."""
    node = Node()
    app = replace(WATCHED, limits=Limits(max_watchlist_size=2))
    users = [f"u{number}" for number in range(size)]
    client = signed_in(node, "ann", *users, app=app)
    errors = client.wire.named("error")
    assert [error["data"]["code"] for error in errors] == [4302] * refused
    assert all("max_watchlist_size" in error["data"]["message"] for error in errors)
    assert client.wire.named("signin_success")
    assert told(client) == [offline(*users[:2])]
    signed_in(node, "u2", app=app)
    assert told(client) == []


def test_signing_in_again_with_another_watchlist():
    """The later watchlist counts, and nothing is kept of the earlier one."""
    node = Node()
    ann = signed_in(node, "ann", "bob", "cid")
    ann.sign_in("ann", watchlist=["cid", "dan"])
    assert told(ann) == [offline("bob", "cid"), offline("cid", "dan")]
    signed_in(node, "bob")
    signed_in(node, "cid")
    assert told(ann) == [online("cid")]
    assert {n for n in node.channels() if n.startswith("#watch")} == {
        "#watchlist-cid",
        "#watchlist-dan",
    }


def test_nothing_is_kept_of_who_left():
    """A watcher who leaves is told nothing more, and no channel is kept for it."""
    node = Node()
    ann = signed_in(node, "ann", "bob")
    ann.leave()
    ann.wire.clear()
    bob = signed_in(node, "bob")
    bob.leave()
    assert ann.wire == []
    assert node.channels() == {}


@pytest.mark.parametrize("name", ["#watchlist-bob", "#watchlist-"])
def test_nobody_subscribes_to_it(name):
    """The channel is no name for clients: neither to hear it nor to speak on it."""
    client = Node().connect(WATCHED)
    client.subscribe(name)
    client.trigger("client-x", name)
    assert client.wire.names() == ["subscription_error", "error", "error"]


# With a roster that answers late


def test_what_happens_while_the_roster_is_asked():
    """A transition that arrives before the roster's older answer is told after it."""
    clock = Clock()
    hub = Hub(clock)
    adapter = LateAdapter(MemoryAdapter(hub), {"occupied"})
    here, there = Node(adapter, clock), Node(MemoryAdapter(hub), clock)
    ann = signed_in(here, "ann", "bob")
    adapter.questions[0].happen()  # bob is offline
    signed_in(there, "bob")
    turn(clock)
    assert told(ann) == []
    adapter.answer("occupied")
    assert told(ann) == [offline("bob"), online("bob")]
    signed_in(there, "bob").leave()
    for client in [c for c in there.registry.connections() if c.user]:
        client.lost()
    turn(clock)
    assert told(ann) == [offline("bob")]


def test_lost_while_the_roster_is_asked():
    """Who is gone by then is sent nothing, and nothing is kept."""
    clock = InstantClock()
    adapter = LateAdapter(MemoryAdapter(Hub(clock)), {"occupied"})
    node = Node(adapter, clock)
    ann = signed_in(node, "ann", "bob")
    ann.leave()
    ann.wire.clear()
    signed_in(node, "bob")
    adapter.answer("occupied")
    assert ann.wire == []
    assert node.channels().keys() == {"#server-to-user-bob"}


def test_nothing_follows_the_end():
    """What was held back for a client is not sent after its connection was closed."""
    clock = InstantClock()
    adapter = LateAdapter(MemoryAdapter(Hub(clock)), {"occupied"})
    node = Node(adapter, clock)
    ann = signed_in(node, "ann", "bob")
    signed_in(node, "bob")
    ann.connection.end(ShuttingDown())
    adapter.answer("occupied")
    assert ann.wire.too_late == []


def test_a_bus_that_fails():
    """When not all of the watchlist can be watched, the client comes back in a second; nothing is kept."""
    clock = InstantClock()
    adapter = LateAdapter(MemoryAdapter(Hub(clock)), {"watch"})
    node = Node(adapter, clock)
    ann = signed_in(node, "ann", "bob", "cid")
    adapter.answer("watch", "watch")
    with capturedLogs():
        adapter.fail("watch")
    assert ann.wire.closed == (4100, "Internal error, please reconnect")
    assert node.channels() == {}
