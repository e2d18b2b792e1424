"""Going on while the roster is away, and telling it everything when it is back."""

import pytest

from tests.doubles import APP, AwayAdapter, Client, InstantClock, Node, data, limited, now
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.occurrences import (
    CacheMissed,
    ChannelOccupied,
    ChannelRestored,
    ChannelVacated,
    MemberAdded,
    MemberRemoved,
    MemberRestored,
    MessageDropped,
    SubscriptionCountChanged,
)
from txpusher.core.outage import RETRY, Place
from txpusher.core.registry import Options
from txpusher.errors import ServiceUnavailable, Unanswered
from txpusher.model import App, Event, PresenceMember

ROOM = "presence-room"
FACTS = (ChannelOccupied, ChannelVacated, MemberAdded, MemberRemoved)
WATCHFUL = App("1", "key", "secret", watchlist_events=True)


class Two:
    """Two nodes, the first of which may lose the other."""

    def __init__(self, adapter=AwayAdapter, **options):
        self.clock = InstantClock()
        self.hub = Hub(self.clock)
        self.adapter = adapter(MemoryAdapter(self.hub))
        self.here = Node(self.adapter, self.clock, Options(**options))
        self.there = Node(MemoryAdapter(self.hub), self.clock)

    def away(self, error: type[ServiceUnavailable] = ServiceUnavailable) -> None:
        """Lose the other node."""
        self.adapter.error = error("away")

    def back(self, *, forgotten: bool = False) -> None:
        """Find it again, perhaps with an empty roster."""
        self.adapter.error = None
        if forgotten:
            self.hub.roster._apps.clear()
            now(self.there.cluster.returned(forgotten=True, settling=10))
        now(self.here.cluster.returned(forgotten=forgotten, settling=10))

    def facts(self):
        """Give the facts that were told by either node, and forget them."""
        return self.here.told.take(*FACTS) + self.there.told.take(*FACTS)


@pytest.fixture
def two():
    return Two()


def joined(node: Node, user: str, channel: str = ROOM, app: App = APP) -> Client:
    """Connect a user to a presence channel, and forget what it has read."""
    client = node.connect(app)
    client.subscribe(channel, user)
    assert client.members(channel)
    client.wire.clear()
    return client


def member_events(client: Client) -> list[tuple[str, str]]:
    """Give who came and went."""
    return [
        (name, data(message)["user_id"])
        for name, message in zip(client.wire.names(), client.wire, strict=True)
        if name.startswith("member_")
    ]


# -- meanwhile


def test_members_of_this_node_know_each_other(two):
    """Who comes and goes here meanwhile is told here at once, by what this node knows."""
    ann, bob = joined(two.here, "ann"), joined(two.there, "bob")
    two.away()
    cid = two.here.connect()
    cid.subscribe(ROOM, "cid")
    assert cid.members(ROOM).keys() == {"ann", "cid"}
    tab = joined(two.here, "cid")
    cid.leave()
    tab.leave()
    assert member_events(ann) == [
        ("member_added", "bob"),
        ("member_added", "cid"),
        ("member_removed", "cid"),
    ]
    assert bob.wire == []


def test_facts_wait_for_the_roster(two):
    """Nobody can say meanwhile who is first or last, so nobody does."""
    ann = joined(two.here, "ann")
    two.facts()
    two.away()
    joined(two.here, "bob").leave()
    two.here.connect().subscribe("news")
    ann.leave()
    assert two.facts() == []


def test_events_are_delivered_here_and_counted(two):
    """A publish reaches this node's subscribers, and what does not get to the others is counted."""
    client, other = two.here.connect(), two.there.connect()
    for one in (client, other):
        one.subscribe("news")
        one.wire.clear()
    two.away()
    two.here.told.clear()
    two.here.event("e", "news", "1")
    assert [m["data"] for m in client.wire] == ["1"]
    assert other.wire == []
    assert two.here.told.of(MessageDropped) == [MessageDropped("1", "bus_away")]


