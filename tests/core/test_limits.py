"""How many a token bucket lets through."""

from hypothesis import given
from hypothesis import strategies as st

from txpusher.core.limits import TokenBucket


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


def test_a_slow_rate():
    """Less than one a second is never one."""
    bucket = TokenBucket(0, 0.0)
    assert not bucket.take(1000.0)


@given(st.integers(1, 20), st.lists(st.floats(0, 2), max_size=200))
def test_never_more_than_the_rate(rate, pauses):
    """Whatever the pauses, in any time at most a burst and the rate times its seconds get through."""
    bucket, now, passed = TokenBucket(rate, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        passed += bucket.take(now)
        assert passed <= rate + rate * now + 1e-6
