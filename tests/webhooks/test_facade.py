"""All of the webhooks together, from an occurrence to a request."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from tests.doubles import RecordingObserver
from tests.webhook_doubles import StandInSender
from txpusher.core.occurrences import (
    CacheMissed,
    ChannelOccupied,
    ChannelVacated,
    ClientEventSent,
    ConnectionOpened,
    MemberAdded,
    MemberRemoved,
    SubscriptionCountChanged,
    WebhookDropped,
    WebhookFailed,
    WebhookRetried,
    WebhookSent,
)
from txpusher.core.telling import teller
from txpusher.interfaces import Health
from txpusher.model import App, WebhookTarget
from txpusher.protocol.signatures import sign
from txpusher.webhooks.facade import Webhooks
from txpusher.webhooks.kinds import KINDS
from txpusher.webhooks.queue import Terms
from txpusher.webhooks.receivers import LEAVING

ALL = tuple(KINDS)
URL = "http://a.example/hook"
TARGET = WebhookTarget(URL, ALL)
APP = App("1", "key", "secret", webhooks=(TARGET,))
OTHER = App("2", "key2", "secret2", webhooks=(TARGET,))
BARE = App("3", "key3", "secret3")


class Server:
    """Webhooks with the apps that exist, and who sends for them."""

    def __init__(self, *apps, sender=None, delay=3.0, terms=Terms(0, 100, 1000)):  # noqa: B008 - immutable
        self.apps = {app.id: app for app in apps or (APP,)}
        self.clock, self.told = Clock(), RecordingObserver()
        self.sender = sender or StandInSender()
        self.webhooks = Webhooks(
            self.apps.get,
            self.sender,
            self.clock,
            lambda: 1_700_000_000.5 + self.clock.seconds(),
            lambda: 0.0,
            self.told,
            delay,
            terms,
        )
        self.webhooks.start()
        self._tell = teller(self.webhooks)

    def tell(self, *occurrences):
        for occurrence in occurrences:
            self._tell(occurrence)
        return self

    def events(self, *occurrences, seconds=0.0):
        """Tell occurrences, wait a while, and give name, channel and user of what was sent."""
        self.tell(*occurrences)
        self.clock.advance(seconds)
        return self.sender.take()

    def change(self, app_id, app):
        """Let an app be another one from now on."""
        self.apps[app_id] = app
        self.webhooks.changed(app_id, app)

    def stop(self, seconds=5.0):
        return Deferred.fromCoroutine(self.webhooks.stop(seconds))


def occupied(channel="a", app="1"):
    return ChannelOccupied(app, channel)


def test_an_event():
    """What happens is sent in Pusher's words, with the time of day, and its acceptance is told."""
    server = Server().tell(occupied())
    server.clock.advance(0)
    assert server.sender.bodies() == [
        {
            "time_ms": 1_700_000_000_500,
            "events": [{"name": "channel_occupied", "channel": "a"}],
        }
    ]
    assert server.told == [WebhookSent("1", "channel_occupied", 0.0)]


def test_every_kind():
    """Every kind reaches the receiver."""
    server = Server()
    events = server.events(
        occupied("presence-a"),
        MemberAdded("1", "presence-a", "10"),
        ClientEventSent("1", "presence-a", "client-e", "{}", "1.1", "10"),
        CacheMissed("1", "cache-a"),
        SubscriptionCountChanged("1", "b", 2),
        MemberRemoved("1", "presence-a", "10"),
        ChannelVacated("1", "presence-a"),
        seconds=3,
    )
    assert events == [
        ("channel_occupied", "presence-a"),
        ("member_added", "presence-a", "10"),
        ("client_event", "presence-a", "10"),
        ("cache_miss", "cache-a"),
        ("subscription_count", "b"),
        ("member_removed", "presence-a", "10"),
        ("channel_vacated", "presence-a"),
    ]


def test_a_page_reload():
    """A channel that is left and occupied again in time causes nothing."""
    server = Server()
    assert server.events(occupied()) == [("channel_occupied", "a")]
    for _ in range(5):
        assert server.events(ChannelVacated("1", "a"), seconds=2) == []
        assert server.events(occupied()) == []
    assert server.events(ChannelVacated("1", "a"), seconds=3) == [("channel_vacated", "a")]


