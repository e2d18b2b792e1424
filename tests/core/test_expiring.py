"""Values that are kept for a time."""

from twisted.internet.task import Clock

from txpusher.core.expiring import Expiring


def test_kept_for_its_time():
    """A value is there with the time it has left, and gone at the end of it."""
    clock = Clock()
    kept = Expiring(clock)
    assert kept.get("a") is None
    kept.put("a", 1, 10)
    clock.advance(9.5)
    assert kept.get("a") == (1, 0.5)
    clock.advance(0.5)
    assert kept.get("a") is None
    assert len(kept) == 0


def test_a_later_value_counts():
    """A value replaces an older one, with all of its time."""
    clock = Clock()
    kept = Expiring(clock)
    kept.put("a", 1, 10)
    clock.advance(9)
    kept.put("a", 2, 10)
    clock.advance(9)
    assert kept.get("a") == (2, 1)


def test_taken_away():
    """What is taken away is gone at once; again does nothing."""
    kept = Expiring(Clock())
    kept.put("a", 1, 10)
    kept.pop("a")
    kept.pop("a")
    assert kept.get("a") is None


def test_the_past_takes_no_memory():
    """What nobody asks for is forgotten when others come."""
    clock = Clock()
    kept = Expiring(clock)
    for number in range(100):
        kept.put(number, number, 1)
    clock.advance(1)
    for number in range(100, 150):
        kept.put(number, number, 1)
    assert len(kept) == 50


def test_times_that_differ():
    """What is kept for long does not keep what is kept shortly."""
    clock = Clock()
    kept = Expiring(clock)
    kept.put("long", 0, 86_400)
    for number in range(1000):
        kept.put(number, number, 1)
        clock.advance(1)
    assert len(kept) <= 3
    assert kept.get("long") == (0, 85_400)
    kept.put("long", 1, 1)
    clock.advance(1)
    assert kept.get("long") is None
