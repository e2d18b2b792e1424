"""The fan-out of one channel: who gets what, in which order, and what is said about it."""

from itertools import count
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.doubles import RecordingObserver, turn
from txpusher.core import channel as channel_module
from txpusher.core.channel import LONG_SLICE, MUCH, SLICE, SLICE_TIME, STEP, Channel
from txpusher.core.occurrences import Delivered
from txpusher.core.turn import Turn
from txpusher.protocol.names import Kind


class Socket:
    """A connection and its wire in one; it remembers the writes."""

    def __init__(self):
        self.writes = []
        self.wire = self

    def send(self, frames):
        self.writes.append(frames)

    @property
    def read(self):
        return b"".join(self.writes)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return RecordingObserver()


@pytest.fixture
def channel(clock, told):
    return Channel("1", "news", Kind.PUBLIC, Turn(clock), told)


def crowd(channel, size):
    sockets = [Socket() for _ in range(size)]
    for socket in sockets:
        channel.add(socket)
    return sockets


def test_an_event_is_written_once_to_everybody(channel, clock, told):
    """All subscribers get the very same bytes, each by one write."""
    sockets = crowd(channel, 3)
    channel.deliver([(b"frame", None)])
    turn(clock)
    assert [socket.writes for socket in sockets] == [[b"frame"]] * 3
    assert told == [Delivered("1", Kind.PUBLIC, 3, 15, 0.0)]


def test_what_is_published_in_one_turn_is_one_write(channel, clock, told):
    """Events of several publishers that come in the same turn go out joined, at its end."""
    sender, other = crowd(channel, 2)
    channel.deliver([(b"1", sender)])
    channel.deliver([(b"2", None)])
    newcomer = crowd(channel, 1)[0]
    assert (sender.writes, other.writes) == ([], [])
    turn(clock)
    assert (sender.writes, other.writes, newcomer.writes) == ([b"2"], [b"12"], [])
    assert told == [Delivered("1", Kind.PUBLIC, 3, 3, 0.0)]


def test_who_is_there_already_loses_nothing(channel, clock):
    """Being added again, as by signing in again, does not take away what waits for the end of the turn."""
    (socket,) = crowd(channel, 1)
    channel.deliver([(b"1", None)])
    channel.add(socket)
    turn(clock)
    assert socket.writes == [b"1"]


def test_what_waits_can_be_sent_at_once(channel, clock, told):
    """What was published is not lost when its receivers are about to be disconnected."""
    (socket,) = crowd(channel, 1)
    channel.flush()
    channel.deliver([(b"1", None)])
    channel.flush()
    turn(clock)
    channel.flush()
    assert socket.writes == [b"1"]
    assert len(told) == 1


def test_the_frames_of_a_batch_are_one_write(channel, clock, told):
    """Several events at once cost one write a subscriber and are counted one by one."""
    (socket,) = crowd(channel, 1)
    channel.deliver([(b"1", None), (b"22", None), (b"333", None)])
    turn(clock)
    assert socket.writes == [b"122333"]
    assert told == [Delivered("1", Kind.PUBLIC, 3, 6, 0.0)]


def test_the_sender_is_left_out_of_its_own_frame_only(channel, clock, told):
    """A connection that is excluded from one event of a batch gets the others."""
    sender, other = crowd(channel, 2)
    channel.deliver([(b"1", sender), (b"22", None)])
    turn(clock)
    assert (sender.writes, other.writes) == ([b"22"], [b"122"])
    assert told == [Delivered("1", Kind.PUBLIC, 3, 5, 0.0)]


def test_nothing_is_written_to_somebody_who_may_read_nothing(channel, clock, told):
    """An excluded connection is not even written an empty message."""
    sender, other = crowd(channel, 2)
    channel.deliver([(b"1", sender)])
    turn(clock)
    assert (sender.writes, other.writes) == ([], [b"1"])
    assert told == [Delivered("1", Kind.PUBLIC, 1, 1, 0.0)]


def test_an_excluded_stranger_changes_nothing(channel, clock, told):
    """Excluding a connection that is not on the channel takes nothing from the count."""
    crowd(channel, 2)
    channel.deliver([(b"1", Socket())])
    turn(clock)
    assert told == [Delivered("1", Kind.PUBLIC, 2, 2, 0.0)]


