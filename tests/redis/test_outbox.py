"""The outbox in a real Redis: the contract of all outboxes."""

from itertools import count

import pytest
from twisted.internet import reactor  # noqa: TID253 - these tests need a real one
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.contracts.outbox import OutboxContract
from txpusher.adapters.redis import create

_numbers = count(1)


@pytest.mark.usefixtures("_redis_of_case")
class TestRedisOutbox(OutboxContract, TestCase):
    """The contract, over a UNIX socket, with claims that soon end."""

    timeout = 20
    lease = 1.0

    def make_nodes(self, count):
        prefix = f"outbox{next(_numbers)}"
        url = f"redis+unix://{self.redis.path}?prefix={prefix}&heartbeat=0.25&lease={self.lease}"
        return [create(url, reactor) for _ in range(count)]

    def finish(self, test):
        return Deferred.fromCoroutine(test)

    async def wait(self, seconds):
        await deferLater(reactor, seconds)
