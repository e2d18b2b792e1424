"""Working off the queues of a cluster, when answers come late."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.doubles import RecordingObserver, turn
from tests.webhook_doubles import StandInSender
from txpusher.model import App, WebhookTarget
from txpusher.outbox import Pulled, Queue, Waiting
from txpusher.webhooks.queue import Terms
from txpusher.webhooks.receiver import Receiver, Surroundings
from txpusher.webhooks.relay import Relay

QUEUE = Queue("1", "t")
EVENT = Waiting(b"1-0", "client_event", "{}", 1_000_000, 1.0)
EMPTY, OTHERS = Pulled(False, True, ()), Pulled(False, False, ())


class Relayed:
    """A relay; whatever it asks is answered by the test."""

    def __init__(self):
        self.clock, self.told, self.sender = Clock(), RecordingObserver(), StandInSender(late=True)
        around = Surroundings(self.sender, self.clock, lambda: 0.0, self.told, Terms(0, 1, 10))
        target = WebhookTarget("http://a.example/", ("client_event",))
        self.receiver = Receiver(App("1", "key", "secret"), target, 1, around, "t")
        self.asked = []
        self.relay = Relay(self, self.clock, self.find, self.told)

    async def _ask(self, *question):
        self.asked.append((question, Deferred()))
        return await self.asked[-1][1]

    async def find(self, queue):
        return await self._ask("find", queue)

    async def pull(self, queue, done, after, most):
        return await self._ask("pull", list(done), after, most)

    async def release(self, queues):
        await self._ask("release", list(queues))

    def answer(self, answer=None):
        """Answer the oldest question, and give it."""
        question, deferred = self.asked.pop(0)
        deferred.callback(answer)
        for _ in range(5):
            turn(self.clock)
        return question

    def claimed(self):
        """Claim the queue and pull an event of it."""
        self.relay.claimed([QUEUE])
        assert self.answer(self.receiver) == ("find", QUEUE)
        assert self.answer(Pulled(True, False, [EVENT])) == ("pull", [], b"", 1)
        assert len(self.sender.requests) == 1


def test_an_event():
    """An event is pulled, sent, and taken off when it was accepted; then the queue is nobody's."""
    made = Relayed()
    made.claimed()
    assert made.sender.bodies()[0]["time_ms"] == 1_000_000
    made.sender.answer()
    turn(made.clock)
    assert made.answer(EMPTY) == ("pull", [b"1-0"], b"1-0", 1)
    assert made.relay.queues == []
    assert made.asked == []


def test_new_events_while_one_is_under_way():
    """No more is taken in hand than the next request needs."""
    made = Relayed()
    made.claimed()
    made.relay.claimed([QUEUE])
    turn(made.clock)
    assert made.answer(Pulled(True, False, [])) == ("pull", [], b"1-0", 0)


def test_claimed_twice_while_it_is_looked_up():
    """There is one claim."""
    made = Relayed()
    made.relay.claimed([QUEUE])
    made.relay.claimed([QUEUE])
    made.answer(made.receiver)
    assert made.answer(made.receiver) == ("find", QUEUE)
    assert made.relay.queues == [QUEUE]
    assert made.answer(Pulled(True, False, [EVENT])) == ("pull", [], b"", 1)
    assert made.answer(Pulled(True, False, [])) == ("pull", [], b"1-0", 0)


def test_lost_with_a_pull():
    """A queue that is another node's by now is left to that one."""
    made = Relayed()
    made.claimed()
    made.relay.claimed([QUEUE])
    turn(made.clock)
    made.answer(OTHERS)
    assert made.relay.queues == []
    assert len(made.sender.cancelled) == 1
    assert made.told == []


def test_lost_while_it_is_pulled():
    """What comes then is not sent."""
    made = Relayed()
    made.relay.claimed([QUEUE])
    made.answer(made.receiver)
    made.relay.lost([QUEUE, Queue("2", "u")])
    made.answer(Pulled(True, False, [EVENT]))
    assert made.sender.requests == []


def test_a_strange_queue():
    """A queue whose target is not known is given back, unless it is another node's or nobody's by now."""
    for pulled, released in ((Pulled(True, False, [EVENT]), True), (OTHERS, False), (EMPTY, False)):
        made = Relayed()
        made.relay.claimed([QUEUE])
        made.answer(None)
        assert made.answer(pulled) == ("pull", [], b"", 1)
        assert [question for question, _ in made.asked] == [("release", [QUEUE])] * released


def test_stopping_while_it_is_looked_up():
    """A queue that comes too late is given back."""
    made = Relayed()
    made.relay.claimed([QUEUE])
    stopped = Deferred.fromCoroutine(made.relay.stop(1))
    assert stopped.called
    made.answer(made.receiver)
    assert made.answer() == ("release", [QUEUE])
    made.relay.claimed([])
    assert made.asked == []
    made.relay.claimed([QUEUE])
    assert made.answer() == ("release", [QUEUE])
    assert made.relay.queues == []