def test_a_cached_event_that_could_not_be_kept(two):
    """What does not get into the cache is counted, too; who looks for it finds nothing and goes on."""
    two.away()
    two.here.event("e", "cache-news", "1")
    assert two.here.told.of(MessageDropped) == [MessageDropped("1", "bus_away")] * 2
    client = two.here.connect()
    client.subscribe("cache-news")
    assert client.wire.names() == ["subscription_succeeded", "cache_miss"]
    assert two.here.told.of(CacheMissed) == [CacheMissed("1", "cache-news")]


def test_client_events_end_nobody(two):
    """A client whose event cannot be handed on stays, and the others on this node get it."""
    one, other = two.here.connect(), two.here.connect()
    for client in (one, other):
        client.subscribe("private-chat")
        client.wire.clear()
    two.away()
    one.trigger("client-e", "private-chat", "1")
    assert other.wire.names() == ["client-e"]
    assert one.wire.closed is None
    assert MessageDropped("1", "bus_away") in two.here.told


def test_publishes_where_the_others_are_required():
    """The operator may want nobody to get what not everybody can get."""
    two = Two(adapter_required=True)
    client = two.here.connect()
    client.subscribe("news")
    client.wire.clear()
    two.away()
    with pytest.raises(ServiceUnavailable, match=r"adapter_required"):
        two.here.event("e", "news", "1")
    assert client.wire == []
    two.adapter.error = None
    two.here.event("e", "news", "2")
    assert [m["data"] for m in client.wire] == ["2"]


def test_a_publish_that_fails_although_all_seemed_well():
    """Where the others are required, what was not handed on is not answered as if it were."""
    two = Two(adapter_required=True)
    two.away()
    two.adapter.health = two.there.adapter.health
    with pytest.raises(ServiceUnavailable):
        now(two.here.registry.publish(APP, [Event("e", ("news",), "1")]))
    assert MessageDropped("1", "bus_away") in two.here.told


def test_a_channel_is_full_as_far_as_this_node_knows(two):
    """The limit on members counts here meanwhile; whoever is there already gets in."""
    app = limited(max_presence_members=1)
    joined(two.here, "ann", app=app)
    two.away()
    joined(two.here, "ann", app=app)
    refused = two.here.connect(app)
    refused.subscribe(ROOM, "bob")
    assert refused.wire.names() == ["subscription_error", "error"]
    assert [place.channel for place in two.here.registry.outage.joined] == [ROOM]


def test_a_limit_that_is_none(two):
    """Without a limit everybody gets in."""
    app = limited(max_presence_members=None)
    two.away()
    for user in ("ann", "bob"):
        joined(two.here, user, app=app)


def test_a_second_confirmation(two):
    """Who subscribes again meanwhile is confirmed by what this node knows, and is nothing new."""
    ann = joined(two.here, "ann")
    two.away()
    ann.subscribe(ROOM, "ann")
    assert ann.members(ROOM).keys() == {"ann"}
    assert two.here.registry.outage.joined == {}


def test_counts_are_not_told(two):
    """Nobody is told a number that nobody knows."""
    app = App("1", "key", "secret", subscription_count=True)
    two.away()
    client = two.here.connect(app)
    client.subscribe("news")
    assert client.wire.names() == ["subscription_succeeded"]


def test_watchers_are_told_what_this_node_knows(two):
    """Who signs in meanwhile is told who of the watched is signed in here."""
    two.here.connect(WATCHFUL).sign_in("bob")
    two.there.connect(WATCHFUL).sign_in("cid")
    two.away()
    watcher = two.here.connect(WATCHFUL)
    watcher.sign_in("ann", watchlist=["bob", "cid"])
    (told,) = watcher.wire.named("watchlist_events")
    assert {e["name"]: e["user_ids"] for e in told["data"]["events"]} == {
        "online": ["bob"],
        "offline": ["cid"],
    }


# -- afterwards


