"""What clients hear last of who is online, on a real Redis, while it changes on several nodes at once."""

from dataclasses import replace

import pytest

from tests.doubles import APP, Client
from tests.redis.two_nodes import TwoNodesCase

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
