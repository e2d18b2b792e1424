"""The webhooks of several nodes: decided once, sent by one of them, and lost by none."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.doubles import now
from tests.outbox_doubles import LEASE, HookedNode, OutboxHub
from tests.webhook_doubles import StandInSender
from txpusher.adapters.memory import Hub
from txpusher.core.occurrences import (
    CacheMissed,
    ChannelOccupied,
    ChannelRestored,
    ChannelVacated,
    ClientEventSent,
    MemberRestored,
    WebhookDropped,
    WebhookSent,
)
from txpusher.interfaces import Health
from txpusher.model import App, WebhookTarget
from txpusher.outbox import Notice, Queue, Sweep
from txpusher.webhooks.kinds import KINDS
from txpusher.webhooks.queue import Terms
from txpusher.webhooks.relay import STRANGE_FOR
from txpusher.webhooks.retrying import GIVE_UP_AFTER
from txpusher.webhooks.sharing import EVERY

TARGET = WebhookTarget("http://a.example/hook", tuple(KINDS))
APP = App("1", "key", "secret", webhooks=(TARGET,))
ROOM = "presence-room"
OCCUPIED, VACATED = ("channel_occupied", ROOM), ("channel_vacated", ROOM)
ADDED, REMOVED = ("member_added", ROOM, "ann"), ("member_removed", ROOM, "ann")


class Cluster:
    """Nodes that share an outbox, and one receiver."""

    def __init__(self, count=2, app=APP, **more):
        self.clock = Clock()
        self.clock.advance(1000)
        self.shared = OutboxHub(Hub(self.clock), self.clock)
        self.sender = more.pop("sender", None) or StandInSender()
        self.apps = {"1": app}
        self.more = more
        self.nodes = [self.node(str(number)) for number in range(count)]

    def node(self, name):
        """Start another node."""
        return HookedNode(self.shared, name, self.apps, self.sender, **self.more)

    def run(self, seconds=0.0):
        """Let time pass in small steps."""
        self.clock.pump([0.0] * 5)
        self.clock.pump([0.0625] * round(seconds * 16))

    def wait(self, seconds=0.0):
        """Let time pass, and give what was told meanwhile."""
        self.run(seconds)
        return self.sender.take()

    def change(self, app):
        """Let the app be another one on all nodes."""
        self.apps["1"] = app
        for node in self.nodes:
            node.known["1"] = app
            node.webhooks.changed("1", app)

    def drops(self):
        """Give kinds and reasons of what was dropped on any node."""
        told = [fact for node in self.nodes for fact in node.told]
        return [(fact.kind, fact.reason) for fact in told if isinstance(fact, WebhookDropped)]


def said(number):
    return ClientEventSent("1", ROOM, "client-e", str(number), "1.1", None)


def numbers(sender):
    return [event["data"] for event in sender.events() if event["name"] == "client_event"]


def accepted(cluster):
    return [request.body for request in cluster.sender.accepted]


def test_somebody_comes():
    """What happens on any node is told at once, in its order."""
    cluster = Cluster()
    cluster.nodes[0].come(ROOM, "ann")
    cluster.nodes[1].tell(said(1), CacheMissed("1", "cache-a"))
    assert cluster.wait() == [OCCUPIED, ADDED, ("client_event", ROOM), ("cache_miss", "cache-a")]
    assert WebhookSent("1", "channel_occupied", 0.0) in cluster.nodes[0].told


def test_a_return_to_another_node():
    """Who comes back to another node within the delay was never away."""
    cluster = Cluster()
    one, two = cluster.nodes
    one.come(ROOM, "ann")
    assert cluster.wait() == [OCCUPIED, ADDED]
    for left, entered in ((one, two), (two, one)):
        left.go(ROOM)
        assert cluster.wait(2.9) == []
        entered.come(ROOM, "ann")
        assert cluster.wait() == []
    assert cluster.wait(5) == []


def test_the_end():
    """Who does not come back is told gone when the delay is over, once, and members before their channel."""
    cluster = Cluster()
    cluster.nodes[0].come(ROOM, "ann")
    cluster.wait()
    cluster.nodes[0].go(ROOM)
    assert cluster.wait(2.9) == []
    assert cluster.wait(0.3) == [REMOVED, VACATED]
    assert cluster.wait(20) == []
    cluster.nodes[1].come(ROOM, "ann")
    assert cluster.wait() == [OCCUPIED, ADDED]


def test_facts_in_any_order():
    """A fact that is told late by its node changes nothing about what is true."""
    cluster = Cluster()
    one, two = cluster.nodes
    one.late = True
    one.come(ROOM)
    two.come(ROOM, socket_id="2.2")
    one.go(ROOM)
    two.go(ROOM, "2.2")
    assert cluster.wait(4) == []
    one.come(ROOM)
    assert cluster.wait() == []
    one.catch_up()
    assert cluster.wait(4) == [OCCUPIED]


def test_a_node_dies_while_somebody_is_away():
    """Another node tells what the dead one would have told."""
    cluster = Cluster()
    cluster.nodes[0].come(ROOM)
    cluster.wait()
    cluster.nodes[0].go(ROOM)
    cluster.wait()
    cluster.nodes[0].die()
    assert cluster.wait(3.2) == [VACATED]


def test_a_node_dies_before_it_says_anything():
    """What the roster knows and nobody has told of is found by those that are left."""
    cluster = Cluster()
    one, two = cluster.nodes
    one.come(ROOM)
    two.tell(said(1))
    cluster.wait()
    one.late = True
    one.go(ROOM)
    one.die()
    assert cluster.wait(6) == [VACATED]


def test_the_node_that_sends_dies():
    """What it had in hand, and what waited behind that, is sent by another one, in order."""
    cluster = Cluster(sender=StandInSender(late=True))
    one, two = cluster.nodes
    one.tell(said(1), said(2))
    cluster.run()
    two.tell(said(3))
    cluster.run()
    assert len(cluster.sender.requests) == 1
    one.die()
    cluster.sender.late = False
    cluster.clock.pump([1.0] * int(LEASE + 2))
    assert numbers(cluster.sender) == ["1", "1", "2", "3"]
    assert len({request.body for request in cluster.sender.requests}) == 3


def test_an_event_ages_in_the_outbox():
    """The time that an event waited for another node counts: it is given up as old as on one node."""
    cluster = Cluster(1, sender=StandInSender(*["500"] * 100))
    (one,) = cluster.nodes
    one.tell(said(1))
    cluster.run()
    one.die()
    cluster.clock.advance(GIVE_UP_AFTER - 100)
    two = cluster.node("two")
    cluster.run(99)
    assert WebhookDropped("1", "client_event", "expired") not in two.told
    # The pause that is under way may be a minute.
    cluster.run(61)
    assert two.told.count(WebhookDropped("1", "client_event", "expired")) == 1


def test_a_claim_is_lost():
    """A node that stood still leaves its queue to the one that has it by now."""
    cluster = Cluster(sender=StandInSender(late=True))
    one, two = cluster.nodes
    one.tell(said(1))
    cluster.run()
    one.die()
    cluster.clock.pump([1.0] * int(LEASE + 2))
    assert len(cluster.sender.requests) == 2
    one.outbox.dead = False
    cluster.run(2)
    assert len(cluster.sender.cancelled) == 1
    assert one.told == []
    one.tell(said(2))
    cluster.run()
    assert two.webhooks.waiting()["1", "client_event"] == 1
    cluster.run(1)
    assert two.webhooks.waiting()["1", "client_event"] == 2
    assert one.webhooks.waiting()["1", "client_event"] == 0


def test_an_outage():
    """What happens while the outbox is away is told when it is back."""
    cluster = Cluster()
    cluster.shared.away = True
    cluster.nodes[0].come(ROOM)
    cluster.nodes[0].tell(said(1), said(2))
    assert cluster.wait(5) == []
    cluster.shared.away = False
    assert cluster.wait(1) == [OCCUPIED, ("client_event", ROOM), ("client_event", ROOM)]


def test_a_long_outage():
    """What there is no room for meanwhile is dropped and counted, the oldest first, and logged once."""
    cluster = Cluster(terms=Terms(0, 100, 3))
    for _ in range(2):
        cluster.shared.away = True
        with capturedLogs() as logs:
            cluster.nodes[0].tell(ChannelVacated("1", "a"), said(1), said(2), said(3), said(4))
            cluster.run()
        assert cluster.drops() == [
            ("channel_vacated", "adapter_away"),
            ("client_event", "adapter_away"),
        ]
        assert [log["log_format"] for log in logs] == [
            "Too many webhook events wait for the adapter to be back; the oldest are lost"
        ]
        cluster.shared.away = False
        cluster.clock.pump([1.0, 0, 0, 0, 0, 0])
        assert numbers(cluster.sender) == ["2", "3", "4"]
        cluster.sender.requests.clear()
        cluster.nodes[0].told.clear()


def test_an_outage_while_something_is_sent():
    """What was accepted while the outbox was away is taken off the queue afterwards, and not sent again."""
    cluster = Cluster(sender=StandInSender(late=True))
    cluster.nodes[0].tell(said(1), said(2))
    cluster.run()
    cluster.shared.away = True
    cluster.sender.answer()
    cluster.clock.pump([1.0, 1.0])
    assert numbers(cluster.sender) == ["1"]
    cluster.shared.away = False
    cluster.clock.pump([1.0, 0, 0, 0])
    assert numbers(cluster.sender) == ["1", "2"]
    cluster.sender.answer()
    cluster.clock.pump([1.0, 1.0])
    assert cluster.shared.queues == {}
    assert len(cluster.sender.requests) == 2


def test_an_outbox_that_has_forgotten_everything():
    """What a node has in hand is sent all the same, and who is known to be there is told gone in the end."""
    cluster = Cluster(sender=StandInSender("500"))
    one, two = cluster.nodes
    one.come(ROOM, "ann")
    cluster.wait()
    cluster.shared.forget()
    one.tell(ChannelRestored("1", ROOM), MemberRestored("1", ROOM, "ann"))
    assert cluster.wait(2) == [OCCUPIED]
    two.go(ROOM)
    assert cluster.wait(4) == [REMOVED, VACATED]


def test_no_room():
    """The queue of a receiver that is behind has a bound, and it is said when it is filling."""
    cluster = Cluster(sender=StandInSender(*["500"] * 100), terms=Terms(0, 100, 4))
    node = cluster.nodes[0]
    node.tell(*[said(number) for number in range(4)])
    cluster.run(1)
    assert node.webhooks.health() == Health(ok=False, detail="webhook target 1 of app 1 is behind")
    assert node.webhooks.waiting()["1", "client_event"] == 4
    assert cluster.drops() == []
    with capturedLogs() as logs:
        node.tell(said(4))
        node.tell(said(5))
        cluster.run(1)
    assert cluster.drops() == [("client_event", "queue_full")] * 2
    assert [log["text"] for log in logs] == [
        "is behind and its queue is full; the oldest events are lost"
    ]
    cluster.sender.problems.clear()
    cluster.run(10)
    assert [body["events"][0]["data"] for body in map(json.loads, accepted(cluster))] == list(
        "0345"
    )


def test_batches():
    """Events of all nodes are collected for a request."""
    cluster = Cluster(terms=Terms(1.0, 3, 100))
    for number in range(4):
        cluster.nodes[number % 2].tell(said(number))
        cluster.run()
    cluster.clock.pump([0, 0, 0, 1, 0, 0, 0, 1, 0, 0])
    assert numbers(cluster.sender) == ["0", "1", "2", "3"]
    assert [len(body["events"]) for body in cluster.sender.bodies()] == [3, 1]


# Apps


def test_a_queue_of_an_app_that_nobody_was_connected_to_here():
    """A node looks an app up to send what another one has left, and to tell what follows from its death."""
    cluster = Cluster(sender=StandInSender(*["500"] * 20))
    one, two = cluster.nodes
    two.known.clear()
    one.come(ROOM)
    cluster.wait()
    one.die()
    cluster.clock.pump([1.0] * int(LEASE + 3))
    cluster.sender.problems.clear()
    cluster.wait(60)
    two.go(ROOM)
    assert cluster.wait(4)[-1] == VACATED


def test_a_target_that_nobody_knows():
    """What waits for it is dropped and counted, but not before the settings can be the same on all nodes."""
    cluster = Cluster()
    notice = Notice("1", "client_event", "{}", ["elsewhere"])
    now(cluster.nodes[0].outbox.tell([notice], 0, 9))
    now(cluster.nodes[0].outbox.release([Queue("1", "elsewhere")]))
    cluster.run(STRANGE_FOR - 2)
    assert cluster.drops() == []
    assert len(cluster.shared.queues) == 1
    with capturedLogs() as logs:
        cluster.run(4)
    assert cluster.drops() == [("client_event", "target_removed")]
    assert cluster.shared.queues == {}
    assert [(log["number"], log["app_id"]) for log in logs] == [(1, "1")]


def test_a_target_is_removed():
    """What waits for it is dropped by the node that has its queue, and counted once; the others' is sent."""
    both = replace(APP, webhooks=(TARGET, replace(TARGET, url="http://b.example/")))
    cluster = Cluster(app=both, sender=StandInSender(late=True))
    cluster.nodes[0].tell(said(1), said(2))
    cluster.run()
    with capturedLogs() as logs:
        cluster.change(APP)
    assert [log["number"] for log in logs] == [2]
    assert cluster.drops() == [("client_event", "target_removed")] * 2
    assert len(cluster.shared.queues) == 1
    cluster.sender.answer()
    cluster.run()
    assert cluster.drops() == [("client_event", "target_removed")] * 2


