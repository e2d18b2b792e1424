"""Who hears what."""

from types import SimpleNamespace

from txpusher.core.occurrences import ChannelOccupied, ChannelVacated, ConnectionLost
from txpusher.core.telling import teller


def test_everybody_hears_what_they_asked_for():
    """An occurrence goes to all who hear its kind, in order, and to nobody else."""
    heard = []
    first = SimpleNamespace(hears={ChannelOccupied: lambda o: heard.append(("first", o))})
    second = SimpleNamespace(
        hears={
            ChannelOccupied: lambda o: heard.append(("second", o)),
            ChannelVacated: lambda o: heard.append(("second", o)),
        }
    )
    tell = teller(first, second)
    occupied, vacated = ChannelOccupied("1", "a"), ChannelVacated("1", "a")
    for occurrence in (occupied, vacated, ConnectionLost("1", "1.1")):
        tell(occurrence)
    assert heard == [("first", occupied), ("second", occupied), ("second", vacated)]


def test_nobody():
    """Without observers nothing happens."""
    assert teller()(ChannelOccupied("1", "a")) is None
