"""What clients hear last, on a real Redis: who is online and how many they are, while both change on several nodes."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.doubles import APP, Client, data
from tests.redis.two_nodes import TwoNodesCase
from txpusher.core.counting import INTERVAL

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
        """The node where it has changed tells the number of that moment to both."""

        async def test(one, two):
            stay = [*await self.subscribed(one), *await self.subscribed(two)]
            many = [Client(node, self.app) for node in (one, two) for _ in range(70)]
            for client in many:
                client.subscribe("news")
            for client in many:
                await self.until(lambda c=client: c.wire.named("subscription_succeeded"))
            for client in stay:
                assert max(told_numbers(client)) <= 100
            assert one.clock.getDelayedCalls() or two.clock.getDelayedCalls()
            for node in (one, two):
                node.clock.advance(INTERVAL)
            for client in stay:
                await self.until(lambda c=client: told_numbers(c)[-1] == 142)

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
