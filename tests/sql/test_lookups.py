"""Questions about apps that are not known."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.doubles import now
from txpusher.errors import ServiceUnavailable
from txpusher.sql import lookups
from txpusher.sql.lookups import Lookups, Question

KEY = Question("key", "k")


class Asking:
    """Lookups, and what is asked."""

    def __init__(self):
        self.clock, self.woken = Clock(), 0
        self.lookups = Lookups(self.clock, self._wake)

    def _wake(self):
        self.woken += 1

    def ask(self, *questions):
        """Give the outcome of each, which is empty while it waits."""
        outcomes = [[] for _ in questions]
        for question, outcome in zip(questions, outcomes, strict=True):
            Deferred.fromCoroutine(self.lookups.ask(question)).addBoth(outcome.append)
        return outcomes


@pytest.fixture
def asking():
    return Asking()


def unavailable(outcome):
    return outcome[0].check(ServiceUnavailable) is not None


def test_equal_questions_share_an_answer(asking):
    """Who asks the same waits for the same answer; a key is not an id."""
    first, second, other = asking.ask(KEY, KEY, Question("id", "k"))
    assert asking.lookups.next() == [KEY, ("id", "k")]
    asking.lookups.found(KEY)
    assert (first, second, other) == ([None], [None], [])
    assert asking.lookups
    asking.lookups.settle(Question("id", "k"), exists=False)
    assert other == [None]
    assert not asking.lookups


def test_what_is_not_there_is_remembered(asking):
    """An app that does not exist is not asked for again for a few seconds."""
    asking.ask(KEY)
    asking.lookups.settle(KEY, exists=False)
    asking.clock.advance(4.9)
    assert asking.ask(KEY) == [[None]]
    asking.clock.advance(0.1)
    assert asking.ask(KEY) == [[]]


def test_what_cannot_be_read_is_remembered(asking):
    """An app whose settings are wrong is no unknown one, now and for a few seconds."""
    (outcome,) = asking.ask(KEY)
    asking.lookups.settle(KEY, exists=True)
    assert unavailable(outcome)
    assert unavailable(asking.ask(KEY)[0])
    assert not asking.lookups


def test_what_is_found_is_not_remembered(asking):
    """The apps that there are, are known elsewhere."""
    asking.ask(KEY)
    asking.lookups.found(KEY)
    assert asking.ask(KEY) == [[]]


def test_nobody_knows(asking):
    """While the database is away all who wait are told so, and it is not remembered."""
    outcomes = asking.ask(KEY, Question("id", "1"))
    asking.lookups.fail(ServiceUnavailable("away"))
    assert all(map(unavailable, outcomes))
    assert asking.ask(KEY) == [[]]


@pytest.mark.parametrize("name", ["", "a b", "k\x00", "\u00e4", "x" * 256, "a'b", "a/b"])
def test_what_can_be_no_name(asking, name):
    """What no app can be called is not asked for."""
    assert asking.ask(Question("key", name)) == [[None]]
    assert asking.woken == 0


def test_a_statement_has_an_end(asking):
    """Many questions are asked in several statements."""
    asking.ask(*(Question("key", str(number)) for number in range(250)))
    sizes = []
    while asking.lookups:
        questions = asking.lookups.next()
        sizes.append(len(questions))
        for question in questions:
            asking.lookups.settle(question, exists=False)
    assert sizes == [100, 100, 50]


def test_too_many_wait(asking):
    """When a thousand different questions wait, another one is refused, and one of them is not."""
    asking.ask(*(Question("key", str(number)) for number in range(1000)))
    same, other = asking.ask(Question("key", "7"), KEY)
    assert same == []
    assert unavailable(other)


def test_not_everything_is_remembered(asking, monkeypatch):
    """When strangers have asked for too much, remembering begins anew."""
    monkeypatch.setattr(lookups, "MANY", 2)
    for name in "abc":
        question = Question("key", name)
        asking.ask(question)
        asking.lookups.settle(question, exists=False)
    assert asking.ask(Question("key", "c")) == [[None]]
    assert asking.ask(Question("key", "a")) == [[]]


def test_a_question_at_once(asking):
    """An answer may come while the question is being asked."""
    asking.lookups._wake = lambda: asking.lookups.settle(KEY, exists=False)
    now(asking.lookups.ask(KEY))
    asking.lookups._wake = lambda: pytest.fail("it is asked again")
    assert asking.ask(KEY) == [[None]]
