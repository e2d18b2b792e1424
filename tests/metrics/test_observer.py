"""What is counted of what happens."""

import pytest

from txpusher.core import occurrences
from txpusher.core.occurrences import (
    ApiCalled,
    AppsReloaded,
    ChannelOccupied,
    CompressionAgreed,
    ConnectionLost,
    ConnectionOpened,
    ConnectionRefused,
    Delivered,
    MessageDropped,
    MessageReceived,
    MessagesCompressed,
    MessageSent,
    Subscribed,
    Unsubscribed,
)
from txpusher.core.telling import teller
from txpusher.metrics.observer import MetricsObserver
from txpusher.protocol.names import Kind


def after(*happened):
    """Make an observer that has heard this."""
    observer = MetricsObserver()
    for occurrence in happened:
        teller(observer)(occurrence)
    return observer


def test_connections():
    """Opened and lost connections count by app, refused ones by reason as well."""
    seen = after(
        ConnectionOpened("a", "1.1"),
        ConnectionOpened("a", "2.2"),
        ConnectionOpened("b", "3.3"),
        ConnectionLost("a", "1.1"),
        ConnectionRefused("", "unknown_app"),
        ConnectionRefused("a", "over_quota"),
        ConnectionRefused("a", "over_quota"),
    )
    assert seen.opened == {"a": 2, "b": 1}
    assert seen.lost == {"a": 1}
    assert seen.refused == {("", "unknown_app"): 1, ("a", "over_quota"): 2}


def test_messages():
    """Answers to one client and deliveries to many add up to what was sent."""
    seen = after(
        MessageReceived("a", 10),
        MessageReceived("a", 5),
        MessageSent("a", 100),
        Delivered("a", Kind.PUBLIC, 500, 5000, 0.003),
        MessageDropped("a", "slow_client"),
    )
    assert (seen.messages_received["a"], seen.socket_received["a"]) == (2, 15)
    assert (seen.messages_sent["a"], seen.socket_sent["a"]) == (501, 5100)
    assert seen.dropped == {("a", "slow_client"): 1}


def test_compression():
    """Agreements and runs count, and bytes before and after add up."""
    seen = after(
        CompressionAgreed(),
        CompressionAgreed(),
        MessagesCompressed(1000, 200),
        MessagesCompressed(300, 300),
    )
    assert (seen.compression_agreed, seen.compressions) == (2, 2)
    assert (seen.compression_input, seen.compression_output) == (1300, 500)


def test_deliveries_are_timed_by_kind():
    """The time from a publish to its last write goes into the histogram of app and kind."""
    seen = after(
        Delivered("a", Kind.PUBLIC, 1, 10, 0.00005),
        Delivered("a", Kind.PUBLIC, 1, 10, 7.0),
        Delivered("a", Kind.PRESENCE, 1, 10, 0.2),
    )
    assert seen.deliveries.keys() == {("a", Kind.PUBLIC), ("a", Kind.PRESENCE)}
    public = seen.deliveries["a", Kind.PUBLIC]
    assert (public.counts[0], public.counts[-1], sum(public.counts)) == (1, 1, 2)
    assert public.sum == 7.00005


def test_subscriptions():
    """Subscriptions made and ended count by kind."""
    seen = after(
        Subscribed("a", "x", Kind.PUBLIC),
        Subscribed("a", "y", Kind.PUBLIC),
        Subscribed("b", "private-x", Kind.PRIVATE),
        Unsubscribed("a", "x", Kind.PUBLIC),
    )
    assert seen.subscribed == {("a", Kind.PUBLIC): 2, ("b", Kind.PRIVATE): 1}
    assert seen.unsubscribed == {("a", Kind.PUBLIC): 1}


def test_api_calls():
    """Calls count by app, and by status as well."""
    seen = after(
        ApiCalled("a", 200, 100, 2), ApiCalled("a", 413, 50, 40), ApiCalled("", 404, 0, 30)
    )
    assert seen.calls == {"a": 2, "": 1}
    assert seen.responses == {("a", 200): 1, ("a", 413): 1, ("", 404): 1}
    assert seen.http_received == {"a": 150, "": 0}
    assert seen.http_sent == {"a": 42, "": 30}


def test_reloads():
    """Apps that were read again count by whether they could be."""
    seen = after(AppsReloaded(ok=True), AppsReloaded(ok=False), AppsReloaded(ok=True))
    assert seen.reloads == {"ok": 2, "failed": 1}


@pytest.mark.parametrize("stranger", [ChannelOccupied("a", "x"), ("a", "x"), ()])
def test_the_rest_is_ignored(stranger):
    """Occurrences that no metric counts, and those of later versions, change nothing."""
    numbers, untouched = vars(after(stranger)), vars(MetricsObserver())
    assert numbers.pop("hears").keys() == untouched.pop("hears").keys()
    assert numbers == untouched


def test_every_counted_occurrence_exists_once():
    """The table of what is counted names occurrences and nothing else."""
    assert MetricsObserver().hears.keys() <= set(occurrences.Occurrence.__args__)
