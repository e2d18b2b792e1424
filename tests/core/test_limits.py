"""How many a token bucket lets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from txpusher.core.limits import Buckets, Standing, TokenBucket, standing_of


def test_a_burst_and_no_more():
    """A full bucket lets as many through at once as it may a second, and not one more."""
    bucket = TokenBucket(10, 100.0)
    assert [bucket.take(100.0) for _ in range(12)] == [True] * 10 + [False] * 2


def test_tokens_come_back_one_by_one():
    """Each tenth of a second brings one of ten tokens, not before it is over."""
    bucket = TokenBucket(10, 0.0)
    for _ in range(10):
        bucket.take(0.0)
    assert not bucket.take(0.0999)
    assert bucket.take(0.1)
    assert not bucket.take(0.1)


def test_a_quiet_hour_is_worth_one_second():
    """The bucket never holds more than a second's tokens."""
    bucket = TokenBucket(3, 0.0)
    assert [bucket.take(3600.0) for _ in range(4)] == [True] * 3 + [False]


@given(st.integers(1, 20), st.lists(st.floats(0, 2), max_size=200))
def test_never_more_than_the_rate(rate, pauses):
    """Whatever the pauses, in any time at most a burst and the rate times its seconds get through."""
    bucket, now, passed = TokenBucket(rate, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        passed += bucket.take(now)
        assert passed <= rate + rate * now + 1e-4


def test_a_long_time():
    """A bucket that fills in a minute gives one of sixty tokens a second, after a burst of sixty."""
    bucket = TokenBucket(60, 0.0, 60)
    assert [bucket.take(0.0) for _ in range(61)] == [True] * 60 + [False]
    assert not bucket.take(0.999)
    assert bucket.take(1.0)
    assert not bucket.take(1.5)


def test_what_costs_more_than_there_is_takes_nothing():
    """A refused request leaves the tokens to smaller ones."""
    bucket = TokenBucket(10, 0.0)
    assert bucket.take(0.0, 7)
    assert not bucket.take(0.0, 4)
    assert bucket.take(0.0, 3)


def test_what_costs_more_than_a_bucket_leaves_a_debt():
    """It passes when the bucket is full, and nothing else does until the debt is paid."""
    bucket = TokenBucket(10, 0.0)
    assert bucket.take(0.0, 25)
    assert not bucket.take(1.5)
    assert bucket.take(1.6)
    assert not bucket.take(2.5, 25)
    assert bucket.take(2.6, 25)


@pytest.mark.parametrize(
    ("taken", "cost", "expected"),
    [
        (0, 1, (10, 10, 0, 0)),
        (1, 1, (10, 9, 6, 0)),
        (9, 1, (10, 1, 54, 0)),
        (10, 1, (10, 0, 60, 6)),
        (8, 3, (10, 2, 48, 6)),
        (10, 10, (10, 0, 60, 60)),
        (30, 1, (10, 0, 180, 126)),
        (0, 30, (10, 10, 0, 0)),
        (1, 30, (10, 9, 6, 6)),
    ],
)
def test_how_far_it_is_used_up(taken, cost, expected):
    """A standing has whole tokens and whole seconds, rounded to the side on which a promise holds."""
    bucket = TokenBucket(10, 0.0, 60)
    if taken:
        assert bucket.take(0.0, taken)
    assert bucket.standing(0.0, cost, passed=True) == (True, *expected)


def test_a_standing_between_two_tokens():
    """A part of a token is none, and a part of a second is one."""
    bucket = TokenBucket(10, 0.0, 60)
    bucket.take(0.0, 10)
    assert bucket.standing(7.5, 1, passed=False) == (False, 10, 1, 53, 0)


@given(
    st.integers(1, 1000),
    st.sampled_from([1, 60]),
    st.floats(0, 1e9),
    st.integers(1, 5000),
    st.integers(1, 5000),
)
def test_who_waits_as_told_is_let_through(capacity, seconds, begin, first, second):
    """After retry_after seconds the same request passes, and a second before it does not."""
    begin = float(int(begin))
    bucket = TokenBucket(capacity, begin, seconds)
    assert bucket.take(begin, first)
    wait = bucket.standing(begin, second, passed=False).retry_after
    if wait:
        assert not bucket.take(begin + wait - 1, second)
    assert bucket.take(begin + wait, second)


@given(st.integers(1, 1000), st.integers(1, 5000), st.floats(0, 5))
def test_when_it_is_full(capacity, cost, pause):
    """After reset seconds a bucket is as good as new."""
    bucket = TokenBucket(capacity, 0.0)
    bucket.take(0.0, cost)
    reset = bucket.standing(pause, 1, passed=True).reset
    assert not reset or not bucket.is_full(pause + reset - 1)
    assert bucket.is_full(pause + reset)


def test_more_tokens_from_now_on():
    """A limit that was raised fills faster at once, and gives away no burst by itself."""
    bucket = TokenBucket(10, 0.0)
    bucket.take(0.0, 10)
    bucket.resize(100, 0.0)
    assert not bucket.take(0.0)
    assert bucket.take(0.1, 10)
    assert not bucket.take(0.1)
    assert bucket.take(1.1, 100)


def test_fewer_tokens_from_now_on():
    """A limit that was lowered counts at once, whatever was left of the old one."""
    bucket = TokenBucket(100, 0.0)
    bucket.resize(5, 0.0)
    assert [bucket.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    bucket.resize(5, 0.5)
    assert [bucket.take(1.0) for _ in range(6)] == [True] * 5 + [False]


def test_a_clock_that_is_set_back():
    """When the computer's time is corrected nothing is gained, and tokens come back as before."""
    bucket = TokenBucket(2, 1000.0)
    bucket.take(1000.0, 2)
    assert not bucket.take(10.0)
    assert not bucket.take(10.4)
    assert bucket.take(10.5)


# The buckets of many


def test_everybody_has_a_bucket():
    """What one owner uses up another one still has."""
    buckets = Buckets(Clock(), 60)
    assert buckets.take("a", 1) == Standing(True, 1, 0, 60, 60)
    assert buckets.take("a", 1) == Standing(False, 1, 0, 60, 60)
    assert buckets.take("b", 1).passed


def test_a_changed_limit_counts_at_once():
    """The size of a bucket is that of the moment in which it is asked."""
    buckets = Buckets(Clock(), 1)
    buckets.take("a", 10, 9)
    assert buckets.take("a", 2) == Standing(True, 2, 0, 1, 1)
    assert not buckets.take("a", 100).passed


def test_full_buckets_are_forgotten():
    """Who was quiet for long enough takes no room, once others come."""
    clock = Clock()
    buckets = Buckets(clock, 60)
    for owner in range(100):
        buckets.take(owner, 10)
    clock.advance(5.9)
    buckets.take("early", 10)
    assert len(buckets) == 101
    clock.advance(0.1)
    for owner in range(50):
        buckets.take(f"late {owner}", 10)
    assert len(buckets) == 51


def test_a_bucket_that_is_not_full_is_kept():
    """Others that come meanwhile give nobody a new bucket."""
    clock = Clock()
    buckets = Buckets(clock, 60)
    buckets.take("a", 1)
    clock.advance(59)
    for owner in range(10):
        buckets.take(owner, 1)
    assert not buckets.take("a", 1).passed


def test_strangers_do_not_fill_the_memory():
    """Past the bound the bucket that was used longest ago goes, full or not; one that is in use stays."""
    buckets = Buckets(Clock(), 60, most=10)
    buckets.take("first", 1)
    for owner in range(1000):
        buckets.take(owner, 1)
        assert not buckets.take("busy", 1).passed or owner == 0
        assert len(buckets) <= 10
    assert buckets.take("first", 1).passed


@pytest.mark.parametrize(
    ("tokens", "cost", "standing"),
    [
        (10, 1, Standing(True, 10, 10, 0, 0)),
        (4.5, 1, Standing(True, 10, 4, 1, 0)),
        (0, 5, Standing(True, 10, 0, 1, 1)),
        (-20, 1, Standing(True, 10, 0, 3, 3)),
    ],
)
def test_the_standing_of_a_bucket_elsewhere(tokens, cost, standing):
    """What somebody else has counted is told in the same words, debts as well."""
    told = standing_of(passed=True, tokens=tokens, capacity=10, seconds=1, cost=cost)
    assert told == standing
