"""The outbox in memory, which stands in for a real one: the contract of all outboxes."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.outbox import OutboxContract
from tests.doubles import now
from tests.outbox_doubles import LEASE, OutboxHub
from txpusher.adapters.memory import Hub


class TestMemoryOutbox(OutboxContract, SynchronousTestCase):
    """The contract, with a clock of our own."""

    lease = LEASE

    def setUp(self):
        self.clock = Clock()
        self.clock.advance(1000)

    def make_nodes(self, count):
        shared = OutboxHub(Hub(self.clock), self.clock)
        return [shared.node(str(number)) for number in range(count)]

    def finish(self, test):
        now(test)

    async def wait(self, seconds):
        self.clock.advance(seconds)
