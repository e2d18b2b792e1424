"""A cluster of two nodes under any sequence of what clients and applications do.

The machine keeps a model of who is where and what everybody has to read, and compares after every step. One variant
serves every subscriber in a turn of its own, so that everything also happens in the middle of a broadcast.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import count
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from twisted.internet.task import Clock

from tests.doubles import Client, InstantClock, cluster, data, now, turn
from txpusher.core import channel as channel_module
from txpusher.core import counting as counting_module
from txpusher.core.occurrences import (
    ChannelOccupied,
    ChannelVacated,
    MemberAdded,
    MemberRemoved,
    SubscriptionCountChanged,
)
from txpusher.core.users import terminate
from txpusher.model import App, Event, Limits

LIMITS = Limits(max_client_events_per_second=None, max_presence_members=3)
APPS = [
    App(
        i,
        f"key{i}",
        "secret",
        client_events=True,
        subscription_count=True,
        watchlist_events=i == "1",
        limits=LIMITS,
    )
    for i in "12"
]

PUBLIC = ["news", "cache-news", "private-chat"]
PRESENCE = ["presence-room", "presence-cache-hall"]
USERS = ["ann", "bob", "cid", "dan"]

channels = st.sampled_from(PUBLIC + PRESENCE)
users = st.sampled_from(USERS)
apps = st.sampled_from(APPS)
nodes = st.integers(0, 1)


@dataclass
class Browser:
    """A client, and what it must have read of each channel since it subscribed."""

    client: Client
    node: int
    user: str | None = None
    due: dict[str, list[str]] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)
    watchlist: list[str] = field(default_factory=list)

    def __hash__(self):
        return id(self)

    @property
    def app(self):
        return self.client.app

    def since(self, channel):
        """Give what was read of a channel since the last first confirmation of it."""
        return [m for m in self.client.wire if m.get("channel") == channel]

    def events(self, channel):
        """Give the data of the application's events among that."""
        return [m["data"] for m in self.since(channel) if m["event"] in {"e", "client-e"}]

    def member_list(self, channel):
        """Give the members that a client library would show now."""
        members = {}
        for message in self.since(channel):
            if message["event"] == "pusher_internal:subscription_succeeded":
                members = data(message)["presence"]["hash"]
            elif message["event"] == "pusher_internal:member_added":
                members[data(message)["user_id"]] = data(message)["user_info"]
            elif message["event"] == "pusher_internal:member_removed":
                members.pop(data(message)["user_id"], None)
        return members

    def told_counts(self, channel):
        """Give the counts that were told."""
        return [
            data(m)["subscription_count"]
            for m in self.since(channel)
            if m["event"] == "pusher_internal:subscription_count"
        ]

    def told_count(self, channel):
        """Give the last of them, if there is one."""
        return next(reversed(self.told_counts(channel)), None)

    def told_online(self):
        """Give who is online of all users that were ever named to it."""
        online = {}
        for message in self.client.wire.named("watchlist_events"):
            for event in message["data"]["events"]:
                online |= dict.fromkeys(event["user_ids"], event["name"] == "online")
        return online

    def forget(self, channel):
        """Forget what was read of a channel."""
        wire = self.client.wire
        wire[:] = [m for m in wire if m.get("channel") != channel]