def test_who_left_gets_nothing(channel, clock):
    """After leaving there are no events any more; leaving again does no harm."""
    stays, leaves = crowd(channel, 2)
    channel.remove(leaves)
    channel.remove(leaves)
    channel.deliver([(b"1", None)])
    turn(clock)
    assert (stays.writes, leaves.writes) == ([b"1"], [])


def test_a_slice_is_served_at_once(channel, clock):
    """Up to a slice of subscribers, an event is out when the turn ends."""
    sockets = crowd(channel, SLICE)
    channel.deliver([(b"1", None)])
    turn(clock)
    assert all(socket.writes == [b"1"] for socket in sockets)
    assert not clock.getDelayedCalls()


def test_more_are_served_in_slices(channel, clock, told):
    """After each slice of subscribers everybody else has their turn."""
    sockets = crowd(channel, 2 * SLICE + 1)
    channel.deliver([(b"1", None)])
    turn(clock)
    for served in (SLICE, 2 * SLICE):
        assert [len(socket.writes) for socket in sockets] == [1] * served + [0] * (
            len(sockets) - served
        )
        assert not told
        turn(clock)
    assert all(socket.writes == [b"1"] for socket in sockets)
    assert not clock.getDelayedCalls()
    assert told == [Delivered("1", Kind.PUBLIC, 2 * SLICE + 1, 2 * SLICE + 1, 0.0)]


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_all_of_a_large_channel_can_be_sent_at_once(channel, clock, told, turns):
    """Who is made to leave gets what came before, at the end of whichever slice they would have been served."""
    sockets = crowd(channel, 3 * SLICE + 1)
    channel.deliver([(b"1", None)])
    for _ in range(turns):
        turn(clock)
    channel.deliver([(b"2", None)])
    channel.flush()
    for socket in sockets:
        channel.remove(socket)
    clock.advance(0)
    assert {socket.read for socket in sockets} == {b"12"}
    assert sum(delivered.messages for delivered in told) == 2 * len(sockets)


@pytest.mark.parametrize("place", [0, -1])
def test_a_bug_in_a_round_does_not_silence_the_channel(channel, clock, place):
    """Some may miss what the round was about; what is published after that, and during it, goes out."""
    sockets = crowd(channel, 2 * SLICE)
    channel.replace(sockets[place], lambda frames: 1 / 0 if frames == b"1" else None)
    channel.deliver([(b"1", None)])
    with capturedLogs() as logs:
        turn(clock)
        channel.deliver([(b"2", None)])
        clock.advance(0)
        channel.deliver([(b"3", None)])
        clock.advance(0)
    assert sockets[SLICE].read.endswith(b"23")
    assert [log["log_failure"].type for log in logs] == [ZeroDivisionError]


def test_fewer_are_served_where_it_takes_longer(channel, clock, told):
    """What a send costs does not matter to others: a slice that has lasted long enough ends, and the round goes on."""
    sockets = crowd(channel, 4 * STEP)

    def send(frames):
        sockets[0].writes.append(frames)
        clock.rightNow += SLICE_TIME / (1.5 * STEP)

    for socket in sockets:
        channel.replace(socket, send)
    channel.deliver([(b"1", None)])
    turn(clock)
    assert len(sockets[0].writes) == 4 * STEP  # a small channel is one slice, whatever it takes
    more = crowd(channel, SLICE)
    for socket in more:
        channel.replace(socket, send)
    channel.deliver([(b"2", None)])
    turn(clock)
    assert sockets[0].writes.count(b"2") == 2 * STEP
    clock.advance(0)
    assert sockets[0].writes.count(b"2") == len(sockets) + len(more)
    assert [delivered.messages for delivered in told] == [4 * STEP, 4 * STEP + SLICE]


@pytest.mark.parametrize(("size", "served"), [(MUCH - 1, SLICE), (MUCH, LONG_SLICE)])
def test_publishers_who_are_too_fast_have_to_wait(channel, clock, size, served):
    """While much waits for the end of a round, more is done of the round before others have their turn."""
    sockets = crowd(channel, SLICE + LONG_SLICE + 1)
    channel.deliver([(b"1", None)])
    turn(clock)
    for part in (size - 1, 1):
        channel.deliver([(b"x" * part, None)])
    turn(clock)
    assert sum(len(socket.writes) for socket in sockets) == SLICE + served


