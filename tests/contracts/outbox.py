"""What every outbox has to do, whatever is behind it; a case is made as one of `tests.contracts.adapter`."""

from __future__ import annotations

from typing import Any

from tests.contracts.adapter import Contract, awaited
from txpusher.model import PresenceMember
from txpusher.outbox import Look, Notice, Outbox, Queue, Subject, Sweep, Told

ROOM, DELAY = 100, 0.25
ROOMS = Subject("1", "presence-room")
USER = Subject("1", "presence-room", 'ann "the" é ann')
QUEUE = Queue("1", "t")
NOWHERE = Sweep()


def notice(kind: str = "client_event", text: str = "{}", *targets: str, age: float = 0) -> Notice:
    """Make an event for the usual target, or for these."""
    return Notice("1", kind, text, targets or ("t",), age)


def look(subject: Subject, *, known: bool = False) -> Look:
    """Make a question about somebody."""
    return Look(subject, notice("come"), notice("gone"), known)


class OutboxContract(Contract):
    """The tests. A case says how long a claim holds."""

    lease: float

    async def boxes(self, count: int) -> list[Any]:
        """Start a cluster and give its outboxes; the first node's roster is ``self.at``."""
        nodes = await self.nodes(count)
        self.at = nodes[0].adapter.roster
        return [node.adapter.outbox for node in nodes]

    async def kinds(self, outbox: Outbox, queue: Queue = QUEUE) -> list[str]:
        """Give the kinds of all events in a queue, and empty it."""
        pulled = await outbox.pull(queue, (), b"", 1000)
        await outbox.pull(queue, [event.id for event in pulled.events], b"", 0)
        return [event.kind for event in pulled.events]

    async def ask(self, outbox: Outbox, subject: Subject, delay: float = DELAY) -> Told:
        """Look at somebody."""
        return await outbox.tell([look(subject)], delay, ROOM)

    async def come(self, subject: Subject, socket_id: str = "1.1") -> None:
        """Let somebody be there."""
        member = None if subject.user_id is None else PresenceMember(subject.user_id)
        await self.at.join(subject.app_id, subject.channel, socket_id, member)

    async def go(self, subject: Subject, socket_id: str = "1.1") -> None:
        """Let somebody be gone."""
        await self.at.leave(subject.app_id, subject.channel, socket_id)

    # Decisions

    @awaited
    async def test_somebody_comes(self) -> None:
        """Somebody who is there is told once, whichever node looks and how often."""
        one, two = await self.boxes(2)
        for subject in (ROOMS, USER):
            await self.come(USER)
            told = await self.ask(one, subject)
            assert told == Told([QUEUE], [])
            assert await self.ask(two, subject) == await self.ask(one, subject) == Told([], [])
            assert await self.kinds(one) == ["come"]

    @awaited
    async def test_somebody_who_was_never_there(self) -> None:
        """Who is gone and was not told of is not told of."""
        (one,) = await self.boxes(1)
        assert await self.ask(one, ROOMS, 0) == Told([], [])
        assert (await one.beat((), NOWHERE)).wait is None

    @awaited
    async def test_somebody_goes(self) -> None:
        """Who is gone is to be looked at after the delay, by one node, and is told gone then; once."""
        one, two = await self.boxes(2)
        await self.come(USER)
        await self.ask(one, USER)
        await self.kinds(one)
        await self.go(USER)
        assert await self.ask(two, USER) == Told([], [])
        early = await one.beat((), NOWHERE)
        assert early.due == []
        assert 0 < early.wait <= DELAY
        await self.wait(DELAY + 0.05)
        beats = [await one.beat((), NOWHERE), await two.beat((), NOWHERE)]
        assert [beat.due for beat in beats] == [[USER], []]
        assert await self.ask(two, USER) == Told([QUEUE], [])
        assert await self.ask(one, USER) == Told([], [])
        assert await self.kinds(two) == ["gone"]
        assert (await one.beat((), NOWHERE)).wait is None

    @awaited
    async def test_somebody_is_back(self) -> None:
        """Who is back within the delay was never away, whoever saw which half of it."""
        one, two = await self.boxes(2)
        await self.come(ROOMS)
        await self.ask(one, ROOMS)
        await self.kinds(one)
        await self.go(ROOMS)
        await self.ask(one, ROOMS)
        await self.come(ROOMS)
        assert await self.ask(two, ROOMS) == Told([], [])
        await self.wait(DELAY + 0.05)
        assert (await one.beat((), NOWHERE)).due == []
        await self.go(ROOMS)
        await self.ask(one, ROOMS)
        assert (await one.beat((), NOWHERE)).due == [], "the delay begins anew"

    @awaited
    async def test_no_delay(self) -> None:
        """Without a delay it is told at once."""
        (one,) = await self.boxes(1)
        await self.come(ROOMS)
        await self.ask(one, ROOMS, 0)
        await self.go(ROOMS)
        await self.ask(one, ROOMS, 0)
        assert await self.kinds(one) == ["come", "gone"]

    @awaited
    async def test_what_is_known_already(self) -> None:
        """Whom receivers know although that was forgotten is told gone and not told there."""
        (one,) = await self.boxes(1)
        await self.come(ROOMS)
        assert await one.tell([look(ROOMS, known=True)], 0, ROOM) == Told([], [])
        await self.go(ROOMS)
        await one.tell([look(ROOMS, known=True)], 0, ROOM)
        assert await self.kinds(one) == ["gone"]

    @awaited
    async def test_members_before_their_channel(self) -> None:
        """Who is due at once is given in the order of going, members first."""
        (one,) = await self.boxes(1)
        await self.come(USER)
        await one.tell([look(ROOMS), look(USER)], DELAY, ROOM)
        await self.go(USER)
        await one.tell([look(USER), look(ROOMS)], DELAY, ROOM)
        await self.wait(DELAY + 0.05)
        assert (await one.beat((), NOWHERE)).due == [USER, ROOMS]

    @awaited
    async def test_a_sweep(self) -> None:
        """Somebody of whose end nobody has said anything is found, and looked at a second later."""
        (one,) = await self.boxes(1)
        await self.come(ROOMS)
        await self.ask(one, ROOMS)
        await self.come(USER, "2.2")
        await self.ask(one, USER)
        await self.go(USER, "2.2")
        assert (await one.beat((), Sweep("2"))).wait is None
        beat = await one.beat((), NOWHERE)
        assert 0.9 < beat.wait <= 1
        assert beat.sweep == Sweep()
        await self.wait(1.05)
        assert (await one.beat((), NOWHERE)).due == [USER]

    @awaited
    async def test_a_node_dies_before_it_looks(self) -> None:
        """Who is due is one node's business for as long as a claim holds, and then another one's."""
        one, two = await self.boxes(2)
        await self.come(ROOMS)
        await self.ask(one, ROOMS)
        await self.go(ROOMS)
        await self.ask(one, ROOMS)
        await self.wait(DELAY + 0.05)
        # No sweep is to find it: they look at another app.
        assert (await one.beat((), Sweep("2"))).due == [ROOMS]
        assert (await two.beat((), Sweep("2"))).due == []
        await self.wait(self.lease + 0.05)
        assert (await two.beat((), Sweep("2"))).due == [ROOMS]

    @awaited
    async def test_forgetting(self) -> None:
        """What receivers of an app were told is forgotten when it has none; those of others are not."""
        (one,) = await self.boxes(1)
        await self.come(ROOMS)
        await self.ask(one, ROOMS)
        await one.forget("2")
        assert await self.ask(one, ROOMS) == Told([], [])
        await one.forget("1")
        assert await self.ask(one, ROOMS) == Told([QUEUE], [])

    # Queues

    @awaited
    async def test_order(self) -> None:
        """Events of all nodes come in the order in which they were put, with kind, text and time."""
        one, two = await self.boxes(2)
        for number in range(5):
            for outbox, text in ((one, f'"é\\u0000{number}"'), (two, str(number))):
                await outbox.tell([notice("k", text, age=2.5)], 0, ROOM)
        pulled = await one.pull(QUEUE, (), b"", 1000)
        assert pulled.claimed
        assert not pulled.empty
        assert [event.text for event in pulled.events] == [
            text for number in range(5) for text in (f'"é\\u0000{number}"', str(number))
        ]
        assert {event.kind for event in pulled.events} == {"k"}
        assert all(2.4 < event.age < 4 for event in pulled.events)
        times = [event.time_ms for event in pulled.events]
        assert times == sorted(times)
        ids = [event.id for event in pulled.events]
        assert len(set(ids)) == 10

    @awaited
    async def test_pulling_some(self) -> None:
        """Events are given from any point on, stay until they are done with, and then are gone."""
        (one,) = await self.boxes(1)
        await one.tell([notice(text=str(number)) for number in range(6)], 0, ROOM)
        first = (await one.pull(QUEUE, (), b"", 2)).events
        again = (await one.pull(QUEUE, (), b"", 3)).events
        assert [event.text for event in again] == ["0", "1", "2"]
        assert [event.id for event in again[:2]] == [event.id for event in first]
        more = await one.pull(QUEUE, [event.id for event in first], first[-1].id, 2)
        assert [event.text for event in more.events] == ["2", "3"]
        assert (await one.beat([QUEUE], NOWHERE)).lengths == {QUEUE: {"client_event": 4}}
        assert (await one.pull(QUEUE, (), b"", 0)).events in ((), [])
        rest = (await one.pull(QUEUE, [first[0].id], b"", 100)).events
        assert [event.text for event in rest] == ["2", "3", "4", "5"]
        done = await one.pull(QUEUE, [event.id for event in rest], rest[-1].id, 9)
        assert (done.claimed, done.empty) == (False, True)

    @awaited
    async def test_one_claim(self) -> None:
        """One node at a time has the claim of a queue; another one gets it when it is given up, or was not kept."""
        one, two = await self.boxes(2)
        assert (await one.tell([notice()], 0, ROOM)).claimed == [QUEUE]
        assert (await two.tell([notice()], 0, ROOM)).claimed == []
        assert not (await two.pull(QUEUE, (), b"", 9)).claimed
        assert (await two.beat([QUEUE], NOWHERE)).lost == [QUEUE]
        await two.release([QUEUE])
        assert (await two.beat((), NOWHERE)).taken == []
        await one.release([QUEUE])
        assert (await two.beat((), NOWHERE)).taken == [QUEUE]
        assert (await one.beat([QUEUE], NOWHERE)).lost == [QUEUE]
        await self.wait(self.lease * 0.6)
        assert (await two.beat([QUEUE], NOWHERE)).lost == []
        await self.wait(self.lease * 0.6)
        assert (await one.beat((), NOWHERE)).taken == []
        await self.wait(self.lease * 0.6)
        taken = await one.beat((), NOWHERE)
        assert taken.taken == [QUEUE]
        assert taken.lengths == {QUEUE: {"client_event": 2}}

    @awaited
    async def test_an_empty_queue_is_nobodys(self) -> None:
        """With the last event the claim ends, so that whoever puts the next one sends it at once."""
        one, two = await self.boxes(2)
        await one.tell([notice()], 0, ROOM)
        assert await self.kinds(one) == ["client_event"]
        assert (await two.tell([notice()], 0, ROOM)).claimed == [QUEUE]

    @awaited
    async def test_several_targets(self) -> None:
        """An event may be for several queues, and apps and targets have their own."""
        (one,) = await self.boxes(1)
        other = Notice("11", "x", "{}", ["t"])
        told = await one.tell([notice("k", "{}", "t", "u"), other], 0, ROOM)
        assert sorted(told.claimed) == [("1", "t"), ("1", "u"), ("11", "t")]
        for queue, kind in ((Queue("1", "u"), "k"), (Queue("11", "t"), "x"), (QUEUE, "k")):
            assert await self.kinds(one, queue) == [kind]

    @awaited
    async def test_no_room(self) -> None:
        """The oldest events make room for new ones, and it is said which."""
        (one,) = await self.boxes(1)
        told = await one.tell([notice(kind) for kind in "abcde"], 0, 3)
        assert told.overflowed == [(QUEUE, "a"), (QUEUE, "b")]
        assert (await one.beat([QUEUE], NOWHERE)).lengths[QUEUE].get("c") == 1
        assert (await one.tell([notice("f")], 0, 2)).overflowed == [(QUEUE, "c"), (QUEUE, "d")]
        assert await self.kinds(one) == ["e", "f"]

    @awaited
    async def test_no_room_behind_what_is_in_hand(self) -> None:
        """What was pulled is not dropped: it is being sent."""
        (one,) = await self.boxes(1)
        await one.tell([notice(kind) for kind in "abc"], 0, 3)
        in_hand = (await one.pull(QUEUE, (), b"", 1)).events
        assert (await one.tell([notice("d")], 0, 3)).overflowed == [(QUEUE, "b")]
        rest = await one.pull(QUEUE, [event.id for event in in_hand], in_hand[0].id, 9)
        assert [event.kind for event in rest.events] == ["c", "d"]
        assert (await one.tell([notice("e")], 0, 2)).overflowed == [(QUEUE, "e")]
        assert await self.kinds(one) == ["c", "d"]
        await one.tell([notice("f"), notice("g")], 0, 1)
        assert await self.kinds(one) == ["g"]

    @awaited
    async def test_dropping(self) -> None:
        """A queue can be emptied; what was in it is counted."""
        (one,) = await self.boxes(1)
        await one.tell([notice(kind) for kind in "aab"], 0, ROOM)
        assert await one.drop(QUEUE) == {"a": 2, "b": 1}
        assert await one.drop(QUEUE) == {}
        assert (await one.beat((), NOWHERE)).taken == []
