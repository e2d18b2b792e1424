"""When to try again."""

from txpusher.webhooks.retrying import is_over, pause_after


def test_pauses_grow():
    """Pauses double up to a minute, however many failures there are."""
    pauses = [pause_after(failures, lambda: 0.0) for failures in range(1, 9)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pause_after(100_000, lambda: 0.0) == 60


def test_jitter():
    """Chance takes up to a quarter away, so that pauses still grow."""
    assert pause_after(1, lambda: 1.0) == 0.75
    assert pause_after(2, lambda: 1.0) == 1.5
    assert pause_after(9, lambda: 0.5) == 52.5


def test_five_minutes():
    """After 300 seconds it is over, not before."""
    assert not is_over(10.0, 309.9)
    assert is_over(10.0, 310.0)