def test_what_waited_long_ago_makes_nobody_wait(channel, clock):
    """Only what waits for the round under way counts."""
    sockets = crowd(channel, 2 * SLICE + 1)
    for frame in (b"1", b"x" * MUCH, b"2"):
        channel.deliver([(frame, None)])
        clock.advance(0)
    channel.deliver([(b"3", None)])
    turn(clock)
    assert [len(socket.writes) for socket in sockets] == [4] * SLICE + [3] * (SLICE + 1)


def test_the_time_of_a_delivery_runs_until_the_last_write(channel, clock, told):
    """A delivery took from its publish, not from the end of the round before it, until its last write."""
    crowd(channel, SLICE + 1)
    channel.deliver([(b"1", None)])
    turn(clock)
    clock.rightNow += 2
    channel.deliver([(b"2", None)])
    clock.rightNow += 1
    channel.deliver([(b"3", None)])
    clock.rightNow += 4
    turn(clock)
    turn(clock)
    assert [delivered.seconds for delivered in told] == [7.0, 5.0]


def test_what_is_published_during_a_round_goes_out_joined(channel, clock, told):
    """Events that come while a large channel is served are one write a subscriber afterwards."""
    sockets = crowd(channel, SLICE + 1)
    channel.deliver([(b"1", None)])
    turn(clock)
    channel.deliver([(b"2", None)])
    channel.deliver([(b"3", None), (b"4", None)])
    clock.advance(0)
    assert all(socket.writes == [b"1", b"234"] for socket in sockets)
    receivers = SLICE + 1
    assert [(d.messages, d.size) for d in told] == [
        (receivers, receivers),
        (3 * receivers, 3 * receivers),
    ]


def test_a_newcomer_gets_only_what_is_newer(channel, clock, told):
    """Somebody who comes during a round gets the events that are published from then on."""
    crowd(channel, SLICE + 1)
    channel.deliver([(b"1", None)])
    turn(clock)
    early = crowd(channel, 1)[0]
    channel.deliver([(b"2", None)])
    late = crowd(channel, 1)[0]
    channel.deliver([(b"3", None)])
    latest = crowd(channel, 1)[0]
    clock.advance(0)
    assert [socket.read for socket in (early, late, latest)] == [b"23", b"3", b""]
    assert [d.messages for d in told] == [SLICE + 1, 2 * (SLICE + 1) + 2 + 1]
    channel.deliver([(b"4", None)])
    clock.advance(0)
    assert latest.read == b"4"


def test_who_leaves_during_a_round_gets_nothing_more(channel, clock, told):
    """Somebody who leaves before their turn gets nothing, and is not counted."""
    sockets = crowd(channel, SLICE + 2)
    channel.deliver([(b"12", None)])
    turn(clock)
    channel.deliver([(b"3", None)])
    channel.remove(sockets[-1])
    clock.advance(0)
    assert sockets[-1].read == b""
    assert sockets[-2].read == b"123"
    assert [(d.messages, d.size) for d in told] == [
        (SLICE + 1, 2 * (SLICE + 1)),
        (SLICE + 1, SLICE + 1),
    ]


def test_who_comes_back_during_a_round_is_new(channel, clock, told):
    """Leaving and subscribing again before one's turn does not bring the events from before."""
    sockets = crowd(channel, SLICE + 1)
    channel.deliver([(b"1", None)])
    turn(clock)
    channel.deliver([(b"2", None)])
    for socket in (sockets[0], sockets[-1]):
        channel.remove(socket)
        channel.add(socket)
    channel.deliver([(b"3", None)])
    clock.advance(0)
    assert sockets[0].read == b"13"
    assert sockets[-1].read == b"3"
    assert sockets[1].read == b"123"
    assert [d.messages for d in told] == [SLICE, 2 * (SLICE - 1) + 2]


def test_a_newcomer_who_leaves_again_is_forgotten(channel, clock):
    """Coming and going during a round leaves nothing behind."""
    crowd(channel, SLICE + 1)
    channel.deliver([(b"1", None)])
    turn(clock)
    (guest,) = crowd(channel, 1)
    channel.deliver([(b"2", None)])
    channel.remove(guest)
    clock.advance(0)
    assert guest.read == b""
    channel.add(guest)
    channel.deliver([(b"3", None)])
    clock.advance(0)
    assert guest.read == b"3"