def test_an_app_without_targets():
    """An app that has none any more is forgotten, and costs nothing."""
    cluster = Cluster()
    cluster.nodes[0].come(ROOM)
    cluster.wait()
    cluster.change(replace(APP, webhooks=()))
    assert cluster.shared.told == {}
    cluster.nodes[0].go(ROOM)
    cluster.nodes[0].outbox.asked.clear()
    assert cluster.wait(5) == []
    assert set(cluster.nodes[0].outbox.asked) == {"beat"}
    cluster.change(APP)
    cluster.nodes[1].come(ROOM)
    assert cluster.wait() == [OCCUPIED]


def test_what_an_app_does_not_want():
    """What no target wants is remembered, and not told."""
    only = replace(TARGET, event_types=("channel_vacated",))
    cluster = Cluster(app=replace(APP, webhooks=(only,)))
    cluster.nodes[0].come(ROOM, "ann")
    cluster.nodes[0].tell(said(1), ChannelOccupied("1", "#server-to-user-1"))
    assert cluster.wait() == []
    cluster.nodes[0].go(ROOM)
    assert cluster.wait(4) == [VACATED]


def test_a_sweep_goes_on():
    """Each beat goes on where the one before it has ended."""
    cluster = Cluster(1)
    (node,) = cluster.nodes
    swept = []
    beat = node.outbox.beat
    ends = iter([Sweep("1", b"7"), Sweep("1", b"9"), Sweep(), Sweep("2", b"1")])

    async def remember(queues, sweep):
        swept.append(sweep)
        return (await beat(queues, sweep))._replace(sweep=next(ends, Sweep()))

    node.outbox.beat = remember
    cluster.clock.pump([EVERY] * 6)
    assert swept[:5] == [Sweep(), Sweep("1", b"7"), Sweep("1", b"9"), Sweep(), Sweep("2", b"1")]