def test_the_time_of_a_retry():
    """What is sent again is the same to the byte, its time included."""
    server = Server(sender=StandInSender("500", "500")).tell(occupied())
    server.clock.pump([0, 1, 2])
    assert len({request.body for request in server.sender.requests}) == 1
    assert len(server.sender.requests) == 3
    assert server.told == [
        WebhookFailed("1", "channel_occupied"),
        WebhookRetried("1", "channel_occupied"),
        WebhookFailed("1", "channel_occupied"),
        WebhookRetried("1", "channel_occupied"),
        WebhookSent("1", "channel_occupied", 3.0),
    ]


@pytest.mark.parametrize(
    "apps", [(BARE,), (replace(APP, enabled=False),), (OTHER,)], ids=["bare", "disabled", "unknown"]
)
def test_nobody_to_tell(apps):
    """An app that has no webhooks, is switched off or does not exist causes no requests, nor timers."""
    server = Server(*apps)
    for app_id in ("1", "3"):
        server.tell(occupied("a", app_id), ChannelVacated(app_id, "a"))
    assert server.clock.getDelayedCalls() == []
    assert server.sender.requests == []


def test_channels_of_users():
    """What happens on the channels of signed-in users is told to nobody."""
    assert Server().events(occupied("#server-to-user-1"), seconds=1) == []


def test_what_it_hears():
    """It hears what kinds of events are made of, and nothing else of the hot path."""
    hears = Server().webhooks.hears
    assert hears.keys() == {kind.occurrence for kind in KINDS.values()}
    assert ConnectionOpened not in hears


# Targets


def targets(*changes):
    return replace(APP, webhooks=tuple(replace(TARGET, **change) for change in changes))


def by_url(server):
    found = {}
    for request in server.sender.requests:
        events = json.loads(request.body)["events"]
        found.setdefault(request.url, []).extend((e["name"], e["channel"]) for e in events)
    return found


def test_each_target_gets_its_own():
    """Each target gets the events that its kinds and filter want, and no request without any."""
    server = Server(
        targets(
            {"url": "http://x", "event_types": ("channel_occupied",)},
            {"url": "http://y", "channel_prefix": "presence-"},
            {"url": "http://z", "event_types": ("client_event",)},
        )
    ).tell(occupied("a"), occupied("presence-b"), CacheMissed("1", "presence-cache-c"))
    server.clock.advance(0)
    assert by_url(server) == {
        "http://x": [("channel_occupied", "a"), ("channel_occupied", "presence-b")],
        "http://y": [("channel_occupied", "presence-b"), ("cache_miss", "presence-cache-c")],
    }


def test_one_address_twice():
    """Two targets with one address are two targets, even when they want the same."""
    server = Server(targets({}, {}, {"event_types": ("cache_miss",)}))
    assert server.events(occupied()) == [("channel_occupied", "a")] * 2


def test_filters_inside_batches():
    """A batch has only what its target wants."""
    server = Server(targets({"channel_suffix": "-eu", "batch_window": 1.0}))
    server.tell(occupied("a-eu"), occupied("b"), occupied("c-eu"))
    server.clock.advance(1)
    assert [[e["channel"] for e in body["events"]] for body in server.sender.bodies()] == [
        ["a-eu", "c-eu"]
    ]


def test_two_apps():
    """The events of two apps never share a request, and each is signed by its own app."""
    server = Server(APP, OTHER, terms=Terms(1.0, 100, 1000))
    server.tell(occupied("a", "1"), occupied("b", "2"), occupied("c", "1"))
    server.clock.advance(1)
    for request in server.sender.requests:
        headers = dict(request.headers)
        app = {"key": APP, "key2": OTHER}[headers["X-Pusher-Key"]]
        assert headers["X-Pusher-Signature"] == sign(app.secret, request.body.decode())
    assert [[e["channel"] for e in body["events"]] for body in server.sender.bodies()] == [
        ["a", "c"],
        ["b"],
    ]


def test_a_receiver_that_is_down_holds_up_no_other():
    """While one target fails, others get their events."""
    server = Server(targets({"url": "http://down"}, {"url": "http://up"}))

    async def send(request):
        server.sender.requests.append(request)
        return "it answered 503" if request.url == "http://down" else None

    server.sender.send = send
    server.webhooks._around = server.webhooks._around._replace(sender=server.sender)
    server.tell(occupied("a"), occupied("b"))
    server.clock.advance(0)
    assert by_url(server) == {
        "http://down": [("channel_occupied", "a")],
        "http://up": [("channel_occupied", "a"), ("channel_occupied", "b")],
    }


# Apps that change


def waiting(server):
    return sum(server.webhooks.waiting().values())


def late_server(*apps, **more):
    return Server(*apps, sender=StandInSender(late=True), **more)


