"""What clients hear last, on a real Redis: who is online and how many they are, while both change on several nodes."""

from dataclasses import replace
from itertools import pairwise
from unittest import mock

import pytest

from tests.doubles import APP, Client, data
from tests.redis.two_nodes import TwoNodesCase
from txpusher.core import counting
from txpusher.core.counting import INTERVAL
from txpusher.core.occurrences import SubscriptionCountChanged
from txpusher.core.returning import write_missing
from txpusher.errors import ServiceUnavailable

ROUNDS = 40


def told_online(client):
    """Give who was said to be online and offline, in that order."""
    return [
        (event["name"], user_id)
        for message in client.wire.named("watchlist_events")
        for event in message["data"]["events"]
        for user_id in event["user_ids"]
    ]


@pytest.mark.usefixtures("_redis_of_case")
class TestWatchlists(TwoNodesCase):
    """A user who goes from node to node."""

    app = replace(APP, watchlist_events=True)

    def test_what_is_heard_last_is_true(self):
        """Who leaves one node at the moment of coming to the other is online in the end, for the watchers of both."""

        async def test(one, two):
            nodes = one, two
            watchers = [Client(node, self.app) for node in nodes]
            for watcher in watchers:
                watcher.sign_in("ann", watchlist=["bob", "0", "1"])
                await self.until(lambda w=watcher: told_online(w))
            bob = Client(one, self.app)
            bob.sign_in("bob")
            for i in range(ROUNDS):
                await self.until(lambda b=bob: b.wire.named("signin_success"))
                bob.leave()
                bob = Client(nodes[(i + 1) % 2], self.app)
                bob.sign_in("bob")
            await self.until(lambda: bob.wire.named("signin_success"))
            # Everything that a node tells comes before what it tells of these.
            ends = [Client(node, self.app) for node in nodes]
            for i, end in enumerate(ends):
                end.sign_in(str(i))
            for watcher in watchers:
                for i in range(2):
                    await self.until(lambda w=watcher, i=i: ("online", str(i)) in told_online(w))
            told = [[name for name, user in told_online(w) if user == "bob"] for w in watchers]
            assert [events[-1] for events in told] == ["online"] * 2
            assert told[0][1:] == told[1][1:]

        return self.run_with_nodes(test)


def told_numbers(client):
    """Give the numbers that a client was told, in order."""
    return [data(m)["subscription_count"] for m in client.wire.named("subscription_count")]


async def refuse(*_, **__):
    """Be a roster that is away."""
    raise ServiceUnavailable("away")


@pytest.mark.usefixtures("_redis_of_case")
class TestNumbers(TwoNodesCase):
    """Subscribers who come and go on two nodes."""

    app = replace(APP, subscription_count=True)

    async def subscribed(self, *nodes):
        """Subscribe a client on each node at once, and wait until all are."""
        clients = [Client(node, self.app) for node in nodes]
        for client in clients:
            client.subscribe("news")
        for client in clients:
            await self.until(lambda c=client: told_numbers(c))
            assert client.wire.names()[:2] == ["subscription_succeeded", "subscription_count"]
        return clients

    def test_in_the_order_of_the_roster(self):
        """Whoever comes and goes where, the subscribers of both nodes are told the same, and no number is left out."""

        async def test(one, two):
            stay = [*await self.subscribed(one), *await self.subscribed(two)]
            for _ in range(ROUNDS):
                for client in await self.subscribed(one, two, one, two):
                    client.leave()
            await self.subscribed(one)
            for client in stay:
                await self.until(lambda c=client: len(told_numbers(c)) >= 8 * ROUNDS + 2)
            first, second = map(told_numbers, stay)
            assert first[1:] == second
            assert second[-1] == 3
            assert all(abs(later - earlier) == 1 for earlier, later in pairwise(first))

        return self.run_with_nodes(test)

    def test_a_large_channel(self):
        """Of the nodes where it has changed, one tells the number of that moment to both."""

        async def test(one, two):
            stay = [*await self.subscribed(one), *await self.subscribed(two)]
            many = [Client(node, self.app) for node in (one, two) for _ in range(70)]
            for some in (many[1:-1], (many[0], many[-1])):
                for client in some:
                    client.subscribe("news")
                for client in some:
                    await self.until(lambda c=client: c.wire.named("subscription_succeeded"))
            for client in stay:
                assert max(told_numbers(client)) <= 100
            for node in (one, two):
                assert node.clock.getDelayedCalls()
                node.clock.advance(INTERVAL)
            for client in stay:
                await self.until(lambda c=client: told_numbers(c)[-1] == 142)
            await self.answered(one, two)
            assert [told_numbers(client).count(142) for client in stay] == [1, 1]
            facts = one.told.of(SubscriptionCountChanged) + two.told.of(SubscriptionCountChanged)
            assert facts.count(SubscriptionCountChanged("1", "news", 142)) == 1
            assert not one.clock.getDelayedCalls() + two.clock.getDelayedCalls()
            # What changes now is told when it may be.
            many[0].leave()
            many[-1].leave()
            await self.answered(one, two)
            for node in (one, two):
                node.clock.advance(INTERVAL)
                await self.answered(node)
                (call,) = node.clock.getDelayedCalls()
                assert 0 < call.getTime() - node.clock.seconds() <= INTERVAL
            assert [told_numbers(client)[-1] for client in stay] == [142, 142]

        return self.run_with_nodes(test)

    async def answered(self, *nodes):
        """Wait until nodes have got the answers to all that they have asked."""
        for node in nodes:
            await node.adapter.roster.counts("1", ["news"])

    def test_a_leave_that_is_told_late(self):
        """It is a change for the other nodes, too, when the roster hears of it at last; a small number is told once."""

        async def test(one, two):
            (stays,) = await self.subscribed(two)
            go = [*await self.subscribed(one), *await self.subscribed(one)]
            limits = "1", "news", 1, 60
            assert await two.adapter.bus.publish_due_count(*limits) == (3, 0)
            real, one.adapter.roster.leave = one.adapter.roster.leave, refuse
            go[0].leave()
            one.adapter.roster.leave = real
            with mock.patch.object(counting, "FREQUENT_UP_TO", 1):
                await write_missing(one.registry)
            number, again = await two.adapter.bus.publish_due_count(*limits)
            assert not number
            assert again > 0
            one.adapter.roster.leave = refuse
            go[1].leave()
            one.adapter.roster.leave = real
            await write_missing(one.registry)
            await self.until(lambda: told_numbers(stays)[-1] == 1)
            assert told_numbers(stays) == [1, 2, 3, 3, 1]

        return self.run_with_nodes(test)

    def test_one_command_for_each_change(self):
        """That subscribers are told their number costs nothing more."""

        async def test(one, two):
            (client,) = await self.subscribed(one)
            before = one.adapter.figures().commands
            for _ in range(ROUNDS):
                (other,) = await self.subscribed(one)
                other.leave()
            await self.until(lambda: len(told_numbers(client)) == 2 * ROUNDS + 1)
            assert one.adapter.figures().commands - before == 2 * ROUNDS

        return self.run_with_nodes(test)
