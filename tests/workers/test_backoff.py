"""How long to wait before the next try."""

from txpusher.workers.backoff import Backoff


def test_longer_and_longer():
    """Each worker that dies soon is waited for twice as long as the one before, up to a minute."""
    backoff = Backoff()
    assert [backoff.wait(served=59) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_healthy_minute():
    """One that served for a minute makes good for those before it."""
    backoff = Backoff()
    assert [backoff.wait(served) for served in (0, 0, 60, 0)] == [1, 2, 1, 2]
