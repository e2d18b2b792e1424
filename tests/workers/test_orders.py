"""What a worker is started with."""

from txpusher.workers.orders import Orders


def test_there_and_back():
    """They go through a command line as text."""
    orders = Orders("a.reactor", "/a b", 2, 5, {"tcp  80": [3, 4]}, ["one", "two"])
    assert Orders.read(str(orders)) == orders