def test_an_app_that_no_survivor_knows():
    """Somebody whose end a dead node has not told of is found by another that never had to do with the app."""
    cluster = Cluster(delay=0.0)
    first = cluster.nodes[0]
    first.come(ROOM)
    assert cluster.wait() == [OCCUPIED]
    first.late = True
    first.go(ROOM)
    first.die()
    assert cluster.wait(5) == [VACATED]


# Stopping


def stop(cluster, node, seconds=5.0):
    """Stop a node, and give the time until it has stopped, in steps of a tenth."""
    stopped, steps = Deferred.fromCoroutine(node.webhooks.stop(seconds)), 0
    while not stopped.called:
        cluster.clock.advance(0.1)
        steps += 1
        assert steps < 200
    stopped.addErrback(lambda failure: pytest.fail(str(failure)))
    return steps / 10


def test_stopping_with_others():
    """Who left the node that stops may come back to another one; else that one tells it."""
    cluster = Cluster()
    one, two = cluster.nodes
    one.come(ROOM, "ann")
    one.come("news")
    cluster.wait()
    one.webhooks.close()
    one.go(ROOM)
    one.go("news")
    assert stop(cluster, one) <= 0.2
    two.come(ROOM, "ann")
    assert cluster.wait(4) == [("channel_vacated", "news")]
    assert cluster.sender.closed == 1


