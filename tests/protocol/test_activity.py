"""When a silent client is asked, and when it is given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.protocol.activity import Timeouts, Verdict, check, first_check

USUAL = Timeouts(activity=120, pong=30)


@pytest.mark.parametrize(("chance", "seconds"), [(0, 120), (0.5, 125), (1, 130)])
def test_first_check(chance, seconds):
    """A connection is looked at after its timeout and up to ten seconds, so that not all are at once."""
    assert first_check(1000, USUAL, chance) == pytest.approx(1000 + seconds)


@pytest.mark.parametrize(
    ("now", "last_seen", "asked_at", "expected"),
    [
        # Heard of lately: wait until it has been silent for the whole timeout.
        (1000, 1000, None, (Verdict.WAIT, 1120)),
        (1119.9, 1000, None, (Verdict.WAIT, 1120)),
        # Silent for long enough: ask, and look again when the answer is due.
        (1120, 1000, None, (Verdict.PING, 1150)),
        (1130, 1000, None, (Verdict.PING, 1160)),
        # Asked: wait for the answer, then give up.
        (1121, 1000, 1120, (Verdict.WAIT, 1150)),
        (1149.9, 1000, 1120, (Verdict.WAIT, 1150)),
        (1150, 1000, 1120, (Verdict.CLOSE, 1150)),
        (1200, 1000, 1120, (Verdict.CLOSE, 1200)),
        # What came in the moment of asking was no answer.
        (1150, 1120, 1120, (Verdict.CLOSE, 1150)),
        # Answered: from the beginning.
        (1150, 1120.1, 1120, (Verdict.WAIT, 1240.1)),
        (1240.1, 1120.1, 1120, (Verdict.PING, 1270.1)),
    ],
)
def test_check(now, last_seen, asked_at, expected):
    """Silence leads to a question, silence after that to the end, and any sign of life back to the start."""
    verdict, look_again = check(now, last_seen, asked_at, USUAL)
    assert verdict is expected[0]
    assert look_again == pytest.approx(expected[1])


SECONDS = st.integers(0, 10_000)
TIMEOUTS = st.builds(Timeouts, st.integers(1, 1000), st.integers(1, 1000))


@given(SECONDS, SECONDS, st.none() | SECONDS, TIMEOUTS)
def test_check_always_goes_on(now, last_seen, asked_at, timeouts):
    """Whatever happened, the next look is in the future, unless the client is given up now."""
    last_seen = min(last_seen, now)
    asked_at = None if asked_at is None else min(asked_at, now)
    verdict, look_again = check(now, last_seen, asked_at, timeouts)
    if verdict is Verdict.CLOSE:
        assert look_again == now
        assert now - last_seen >= timeouts.pong
    else:
        assert look_again > now


def ends(timeouts, chance, answers, looks=20):
    """When a client that is never heard of its own accord is given up, or None; ``answers`` its delay."""
    last_seen, asked_at = 0, None
    now = first_check(0, timeouts, chance)
    for _ in range(looks):
        verdict, look_again = check(now, last_seen, asked_at, timeouts)
        if verdict is Verdict.CLOSE:
            return now
        if verdict is Verdict.PING:
            asked_at = now
            if answers is not None:
                last_seen = now + answers
        now = look_again
    return None


@given(TIMEOUTS, st.floats(0, 1))
def test_client_that_answers_pings_only(timeouts, chance):
    """A client that does nothing but answer pings in time is never closed."""
    assert ends(timeouts, chance, answers=timeouts.pong / 2) is None


@given(TIMEOUTS, st.floats(0, 1))
def test_client_that_answers_nothing(timeouts, chance):
    """A dead client is closed after its timeout, the jitter and the wait for the answer."""
    ended = ends(timeouts, chance, answers=None)
    assert ended == pytest.approx(first_check(0, timeouts, chance) + timeouts.pong)