def test_who_came_meanwhile_is_told_to_the_others(two):
    """Joins of an outage become facts when it is over; the other nodes' clients are told, this node's were."""
    ann, bob = joined(two.here, "ann"), joined(two.there, "bob")
    ann.wire.clear()
    two.away()
    two.facts()
    cid = joined(two.here, "cid")
    two.here.connect().subscribe("news")
    two.back()
    assert two.facts() == [MemberAdded("1", ROOM, "cid"), ChannelOccupied("1", "news")]
    assert member_events(bob) == member_events(ann) == [("member_added", "cid")]
    assert member_events(cid) == []
    assert two.there.counts(ROOM) == (3, 3)
    assert two.here.registry.outage.joined == {}


def test_who_left_meanwhile_is_told_to_the_others(two):
    """The same of leaves."""
    ann, bob = joined(two.here, "ann"), joined(two.there, "bob")
    cid, news = joined(two.here, "cid"), two.here.connect()
    news.subscribe("news")
    for client in (ann, bob):
        client.wire.clear()
    two.facts()
    two.away()
    cid.leave()
    news.unsubscribe("news")
    two.back()
    assert two.facts() == [MemberRemoved("1", ROOM, "cid"), ChannelVacated("1", "news")]
    assert member_events(bob) == member_events(ann) == [("member_removed", "cid")]
    assert two.there.counts(ROOM) == (2, 2)
    assert two.here.registry.outage.left == {}


def test_who_came_and_left_meanwhile_was_never_there(two):
    """The roster is not told of somebody it never knew."""
    two.away()
    joined(two.here, "ann").leave()
    assert two.here.registry.outage.left == {}
    two.back()
    assert two.facts() == []


def test_who_may_have_been_heard_is_taken_away(two):
    """Where no answer came to a join, nobody knows whether it happened, so the leave is told all the same."""
    two.away(Unanswered)
    client = joined(two.here, "ann")
    now(two.there.adapter.roster.join("1", ROOM, client.socket_id))
    client.leave()
    assert len(two.here.registry.outage.left) == 1
    two.back()
    assert two.there.counts(ROOM) == (0, 0)


class Losing(AwayAdapter):
    """An adapter that does what it is asked and may lose the answer."""

    losing = False

    async def _ask(self, name, effect):
        answer = await effect()
        if self.losing and name in {"join", "leave"}:
            raise Unanswered("lost")
        return answer


def test_who_was_heard_and_leaves_is_remembered_no_more(two):
    """A join whose answer was lost is nothing to tell any more when the roster has taken the leave."""
    client = two.here.connect()
    two.away(Unanswered)
    client.subscribe(ROOM, "ann")
    two.adapter.error = None
    member = PresenceMember("ann")
    now(two.hub.roster.join("1", ROOM, client.connection.socket_id, member))
    client.unsubscribe(ROOM)
    assert two.here.registry.outage.joined == {}
    assert two.there.counts(ROOM) == (0, 0)


def test_answers_that_are_lost():
    """What followed from joins and leaves whose answers were lost is told afterwards."""
    two = Two(Losing)
    watcher = watching(two.there, "ann")
    two.adapter.losing = True
    ann = joined(two.here, "ann", app=WATCHFUL)
    ann.subscribe("news")
    ann.sign_in("ann")
    assert two.facts() == []
    assert two.there.counts(ROOM) == (1, 1)
    two.adapter.losing = False
    two.clock.advance(RETRY)
    assert set(two.facts()) == {
        MemberAdded("1", ROOM, "ann"),
        ChannelOccupied("1", "news"),
        ChannelOccupied("1", ROOM),
    }
    assert told_online(watcher) == [("online", ["ann"])]
    two.adapter.losing = True
    ann.leave()
    assert two.there.counts(ROOM) == (0, 0)
    two.adapter.losing = False
    two.facts()
    two.clock.advance(RETRY)
    assert set(two.facts()) == {
        MemberRemoved("1", ROOM, "ann"),
        ChannelVacated("1", "news"),
        ChannelVacated("1", ROOM),
    }
    assert told_online(watcher) == [("online", ["ann"]), ("offline", ["ann"])]