class ClusterMachine(RuleBasedStateMachine):
    """Two nodes on one hub, two apps, any number of clients."""

    browsers = Bundle("browsers")
    slice_size = 1000
    clock_type = InstantClock

    def __init__(self):
        super().__init__()
        self.patch = mock.patch.object(channel_module, "SLICE", self.slice_size)
        self.patch.start()
        self.clock = self.clock_type()
        self.nodes = self.make_nodes()
        self.there = []
        self.numbers = count(1)
        self.cached = {}
        self.occupied = defaultdict(bool)
        self.present = defaultdict(bool)
        for node in self.nodes:
            node.registry.tell = self.hear

    def make_nodes(self):
        """Make the cluster; another adapter's machine makes another one."""
        return cluster(2, self.clock)

    def occupied_channels(self, app):
        """Give all that the roster knows of an app."""
        return now(self.nodes[0].adapter.roster.channels(app.id))

    def watched_channels(self, node):
        """Give what a node hears of."""
        return node.adapter.bus._watched

    def rest(self):
        """Let happen what is due."""
        self.clock.advance(0)

    def hear(self, fact):
        """Facts come in pairs, beginning with the first of each."""
        match fact:
            case ChannelOccupied(app, channel):
                assert not self.occupied[app, channel], fact
                self.occupied[app, channel] = True
            case ChannelVacated(app, channel):
                assert self.occupied[app, channel], fact
                self.occupied[app, channel] = False
            case MemberAdded(app, channel, user):
                assert not self.present[app, channel, user], fact
                self.present[app, channel, user] = True
            case MemberRemoved(app, channel, user):
                assert self.present[app, channel, user], fact
                self.present[app, channel, user] = False

    # The model

    def on(self, app, channel):
        """Give the browsers on a channel."""
        return [b for b in self.there if b.app is app and channel in b.due]

    def members(self, app, channel):
        """Give the users on a presence channel."""
        return {b.identities[channel] for b in self.on(app, channel)}

    def online(self, app):
        """Give who is signed in anywhere."""
        return {b.user for b in self.there if b.app is app} - {None}

    def expect(self, app, channel, text, excluded=None):
        """Everybody on the channel has to read this from now on."""
        for browser in self.on(app, channel):
            if browser is not excluded:
                browser.due[channel].append(text)

    def check_left(self, browser, channel):
        """What was read is the beginning of what was due; nothing else may come."""
        due = browser.due.pop(channel)
        events = browser.events(channel)
        assert due[: len(events)] == events
        if self.slice_size > len(self.there):
            assert due == events
        browser.identities.pop(channel, None)
        browser.forget(channel)

    def gone(self, browser):
        """The browser is not there any more."""
        for channel in list(browser.due):
            self.check_left(browser, channel)
        self.there.remove(browser)
        browser.client.wire.clear()

    # What happens

    @rule(target=browsers, node=nodes, app=apps)
    def connect(self, node, app):
        browser = Browser(self.nodes[node].connect(app), node)
        self.there.append(browser)
        return browser

    @rule(browser=browsers, channel=channels, user=users)
    def subscribe(self, browser, channel, user):
        if browser not in self.there or channel in browser.due:
            return
        if channel in PRESENCE:
            members = self.members(browser.app, channel)
            browser.client.subscribe(channel, user)
            if user not in members and len(members) >= LIMITS.max_presence_members:
                assert [m["event"] for m in browser.since(channel)] == [
                    "pusher:subscription_error",
                    "pusher:error",
                ]
                browser.forget(channel)
                return
            browser.identities[channel] = user
            assert browser.client.members(channel).keys() == members | {user}
        else:
            browser.client.subscribe(channel)
        browser.due[channel] = []
        first = browser.since(channel)[:2]
        assert first[0]["event"] == "pusher_internal:subscription_succeeded"
        if "cache-" in channel:
            kept = self.cached.get((browser.app.id, channel))
            if kept is None:
                assert first[1]["event"] == "pusher:cache_miss"
            else:
                assert first[1]["data"] == kept
                browser.due[channel].append(kept)

    @rule(browser=browsers, channel=st.sampled_from(["news", "private-chat", "presence-room"]))
    def subscribe_again(self, browser, channel):
        if browser in self.there and channel in browser.due:
            before = len(browser.since(channel))
            browser.client.subscribe(channel, browser.identities.get(channel))
            (answer,) = browser.since(channel)[before:]
            assert answer["event"] == "pusher_internal:subscription_succeeded"

    @rule(browser=browsers, channel=channels)
    def unsubscribe(self, browser, channel):
        if browser in self.there:
            before = len(browser.client.wire)
            browser.client.unsubscribe(channel)
            assert len(browser.client.wire) == before
            if channel in browser.due:
                self.check_left(browser, channel)

    @rule(browser=browsers, channel=channels)
    def reload(self, browser, channel):
        if browser in self.there and channel in browser.due:
            user = browser.identities.get(channel)
            self.unsubscribe(browser, channel)
            self.subscribe(browser, channel, user)

    @rule(browser=consumes(browsers))
    def disconnect(self, browser):
        browser.client.leave()
        if browser in self.there:
            self.gone(browser)

    @rule(
        node=nodes,
        app=apps,
        events=st.lists(
            st.lists(channels, min_size=1, max_size=2, unique=True), min_size=1, max_size=3
        ),
        excluded=st.none() | browsers,
    )
    def publish(self, node, app, events, excluded):
        published = []
        for names in events:
            text = str(next(self.numbers))
            socket_id = None if excluded is None else excluded.client.socket_id
            published.append(Event("e", tuple(names), text, socket_id))
            for name in names:
                self.expect(app, name, text, excluded)
                if "cache-" in name:
                    self.cached[app.id, name] = text
        self.nodes[node].publish(*published, app=app)

    @rule(browser=browsers, channel=st.sampled_from(["news", "private-chat", "presence-room"]))
    def client_event(self, browser, channel):
        if browser not in self.there:
            return
        text = str(next(self.numbers))
        refusals = len(browser.client.wire.named("error"))
        browser.client.trigger("client-e", channel, text)
        allowed = channel != "news" and channel in browser.due
        assert len(browser.client.wire.named("error")) - refusals == (0 if allowed else 1)
        if allowed:
            self.expect(browser.app, channel, text, browser)
        browser.client.wire[:] = [m for m in browser.client.wire if m["event"] != "pusher:error"]

    @rule(browser=browsers, user=users, watchlist=st.lists(users, unique=True))
    def sign_in(self, browser, user, watchlist):
        if browser not in self.there:
            return
        browser.client.sign_in(user, watchlist=watchlist)
        if browser.user in {None, user}:
            told = browser.client.wire.named("signin_success")
            assert len(told) == 1
            browser.user = user
            if browser.app.watchlist_events:
                # What was told about others, and before, has no meaning any more.
                wire, since = browser.client.wire, browser.client.wire.index(told[0])
                earlier = [m for m in wire[:since] if "watchlist" not in m["event"]]
                wire[:] = earlier + wire[since:]
                browser.watchlist = watchlist
                online = self.online(browser.app)
                assert browser.told_online() == {one: one in online for one in watchlist}
            browser.client.wire.remove(told[0])
            browser.due.setdefault(f"#server-to-user-{user}", [])
        else:
            assert browser.client.wire.pop()["data"]["code"] == 4009

    @rule(node=nodes, app=apps, user=users)
    def publish_to_user(self, node, app, user):
        channel, text = f"#server-to-user-{user}", str(next(self.numbers))
        self.expect(app, channel, text)
        self.nodes[node].event("e", channel, text, app=app)

    @rule(node=nodes, app=apps, user=users)
    def terminate(self, node, app, user):
        now(terminate(self.nodes[node].registry, app.id, user))
        for browser in tuple(self.there):
            ended = browser.app is app and browser.user == user
            assert (browser.client.wire.closed is not None) is ended
            if ended:
                assert browser.client.wire.closed[0] == 4009
                assert browser.client.wire.pop()["data"]["code"] == 4009
                self.gone(browser)

    @rule()
    def turn(self):
        turn(self.clock)

    # What is always true

    @invariant()
    def everybody_reads_what_is_due(self):
        for browser in self.there:
            assert browser.client.wire.closed is None
            for channel, due in browser.due.items():
                events = browser.events(channel)
                assert due[: len(events)] == events
            of_others = {m.get("channel") for m in browser.client.wire} - browser.due.keys()
            assert not of_others - {None}, of_others

    def watchers_know_who_is_online(self):
        for browser in self.there:
            online = self.online(browser.app)
            assert browser.told_online() == {one: one in online for one in browser.watchlist}

    @invariant()
    def the_roster_is_the_sum_of_the_nodes(self):
        for app in APPS:
            roster = self.occupied_channels(app)
            expected = {}
            for channel in PUBLIC + PRESENCE:
                on = self.on(app, channel)
                local = [
                    node.registry.apps[app.id].channels[channel]
                    for node in self.nodes
                    if app.id in node.registry.apps
                    and channel in node.registry.apps[app.id].channels
                ]
                assert sum(len(part.subscribers) for part in local) == len(on)
                assert self.occupied[app.id, channel] == bool(on)
                if on:
                    users = len(self.members(app, channel)) if channel in PRESENCE else 0
                    expected[channel] = (len(on), users)
            signed_in = Counter(b.user for b in self.there if b.app is app and b.user)
            expected |= {f"#server-to-user-{user}": (n, 0) for user, n in signed_in.items()}
            assert {name: (c.subscriptions, c.users) for name, c in roster.items()} == expected

    @invariant()
    def the_members_are_those_who_are_there(self):
        for app in APPS:
            for channel in PRESENCE:
                members = {
                    m.user_id for m in now(self.nodes[1].adapter.roster.members(app.id, channel))
                }
                assert members == self.members(app, channel)
                assert members == {user for user in USERS if self.present[app.id, channel, user]}

    @invariant()
    def no_empty_channel_is_kept(self):
        for node in self.nodes:
            watched = set()
            for app_id, local in node.registry.apps.items():
                for name, channel in local.channels.items():
                    assert channel.subscribers
                    assert not channel.holders
                    watched.add((app_id, name))
            assert self.watched_channels(node) == watched

    def teardown(self):
        """When all broadcasts are out, everybody has read everything; when all have left, nothing is there."""
        try:
            self.rest()
            self.everybody_reads_what_is_due()
            self.watchers_know_who_is_online()
            for browser in self.there:
                for channel, due in browser.due.items():
                    assert browser.events(channel) == due
                    if channel in PRESENCE:
                        assert browser.member_list(channel).keys() == self.members(
                            browser.app, channel
                        )
                    elif channel in PUBLIC:
                        assert browser.told_count(channel) == len(self.on(browser.app, channel))
            for browser in self.there:
                browser.client.leave()
            self.rest()
            for node in self.nodes:
                assert not any(
                    local.channels or local.connections for local in node.registry.apps.values()
                )
                assert not self.watched_channels(node)
            assert not any(self.occupied.values())
            assert not any(self.present.values())
            assert not any(self.occupied_channels(app) for app in APPS)
            assert not self.clock.getDelayedCalls()
        finally:
            self.patch.stop()


