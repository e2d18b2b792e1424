"""What every adapter has to do, whatever is behind it.

A test case of an adapter inherits from `AdapterContract` and from one of Twisted's test cases, and says how its nodes
are made, how time passes and how a coroutine is run to its end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred

from txpusher.interfaces import Adapter, Envelope, Joined, Left, Restored
from txpusher.model import CachedEvent, Counts, PresenceMember, Receipt
from txpusher.protocol.codec import subscription_count

ANN = PresenceMember("ann", '{"name":"Ann"}')
BOB = PresenceMember("bob")
NOBODY = Counts(0, 0)

# A text frame is no text: its length and everything in it may be any byte.
FRAME = b"\x81\x7e\x00\xff" + bytes(range(255))


class Node(NamedTuple):
    """A started adapter and what it received from the others."""

    adapter: Adapter
    received: list[Envelope]


class Hearing:
    """A `txpusher.interfaces.Node` that remembers what it is told.

    Attributes:
        received, drops, departures, returns: the arguments of each call.
        misses: how often it was told that it missed something.
    """

    def __init__(self) -> None:
        self.received: list[Envelope] = []
        self.drops: list[tuple[str, str]] = []
        self.departures: list[tuple[str, str, Left, str]] = []
        self.returns: list[bool] = []
        self.misses = 0

    def receive(self, envelope: Envelope) -> None:
        """Remember an envelope."""
        self.received.append(envelope)

    def dropped(self, app_id: str, reason: str) -> None:
        """Remember a loss."""
        self.drops.append((app_id, reason))

    async def departed(self, app_id: str, channel: str, left: Left, node_id: str) -> None:
        """Remember a departure."""
        self.departures.append((app_id, channel, left, node_id))

    async def returned(self, *, forgotten: bool, settling: float) -> None:
        """Remember a return."""
        self.returns.append(forgotten)

    async def missed(self) -> None:
        """Remember that something was missed."""
        self.misses += 1


def awaited(test: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], Any]:
    """Make a test of a coroutine: the case runs it in its own way, and stops the nodes it has started."""

    @wraps(test)
    def run(case: Contract) -> Any:
        return case.finish(case.closing(test(case)))

    return run


class Contract:
    """Makes nodes and runs tests. A case provides the four methods below."""

    def make_nodes(self, count: int) -> list[Adapter]:
        """Make so many adapters, not started, that belong together and to nobody else."""
        raise NotImplementedError

    def finish(self, test: Coroutine[Any, Any, None]) -> Any:
        """Run a test to its end, or give a Deferred of it."""
        raise NotImplementedError

    async def settle(self) -> None:
        """Wait until what was published has arrived, and what is watched no longer is not."""

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    async def closing(self, test: Awaitable[None]) -> None:
        """Run a test and stop what it has started."""
        self.started: list[Adapter] = []
        try:
            await test
        finally:
            for adapter in self.started:
                await adapter.stop()

    async def nodes(self, count: int) -> list[Node]:
        """Start a cluster."""
        nodes = []
        for adapter in self.make_nodes(count):
            hearing = Hearing()
            self.started.append(adapter)
            await adapter.start(hearing)
            nodes.append(Node(adapter, hearing.received))
        return nodes


class AdapterContract(Contract):
    """The tests."""

    async def roster(self) -> Any:
        """Start one node and give its roster."""
        ((adapter, _),) = await self.nodes(1)
        return adapter.roster

    # Bus

    @awaited
    async def test_an_envelope_reaches_the_other_nodes_that_watch(self) -> None:
        """What is published arrives once, unchanged, at every other node that watches the channel."""
        sender, first, second, deaf = await self.nodes(4)
        for node in (first, second):
            await node.adapter.bus.watch("1", "news")
        await deaf.adapter.bus.watch("1", "weather")
        await self.settle()
        sent = Envelope("1", "news", [(FRAME, None), (b"\x81\x02{}", "12.34")])
        await sender.adapter.bus.publish(sent)
        await self.settle()
        for node in (first, second):
            (envelope,) = node.received
            assert (envelope.app_id, envelope.channel, envelope.terminate) == ("1", "news", False)
            assert [tuple(frame) for frame in envelope.frames] == [
                (FRAME, None),
                (b"\x81\x02{}", "12.34"),
            ]
        assert deaf.received == sender.received == []

    @awaited
    async def test_an_envelope_never_comes_back(self) -> None:
        """The sender does not receive its own envelopes, although it watches the channel."""
        sender, other = await self.nodes(2)
        for node in (sender, other):
            await node.adapter.bus.watch("1", "news")
        await self.settle()
        await sender.adapter.bus.publish(Envelope("1", "news", [(b"1", None)]))
        await self.settle()
        assert sender.received == []
        assert len(other.received) == 1

    @awaited
    async def test_nobody_is_alone_beside_another_node(self) -> None:
        """While there is another node, every node hands on what it publishes; one that has stopped does no harm."""
        stays, goes = await self.nodes(2)
        assert not stays.adapter.bus.is_alone()
        assert not goes.adapter.bus.is_alone()
        self.started.remove(goes.adapter)
        await goes.adapter.stop()
        assert not goes.adapter.bus.is_alone()

    @awaited
    async def test_envelopes_keep_their_order(self) -> None:
        """What one node publishes arrives in the order in which it was published."""
        sender, other = await self.nodes(2)
        for channel in ("news", "weather"):
            await other.adapter.bus.watch("1", channel)
        await self.settle()
        for i in range(200):
            await sender.adapter.bus.publish(
                Envelope("1", ("news", "weather")[i % 2], [(b"%d" % i, None)])
            )
        await self.settle()
        assert [envelope.frames[0][0] for envelope in other.received] == [
            b"%d" % i for i in range(200)
        ]

    @awaited
    async def test_termination_is_carried(self) -> None:
        """An envelope may say that the connections of a user have to end."""
        sender, other = await self.nodes(2)
        await other.adapter.bus.watch("1", "#server-to-user-ann")
        await self.settle()
        await sender.adapter.bus.publish(Envelope("1", "#server-to-user-ann", terminate=True))
        await self.settle()
        (envelope,) = other.received
        assert envelope.terminate
        assert list(envelope.frames) == []

    @awaited
    async def test_user_channels_have_any_name(self) -> None:
        """User ids are any text: none of them is a pattern, a separator or too foreign."""
        sender, other = await self.nodes(2)
        names = [
            f"#server-to-user-{user}"
            for user in ("*", "?", "[a]", "a:b", "a b", "ä😀", "\\", '"', "a\nb")
        ]
        for name in names:
            await other.adapter.bus.watch("1", name)
        await other.adapter.bus.watch("1", "#server-to-user-*")
        await self.settle()
        for name in [*names, "#server-to-user-a", "#server-to-user-xyz"]:
            await sender.adapter.bus.publish(Envelope("1", name, [(b"1", None)]))
        await self.settle()
        assert [envelope.channel for envelope in other.received] == names

    @awaited
    async def test_apps_have_channels_of_their_own(self) -> None:
        """The same channel name of another app is another channel, however the names are put together."""
        sender, other = await self.nodes(2)
        await other.adapter.bus.watch("1", "news")
        await other.adapter.bus.watch("a", "b:c")
        await self.settle()
        for app, channel in (("2", "news"), ("a:b", "c"), ("1", "newsroom"), ("1", "new")):
            await sender.adapter.bus.publish(Envelope(app, channel, [(b"1", None)]))
        await self.settle()
        assert other.received == []

    @awaited
    async def test_unwatching(self) -> None:
        """A channel that is watched no longer brings nothing; watching twice is watching once."""
        sender, other = await self.nodes(2)
        for _ in range(2):
            await other.adapter.bus.watch("1", "news")
        await other.adapter.bus.watch("1", "weather")
        await other.adapter.bus.unwatch("1", "news")
        await other.adapter.bus.unwatch("1", "never watched")
        await self.settle()
        for channel in ("news", "weather"):
            await sender.adapter.bus.publish(Envelope("1", channel, [(b"1", None)]))
        await self.settle()
        assert [envelope.channel for envelope in other.received] == ["weather"]

    @awaited
    async def test_a_user_who_is_gone_or_back(self) -> None:
        """That a user is gone is published only while it is so."""
        sender, other = await self.nodes(2)
        await other.adapter.bus.watch("1", "presence-x")
        await other.adapter.roster.join("1", "presence-x", "1.1", ANN)
        await self.settle()
        other.received.clear()
        for user_id in ("ann", "bob"):
            gone = Envelope("1", "presence-x", [(user_id.encode(), None)])
            await sender.adapter.bus.publish_gone(gone, user_id)
        await self.settle()
        (envelope,) = other.received
        assert envelope.frames[0][0] == b"bob"

    @awaited
    async def test_what_is_so_still(self) -> None:
        """What follows from a channel being occupied or vacant is published to all only while it is so."""
        nodes = sender, other = await self.nodes(2)
        for node in nodes:
            await node.adapter.bus.watch("1", "#watchlist-ann")
        await self.settle()
        for there in (True, False):
            if there:
                await other.adapter.roster.join("1", "#server-to-user-ann", "1.1")
            else:
                await other.adapter.roster.leave("1", "#server-to-user-ann", "1.1")
            for occupied in (True, False):
                await sender.adapter.bus.publish_while(
                    Envelope("1", "#watchlist-ann", [(b"%d" % occupied, None)]),
                    "#server-to-user-ann",
                    occupied=occupied,
                )
        await self.settle()
        for node in nodes:
            assert [tuple(e.frames[0]) for e in node.received] == [(b"1", None), (b"0", None)]

    @awaited
    async def test_who_was_there_meanwhile(self) -> None:
        """That a channel has been vacant for so long is not published where somebody came since, quietly or not."""
        sender, other = await self.nodes(2)
        user, watchers = "#server-to-user-ann", "#watchlist-ann"
        bus, roster = sender.adapter.bus, sender.adapter.roster
        await other.adapter.bus.watch("1", watchers)
        await self.settle()
        came = Envelope("1", watchers, [(b"came", None)])
        for quiet in (False, True):
            await roster.join("1", user, "1.1")
            await bus.publish_while(came, user, occupied=True, quiet=quiet)
            await roster.leave("1", user, "1.1")
            await self.wait(0.3)
            for since in (0.6, 0.2):
                gone = Envelope("1", watchers, [(b"%g" % since, None)])
                await bus.publish_while(gone, user, occupied=False, within=since)
        await self.settle()
        heard = [frame for envelope in other.received for frame, _ in envelope.frames]
        assert heard == [b"came", b"0.2", b"came", b"0.2"]

    @awaited
    async def test_who_was_not_missed(self) -> None:
        """Who comes quietly is told only to those who were told since that nobody is there, by whatever node."""
        nodes = sender, other = await self.nodes(2)
        user, watchers = "#server-to-user-ann", "#watchlist-ann"
        await other.adapter.bus.watch("1", watchers)
        await self.settle()
        came, gone = (Envelope("1", watchers, [(frame, None)]) for frame in (b"came", b"gone"))
        for told in (False, True):
            for node in nodes:
                await node.adapter.roster.join("1", user, "1.1")
                await node.adapter.bus.publish_while(came, user, occupied=True, quiet=True)
                await node.adapter.roster.leave("1", user, "1.1")
            if told:
                await sender.adapter.bus.publish_while(gone, user, occupied=False)
        await sender.adapter.roster.join("1", user, "1.1")
        await sender.adapter.bus.publish_while(came, user, occupied=True, quiet=True)
        await self.settle()
        heard = [frame for envelope in other.received for frame, _ in envelope.frames]
        assert heard == [b"came", b"gone", b"came"]

    @awaited
    async def test_who_was_missed_by_somebody(self) -> None:
        """Who comes quietly is told where somebody has asked since, and was told that nobody is there."""
        sender, other = await self.nodes(2)
        users, watchers = ("#server-to-user-ann", "#server-to-user-bob"), "#watchlist-ann"
        await other.adapter.bus.watch("1", watchers)
        await self.settle()
        came = Envelope("1", watchers, [(b"came", None)])
        for asked in (False, True):
            for socket_id in ("1.1", "2.1"):
                await sender.adapter.roster.join("1", users[0], socket_id)
                await sender.adapter.bus.publish_while(came, users[0], occupied=True, quiet=True)
                assert await other.adapter.bus.occupied("1", users) == [True, False]
                await sender.adapter.roster.leave("1", users[0], socket_id)
                if asked:
                    assert await other.adapter.bus.occupied("1", users) == [False, False]
        assert await other.adapter.bus.occupied("1", []) == []
        await self.settle()
        assert len(other.received) == 2

    @awaited
    async def test_how_many_there_are(self) -> None:
        """All subscribers are told their number as it is in the roster; where nobody is, nobody is told."""
        nodes = sender, other = await self.nodes(2)
        for node in nodes:
            await node.adapter.bus.watch("1", "news")
        await self.settle()
        assert await sender.adapter.bus.publish_count("1", "news") == 0
        for i in range(12):
            await other.adapter.roster.join("1", "news", f"{i}.1")
        assert await sender.adapter.bus.publish_count("1", "news") == 12
        await self.settle()
        for node in nodes:
            (envelope,) = node.received
            assert [tuple(f) for f in envelope.frames] == [(subscription_count("news", 12), None)]

    @awaited
    async def test_numbers_that_the_roster_tells(self) -> None:
        """A roster that says so has told all subscribers of every change, up to the number it was asked for."""
        nodes = one, two = await self.nodes(2)
        for node in nodes:
            await node.adapter.bus.watch("1", "news")
        await self.settle()
        first, second = one.adapter.roster, two.adapter.roster
        answers: list[Joined | Left] = [
            *[await first.join("1", "news", f"{i}.1", tell_up_to=2) for i in (1, 2, 2, 3)],
            *[await second.leave("1", "news", f"{i}.1", tell_up_to=2) for i in (3, 9, 2, 1)],
        ]
        await second.join("1", "news", "4.1")
        await first.leave("1", "news", "4.1")
        await self.settle()
        assert len({answer.told for answer in answers}) == 1
        told = [(subscription_count("news", number), None) for number in (1, 2, 2, 1)]
        for node in nodes:
            heard = [tuple(f) for envelope in node.received for f in envelope.frames]
            assert heard == (told if answers[0].told else [])

    @awaited
    async def test_a_large_number_is_told_once(self) -> None:
        """Whichever node asks first has it told; the others ask again only if it has changed since."""
        nodes = one, two = await self.nodes(2)
        limits, ways = (2, 1.0), ("join", "leave", "restore", "none")
        for name in ways:
            for node in nodes:
                await node.adapter.bus.watch("1", name)
            for i in range(3):
                assert await one.adapter.bus.publish_due_count("1", name, *limits) == (0, 0)
                await one.adapter.roster.join("1", name, f"{i}.1")
        await self.settle()
        for name in ways:
            assert await one.adapter.bus.publish_due_count("1", name, *limits) == (3, 0)
            assert await two.adapter.bus.publish_due_count("1", name, *limits) == (0, 0)
        roster = two.adapter.roster
        await roster.join("1", "join", "4.1", tell_up_to=2)
        await roster.join("1", "leave", "4.1", tell_up_to=2)
        await roster.leave("1", "leave", "4.1", tell_up_to=2)
        await roster.restore("1", "restore", [("4.1", None)])
        await one.adapter.roster.join("1", "none", "0.1", tell_up_to=2)
        await one.adapter.roster.restore("1", "none", [("0.1", None)])
        await roster.leave("1", "none", "5.1", tell_up_to=2)
        asked = {name: await two.adapter.bus.publish_due_count("1", name, *limits) for name in ways}
        assert asked.pop("none") == (0, 0)
        assert all(not told.number and 0 < told.again <= 1.01 for told in asked.values()), asked
        await self.wait(max(told.again for told in asked.values()))
        assert await two.adapter.bus.publish_due_count("1", "none", *limits) == (0, 0)
        for name, number in (("join", 4), ("leave", 3), ("restore", 4)):
            assert await two.adapter.bus.publish_due_count("1", name, *limits) == (number, 0)
            assert await one.adapter.bus.publish_due_count("1", name, *limits) == (0, 0)
        await self.settle()
        for node in nodes:
            told = [
                (envelope.channel, tuple(frame))
                for envelope in node.received
                for frame in envelope.frames
            ]
            assert told == [
                (name, (subscription_count(name, number), None))
                for name, number in (
                    *((name, 3) for name in ways),
                    *(("join", 4), ("leave", 3), ("restore", 4)),
                )
            ]

    @awaited
    async def test_watching_again(self) -> None:
        """Who watches a channel again receives it again, at once and after a while, and once."""
        sender, other = await self.nodes(2)
        bus = other.adapter.bus
        for pause in (False, True):
            await bus.watch("1", "news")
            await bus.unwatch("1", "news")
            if pause:
                await self.settle()
            await bus.watch("1", "news")
            await self.settle()
            await sender.adapter.bus.publish(Envelope("1", "news", [(b"1", None)]))
            await self.settle()
            assert len(other.received) == 1
            other.received.clear()

    @awaited
    async def test_large_envelopes(self) -> None:
        """A batch of the largest events arrives whole."""
        sender, other = await self.nodes(2)
        await other.adapter.bus.watch("1", "news")
        await self.settle()
        frames = [(bytes([i]) * 100_000, None) for i in range(10)]
        await sender.adapter.bus.publish(Envelope("1", "news", frames))
        await self.settle()
        (envelope,) = other.received
        assert [tuple(frame) for frame in envelope.frames] == frames

    @awaited
    async def test_a_stopped_node_receives_nothing(self) -> None:
        """After stopping, a node is out of the cluster, and the others go on."""
        sender, stopped, other = await self.nodes(3)
        for node in (stopped, other):
            await node.adapter.bus.watch("1", "news")
        await self.settle()
        self.started.remove(stopped.adapter)
        await stopped.adapter.stop()
        await sender.adapter.bus.publish(Envelope("1", "news", [(b"1", None)]))
        await self.settle()
        assert stopped.received == []
        assert len(other.received) == 1

    @awaited
    async def test_a_node_that_works_is_healthy(self) -> None:
        """A started node with everything it needs says so."""
        nodes = await self.nodes(2)
        await self.settle()
        assert all(node.adapter.health().ok for node in nodes)

    # Roster

    @awaited
    async def test_the_first_and_the_last_on_a_channel(self) -> None:
        """Over all nodes one join is the first and one leave the last; the counts are those afterwards."""
        first, second = (node.adapter.roster for node in await self.nodes(2))
        assert (await first.join("1", "news", "1.1"))[:4] == (True, True, False, Counts(1, 0))
        assert (await second.join("1", "news", "2.2"))[:4] == (True, False, False, Counts(2, 0))
        assert await first.leave("1", "news", "1.1") == Left(False, None, Counts(1, 0))
        assert await second.leave("1", "news", "2.2") == Left(True, None, NOBODY)
        assert (await second.join("1", "news", "1.1")).first_in_channel

    @awaited
    async def test_a_channel_without_presence_has_no_members(self) -> None:
        """Subscriptions without a member count as subscriptions and nothing else."""
        roster = await self.roster()
        for socket in ("1.1", "2.2"):
            joined = await roster.join("1", "news", socket)
            assert not joined.first_for_user
            assert list(joined.members) == []
        assert await roster.counts("1", ["news"]) == [Counts(2, 0)]
        assert list(await roster.members("1", "news")) == []

    @awaited
    async def test_members_of_all_nodes(self) -> None:
        """A joiner is answered with everybody on the channel, itself included."""
        first, second = (node.adapter.roster for node in await self.nodes(2))
        joined = await first.join("1", "presence-x", "1.1", ANN)
        assert joined[:4] == (True, True, True, Counts(1, 1))
        assert list(joined.members) == [ANN]
        joined = await second.join("1", "presence-x", "2.2", BOB)
        assert joined[:4] == (True, False, True, Counts(2, 2))
        for members in (
            joined.members,
            *[await r.members("1", "presence-x") for r in (first, second)],
        ):
            assert sorted(members, key=str) == sorted([ANN, BOB], key=str)
        left = await first.leave("1", "presence-x", "1.1")
        assert left == Left(False, ANN, Counts(1, 1))
        assert await second.leave("1", "presence-x", "2.2") == Left(True, BOB, NOBODY)
        assert list(await second.members("1", "presence-x")) == []

    @awaited
    async def test_a_user_with_several_sockets(self) -> None:
        """A user's first socket is the first for the user, and the last is the last, on whichever node they are."""
        first, second = (node.adapter.roster for node in await self.nodes(2))
        assert (await first.join("1", "presence-x", "1.1", ANN)).first_for_user
        joined = await second.join("1", "presence-x", "2.2", ANN)
        assert joined[:4] == (True, False, False, Counts(2, 1))
        assert list(joined.members) == [ANN]
        assert await first.leave("1", "presence-x", "1.1") == Left(False, None, Counts(1, 1))
        assert await second.leave("1", "presence-x", "2.2") == Left(True, ANN, NOBODY)

    @awaited
    async def test_the_info_of_the_first_socket_counts(self) -> None:
        """While a user has several sockets the info of the oldest one that is still there is the member's."""
        first, second = (node.adapter.roster for node in await self.nodes(2))
        infos = [PresenceMember("ann", f'{{"socket":{i}}}') for i in range(3)]
        for i, roster in enumerate((first, second, first)):
            joined = await roster.join("1", "presence-x", f"{i}.{i}", infos[i])
            assert list(joined.members) == [infos[0]]
        await second.leave("1", "presence-x", "1.1")
        assert list(await second.members("1", "presence-x")) == [infos[0]]
        await first.leave("1", "presence-x", "0.0")
        assert list(await second.members("1", "presence-x")) == [infos[2]]
        await second.join("1", "presence-x", "0.0", infos[0])
        assert list(await first.members("1", "presence-x")) == [infos[2]]
        left = await first.leave("1", "presence-x", "2.2")
        assert left.last_for_user is None
        left = await second.leave("1", "presence-x", "0.0")
        assert left.last_for_user is not None
        assert left.last_for_user.user_id == "ann"

    @awaited
    async def test_joining_again_changes_nothing(self) -> None:
        """A socket that is there already is accepted, is first of nothing, and keeps its member."""
        roster = await self.roster()
        await roster.join("1", "presence-x", "1.1", ANN)
        changed = PresenceMember("ann", '{"name":"Anna"}')
        joined = await roster.join("1", "presence-x", "1.1", changed, 1)
        assert joined[:4] == (True, False, False, Counts(1, 1))
        assert list(joined.members) == [ANN]
        await roster.join("1", "news", "1.1")
        assert (await roster.join("1", "news", "1.1"))[:4] == (True, False, False, Counts(1, 0))
        assert (await roster.leave("1", "presence-x", "1.1")).last_for_user == ANN

    @awaited
    async def test_leaving_what_one_is_not_on(self) -> None:
        """A leave of an unknown socket or channel is the last of nothing and changes nothing."""
        roster = await self.roster()
        assert await roster.leave("1", "news", "1.1") == Left(False, None, NOBODY, found=False)
        await roster.join("1", "presence-x", "1.1", ANN)
        unknown = await roster.leave("1", "presence-x", "2.2")
        assert unknown == Left(False, None, Counts(1, 1), found=False)
        await roster.leave("1", "presence-x", "1.1")
        again = await roster.leave("1", "presence-x", "1.1")
        assert again == Left(False, None, NOBODY, found=False)

    @awaited
    async def test_a_full_channel(self) -> None:
        """The last place is given, the next user changes nothing, and a user who is there gets in always."""
        first, second = (node.adapter.roster for node in await self.nodes(2))
        assert (await first.join("1", "presence-x", "1.1", ANN, 2)).accepted
        assert (await second.join("1", "presence-x", "2.2", BOB, 2)).accepted
        refused = await second.join("1", "presence-x", "3.3", PresenceMember("cid"), 2)
        assert refused[:4] == (False, False, False, Counts(2, 2))
        assert (await first.counts("1", ["presence-x"])) == [Counts(2, 2)]
        assert await second.leave("1", "presence-x", "3.3") == Left(
            False, None, Counts(2, 2), found=False
        )
        again = await first.join("1", "presence-x", "4.4", BOB, 2)
        assert again[:4] == (True, False, False, Counts(3, 2))
        await second.leave("1", "presence-x", "2.2")
        assert not (await first.join("1", "presence-x", "3.3", PresenceMember("cid"), 2)).accepted
        await first.leave("1", "presence-x", "4.4")
        assert (await first.join("1", "presence-x", "3.3", PresenceMember("cid"), 2)).accepted

    @awaited
    async def test_a_refused_join_occupies_nothing(self) -> None:
        """A channel that takes nobody is not occupied by the attempt."""
        roster = await self.roster()
        assert not (await roster.join("1", "presence-x", "1.1", ANN, 0)).accepted
        assert await roster.channels("1") == {}
        assert (await roster.join("1", "presence-x", "1.1", ANN)).first_in_channel

    @awaited
    async def test_many_members(self) -> None:
        """Without a limit a channel takes as many users as come."""
        roster = await self.roster()
        members = [PresenceMember(f"user{i}", '"' + "x" * 1000 + '"') for i in range(300)]
        for i, member in enumerate(members):
            joined = await roster.join("1", "presence-x", f"{i}.1", member)
        assert joined.counts == Counts(300, 300)
        assert sorted(joined.members, key=str) == sorted(members, key=str)

    @awaited
    async def test_members_are_any_text(self) -> None:
        """User ids and infos come back exactly as they were given."""
        first, second = (node.adapter.roster for node in await self.nodes(2))
        texts = ("*", "a:b", "a b", "ä😀", "\\", '"', "a\nb", "0", "-1", "1.1", "__proto__", "{}")
        members = [PresenceMember(text, f'{{"{i}":"ä😀\\n"}}') for i, text in enumerate(texts)]
        for i, member in enumerate(members):
            assert (await first.join("1", "presence-x", f"{i}.1", member)).first_for_user
        assert sorted(await second.members("1", "presence-x"), key=str) == sorted(members, key=str)
        for i, member in enumerate(members):
            assert (await second.leave("1", "presence-x", f"{i}.1")).last_for_user == member

    @awaited
    async def test_counts_in_the_order_asked(self) -> None:
        """Many channels are counted at once, in the order of the question, vacant ones as zero."""
        roster = await self.roster()
        assert await roster.counts("1", ["news"]) == [NOBODY]
        await roster.join("1", "news", "1.1")
        await roster.join("1", "presence-x", "1.1", ANN)
        await roster.join("1", "presence-x", "2.2", ANN)
        asked = ["presence-x", "vacant", "news", "presence-x"]
        assert await roster.counts("1", asked) == [Counts(2, 1), NOBODY, Counts(1, 0), Counts(2, 1)]
        assert await roster.counts("1", []) == []
        assert await roster.counts("unknown", ["news"]) == [NOBODY]

    @awaited
    async def test_occupied_channels(self) -> None:
        """All occupied channels of all nodes are listed with their counts, or those with a prefix."""
        first, second = (node.adapter.roster for node in await self.nodes(2))
        assert await first.channels("1") == {}
        await first.join("1", "presence-x", "1.1", ANN)
        await first.join("1", "presence-x", "2.2", ANN)
        await second.join("1", "presence-y", "2.2", BOB)
        await second.join("1", "news", "3.3")
        await second.join("1", "weather", "3.3")
        await second.leave("1", "weather", "3.3")
        everything = {"presence-x": Counts(2, 1), "presence-y": Counts(1, 1), "news": Counts(1, 0)}
        for roster in (first, second):
            assert await roster.channels("1") == everything
            assert (await roster.channels("1", "presence-")).keys() == {"presence-x", "presence-y"}
            assert await roster.channels("1", "presence-x") == {"presence-x": Counts(2, 1)}
            for strange in ("*", "presence-?", "[p]", "resence-", "news-"):
                assert await roster.channels("1", strange) == {}

    @awaited
    async def test_apps_have_rosters_of_their_own(self) -> None:
        """The same channel of another app has other subscribers, however the names are put together."""
        roster = await self.roster()
        await roster.join("1", "presence-x", "1.1", ANN)
        for app, channel in (("2", "presence-x"), ("1:presence", "x"), ("", "1:presence-x")):
            joined = await roster.join(app, channel, "1.1", ANN)
            assert joined[:4] == (True, True, True, Counts(1, 1))
        assert await roster.channels("2") == {"presence-x": Counts(1, 1)}
        await roster.leave("1", "presence-x", "1.1")
        assert await roster.channels("1") == {}
        assert await roster.channels("2") == {"presence-x": Counts(1, 1)}

    @awaited
    async def test_nothing_is_left_of_a_channel_that_was_vacated(self) -> None:
        """A channel that comes and goes begins anew every time."""
        roster = await self.roster()
        for _ in range(3):
            joined = await roster.join("1", "presence-x", "1.1", ANN, 1)
            assert joined[:4] == (True, True, True, Counts(1, 1))
            assert await roster.leave("1", "presence-x", "1.1") == Left(True, ANN, NOBODY)
            assert await roster.channels("1") == {}

    @awaited
    async def test_restoring_what_is_there_changes_nothing(self) -> None:
        """A node may write its subscriptions again at any time: those that are there are first of nothing."""
        roster = await self.roster()
        await roster.join("1", "presence-x", "1.1", ANN)
        restored = await roster.restore("1", "presence-x", [("1.1", ANN)])
        assert restored == Restored(False, [], Counts(1, 1))
        await roster.join("1", "news", "1.1")
        assert await roster.restore("1", "news", [("1.1", None)]) == Restored(False, [], Counts(1))

    @awaited
    async def test_restoring_what_is_gone(self) -> None:
        """What is restored is there as after a join, and says what it is the first of."""
        first, second = (node.adapter.roster for node in await self.nodes(2))
        ann_again = PresenceMember("ann", '{"tab":2}')
        sockets = [("1.1", ANN), ("2.2", ann_again), ("3.3", BOB)]
        restored = await first.restore("1", "presence-x", sockets)
        assert (restored.first_in_channel, restored.counts) == (True, Counts(3, 2))
        assert list(restored.new_members) == [ANN, BOB]
        assert sorted(await second.members("1", "presence-x"), key=str) == [ANN, BOB]
        restored = await second.restore("1", "presence-x", [("4.4", BOB), ("5.5", None)])
        assert restored == Restored(False, [], Counts(5, 2))
        assert (await first.leave("1", "presence-x", "3.3")).last_for_user is None
        assert await first.leave("1", "presence-x", "4.4") == Left(False, BOB, Counts(3, 1))
        assert (await second.restore("1", "news", [("1.1", None)])).first_in_channel

    @awaited
    async def test_restoring_many(self) -> None:
        """A node with many subscriptions on one channel has all of them again, and the channel is occupied once."""
        roster = await self.roster()
        sockets = [(f"{i}.1", PresenceMember(f"user{i % 500}")) for i in range(1000)]
        restored = await roster.restore("1", "presence-x", sockets)
        assert (restored.first_in_channel, restored.counts) == (True, Counts(1000, 500))
        assert len(restored.new_members) == 500
        assert (await roster.restore("1", "presence-x", [])) == Restored(False, [], NOBODY)

    # Quotas

    @awaited
    async def test_all_nodes_share_a_quota(self) -> None:
        """The connections of all nodes together stay within the limit; a refusal changes nothing."""
        first, second = (node.adapter.quotas for node in await self.nodes(2))
        assert await first.set("1", 2, 3)
        assert await second.set("1", 1, 3)
        assert not await second.set("1", 2, 3)
        assert not await first.set("1", 3, 3)
        assert await first.set("1", 1, 3)
        assert await second.set("1", 2, 3)
        assert await first.set("2", 3, 3)

    @awaited
    async def test_a_count_without_a_limit_is_taken(self) -> None:
        """Whoever only says what there is, as when connections are lost, is not asked about the limit."""
        first, second = (node.adapter.quotas for node in await self.nodes(2))
        assert await first.set("1", 5)
        assert not await second.set("1", 1, 5)
        assert await first.set("1", 0)
        assert await second.set("1", 5, 5)

    # Last events

    @awaited
    async def test_the_last_event_is_known_on_all_nodes(self) -> None:
        """What one node remembers every node knows, and the newest replaces the older."""
        first, second = (node.adapter.last_events for node in await self.nodes(2))
        assert await second.get("1", "cache-x") is None
        await first.put("1", "cache-x", "old", "1", 60)
        await second.put("1", "cache-x", "new", "2", 60)
        for last_events in (first, second):
            kept = await last_events.get("1", "cache-x")
            assert kept is not None
            assert (kept.name, kept.data) == ("new", "2")
            assert 58 <= kept.ttl <= 60

    @awaited
    async def test_events_are_any_text(self) -> None:
        """Name and data come back as they were, of every app and channel on its own."""
        ((adapter, _),) = await self.nodes(1)
        last_events = adapter.last_events
        texts = ["", "ä😀", '{"a":"\\u0000"}', "a\nb\x00c", "x" * 100_000, "{}"]
        for i, text in enumerate(texts):
            await last_events.put("1", f"cache-{i}", f"App\\Events\\É:{i}", text, 60)
            await last_events.put("2", f"cache-{i}", "other", "other", 60)
        for i, text in enumerate(texts):
            kept = await last_events.get("1", f"cache-{i}")
            assert kept is not None
            assert (kept.name, kept.data) == (f"App\\Events\\É:{i}", text)

    @awaited
    async def test_last_events_are_forgotten(self) -> None:
        """After its time to live an event is not remembered; a newer one has a time of its own."""
        ((adapter, _),) = await self.nodes(1)
        last_events = adapter.last_events
        await last_events.put("1", "cache-short", "e", "1", 1)
        await last_events.put("1", "cache-renewed", "e", "1", 1)
        await last_events.put("1", "cache-renewed", "e", "2", 60)
        await last_events.put("1", "cache-shortened", "e", "1", 60)
        await last_events.put("1", "cache-shortened", "e", "2", 1)
        assert await last_events.get("1", "cache-short") == CachedEvent("e", "1", 1)
        await self.wait(1.2)
        assert await last_events.get("1", "cache-short") is None
        assert await last_events.get("1", "cache-shortened") is None
        renewed = await last_events.get("1", "cache-renewed")
        assert renewed is not None
        assert renewed.data == "2"

    # Receipts

    @awaited
    async def test_a_key_is_taken_once(self) -> None:
        """Who claims a key first has it; everybody else, on any node, is given what is known of that publish."""
        first, second = (node.adapter.receipts for node in await self.nodes(2))
        assert await first.claim("1", "event:k", b"print", 60) is None
        for receipts in (first, second):
            for own in (b"print", b"other"):
                assert await receipts.claim("1", "event:k", own, 60) == Receipt(b"print")

    @awaited
    async def test_a_settled_key_has_its_answer(self) -> None:
        """What a publish was answered every node knows, whatever bytes it is."""
        first, second = (node.adapter.receipts for node in await self.nodes(2))
        for i, answer in enumerate((b"{}", b"", b'{"channels":{}}', bytes(range(256)) * 100)):
            receipt = Receipt(bytes([i, 0, 255]), answer)
            assert await first.claim("1", f"event:{i}", receipt.fingerprint, 60) is None
            await first.settle("1", f"event:{i}", receipt, 60)
            for receipts in (first, second):
                assert await receipts.claim("1", f"event:{i}", b"other", 60) == receipt

    @awaited
    async def test_a_released_key_is_free(self) -> None:
        """After a publish that failed the next one has the key; releasing what nobody has changes nothing."""
        first, second = (node.adapter.receipts for node in await self.nodes(2))
        await first.release("1", "event:k")
        assert await first.claim("1", "event:k", b"print", 60) is None
        await first.release("1", "event:k")
        assert await second.claim("1", "event:k", b"other", 60) is None
        assert await first.claim("1", "event:k", b"print", 60) == Receipt(b"other")

    @awaited
    async def test_keys_of_apps_are_apart(self) -> None:
        """The same key of another app is free, and so is another key, however the names are put together."""
        ((adapter, _),) = await self.nodes(1)
        keys = [("1", "event:k"), ("2", "event:k"), ("1:event", "k"), ("1", "k"), ("1", "item:k")]
        keys += [("1", ""), ("1", "event:\u00e4\U0001f600\x00 \n"), ("1", "event:" + "x" * 1000)]
        for app_id, key in keys:
            assert await adapter.receipts.claim(app_id, key, key.encode(), 60) is None
        for app_id, key in keys:
            assert await adapter.receipts.claim(app_id, key, b"", 60) == Receipt(key.encode())

    @awaited
    async def test_receipts_are_forgotten(self) -> None:
        """After its time a key is free, whether its publish was settled or not; settling begins the time anew."""
        ((adapter, _),) = await self.nodes(1)
        receipts = adapter.receipts
        for key in ("claimed", "settled", "renewed"):
            assert await receipts.claim("1", key, b"", 1) is None
        await receipts.settle("1", "settled", Receipt(b"", b"{}"), 1)
        await receipts.settle("1", "renewed", Receipt(b"", b"{}"), 60)
        await self.wait(1.2)
        assert await receipts.claim("1", "claimed", b"", 60) is None
        assert await receipts.claim("1", "settled", b"", 60) is None
        assert await receipts.claim("1", "renewed", b"", 60) == Receipt(b"", b"{}")

    @awaited
    async def test_one_of_many_has_the_key(self) -> None:
        """When all nodes claim a key at once, exactly one of them gets it."""
        nodes = await self.nodes(4)
        for i in range(10):
            claims = [
                Deferred.fromCoroutine(adapter.receipts.claim("1", f"k{i}", bytes([n]), 60))
                for n, (adapter, _) in enumerate(nodes)
            ]
            answers = [await claim for claim in claims]
            winner = answers.index(None)
            others = [answer for answer in answers if answer is not None]
            assert others == [Receipt(bytes([winner]))] * 3