def test_stopping_while_a_request_is_under_way():
    """It is waited for; what follows is another node's at once."""
    cluster = Cluster(sender=StandInSender(late=True))
    one, _ = cluster.nodes
    one.tell(said(1), said(2))
    cluster.run()
    cluster.clock.callLater(0.55, cluster.sender.answer)
    assert 0.5 <= stop(cluster, one) <= 0.8
    cluster.clock.pump([1.0, 0])
    assert numbers(cluster.sender) == ["1", "2"]
    assert cluster.sender.cancelled == []


@pytest.mark.parametrize("late", [True, False])
def test_stopping_while_a_receiver_fails(late):
    """It is not waited for longer than there is time; what is left is another node's, and none of it dropped."""
    cluster = Cluster(sender=StandInSender(*["500"] * 3, late=late))
    one, _ = cluster.nodes
    one.tell(said(1), said(2))
    cluster.run(1.5)
    assert stop(cluster, one, 2.0) <= (2.3 if late else 0.3)
    cluster.sender.late = False
    cluster.run(1)
    cluster.clock.pump([1.0] * 8)
    assert len(cluster.shared.queues) == 0
    assert cluster.drops() == []


def test_stopping_while_the_outbox_is_away():
    """What could not be told is dropped and counted."""
    cluster = Cluster()
    cluster.shared.away = True
    cluster.nodes[0].tell(said(1))
    stop(cluster, cluster.nodes[0])
    assert cluster.drops() == [("client_event", "stopped")]


