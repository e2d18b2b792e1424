"""What is scraped about the adapter."""

from prometheus_client import CollectorRegistry, generate_latest

from tests.doubles import AwayAdapter, InstantClock, Node
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.errors import ServiceUnavailable
from txpusher.interfaces import Figures
from txpusher.metrics.adapter import AdapterCollector
from txpusher.metrics.families import Families
from txpusher.metrics.snapshot import take


def test_an_adapter_that_works_and_one_that_does_not():
    """The state is that of the moment, and the counters are the adapter's own."""
    adapter = AwayAdapter(MemoryAdapter(Hub(InstantClock())))
    adapter.figures = lambda: Figures(commands=3, reconnects=2, reaped=1)
    node = Node(adapter)
    registry = CollectorRegistry()
    families = Families("txpusher_", lambda: "6001")
    registry.register(AdapterCollector(families, lambda: take(node.registry, (), {})))
    for up in ("1.0", "0.0"):
        lines = generate_latest(registry).decode().splitlines()
        assert [line for line in lines if not line.startswith("#")] == [
            f'txpusher_adapter_up{{port="6001"}} {up}',
            'txpusher_adapter_commands_total{port="6001"} 3.0',
            'txpusher_adapter_reconnects_total{port="6001"} 2.0',
            'txpusher_adapter_reaped_nodes_total{port="6001"} 1.0',
        ]
        adapter.error = ServiceUnavailable("away")
