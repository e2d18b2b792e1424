"""Work for which nobody waits."""

from twisted.logger import LogLevel, capturedLogs

from txpusher.errors import ServiceUnavailable
from txpusher.webhooks.background import run


async def failing(error):
    raise error


def test_a_bug():
    """A bug is logged."""
    with capturedLogs() as logs:
        run(failing, ValueError("x"))
    assert [event["log_level"] for event in logs] == [LogLevel.critical]


def test_what_is_away():
    """That something is away is no line in the log: there is one already."""
    with capturedLogs() as logs:
        run(failing, ServiceUnavailable("Redis is away"))
    assert logs == []
