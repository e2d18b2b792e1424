"""The receivers of apps as their settings change."""

from dataclasses import replace

from twisted.internet.task import Clock

from tests.doubles import RecordingObserver
from tests.webhook_doubles import StandInSender
from txpusher.model import App, WebhookTarget
from txpusher.webhooks.queue import Terms
from txpusher.webhooks.receiver import Surroundings
from txpusher.webhooks.receivers import LEAVING, Receivers

A = WebhookTarget("https://a.example/secret-path", ("client_event",))
B = replace(A, url="https://b.example/")
APP = App("1", "key", "secret", webhooks=(A, B))


class Made(Receivers):
    def __init__(self):
        self.clock, told = Clock(), RecordingObserver()
        around = Surroundings(StandInSender(), self.clock, lambda: 0.0, told, Terms(0, 1, 1))
        self.ends = []
        super().__init__(around, lambda app_id, one, last: self.ends.append((app_id, one, last)))


def test_the_same_app():
    """An app that is the same has the same receivers."""
    made = Made()
    first = made.of("1", APP)
    assert made.of("1", APP) is first is made.known("1")
    assert [(app_id, position, one) for app_id, position, one in made] == [
        ("1", 1, first[0]),
        ("1", 2, first[1]),
    ]


def test_names():
    """The name of a queue says nothing of the address, is the same on all nodes, and is another one for each target."""
    names = [one.name for one in Made().of("1", replace(APP, webhooks=(A, B, A)))]
    assert names == [one.name for one in Made().of("1", replace(APP, webhooks=(A, B, A)))]
    assert len(set(names)) == 3
    assert names[0].partition(".")[0] == names[2].partition(".")[0]
    assert not any("secret" in name or "example" in name for name in names)


def test_another_order():
    """A target that has another place is the same receiver."""
    made = Made()
    a, b = made.of("1", APP)
    made.changed("1", replace(APP, webhooks=(B, A)))
    assert made.known("1") == [b, a]
    assert made.ends == []


def test_ends():
    """It is said which receivers end, and which of them was the app's last one."""
    made = Made()
    a, b = made.of("1", APP)
    made.changed("1", replace(APP, webhooks=(B,)))
    assert made.ends == [("1", a, False)]
    made.changed("1", replace(APP, webhooks=()))
    assert made.ends[1:] == [("1", b, True)]
    assert list(made) == []
    made.changed("1", None)
    assert len(made.ends) == 2


def test_an_app_that_goes():
    """Receivers of an app that is off or gone are there until they know that its clients have left."""
    made = Made()
    a, b = made.of("1", APP)
    made.changed("1", replace(APP, enabled=False))
    made.clock.advance(LEAVING - 1)
    made.changed("1", None)
    assert len(list(made)) == 2
    assert made.ends == []
    made.clock.advance(1)
    assert made.ends == [("1", a, True), ("1", b, True)]
    assert list(made) == []
    assert made.clock.getDelayedCalls() == []


def test_an_app_that_is_back():
    """An app that is back in time goes on with the receivers it had."""
    made = Made()
    first = list(made.of("1", APP))
    made.changed("1", None)
    made.changed("1", APP)
    made.clock.advance(LEAVING)
    assert made.of("1", APP) == first
    assert made.ends == []


def test_forgetting_while_an_app_goes():
    """Nothing is left on the clock."""
    made = Made()
    made.of("1", APP)
    made.changed("1", None)
    made.clear()
    assert made.clock.getDelayedCalls() == []


def test_an_app_that_was_not_served():
    """What changes about an app that nobody has asked for is not looked at."""
    made = Made()
    made.changed("1", APP)
    assert list(made) == []


def test_forgetting():
    """All are forgotten at once, and nothing is said."""
    made = Made()
    made.of("1", APP)
    made.clear()
    assert list(made) == made.ends == []
