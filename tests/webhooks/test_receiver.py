"""One target with its queue: whose settings count, and whose signature."""

import pytest
from twisted.internet.task import Clock

from tests.doubles import RecordingObserver, turn
from tests.webhook_doubles import StandInSender, event
from txpusher.core.occurrences import WebhookSent
from txpusher.model import App, WebhookTarget
from txpusher.webhooks.queue import Terms
from txpusher.webhooks.receiver import Receiver, Surroundings
from txpusher.webhooks.request import signed

APP = App("1", "key", "secret")
TARGET = WebhookTarget("http://a.example/hook", ("client_event",))


class Made:
    def __init__(self, target=TARGET, terms=Terms(0, 100, 1000)):  # noqa: B008 - immutable
        self.clock, self.sender, self.told = Clock(), StandInSender(), RecordingObserver()
        around = Surroundings(self.sender, self.clock, lambda: 0.0, self.told, terms)
        self.receiver = Receiver(APP, target, 1, around)

    def put(self, *numbers):
        for number in numbers:
            self.receiver.queue.put(event(number))
        turn(self.clock)


def test_a_request():
    """An event goes out as a request of its app to its target, and its acceptance is told."""
    made = Made()
    made.put(1)
    assert made.sender.requests == [signed(APP, TARGET, [event(1)])]
    assert made.told == [WebhookSent("1", "client_event", 0.0)]


def test_a_new_secret():
    """What waits is signed by the secret that the app has when it is sent, and goes by the target's new settings."""
    made = Made()
    made.receiver.queue.put(event(1))
    new, target = App("1", "key2", "secret2"), WebhookTarget(TARGET.url, ("cache_miss",), timeout=1)
    made.receiver.adopt(new, target, 2)
    turn(made.clock)
    assert made.sender.requests == [signed(new, target, [event(1)])]
    assert made.receiver.wants("cache_miss", "a")
    assert not made.receiver.wants("client_event", "a")


@pytest.mark.parametrize(
    ("own", "usual", "expected"),
    [
        ({}, Terms(0, 100, 7), Terms(0, 100, 7)),
        ({}, Terms(2.0, 5, 7), Terms(2.0, 5, 7)),
        ({"batch_window": 1.0}, Terms(0, 100, 7), Terms(1.0, 100, 7)),
        ({"batch_window": 0.0, "batch_size": 3}, Terms(2.0, 5, 7), Terms(0, 3, 7)),
    ],
)
def test_terms(own, usual, expected):
    """What a target says about batches counts, else what the server says."""
    target = WebhookTarget("http://a", ("client_event",), **own)
    assert Made(target, usual).receiver.queue.terms == expected