def test_who_left_and_is_back_was_never_gone(two):
    """A page reload on one connection during an outage is no fact."""
    client = joined(two.here, "ann")
    two.facts()
    two.away()
    client.unsubscribe(ROOM)
    client.subscribe(ROOM, "ann")
    two.back()
    assert two.facts() == []
    assert two.there.counts(ROOM) == (1, 1)


@pytest.mark.parametrize("returned", [True, False], ids=["anew", "only missing"])
def test_who_is_back_as_somebody_else(two, returned):
    """One connection that leaves as one user and comes as another is a departure and an arrival."""
    client, bob = joined(two.here, "ann"), joined(two.there, "bob")
    two.facts()
    two.away()
    client.unsubscribe(ROOM)
    client.subscribe(ROOM, "zoe")
    if returned:
        two.back()
    else:
        two.adapter.error = None
        two.clock.advance(RETRY)
    assert two.facts() == [MemberRemoved("1", ROOM, "ann"), MemberAdded("1", ROOM, "zoe")]
    assert member_events(bob) == [("member_removed", "ann"), ("member_added", "zoe")]
    client.leave()
    assert two.facts() == [MemberRemoved("1", ROOM, "zoe")]


@pytest.mark.parametrize("settling", [False, True])
def test_who_is_back_as_somebody_else_when_the_roster_is(two, settling):
    """The roster is told of the departure before the arrival, also when it could hear of the arrival first."""
    client, bob = joined(two.here, "ann"), joined(two.there, "bob")
    two.facts()
    two.away()
    client.unsubscribe(ROOM)
    if settling:
        two.back(forgotten=True)
    two.adapter.error = None
    client.subscribe(ROOM, "zoe")
    assert client.members(ROOM).keys() >= {"zoe"}
    if not settling:
        two.back()
    two.clock.advance(RETRY)
    assert two.facts() == [MemberRemoved("1", ROOM, "ann"), MemberAdded("1", ROOM, "zoe")]
    assert member_events(bob) == [("member_removed", "ann"), ("member_added", "zoe")]
    two.clock.advance(10)
    client.leave()
    assert two.facts() == [MemberRemoved("1", ROOM, "zoe")]
    assert two.there.counts(ROOM) == (1, 1)


def test_who_was_somebody_else_between_two_leaves(two):
    """One who leaves again before the roster knows of anything leaves once, as the one whom the roster has."""
    client, bob = joined(two.here, "ann"), joined(two.there, "bob")
    two.facts()
    two.away()
    client.unsubscribe(ROOM)
    two.adapter.error = None
    client.subscribe(ROOM, "zoe")
    client.unsubscribe(ROOM)
    two.back()
    two.clock.advance(RETRY)
    assert two.facts() == [MemberRemoved("1", ROOM, "ann")]
    assert member_events(bob) == [("member_removed", "ann")]
    assert two.there.counts(ROOM) == (1, 1)


def test_who_was_somebody_else_for_a_moment(two):
    """One who came as another user and is gone again leaves as the one whom the roster has."""
    client = joined(two.here, "ann")
    two.facts()
    two.away()
    client.unsubscribe(ROOM)
    client.subscribe(ROOM, "zoe")
    client.leave()
    two.back()
    assert two.facts() == [MemberRemoved("1", ROOM, "ann"), ChannelVacated("1", ROOM)]
    assert two.there.counts(ROOM) == (0, 0)


def test_who_is_back_before_the_leave_could_be_told(two):
    """A leave of an outage does not end a subscription that was made after it."""
    client = joined(two.here, "ann")
    two.away()
    client.unsubscribe(ROOM)
    two.adapter.error = None
    client.subscribe(ROOM, "ann")
    two.back()
    assert two.there.counts(ROOM) == (1, 1)


