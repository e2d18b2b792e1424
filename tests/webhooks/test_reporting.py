"""What is told and logged about a target."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from tests.doubles import RecordingObserver
from tests.webhook_doubles import event
from txpusher.core.occurrences import WebhookDropped, WebhookFailed, WebhookRetried, WebhookSent
from txpusher.model import WebhookTarget
from txpusher.webhooks.reporting import QUIET_FOR, Reporter

TARGET = WebhookTarget("https://a.example:8443/hook/secret?token=secret", ("client_event",))
EVENTS = [event(1, 0.5), event(2, 1.0, "cache_miss")]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return RecordingObserver()


@pytest.fixture
def reporter(clock, told):
    reporter = Reporter("7", clock, told)
    reporter.name(TARGET, 2)
    return reporter


def lines(logs):
    return [(log["log_level"], log["log_format"].format(**log)) for log in logs]


def test_every_event_is_told(clock, told, reporter):
    """What becomes of events is told one by one, with their app and kind."""
    clock.advance(3)
    reporter.failed(EVENTS, "it answered 500")
    reporter.retried(EVENTS)
    reporter.accepted(EVENTS)
    reporter.dropped(EVENTS, "stopped")
    reporter.expired(EVENTS[:1])
    reporter.overflowed(EVENTS[1])
    assert told == [
        WebhookFailed("7", "client_event"),
        WebhookFailed("7", "cache_miss"),
        WebhookRetried("7", "client_event"),
        WebhookRetried("7", "cache_miss"),
        WebhookSent("7", "client_event", 2.5),
        WebhookSent("7", "cache_miss", 2.0),
        WebhookDropped("7", "client_event", "stopped"),
        WebhookDropped("7", "cache_miss", "stopped"),
        WebhookDropped("7", "client_event", "expired"),
        WebhookDropped("7", "cache_miss", "queue_full"),
    ]


def test_a_line_when_it_begins_and_one_when_it_is_over(reporter):
    """A target that fails is logged when it begins to, and when it is well again; one that works never."""
    with capturedLogs() as logs:
        reporter.accepted(EVENTS)
        for _ in range(3):
            reporter.failed(EVENTS, "it answered 500")
        reporter.accepted(EVENTS)
        reporter.accepted(EVENTS)
        reporter.failed(EVENTS, "no answer in time")
    name = "Webhook target 2 (a.example) of app 7"
    assert lines(logs) == [
        (
            LogLevel.warn,
            f"{name} does not take webhooks: it answered 500; they will be sent again",
        ),
        (LogLevel.info, f"{name} takes webhooks again"),
        (
            LogLevel.warn,
            f"{name} does not take webhooks: no answer in time; they will be sent again",
        ),
    ]
    assert {log["app_id"] for log in logs} == {"7"}


def test_a_line_per_overflow(reporter):
    """A full queue is logged once, and once more when there was room in between."""
    with capturedLogs() as logs:
        reporter.overflowed(EVENTS[0])
        reporter.overflowed(EVENTS[1])
        reporter.relaxed()
        reporter.overflowed(EVENTS[0])
    assert len(logs) == 2
    assert "the oldest events are lost" in lines(logs)[0][1]


def test_a_line_a_minute(clock, reporter):
    """A full queue that the nodes share is logged once a minute at most, and not counted here."""
    with capturedLogs() as logs:
        for _ in range(5):
            reporter.shared_overflowed()
            clock.advance(QUIET_FOR / 2)
    assert len(logs) == 3
    assert "the oldest events are lost" in lines(logs)[0][1]


def test_a_line_about_what_is_lost(reporter):
    """Events that are too old are logged as a number."""
    with capturedLogs() as logs:
        reporter.expired(EVENTS)
    assert lines(logs)[0][1].endswith("did not take 2 events in time; they are lost")


def test_nothing_secret(reporter):
    """No line and no field of one has more of the address than its host."""
    with capturedLogs() as logs:
        reporter.failed(EVENTS, "x")
        reporter.accepted(EVENTS)
        reporter.expired(EVENTS)
        reporter.overflowed(EVENTS[0])
    assert len(logs) == 4
    assert "secret" not in str(logs)
    assert "8443" not in str(logs)