def test_a_target_that_is_removed():
    """What waits for a target that the app has no more is dropped and counted; the others go on."""
    server = late_server(targets({"url": "http://x"}, {"url": "http://y"})).tell(occupied())
    server.clock.advance(0)
    assert waiting(server) == 2
    server.change("1", targets({"url": "http://y"}))
    server.clock.advance(0)
    assert server.told == [WebhookDropped("1", "channel_occupied", "target_removed")]
    assert [request.url for request in server.sender.cancelled] == ["http://x"]
    assert waiting(server) == 1


def test_an_app_without_targets():
    """When an app has no targets any more, all that waits for it is dropped."""
    server = late_server().tell(occupied("a"), occupied("b"), ChannelVacated("1", "a"))
    with capturedLogs() as logs:
        server.change("1", replace(APP, webhooks=()))
    assert server.told == [WebhookDropped("1", "channel_occupied", "target_removed")] * 2
    assert [log["number"] for log in logs] == [2]
    server.clock.advance(10)
    assert server.sender.requests == []
    assert server.clock.getDelayedCalls() == []


GONE = [None, replace(APP, enabled=False)]


@pytest.mark.parametrize("app", GONE)
def test_an_app_that_goes(app):
    """When an app is gone or switched off, its targets are told that its clients leave; then they are told no more."""
    server = Server()
    assert server.events(occupied("a")) == [("channel_occupied", "a")]
    server.change("1", app)
    assert server.events(ChannelVacated("1", "a"), seconds=3) == [("channel_vacated", "a")]
    server.clock.advance(LEAVING)
    assert server.events(occupied("b")) == []
    assert server.told == [
        WebhookSent("1", "channel_occupied", 0),
        WebhookSent("1", "channel_vacated", 0),
    ]
    assert server.clock.getDelayedCalls() == []


@pytest.mark.parametrize("app", GONE)
def test_an_app_that_goes_while_its_receiver_hangs(app):
    """What is not accepted some seconds later is dropped, counted and logged."""
    server = late_server().tell(occupied("a"), occupied("b"))
    server.clock.advance(0)
    server.change("1", app)
    assert server.told == []
    with capturedLogs() as logs:
        server.clock.advance(3 + LEAVING)
    assert server.told == [WebhookDropped("1", "channel_occupied", "target_removed")] * 2
    assert [log["number"] for log in logs] == [2]


@pytest.mark.parametrize("app", GONE)
def test_an_app_that_is_back_in_time(app):
    """What waits goes on when the app is there again."""
    server = late_server().tell(occupied("a"), occupied("b"))
    server.clock.advance(0)
    server.change("1", app)
    server.change("1", APP)
    server.clock.advance(3 + LEAVING)
    assert server.told == []
    assert waiting(server) == 2


def test_a_stop_while_an_app_goes():
    """Nothing is left on the clock."""
    server = Server().tell(occupied("a"))
    server.clock.advance(0)
    server.change("1", None)
    stopping = Deferred.fromCoroutine(server.webhooks.stop(1))
    server.clock.advance(1)
    assert stopping.called
    assert server.clock.getDelayedCalls() == []


def test_an_app_that_changes():
    """What waits for a target whose address stays is sent, by its new settings and the app's new secret."""
    server = late_server().tell(occupied("a"), occupied("b"))
    server.clock.advance(0)
    server.change("1", replace(targets({"timeout": 1.0}), secret="new"))
    server.sender.answer()
    server.clock.advance(0)
    first, second = server.sender.requests
    assert dict(second.headers)["X-Pusher-Signature"] == sign("new", second.body.decode())
    assert (first.timeout, second.timeout) == (10.0, 1.0)
    assert server.told == [WebhookSent("1", "channel_occupied", 0.0)]


def test_a_change_that_nobody_told():
    """An app that is another one at its next occurrence is served as that, told or not."""
    server = Server()
    assert len(server.events(occupied("a"))) == 1
    server.apps["1"] = targets({}, {"url": "http://new"})
    assert len(server.events(occupied("b"))) == 2
    server.apps["1"] = replace(APP, webhooks=())
    assert server.events(occupied("c")) == []


def test_an_app_that_nobody_uses():
    """A change of an app of which nothing was heard yet is nothing to remember."""
    server = Server()
    server.webhooks.changed("9", APP)
    assert server.webhooks.waiting() == {}


# Metrics and health


def test_what_waits():
    """Events that wait are counted by app and kind, with zeros for what the targets want."""
    app = targets({"event_types": ("channel_occupied", "client_event")})
    server = late_server(app, BARE)
    server.tell(occupied("a"), occupied("b"), occupied("c", "3"))
    assert server.webhooks.waiting() == {("1", "channel_occupied"): 2, ("1", "client_event"): 0}


