"""The kinds of events: which occurrence each tells, and in which words."""

import json
import subprocess
import sys

import pytest

from txpusher.core import occurrences
from txpusher.core.occurrences import (
    CacheMissed,
    ChannelOccupied,
    ChannelVacated,
    ClientEventSent,
    MemberAdded,
    MemberRemoved,
    SubscriptionCountChanged,
)
from txpusher.webhooks.kinds import KINDS

CLIENT_EVENT = {
    "channel": "private-a",
    "event": "client-e",
    "data": '{"x":1}',
    "socket_id": "1.2",
}


@pytest.mark.parametrize(
    ("name", "occurrence", "fields"),
    [
        ("channel_occupied", ChannelOccupied("1", "a"), {"channel": "a"}),
        ("channel_vacated", ChannelVacated("1", "a"), {"channel": "a"}),
        (
            "member_added",
            MemberAdded("1", "presence-a", "10"),
            {"channel": "presence-a", "user_id": "10"},
        ),
        (
            "member_removed",
            MemberRemoved("1", "presence-a", "10"),
            {"channel": "presence-a", "user_id": "10"},
        ),
        (
            "client_event",
            ClientEventSent("1", "private-a", "client-e", '{"x":1}', "1.2", None),
            CLIENT_EVENT,
        ),
        (
            "client_event",
            ClientEventSent("1", "private-a", "client-e", '{"x":1}', "1.2", "ann"),
            {**CLIENT_EVENT, "user_id": "ann"},
        ),
        ("cache_miss", CacheMissed("1", "cache-a"), {"channel": "cache-a"}),
        (
            "subscription_count",
            SubscriptionCountChanged("1", "a", 7),
            {"channel": "a", "subscription_count": 7},
        ),
    ],
)
def test_fields(name, occurrence, fields):
    """A kind tells its occurrence in Pusher's words."""
    kind = KINDS[name]
    assert kind.occurrence is type(occurrence)
    assert kind.fields(occurrence) == fields


def test_all_kinds():
    """There are Pusher's seven."""
    assert list(KINDS) == [
        "cache_miss",
        "channel_occupied",
        "channel_vacated",
        "client_event",
        "member_added",
        "member_removed",
        "subscription_count",
    ]


def test_opposites():
    """A kind that waits has the same fields as what undoes it, and every occurrence names app and channel."""
    for kind in KINDS.values():
        assert kind.occurrence in occurrences.Occurrence.__args__
        assert kind.occurrence._fields[:2] == ("app_id", "channel")
        if kind.undone_by is not None:
            assert kind.undone_by._fields == kind.occurrence._fields
    assert {name for name, kind in KINDS.items() if kind.undone_by} == {
        "channel_vacated",
        "member_removed",
    }
    assert {name for name, kind in KINDS.items() if kind.once} == {"cache_miss"}


def test_no_reactor():
    """The kinds are known to the configuration, and that is read before there is a reactor."""
    program = "import json, sys, txpusher.webhooks.kinds; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = json.loads(done.stdout)
    assert "txpusher.webhooks.kinds.cache_miss" in loaded
    assert "twisted.internet.reactor" not in loaded
    assert "twisted.web" not in loaded