def test_exclusions_hold_in_joined_rounds(channel, clock, told):
    """Each sender misses exactly its own event, also when it was joined with others."""
    sockets = crowd(channel, SLICE + 2)
    channel.deliver([(b"1", sockets[0])])
    turn(clock)
    channel.deliver([(b"2", sockets[1])])
    channel.deliver([(b"3", sockets[-1])])
    clock.advance(0)
    assert [sockets[i].read for i in (0, 1, 2, -1)] == [b"23", b"13", b"123", b"12"]
    everybody = SLICE + 2
    assert [d.messages for d in told] == [everybody - 1, 2 * everybody - 2]


def test_a_newcomer_may_be_the_sender(channel, clock):
    """A newcomer's own event is left out for it, and the one after it is not."""
    crowd(channel, SLICE + 1)
    channel.deliver([(b"1", None)])
    turn(clock)
    (newcomer,) = crowd(channel, 1)
    channel.deliver([(b"2", newcomer)])
    channel.deliver([(b"3", None)])
    clock.advance(0)
    assert newcomer.read == b"3"


def test_a_channel_may_shrink_during_a_round(channel, clock):
    """When most have left, what waits goes out in one slice and the next event does, too."""
    sockets = crowd(channel, SLICE + 1)
    channel.deliver([(b"1", None)])
    turn(clock)
    channel.deliver([(b"2", None)])
    for socket in sockets[1:]:
        channel.remove(socket)
    clock.advance(0)
    channel.deliver([(b"3", None)])
    turn(clock)
    assert sockets[0].writes == [b"1", b"2", b"3"]


def test_rounds_follow_each_other(channel, clock):
    """Events that come during every round keep their order."""
    sockets = crowd(channel, SLICE + 1)
    for frame in (b"1", b"2", b"3", b"4"):
        channel.deliver([(frame, None)])
        turn(clock)
    clock.advance(0)
    assert all(socket.read == b"1234" for socket in sockets)


# What may happen to a channel of five, served two at a time.
people = st.integers(0, 4)
steps = st.one_of(
    st.tuples(st.just("join"), people),
    st.tuples(st.just("leave"), people),
    st.tuples(st.just("publish"), st.lists(st.none() | people, min_size=1, max_size=3)),
    st.tuples(st.just("turn"), st.none()),
)


@given(st.lists(steps, max_size=60))
def test_whatever_happens_everybody_gets_their_own(history):
    """From joining to leaving everybody gets all events, once, in order, without their own, and all are counted."""
    clock, told, frames = Clock(), RecordingObserver(), count()
    channel = Channel("1", "news", Kind.PUBLIC, Turn(clock), told)
    sockets = crowd(channel, 5)
    there, stays = (
        {person: [] for person in range(5)},
        [],
    )  # who is subscribed: what they have to get; and all that is over
    with mock.patch.multiple(channel_module, SLICE=2, STEP=1, LONG_SLICE=3, MUCH=8):
        for step, what in history:
            if step == "join" and what not in there:
                sockets[what].writes = []
                channel.add(sockets[what])
                there[what] = []
            elif step == "leave" and what in there:
                channel.remove(sockets[what])
                stays.append((there.pop(what), sockets[what].writes))
                sockets[what].writes = []
            elif step == "publish":
                batch = [(b"%d," % next(frames), excluded) for excluded in what]
                channel.deliver([(f, None if e is None else sockets[e]) for f, e in batch])
                for person, due in there.items():
                    due.extend(frame for frame, excluded in batch if excluded != person)
            elif step == "turn":
                turn(clock)
        clock.advance(0)
    written = []
    for due, writes in stays:
        read = b"".join(writes)
        assert b"".join(due).startswith(read)
        written.append(read)
    for person, due in there.items():
        assert sockets[person].read == b"".join(due)
        written.append(sockets[person].read)
    for gone in set(range(5)) - there.keys():
        assert sockets[gone].writes == []
    assert sum(d.messages for d in told) == sum(read.count(b",") for read in written)
    assert sum(d.size for d in told) == sum(map(len, written))
