"""An adapter that connects nobody, for tests of several processes that need no cluster: ``lonely_nodes+x://``."""

from txpusher.adapters import memory


def create(url, reactor):
    """Make a node that knows no other."""
    return memory.create("memory://", reactor)