def test_health():
    """When a queue is more than half full, it says whose; when it is not, all is well."""
    server = late_server(
        targets({"url": "http://x"}, {"channel_prefix": "b"}), terms=Terms(0, 1, 4)
    )
    assert server.webhooks.health() == Health()
    server.tell(*(occupied(f"b{number}") for number in range(2)))
    assert server.webhooks.health() == Health()
    server.tell(occupied("b2"))
    assert server.webhooks.health() == Health(False, "webhook target 1 of app 1 is behind")
    server.clock.advance(0)
    assert server.webhooks.health() == Health()


# Stopping


def test_nothing_to_stop():
    """A server without webhooks stops them at once."""
    server = Server(BARE).tell(occupied("a", "3"))
    assert server.stop().called
    assert server.sender.closed == 1
    assert server.clock.getDelayedCalls() == []


def test_flushing():
    """At the stop, who is gone is told of at once, windows close, and everything is sent."""
    server = Server(terms=Terms(60.0, 100, 1000))
    server.tell(occupied("a"), ChannelVacated("1", "a"))
    server.webhooks.close()
    server.tell(occupied("b"), ChannelVacated("1", "b"))
    with capturedLogs() as logs:
        stopped = server.stop()
        server.clock.advance(0)
    assert stopped.called
    assert server.sender.take() == [
        ("channel_occupied", "a"),
        ("channel_vacated", "a"),
        ("channel_occupied", "b"),
        ("channel_vacated", "b"),
    ]
    assert logs == []
    assert server.clock.getDelayedCalls() == []


def test_what_cannot_be_flushed():
    """What is left at the end of the time is counted, and logged as one number."""
    server = late_server(targets({"url": "http://x"}, {"url": "http://y"}))
    server.tell(occupied("a"), occupied("b"))
    with capturedLogs() as logs:
        stopped = server.stop(2.0)
        server.clock.advance(1.9)
        assert not stopped.called
        server.clock.pump([0.1, 0])
    assert stopped.called
    assert server.told == [WebhookDropped("1", "channel_occupied", "stopped")] * 4
    ((level, text),) = [(log["log_level"], log["log_format"].format(**log)) for log in logs]
    assert (level, text) == (
        LogLevel.warn,
        "4 webhook events could not be sent before the stop",
    )


def test_what_comes_too_late():
    """What happens after the stop is dropped and counted."""
    server = Server().tell(occupied("a"))
    server.stop()
    server.clock.advance(0)
    server.told.clear()
    server.tell(ChannelVacated("1", "a"))
    assert server.told == [WebhookDropped("1", "channel_vacated", "stopped")]
    assert server.clock.getDelayedCalls() == []


def test_starting_again():
    """After a stop and another start all is as it was."""
    server = Server().tell(occupied("a"))
    server.stop()
    server.clock.advance(0)
    server.sender.take()
    server.webhooks.start()
    assert server.events(occupied("b")) == [("channel_occupied", "b")]
    assert server.events(ChannelVacated("1", "b"), seconds=2.9) == []
    assert server.events(seconds=0.1) == [("channel_vacated", "b")]


ARRIVALS = {"channel_occupied", "member_added"}
CHANNELS = st.sampled_from(["presence-a", "presence-b"])
TURNS = st.lists(
    st.tuples(CHANNELS, st.sampled_from([None, "ann", "bob"]), st.floats(0, 4)), max_size=30
)


@given(TURNS, st.lists(st.sampled_from([None, "500"]), max_size=8), st.sampled_from([0, 0.5]))
def test_receivers_know_the_truth(turns, problems, window):
    """Whatever happens, and however often the receiver fails: what it was told alternates and ends in the truth."""
    server = Server(sender=StandInSender(*problems), terms=Terms(window, 3, 1000))
    there, told = {}, {}
    for channel, user, seconds in turns:
        there[channel, user] = came = not there.get((channel, user), False)
        if user is None:
            server.tell((ChannelOccupied if came else ChannelVacated)("1", channel))
        else:
            server.tell((MemberAdded if came else MemberRemoved)("1", channel, user))
        server.clock.advance(seconds)
    server.clock.pump([1] * 200)
    server.sender.requests = server.sender.accepted
    for event in server.sender.events():
        key, came = (event["channel"], event.get("user_id")), event["name"] in ARRIVALS
        assert told.get(key, False) is not came
        told[key] = came
    assert {k for k, came in told.items() if came} == {k for k, came in there.items() if came}
