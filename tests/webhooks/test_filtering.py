"""What a target wants."""

import pytest

from txpusher.model import WebhookTarget
from txpusher.webhooks.filtering import Filter


@pytest.mark.parametrize(
    ("parts", "wanted", "not_wanted"),
    [
        ({}, ["a", "presence-a"], []),
        ({"channel_prefix": "presence-"}, ["presence-a"], ["a", "a-presence-"]),
        ({"channel_suffix": "-eu"}, ["a-eu"], ["a-eu-b", "a"]),
        ({"channel_pattern": "room-[0-9]+$"}, ["room-1", "the-room-22"], ["room-", "room-1a"]),
        (
            {"channel_prefix": "presence-", "channel_suffix": "1", "channel_pattern": "^.*room"},
            ["presence-room-1"],
            ["room-1", "presence-room-2", "presence-hall-1"],
        ),
    ],
)
def test_channels(parts, wanted, not_wanted):
    """All parts of a filter have to hold; those that are not there always do."""
    wants = Filter(WebhookTarget("http://a", ("cache_miss",), **parts)).wants
    assert all(wants("cache_miss", channel) for channel in wanted)
    assert not any(wants("cache_miss", channel) for channel in not_wanted)


def test_kinds():
    """Only the kinds that are named are wanted."""
    wants = Filter(WebhookTarget("http://a", ("cache_miss", "member_added"))).wants
    assert wants("member_added", "a")
    assert not wants("member_removed", "a")