def test_a_roster_that_has_forgotten_everything(two):
    """Everything is written again and nobody is told, but of those who came meanwhile."""
    ann, bob = joined(two.here, "ann"), joined(two.there, "bob")
    ann.wire.clear()
    two.facts()
    two.away()
    joined(two.here, "cid")
    two.back(forgotten=True)
    assert two.facts() == [MemberAdded("1", ROOM, "cid")]
    assert member_events(bob) == member_events(ann) == [("member_added", "cid")]
    assert two.there.counts(ROOM) == (3, 3)


def test_what_a_roster_knows_again(two):
    """Each node says what was there before, for those who keep what they told of it."""
    for node in (two.here, two.there):
        joined(node, "ann")
        node.connect().subscribe("news")
        node.connect().sign_in("ann")
    two.away()
    two.back(forgotten=True)
    told = two.here.told + two.there.told
    assert [fact for fact in told if isinstance(fact, (ChannelRestored, MemberRestored))] == [
        ChannelRestored("1", ROOM),
        MemberRestored("1", ROOM, "ann"),
        ChannelRestored("1", "news"),
    ] * 2


def test_who_left_what_a_roster_knows_again(two):
    """That somebody who left meanwhile was there is said, too: those who were told so are told of the end."""
    ann = joined(two.here, "ann")
    two.away()
    ann.leave()
    joined(two.here, "bob")
    two.back(forgotten=True)
    told = two.here.told.take(ChannelRestored, MemberRestored, *FACTS)
    assert told[-3:] == [
        ChannelRestored("1", ROOM),
        MemberRestored("1", ROOM, "ann"),
        MemberAdded("1", ROOM, "bob"),
    ]
    two.clock.advance(10)
    assert two.facts() == [MemberRemoved("1", ROOM, "ann")]


def test_who_left_a_roster_that_has_forgotten_everything(two):
    """They are taken away when all nodes have written theirs, so that no channel seems vacant that is not."""
    ann, news = joined(two.here, "ann"), two.here.connect()
    news.subscribe("news")
    two.there.connect().subscribe("news")
    two.facts()
    two.away()
    ann.leave()
    news.leave()
    two.adapter.error = None
    two.hub.roster._apps.clear()
    now(two.here.cluster.returned(forgotten=True, settling=10))
    assert two.facts() == []
    now(two.there.cluster.returned(forgotten=True, settling=10))
    two.clock.advance(10)
    assert two.facts() == [MemberRemoved("1", ROOM, "ann"), ChannelVacated("1", ROOM)]
    assert two.there.counts("news") == (1, 0)


def test_a_roster_that_remembers_who_has_left(two):
    """What an older state of it has of this node is taken away and told, whatever part it is read in."""
    app = App("1", "key", "secret", subscription_count=True, watchlist_events=True)
    ann, bob = joined(two.here, "ann", app=app), joined(two.there, "bob")
    watcher = watching(two.there, "old")
    news = two.here.connect(app)
    news.subscribe("news")
    news.sign_in("ann")
    for place, member in (
        (("1", ROOM, "8.8"), PresenceMember("old")),
        (("1", "news", "8.8"), None),
        (("1", "#server-to-user-old", "8.8"), None),
        (("2", "elsewhere", "8.8"), None),
    ):
        now(two.hub.roster.join(*place, member))
    own = [("1", ROOM, ann.socket_id), ("1", "news", news.socket_id)]
    own += [("1", "#server-to-user-ann", news.socket_id), ("2", "elsewhere", "8.8")]
    parts = {0: (7, own), 7: (0, [("1", name, "8.8") for name in (ROOM, "news")])}
    parts[7][1].append(("1", "#server-to-user-old", "8.8"))

    async def owned(cursor=0):
        return parts[cursor]

    two.hub.roster.owned = owned
    two.facts()
    for client in (bob, watcher, news):
        client.wire.clear()
    two.away()
    two.back()
    assert two.facts() == [ChannelVacated("2", "elsewhere"), MemberRemoved("1", ROOM, "old")]
    assert member_events(bob) == [("member_removed", "old")]
    assert told_online(watcher) == [("offline", ["old"])]
    assert data(news.wire.named("subscription_count")[-1]) == {"subscription_count": 1}
    assert two.there.counts(ROOM) == (2, 2)
    assert two.there.counts("news") == (1, 0)
    assert two.there.counts("#server-to-user-ann") == (1, 0)


