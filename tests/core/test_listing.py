"""Members on a list, and news of them that comes late."""

import pytest

from tests.doubles import APP, InstantClock, Node, data, now
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.holding import OVERTAKEN_FOR
from txpusher.interfaces import Envelope
from txpusher.model import PresenceMember
from txpusher.protocol import codec

ROOM = "presence-room"


class LateNews:
    """A node whose roster tells of members itself, by way of a bus that brings it when the test says so."""

    def __init__(self):
        self.clock = InstantClock()
        self.adapter = MemoryAdapter(Hub(self.clock))
        self.node = Node(self.adapter, self.clock)
        self.news = []
        roster = self.adapter.roster
        join, leave = roster.join, roster.leave

        async def telling_join(app_id, channel, socket_id, member=None, max_members=None, _=0):
            joined = await join(app_id, channel, socket_id, member, max_members)
            if joined.first_for_user:
                self.news.append((codec.member_added(channel, member), socket_id))
            return joined._replace(told=member is not None)

        async def telling_leave(app_id, channel, socket_id, member=None, _=0):
            left = await leave(app_id, channel, socket_id)
            if left.last_for_user is None:
                return left
            self.news.append((codec.member_removed(channel, member.user_id), None))
            return left._replace(told=True)

        roster.join, roster.leave = telling_join, telling_leave

    def joined(self, user):
        """Connect a user."""
        client = self.node.connect()
        client.subscribe(ROOM, user)
        return client

    def bring(self):
        """Let the news arrive."""
        news, self.news = self.news, []
        for frame in news:
            self.node.cluster.receive(Envelope(APP.id, ROOM, [frame]))


@pytest.fixture
def late():
    return LateNews()


def changes(client):
    """Give who came and went."""
    return [
        (name, data(m)["user_id"])
        for name, m in zip(client.wire.names(), client.wire, strict=True)
        if name.startswith("member")
    ]


def test_the_roster_tells(late):
    """Where the roster tells of members nobody else does, and everybody is told once, in its order."""
    ann, bob = late.joined("ann"), late.joined("bob")
    assert changes(ann) == []
    bob.leave()
    late.bring()
    assert changes(ann) == [("member_added", "bob"), ("member_removed", "bob")]


def test_news_that_is_older_than_the_list(late):
    """Who is on the list of a first or of a second confirmation does not come after it."""
    ann, bob = late.joined("ann"), late.joined("bob")
    ann.subscribe(ROOM, "ann")
    assert ann.members(ROOM).keys() == bob.members(ROOM).keys() == {"ann", "bob"}
    late.bring()
    assert changes(ann) == changes(bob) == []


def test_the_list_of_everybody(late):
    """After a list for all the same is true for all; who went before it was made does not go after it."""
    ann, bob = late.joined("ann"), late.joined("bob")
    late.bring()
    bob.leave()
    late.joined("cid")
    ann.wire.clear()
    now(late.node.cluster.missed())
    late.bring()
    assert ann.wire.names() == ["subscription_succeeded"]
    assert ann.members(ROOM).keys() == {"ann", "cid"}


def test_after_a_while_everything_is_news(late):
    """Nothing is compared any more when nothing older can come; a later list counts for a time of its own."""
    ann = late.joined("ann")
    late.clock.advance(OVERTAKEN_FOR - 1)
    ann.subscribe(ROOM, "ann")
    late.clock.advance(OVERTAKEN_FOR - 1)
    late.news = [(codec.member_added(ROOM, PresenceMember("ann")), None)]
    late.bring()
    assert changes(ann) == []
    late.clock.advance(1)
    late.news = [(codec.member_added(ROOM, PresenceMember("ann")), None)]
    late.bring()
    assert changes(ann) == [("member_added", "ann")]


def test_who_is_gone_by_then(late):
    """Nobody is put on a channel again by the end of that time."""
    ann = late.joined("ann")
    ann.leave()
    late.clock.advance(OVERTAKEN_FOR)
    assert late.node.channels() == {}
