"""The end of nodes, in a real Redis."""

import re
from itertools import count

import pytest
from twisted.internet import reactor  # noqa: TID253 - these tests need a real one
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.trial.unittest import TestCase

from tests.contracts.adapter import ANN, BOB, Hearing
from txpusher.adapters.redis import create
from txpusher.adapters.redis.scripts import REAP
from txpusher.errors import ServiceUnavailable, Unanswered
from txpusher.interfaces import Left
from txpusher.model import Counts

_numbers = count(1)


@pytest.mark.usefixtures("_redis_of_case")
class TestLease(TestCase):
    """Nodes whose lease is short."""

    timeout = 20

    async def start(self, number):
        """Start some nodes on one prefix, and give what each of them hears."""
        self.prefix = f"lease{next(_numbers)}"
        url = f"redis+unix://{self.redis.path}?prefix={self.prefix}&heartbeat=0.1&lease=0.4"
        self.nodes = [create(url, reactor) for _ in range(number)]
        hearings = [Hearing() for _ in self.nodes]
        for node, hearing in zip(self.nodes, hearings, strict=True):
            await node.start(hearing)
        self.addCleanup(self.stop)
        return hearings

    def stop(self):
        """Stop all that live."""

        async def stop_all():
            for node in self.nodes:
                await node.stop()

        return Deferred.fromCoroutine(stop_all())

    async def kill(self, node):
        """End a node without a goodbye."""
        self.nodes.remove(node)
        node._beats.stop()
        node._checks.stop()
        await node.bus.link.stop()
        await node._commands.link.stop()

    async def until(self, condition):
        """Wait until something is so."""
        while not condition():
            await deferLater(reactor, 0.01)

    def keys(self):
        """Give what is in Redis, without the prefix."""
        reply = self.redis.ask("KEYS", f"{self.prefix}:*").decode()
        return {name.split(":", 1)[1] for name in re.findall(rf"{self.prefix}:[^\r]*", reply)}

    def test_a_dead_node(self):
        """What it had is taken away, told to one survivor only, and nothing of it is left."""

        async def test():
            _, *hearings = await self.start(3)
            dead, one, two = self.nodes
            await dead.roster.join("1", "presence-x", "1.1", ANN)
            await two.roster.join("1", "presence-x", "2.2", BOB)
            await dead.roster.join("1", "presence-x", "3.3", BOB)
            for i in range(250):
                await dead.roster.join("a:b", "news", f"{i}.1")
            await dead.quotas.set("1", 5)
            node_id = dead.bus._id.decode()
            await self.kill(dead)
            await self.until(lambda: sum(node.figures().reaped for node in (one, two)) == 1)
            # The other survivor may have taken some of it away, and not read yet what it was.
            await self.until(lambda: sum(len(hearing.departures) for hearing in hearings) >= 252)
            told = [fact for hearing in hearings for fact in hearing.departures]
            assert len(told) == 252
            assert {fact[3] for fact in told} == {node_id}
            vacant = [fact[:3] for fact in told if fact[2].last_in_channel]
            assert vacant == [("a:b", "news", Left(True, None, Counts()))]
            presence = [fact[2] for fact in told if fact[1] == "presence-x"]
            assert [left.last_for_user for left in presence if left.last_for_user] == [ANN]
            assert await one.roster.channels("1") == {"presence-x": Counts(1, 1)}
            assert await one.roster.channels("a:b") == {}
            assert await one.quotas.set("1", 1, 1)
            await one.quotas.set("1", 0)
            await two.roster.leave("1", "presence-x", "2.2")
            assert self.keys() == {"nodes", "generation", "heard"}

        return Deferred.fromCoroutine(test())

    def test_the_number_after_a_death(self):
        """It is told anew when it may be, whoever has told it before."""

        async def test():
            await self.start(2)
            dead, survivor = self.nodes
            for i in range(5):
                await (dead if i else survivor).roster.join("1", "news", f"{i}.1")
            await dead.roster.join("1", "news", "9.1")
            limits = "1", "news", 0, 60
            assert await dead.bus.publish_due_count(*limits) == (6, 0)
            assert await survivor.bus.publish_due_count(*limits) == (0, 0)
            await self.kill(dead)
            await self.until(lambda: survivor.figures().reaped)
            number, again = await survivor.bus.publish_due_count(*limits)
            assert not number
            assert 0 < again <= 60

        return Deferred.fromCoroutine(test())

    def test_a_node_that_was_taken_for_dead(self):
        """It notices at its next sign of life, and what it has written before that has an owner."""

        async def test():
            hearings = await self.start(2)
            node = self.nodes[0]
            node_id = node.bus._id.decode()
            self.redis.ask("ZREM", f"{self.prefix}:nodes", node_id)
            await node.roster.join("1", "news", "1.1")
            assert "strays" in self.keys()
            await self.until(lambda: hearings[0].returns == [False, False])
            assert "strays" not in self.keys()
            assert hearings[1].departures == []

        return Deferred.fromCoroutine(test())

    def test_a_node_that_dies_again_before_anybody_knew_that_it_lived(self):
        """What it has written without a lease is taken away, too."""

        async def test():
            hearings = await self.start(2)
            node = self.nodes[0]
            node_id = node.bus._id.decode()
            node._beats.stop()
            self.redis.ask("ZREM", f"{self.prefix}:nodes", node_id)
            await node.roster.join("1", "news", "1.1")
            await node.quotas.set("1", 1)
            node._beats.start(100, now=False)
            await self.kill(node)
            self.redis.ask("ZADD", f"{self.prefix}:strays", "1", node_id)
            vacant = ("1", "news", Left(True, None, Counts()), node_id)
            await self.until(lambda: hearings[1].departures == [vacant])
            await self.until(lambda: self.keys() == {"nodes", "generation", "heard"})

        return Deferred.fromCoroutine(test())

    def test_a_redis_that_has_lost_everything(self):
        """It is noticed without a loss of the connection."""

        async def test():
            hearings = await self.start(2)
            for key in self.keys():
                self.redis.ask("DEL", f"{self.prefix}:{key}")
            await self.until(lambda: all(h.returns == [False, True] for h in hearings))

        return Deferred.fromCoroutine(test())

    def test_nobody_could_be_heard(self):
        """When Redis was away for all nodes for longer than a lease, the first one back buries none of the others."""

        async def test():
            hearings = await self.start(3)
            await self.nodes[0].roster.join("1", "presence-x", "1.1", ANN)
            for node in self.nodes:
                node._beats.stop()
            await deferLater(reactor, 0.6)
            self.nodes[2]._beats.start(0.1)
            await deferLater(reactor, 0.15)
            for node in self.nodes[:2]:
                node._beats.start(0.1)
            await deferLater(reactor, 0.5)
            assert [hearing.departures for hearing in hearings] == [[], [], []]
            assert [node.figures().reaped for node in self.nodes] == [0, 0, 0]

        return Deferred.fromCoroutine(test())

    def test_who_does_not_come_back_after_all(self):
        """A node that has died while nobody could be heard is buried a lease later."""

        async def test():
            hearings = await self.start(2)
            await self.nodes[0].roster.join("1", "presence-x", "1.1", ANN)
            await self.kill(self.nodes[0])
            self.nodes[0]._beats.stop()
            await deferLater(reactor, 0.6)
            self.nodes[0]._beats.start(0.1)
            await deferLater(reactor, 0.05)
            assert hearings[1].departures == []
            await self.until(lambda: len(hearings[1].departures) == 1)

        return Deferred.fromCoroutine(test())

    def lose_answers(self, node, number):
        """Let so many answers about dead nodes get lost, after Redis has done what it was asked."""
        real, lost = node._commands.run, []

        async def run(script, *arguments):
            reply = await real(script, *arguments)
            if script is REAP and len(lost) < number:
                lost.append(reply)
                raise Unanswered("lost")
            return reply

        node._commands.run = run
        return lost

    def test_an_answer_that_is_lost(self):
        """What was taken away then is told all the same, once."""

        async def test():
            hearings = await self.start(2)
            dead, survivor = self.nodes
            for i in range(150):
                await dead.roster.join("1", "news", f"{i}.1")
            self.lose_answers(survivor, 3)
            await self.kill(dead)
            await self.until(lambda: survivor.figures().reaped == 1)
            assert len(hearings[1].departures) == 150
            assert self.keys() == {"nodes", "generation", "heard"}

        return Deferred.fromCoroutine(test())

    def test_a_survivor_that_dies_before_it_has_told(self):
        """Another one tells what that one has taken away."""

        async def test():
            hearings = await self.start(3)
            dead, first, second = self.nodes
            for i in range(50):
                await dead.roster.join("1", "news", f"{i}.1")
            # It stays alive, and buries nobody yet.
            second._beats.stop()
            alive = LoopingCall(lambda: Deferred.fromCoroutine(second._lease._renew()))
            alive.start(0.1)
            lost = self.lose_answers(first, 1000)
            await self.kill(dead)
            await self.until(lambda: lost)
            alive.stop()
            second._beats.start(0.1)
            await self.kill(first)
            # The survivor that has died had nothing of its own, and may be buried before what it owed is told.
            await self.until(lambda: second.figures().reaped == 2)
            assert len(hearings[2].departures) == 50
            assert hearings[1].departures == []
            await self.until(lambda: self.keys() == {"nodes", "generation", "heard"})

        return Deferred.fromCoroutine(test())

    def test_what_could_not_be_told(self):
        """A survivor that cannot tell of an entry tells of it once more, and of all that come after it."""

        async def test():
            dying, hearing = await self.start(2)
            told, failures = hearing.departed, [ServiceUnavailable("away")]

            async def departed(*left):
                if len(hearing.departures) == 3 and failures:
                    raise failures.pop()
                await told(*left)

            hearing.departed = departed
            dead, survivor = self.nodes
            for i in range(10):
                await dead.roster.join("1", "news", f"{i}.1")
            await self.kill(dead)
            await self.until(lambda: survivor.figures().reaped)
            assert failures == dying.departures == []
            counts = {left.counts.subscriptions for _, _, left, _ in hearing.departures}
            assert counts == set(range(10))
            await self.until(lambda: self.keys() == {"nodes", "generation", "heard"})

        return Deferred.fromCoroutine(test())

    def test_a_goodbye(self):
        """Who stops with something left is reaped at once; who stops with nothing is forgotten."""

        async def test():
            hearings = await self.start(3)
            first, second, _ = self.nodes
            await first.roster.join("1", "news", "1.1")
            await first.stop()
            await second.stop()
            await self.until(lambda: len(hearings[1].departures + hearings[2].departures) == 1)
            await self.until(lambda: self.keys() == {"nodes", "generation", "heard"})
            assert b":1\r\n" in self.redis.ask("ZCARD", f"{self.prefix}:nodes")

        return Deferred.fromCoroutine(test())