def test_a_roster_that_goes_away_while_it_is_told(two):
    """What could not be told stays to be told."""
    client = joined(two.here, "ann")
    two.away()
    client.unsubscribe(ROOM)
    with pytest.raises(ServiceUnavailable):
        now(two.here.cluster.returned(forgotten=False, settling=10))
    assert two.here.registry.outage.left.keys() == {Place("1", ROOM, client.socket_id)}
    two.back()
    assert two.there.counts(ROOM) == (0, 0)


def test_a_node_that_was_taken_for_dead(two):
    """What was told gone is told again, once, to the others."""
    ann, bob = joined(two.here, "ann"), joined(two.there, "bob")
    ann.wire.clear()
    two.facts()
    left = now(two.hub.roster.leave("1", ROOM, ann.socket_id))
    now(two.there.cluster.departed("1", ROOM, left, "here"))
    two.back()
    assert two.facts() == [MemberAdded("1", ROOM, "ann"), MemberRemoved("1", ROOM, "ann")]
    assert member_events(bob)[-1] == ("member_added", "ann")
    assert ("member_added", "ann") not in member_events(ann)


def test_who_leaves_a_node_that_was_taken_for_dead(two):
    """Who leaves before the node has written itself anew is no ghost for anybody."""
    ann, bob, cid = joined(two.here, "ann"), joined(two.there, "bob"), joined(two.here, "cid")
    for client in (bob, cid):
        client.wire.clear()
    two.facts()
    now(two.hub.roster.leave("1", ROOM, ann.socket_id))  # and nobody was told
    ann.unsubscribe(ROOM)
    assert member_events(cid) == [("member_removed", "ann")]
    two.back()
    assert member_events(bob) == member_events(cid) == [("member_removed", "ann")]
    assert two.facts() == [MemberRemoved("1", ROOM, "ann")]
    assert not two.here.registry.outage.left


def test_who_comes_back_before_it_is_told_that_they_are_gone(two):
    """A user of a dead node who has joined another one meanwhile is not taken away from the clients."""
    ann, bob = joined(two.here, "ann"), joined(two.here, "bob")
    left = now(two.hub.roster.leave("1", ROOM, ann.socket_id))
    joined(two.there, "ann")
    bob.wire.clear()
    now(two.there.cluster.departed("1", ROOM, left, "here"))
    assert member_events(bob) == []
    assert two.there.counts(ROOM) == (2, 2)


def test_writing_while_somebody_subscribes():
    """A channel whose only subscriber is not confirmed yet is not said to be empty."""
    two = Two()
    counting = App("1", "key", "secret", subscription_count=True)
    other, client = two.there.connect(counting), two.here.connect(counting)
    other.subscribe("news")
    client.subscribe("news")
    two.there.told.clear()
    two.here.told.clear()
    connection = next(iter(two.here.registry.apps["1"].connections.values()))
    del connection.subscriptions["news"]
    two.back()
    assert two.here.told.of(SubscriptionCountChanged) == []


def test_a_roster_that_was_only_busy(two):
    """What could not be told once is told after a while, although nobody has been away."""
    ann, bob = joined(two.here, "ann"), joined(two.there, "bob")
    ann.wire.clear()
    two.facts()
    two.away()
    joined(two.here, "cid")
    ann.leave()
    short = joined(two.here, "dan")
    short.leave()
    two.clock.advance(RETRY)
    assert two.facts() == []
    two.adapter.error = None
    two.clock.advance(RETRY)
    assert two.facts() == [MemberAdded("1", ROOM, "cid"), MemberRemoved("1", ROOM, "ann")]
    assert member_events(bob) == [("member_added", "cid"), ("member_removed", "ann")]
    assert two.there.counts(ROOM) == (2, 2)
    assert not two.clock.getDelayedCalls()


