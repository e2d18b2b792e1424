"""What is worth telling: delays, returns, and what is told once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from txpusher.core.occurrences import (
    CacheMissed,
    ChannelOccupied,
    ChannelVacated,
    ClientEventSent,
    MemberAdded,
    MemberRemoved,
    SubscriptionCountChanged,
)
from txpusher.webhooks.deciding import ONCE_FOR, Decider
from txpusher.webhooks.kind import Kind

OCCUPIED, VACATED = ChannelOccupied("1", "a"), ChannelVacated("1", "a")
ADDED, REMOVED = MemberAdded("1", "presence-a", "ann"), MemberRemoved("1", "presence-a", "ann")


class Decisions(list):
    """A decider on a clock of its own; the list of the kinds it decided to tell."""

    def __init__(self, delay=3.0, **more):
        super().__init__()
        self.clock = Clock()
        self.occurrences = []
        self.decider = Decider(self.clock, delay, self.decided, **more)

    def decided(self, name, occurrence):
        self.append(name)
        self.occurrences.append(occurrence)

    def hear(self, *occurrences):
        for occurrence in occurrences:
            self.decider.hear(occurrence)
        return self


def test_what_is_told_at_once():
    """Whatever cannot be undone is told when it happens."""
    sent = ClientEventSent("1", "private-a", "client-e", "", "1.1", None)
    counted = SubscriptionCountChanged("1", "a", 2)
    decisions = Decisions().hear(OCCUPIED, ADDED, sent, counted, CacheMissed("1", "cache-a"))
    assert decisions == [
        "channel_occupied",
        "member_added",
        "client_event",
        "subscription_count",
        "cache_miss",
    ]
    assert decisions.occurrences[0] is OCCUPIED
    assert decisions.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("gone", "name"), [(VACATED, "channel_vacated"), (REMOVED, "member_removed")]
)
def test_what_waits(gone, name):
    """Whoever is gone is told of when the delay is over."""
    decisions = Decisions().hear(gone)
    decisions.clock.advance(2.9)
    assert decisions == []
    decisions.clock.advance(0.1)
    assert decisions == [name]
    assert decisions.occurrences == [gone]
    assert decisions.clock.getDelayedCalls() == []


@pytest.mark.parametrize(("gone", "back"), [(VACATED, OCCUPIED), (REMOVED, ADDED)])
def test_a_return_in_time(gone, back):
    """Whoever is back in time was never away: neither of the two is told."""
    decisions = Decisions().hear(gone)
    decisions.clock.advance(2.9)
    decisions.hear(back)
    decisions.clock.advance(10)
    assert decisions == []
    assert decisions.hear(back) == [{OCCUPIED: "channel_occupied", ADDED: "member_added"}[back]]


@pytest.mark.parametrize(
    "other",
    [
        ChannelOccupied("1", "b"),
        ChannelOccupied("2", "a"),
        MemberAdded("1", "presence-a", "bob"),
        MemberAdded("1", "presence-b", "ann"),
    ],
)
def test_a_return_of_somebody_else(other):
    """Another channel, app or user undoes nothing."""
    decisions = Decisions().hear(VACATED, REMOVED, other)
    assert len(decisions) == 1
    decisions.clock.advance(3)
    assert decisions[1:] == ["channel_vacated", "member_removed"]


def test_a_late_return():
    """Who comes back after the delay is told of after having been told gone."""
    decisions = Decisions().hear(VACATED)
    decisions.clock.advance(3)
    assert decisions.hear(OCCUPIED) == ["channel_vacated", "channel_occupied"]


def test_one_timer_for_all():
    """Many that wait are told each in its time and order, with one timer."""
    decisions = Decisions()
    for number in range(5):
        decisions.hear(ChannelVacated("1", f"c{number}"))
        assert len(decisions.clock.getDelayedCalls()) == 1
        decisions.clock.advance(1)
        assert len(decisions) == max(0, number - 1)
    decisions.clock.pump([1, 1, 1])
    assert [o.channel for o in decisions.occurrences] == ["c0", "c1", "c2", "c3", "c4"]
    assert decisions.clock.getDelayedCalls() == []


def test_the_first_came_back():
    """A return does not change when the others are told."""
    decisions = Decisions().hear(VACATED)
    decisions.clock.advance(1)
    decisions.hear(OCCUPIED, REMOVED)
    decisions.clock.advance(2.9)
    assert decisions == []
    decisions.clock.advance(0.1)
    assert decisions == ["member_removed"]


def test_no_delay():
    """Without a delay all is told at once."""
    assert Decisions(delay=0).hear(OCCUPIED, VACATED, OCCUPIED) == [
        "channel_occupied",
        "channel_vacated",
        "channel_occupied",
    ]


def test_once():
    """What is told once is told again only after a while, and for each channel of each app."""
    missed = CacheMissed("1", "cache-a")
    decisions = Decisions().hear(missed, missed, CacheMissed("1", "cache-b"))
    decisions.hear(CacheMissed("2", "cache-a"))
    assert decisions == ["cache_miss"] * 3
    decisions.clock.advance(ONCE_FOR)
    assert len(decisions.hear(missed)) == 4


def test_closing():
    """A server that stops tells at once what waits and what comes."""
    decisions = Decisions().hear(VACATED, REMOVED)
    decisions.decider.close()
    assert decisions == ["channel_vacated", "member_removed"]
    decisions.hear(VACATED)
    assert decisions[2:] == ["channel_vacated"]
    decisions.decider.close()
    assert decisions.clock.getDelayedCalls() == []


def test_opening_again():
    """A server that is started again waits again."""
    decisions = Decisions()
    decisions.decider.close()
    decisions.decider.open()
    assert decisions.hear(VACATED) == []


def test_several_kinds_of_one_occurrence():
    """An occurrence may be told by several kinds, and undo several."""
    kinds = {
        "x": Kind(ChannelOccupied, tuple),
        "y": Kind(ChannelOccupied, tuple),
        "not_x": Kind(ChannelVacated, tuple, undone_by=ChannelOccupied),
        "not_y": Kind(ChannelVacated, tuple, undone_by=ChannelOccupied),
    }
    decisions = Decisions(kinds=kinds)
    assert decisions.hear(OCCUPIED) == ["x", "y"]
    decisions.hear(VACATED, OCCUPIED)
    decisions.clock.advance(3)
    assert decisions == ["x", "y"]
    assert decisions.decider.concerns == {ChannelOccupied, ChannelVacated}


CHANNELS = st.sampled_from(["presence-a", "presence-b"])
USERS = st.sampled_from([None, "ann", "bob"])
STEPS = st.lists(
    st.tuples(st.just("turn"), CHANNELS, USERS) | st.tuples(st.just("wait"), st.floats(0, 5)),
    max_size=60,
)


def facts(delay, steps):
    """Let channels and members turn from here to gone and back, and give the truth and what was told."""
    decisions, there = Decisions(delay), {}
    for step in steps:
        if step[0] == "wait":
            decisions.clock.advance(step[1])
            continue
        _, channel, user = step
        there[channel, user] = not there.get((channel, user), False)
        came = there[channel, user]
        if user is None:
            decisions.hear((ChannelOccupied if came else ChannelVacated)("1", channel))
        else:
            decisions.hear((MemberAdded if came else MemberRemoved)("1", channel, user))
    return decisions, there


@given(st.sampled_from([0.0, 1.0, 3.0]), STEPS, st.booleans())
def test_any_sequence(delay, steps, stopping):
    """Whatever happens and when: for each channel and member, comes and goes alternate and end in the truth."""
    decisions, there = facts(delay, steps)
    if stopping:
        decisions.decider.close()
    else:
        decisions.clock.advance(delay)
    told = {}
    for name, occurrence in zip(decisions, decisions.occurrences, strict=True):
        key = (occurrence.channel, getattr(occurrence, "user_id", None))
        came = name in {"channel_occupied", "member_added"}
        assert told.get(key, False) is not came, "told twice"
        told[key] = came
    assert {key for key, came in told.items() if came} == {
        key for key, came in there.items() if came
    }
    assert decisions.clock.getDelayedCalls() == []
