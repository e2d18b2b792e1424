"""What clients are told of members, on a real Redis, whose list and whose news come by two connections."""

import pytest

from tests.doubles import APP, Client, data
from tests.redis.two_nodes import TwoNodesCase

ROUNDS = 30


def member_events(client):
    """Give who came and went, in the order in which a client read it."""
    return [
        (name.removeprefix("member_"), data(message)["user_id"])
        for name, message in zip(client.wire.names(), client.wire, strict=True)
        if name.startswith("member_")
    ]


@pytest.mark.usefixtures("_redis_of_case")
class TestMembers(TwoNodesCase):
    """Two nodes and their clients."""

    app = APP

    def test_on_the_list_or_told(self):
        """Of two who join at once each is told of the other in one way, on one node and on two."""

        async def test(one, two):
            for other in (one, two):
                for i in range(ROUNDS):
                    room = f"presence-{i}"
                    clients = Client(one, APP), Client(other, APP)
                    for user, client in enumerate(clients):
                        client.subscribe(room, str(user))
                    for client in clients:
                        await self.until(client.wire.copy)
                    # Everything that was told before comes before this.
                    end = Client(other, APP)
                    end.subscribe(room, "end")
                    for client in clients:
                        await self.until(lambda c=client: ("added", "end") in member_events(c))
                    for user, client in enumerate(clients):
                        told = [user_id for _, user_id in member_events(client)[:-1]]
                        assert sorted([*client.members(room), *told]) == ["0", "1"], (user, told)
                    for client in (*clients, end):
                        client.leave()

        return self.run_with_nodes(test)

    def test_in_the_order_of_the_roster(self):
        """Who leaves on one node and comes on another is told as the roster has it, to the clients of both."""

        async def test(one, two):
            watchers = [Client(one, APP), Client(two, APP)]
            for user, watcher in enumerate(watchers):
                watcher.subscribe("presence-room", f"watcher{user}")
                await self.until(watcher.wire.copy)
            await self.until(lambda: member_events(watchers[0]))
            nodes, ann = [one, two], Client(one, APP)
            ann.subscribe("presence-room", "ann")
            for i in range(ROUNDS):
                await self.until(ann.wire.copy)
                ann.leave()
                ann = Client(nodes[(i + 1) % 2], APP)
                ann.subscribe("presence-room", "ann")
            last = Client(one, APP)
            last.subscribe("presence-room", "last")
            for watcher in watchers:
                await self.until(lambda w=watcher: ("added", "last") in member_events(w))
            first, second = (member_events(watcher) for watcher in watchers)
            assert first[1:] == second
            changes = [event for event, user in second if user == "ann"]
            assert changes[::2] == ["added"] * (len(changes) // 2 + 1)
            assert changes[1::2] == ["removed"] * (len(changes) // 2)

        return self.run_with_nodes(test)