def test_nothing_is_told_after_the_end(two):
    """A server that has stopped tries nothing again."""
    two.here.registry.outage.stop()
    two.away()
    joined(two.here, "ann")
    two.here.registry.outage.stop()
    assert not two.clock.getDelayedCalls()


def test_what_comes_after_the_end_waits_for_another_beginning(two):
    """A leave that fails after the end makes nothing due; it is told when the server has been started again."""
    client = joined(two.here, "ann")
    two.here.registry.outage.stop()
    two.away()
    client.leave()
    assert not two.clock.getDelayedCalls()
    two.here.registry.outage.start()
    two.back()
    assert two.there.counts(ROOM) == (0, 0)


def test_those_who_left_are_not_told_of_after_the_end(two):
    """Also not those whose end was to be told when all nodes have written themselves anew."""
    client = joined(two.here, "ann")
    two.away()
    client.leave()
    two.back(forgotten=True)
    two.here.registry.outage.stop()
    assert not two.clock.getDelayedCalls()


def test_many_subscribers_of_one_channel(two):
    """A channel with many subscribers is written in parts."""
    for _ in range(600):
        two.here.connect().subscribe("news")
    two.hub.roster._apps.clear()
    two.back()
    assert two.there.counts("news") == (600, 0)


def test_many_channels(two):
    """Many channels are written side by side; a failure on one of them is the failure of all."""
    client = two.here.connect()
    for i in range(120):
        client.subscribe(f"c{i}")
    two.hub.roster._apps.clear()
    two.back()
    assert len(now(two.hub.roster.channels("1"))) == 120
    two.away()
    with pytest.raises(ServiceUnavailable):
        now(two.here.cluster.returned(forgotten=False, settling=10))


def test_counts_are_told_afterwards(two):
    """The true number is told when it is known."""
    app = App("1", "key", "secret", subscription_count=True)
    two.away()
    client = two.here.connect(app)
    client.subscribe("news")
    two.there.connect(app).subscribe("news")
    two.back()
    assert data(client.wire.named("subscription_count")[-1]) == {"subscription_count": 2}


# -- users


def watching(node: Node, *users: str) -> Client:
    """Connect somebody who watches these users, and forget what was read."""
    client = node.connect(WATCHFUL)
    client.sign_in("watcher", watchlist=list(users))
    client.wire.clear()
    return client


def told_online(client: Client) -> list[tuple[str, list[str]]]:
    """Give who was said to be online and offline."""
    return [
        (event["name"], event["user_ids"])
        for message in client.wire.named("watchlist_events")
        for event in message["data"]["events"]
    ]


def test_users_who_come_and_go_meanwhile(two):
    """Signing in and leaving during an outage works, and watchers are told afterwards."""
    watcher = watching(two.there, "ann", "bob")
    bob = two.here.connect(WATCHFUL)
    bob.sign_in("bob")
    watcher.wire.clear()
    two.away()
    ann = two.here.connect(WATCHFUL)
    ann.sign_in("ann")
    assert ann.wire.named("signin_success")
    bob.leave()
    assert told_online(watcher) == []
    two.back()
    assert told_online(watcher) == [("online", ["ann"]), ("offline", ["bob"])]


def test_users_of_a_node_that_was_taken_for_dead(two):
    """Its users are online again."""
    watcher = watching(two.there, "ann")
    two.here.connect(WATCHFUL).sign_in("ann")
    watcher.wire.clear()
    two.hub.roster._apps.clear()
    two.back()
    assert told_online(watcher) == [("online", ["ann"])]