class SlicedClusterMachine(ClusterMachine):
    """The same with a broadcast that takes many turns."""

    slice_size = 1
    clock_type = Clock

    @rule(
        target=ClusterMachine.browsers,
        node=nodes,
        app=apps,
        people=st.permutations(USERS),
        channel=channels,
        hasty=st.lists(st.integers(0, 3), max_size=4),
    )
    def crowd(self, node, app, people, channel, hasty):
        """Some come together, and some of them are too hasty to read the first event."""
        arrived = [self.connect(node, app) for _ in people]
        for browser, user in zip(arrived, people, strict=True):
            self.subscribe(browser, channel, user)
        self.clock.advance(0)
        self.publish(node, app, [[channel]], None)
        for who in hasty:
            self.reload(arrived[who], channel)
            self.publish(node, app, [[channel]], arrived[who])
        return multiple(*arrived)


class LargeChannelsMachine(ClusterMachine):
    """The same where two subscriptions are many: the numbers above that are told once for all nodes, in a while."""

    up_to = 2
    interval = 5

    def __init__(self):
        super().__init__()
        self.told = defaultdict(list)
        self.told_at = defaultdict(lambda: -self.interval)
        # By subscription, which is known by its list of what is due: the list, and how long no number was heard.
        self.unheard = {}
        self.constants = mock.patch.multiple(
            counting_module, FREQUENT_UP_TO=self.up_to, INTERVAL=self.interval
        )
        self.constants.start()

    def hear(self, fact):
        super().hear(fact)
        if isinstance(fact, SubscriptionCountChanged) and fact.subscriptions > self.up_to:
            place, time = (fact.app_id, fact.channel), self.clock.seconds()
            assert time - self.told_at[place] >= self.interval, fact
            self.told_at[place] = time
            self.told[place].append(fact.subscriptions)

    @rule(fifths=st.integers(1, 6))
    def pass_time(self, fifths):
        """Let it pass in steps, between which everybody hears what is due."""
        for _ in range(fifths):
            self.step(self.interval / 5)
            before, self.unheard = self.unheard, {}
            for browser, channel in self.counted():
                due = browser.due[channel]
                _, steps = before.get(id(due), (due, 0))
                if browser.told_count(channel) is None:
                    assert steps < 5, (browser, channel)
                    self.unheard[id(due)] = due, steps + 1

    @rule(
        target=ClusterMachine.browsers,
        moves=st.lists(st.tuples(nodes, st.booleans(), st.integers(0, 6)), min_size=1, max_size=10),
    )
    def come_and_go(self, moves):
        """One comes to a channel or leaves it, and time passes, and so on."""
        arrived = []
        for node, comes, fifths in moves:
            there = [b for b in self.on(APPS[0], "news") if b.node == node]
            if comes:
                arrived.append(self.connect(node, APPS[0]))
                self.subscribe(arrived[-1], "news", None)
            elif there:
                self.unsubscribe(there[0], "news")
            self.pass_time(fifths)
        return multiple(*arrived)

    def step(self, seconds):
        """Let time pass on all clocks."""
        self.clock.advance(seconds)

    def rest(self):
        self.pass_time(11)

    def counted(self):
        """Give the subscriptions whose number is told."""
        return [(b, name) for b in self.there for name in b.due if name in PUBLIC]

    @invariant()
    def small_numbers_are_told_at_once(self):
        for browser, channel in self.counted():
            there = len(self.on(browser.app, channel))
            if there <= self.up_to:
                assert browser.told_count(channel) == there

    @invariant()
    def large_numbers_are_told_by_one_node(self):
        """Subscribers have heard what observers of one node were told, from when they came."""
        for browser, channel in self.counted():
            heard = [n for n in browser.told_counts(channel) if n > self.up_to]
            told = self.told[browser.app.id, channel]
            assert heard == told[len(told) - len(heard) :]

    def teardown(self):
        try:
            super().teardown()
        finally:
            self.constants.stop()


TestCluster = ClusterMachine.TestCase
TestCluster.settings = settings(max_examples=100, stateful_step_count=40)
TestSlicedCluster = SlicedClusterMachine.TestCase
TestSlicedCluster.settings = settings(max_examples=100, stateful_step_count=40)
TestLargeChannels = LargeChannelsMachine.TestCase
TestLargeChannels.settings = settings(max_examples=100, stateful_step_count=40)