def test_what_happens_after_the_stop():
    """What the last clients leave behind is noted for the others, who get the claims of it."""
    cluster = Cluster()
    one, _ = cluster.nodes
    one.come(ROOM)
    cluster.wait()
    stop(cluster, one)
    one.go(ROOM)
    one.tell(said(1))
    cluster.wait(0.05)
    assert all(owner != "0" for owner, _ in cluster.shared.claims.values())
    cluster.clock.pump([1.0] * 5)
    assert numbers(cluster.sender) == ["1"]
    assert VACATED in cluster.sender.take()


def test_stopping_twice():
    """There is nothing left to do the second time."""
    cluster = Cluster(1)
    stop(cluster, cluster.nodes[0])
    cluster.nodes[0].outbox.asked.clear()
    stop(cluster, cluster.nodes[0])
    assert cluster.nodes[0].outbox.asked == []
    assert cluster.clock.getDelayedCalls() == []


def test_starting_again():
    """A node that was stopped and is started again takes part again."""
    cluster = Cluster(1)
    (node,) = cluster.nodes
    stop(cluster, node)
    node.webhooks.start()
    node.come(ROOM)
    assert cluster.wait() == [OCCUPIED]


# Everything at once

CHANNELS = st.sampled_from(["presence-a", "presence-b"])
USERS = st.sampled_from(["ann", "bob"])
NODES = st.integers(0, 1)
STEPS = st.lists(
    st.tuples(st.just("turn"), NODES, CHANNELS, USERS)
    | st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]))
    | st.tuples(st.just("late"), NODES)
    | st.tuples(st.just("away"), st.booleans())
    | st.tuples(st.just("kill"), st.just(0)),
    max_size=40,
)


def play(cluster, steps):
    """Let sockets come and go on two nodes, whose facts may be late, and the first of which may die."""
    there = {}
    for what, *arguments in steps:
        if what == "wait":
            cluster.clock.pump([0.25] * int(arguments[0] * 4) or [0, 0, 0])
        elif what == "late":
            node = cluster.nodes[arguments[0]]
            node.late = not node.late
            node.catch_up()
        elif what == "away":
            cluster.shared.away = arguments[0]
        elif what == "kill":
            cluster.clock.pump([0] * 5)
            cluster.nodes[0].die()
            # Its sockets are the other's to take away.
            for number, channel, user in [key for key in there if there[key] and key[0] == 0]:
                there[number, channel, user] = False
                cluster.nodes[1].go(channel, f"{number}.{user}")
        else:
            number, channel, user = key = arguments[0], arguments[1], arguments[2]
            if number == 0 and cluster.nodes[0].outbox.dead:
                continue
            there[key] = not there.get(key, False)
            node = cluster.nodes[number]
            if there[key]:
                node.come(channel, user, f"{number}.{user}")
            else:
                node.go(channel, f"{number}.{user}")
    cluster.shared.away = False
    cluster.nodes[1].late = False
    for node in cluster.nodes:
        node.catch_up()
    return {(channel, user) for (_, channel, user), is_there in there.items() if is_there}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([0.0, 1.0, 3.0]), STEPS)
def test_any_sequence(delay, steps):
    """Whatever happens: of each channel and member, comes and goes alternate and end in the truth."""
    cluster = Cluster(delay=delay)
    there = play(cluster, steps)
    cluster.clock.pump([0.5] * 60)
    told = {}
    for name, channel, *user in cluster.sender.take():
        key = (channel, *user)
        came = name in {"channel_occupied", "member_added"}
        assert told.get(key, False) is not came, "told twice"
        told[key] = came
    truth = there | {(channel,) for channel, _ in there}
    missed = truth - {key for key, came in told.items() if came}
    assert {key for key, came in told.items() if came} <= truth
    # Whom a node dies of before it has said a word is not told of, until the next change.
    assert not missed or ("kill", 0) in steps
    assert cluster.shared.queues == {}
    assert cluster.drops() == []
