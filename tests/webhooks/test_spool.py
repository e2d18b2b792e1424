"""What a node has to tell the outbox: in order, in portions, and kept while that is away."""

from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.doubles import turn
from txpusher.errors import ServiceUnavailable
from txpusher.outbox import Look, Notice, Subject, Told
from txpusher.webhooks import spool as spool_module
from txpusher.webhooks.spool import AT_ONCE, SIZE_AT_ONCE, Spool

ANN, BOB = Subject("1", "presence-a", "ann"), Subject("1", "presence-a", "bob")


def notice(kind):
    return Notice("1", kind, "{}", ["t"])


def look(subject, *, known=False):
    return Look(subject, notice("come"), notice("gone"), known)


class Spooled:
    """A spool, and an outbox that answers when it is told to."""

    def __init__(self, room=1000, *, late=False):
        self.clock, self.late = Clock(), late
        self.asked, self.batches, self.told, self.dropped = [], [], [], []
        self.away = False
        self.spool = Spool(self, self.clock, 3.0, room, self.told.append, self.dropped.append)

    async def tell(self, news, delay, room):
        if self.away:
            raise ServiceUnavailable("away")
        self.batches.append([getattr(one, "kind", one[0]) for one in news])
        self.news, self.terms = news, (delay, room)
        if self.late:
            self.asked.append(Deferred())
            await self.asked[-1]
        return Told([], [])

    def add(self, *news):
        for one in news:
            self.spool.add(one)
        return self


def test_one_turn():
    """What happens in one turn is told together, after it, in its order."""
    made = Spooled().add(notice("a"), look(ANN), notice("b"))
    assert made.batches == []
    turn(made.clock)
    assert made.batches == [["a", ANN, "b"]]
    assert made.terms == (3.0, 1000)
    assert made.told == [Told([], [])]
    assert made.clock.getDelayedCalls() == []


def test_portions():
    """Much is told in several steps."""
    made = Spooled().add(*[notice(str(number)) for number in range(AT_ONCE + 1)])
    turn(made.clock)
    assert [len(batch) for batch in made.batches] == [AT_ONCE, 1]


def test_large_portions():
    """Large events are told in smaller portions, and one that is larger than those alone."""
    made = Spooled().add(look(ANN))
    for size in (SIZE_AT_ONCE // 2, SIZE_AT_ONCE // 2 + 1, SIZE_AT_ONCE * 2, 1):
        made.add(Notice("1", str(size), "x" * size, ["t"]))
    turn(made.clock)
    assert [len(batch) for batch in made.batches] == [2, 1, 1, 1]


def test_while_it_is_told():
    """What comes meanwhile is told next."""
    made = Spooled(late=True).add(notice("a"))
    turn(made.clock)
    made.add(notice("b"))
    turn(made.clock)
    assert made.batches == [["a"]]
    made.asked.pop().callback(None)
    assert made.batches == [["a"], ["b"]]


def test_whom_to_look_at():
    """Whom to look at is told once, and as known when it was known once."""
    made = Spooled().add(look(ANN, known=True), look(BOB), look(ANN))
    turn(made.clock)
    assert made.news == [look(ANN, known=True), look(BOB)]


def test_away():
    """What cannot be told is kept in its order, with the time when it was created."""
    made = Spooled()
    made.away = True
    made.add(notice("a"), notice("b"))
    turn(made.clock)
    made.clock.advance(2.5)
    made.add(notice("c"))
    turn(made.clock)
    made.away = False
    made.spool.flush()
    turn(made.clock)
    assert made.batches == [["a", "b", "c"]]
    assert [one.age for one in made.news] == [2.5, 2.5, 0]
    made.spool.flush()
    assert made.clock.getDelayedCalls() == []


def test_whom_to_look_at_while_that_fails():
    """It is looked at once afterwards, and as known."""
    made = Spooled(late=True).add(look(ANN, known=True), notice("a"))
    turn(made.clock)
    made.add(notice("b"), look(ANN))
    made.asked.pop().errback(ServiceUnavailable("away"))
    made.spool.flush()
    turn(made.clock)
    assert made.batches[1:] == [[ANN, "a", "b"]]
    assert made.news[0] == look(ANN, known=True)


def test_no_room():
    """The oldest is dropped for the newest."""
    made = Spooled(room=2).add(notice("a"), notice("b"), notice("c"))
    assert made.dropped == [notice("a")]
    turn(made.clock)
    assert made.batches == [["b", "c"]]


def test_no_room_for_large_events():
    """What is kept has a bound on its size, too, which is counted as events come and go."""
    with mock.patch.object(spool_module, "MOST_SIZE", 100):
        made = Spooled()
        made.away = True
        for size in (40, 50, 60):
            made.add(Notice("1", str(size), "x" * size, ["t"]))
        assert [one.kind for one in made.dropped] == ["40", "50"]
        turn(made.clock)
        made.add(look(ANN), look(ANN), notice("a"))
        assert len(made.dropped) == 2
        made.away = False
        turn(made.clock)
        assert made.batches == [["60", ANN, "a"]]
        made.add(Notice("1", "99", "x" * 99, ["t"]))
        assert len(made.dropped) == 2


def test_waiting_for_the_end():
    """One can wait until all is told, for as long as one likes."""
    made = Spooled(late=True).add(notice("a"))
    turn(made.clock)
    patient = Deferred.fromCoroutine(made.spool.emptied(5))
    hurried = Deferred.fromCoroutine(made.spool.emptied(1))
    made.clock.advance(1)
    assert hurried.called
    assert not patient.called
    made.asked.pop().callback(None)
    assert patient.called
    assert made.clock.getDelayedCalls() == []
    assert Deferred.fromCoroutine(made.spool.emptied(1)).called


def test_dropping():
    """What is kept can be given up."""
    made = Spooled()
    made.away = True
    made.add(notice("a"), look(ANN))
    turn(made.clock)
    assert made.spool.drop() == [notice("a"), look(ANN)]
    assert made.spool.drop() == []
