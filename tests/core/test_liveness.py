"""Silent clients are asked and, when they stay silent, given up."""

from twisted.internet.task import Clock

from tests.doubles import Node
from txpusher.core.occurrences import ConnectionLost
from txpusher.protocol.activity import Timeouts

TIMEOUTS = Timeouts(120, 30)


def living(timeouts=TIMEOUTS, begin=0.0):
    clock = Clock()
    clock.advance(begin)
    node = Node(clock=clock, timeouts=timeouts)
    node.liveness.start()
    return node


def pass_time(node, seconds, each_second=lambda: None):
    for _ in range(seconds):
        node.clock.advance(1)
        each_second()


def hear(client):
    """Let any bytes of the client arrive now, as the socket notes it."""
    client.connection.last_seen = client.connection.registry.clock.seconds()


def test_a_silent_client_is_closed():
    """After the activity timeout, with its jitter, the client is asked; 30 seconds later it is closed with 4201."""
    node = living()
    client = node.connect()
    client.subscribe("news")
    pass_time(node, 124)
    assert client.wire.pings == 0
    pass_time(node, 2)
    assert client.wire.pings == 1
    pass_time(node, 29)
    assert client.wire.closed is None
    pass_time(node, 2)
    assert client.wire.closed == (4201, "Pong reply not received")
    assert client.wire[-1]["data"] == {"code": 4201, "message": "Pong reply not received"}
    assert node.told.of(ConnectionLost) == [ConnectionLost("1", client.socket_id)]
    assert node.channels() == {}
    assert client.wire.pings == 1
    pass_time(node, 300)
    assert client.wire.too_late == []


def test_a_client_that_only_answers_pings_stays():
    """A client whose WebSocket stack answers pings, and that says nothing else, is there after many timeouts."""
    node = living()
    client = node.connect()
    answered = 0

    def answer():
        nonlocal answered
        if client.wire.pings > answered:
            answered = client.wire.pings
            node.clock.callLater(0.5, hear, client)

    pass_time(node, 10 * 120, answer)
    assert client.wire.closed is None
    assert 8 <= client.wire.pings <= 10


def test_an_answer_at_the_last_moment_counts():
    """A pong that arrives just within the pong timeout keeps the connection."""
    node = living()
    client = node.connect()
    while not client.wire.pings:
        pass_time(node, 1)
    node.clock.advance(29.5)
    hear(client)
    pass_time(node, 60)
    assert client.wire.closed is None
    assert client.wire.pings == 1


def test_a_talking_client_is_not_asked():
    """Who is heard of within every activity timeout is never pinged nor closed."""
    node = living()
    client = node.connect()
    for _ in range(30):
        pass_time(node, 100)
        hear(client)
    assert client.wire.pings == 0
    assert client.wire.closed is None


def test_who_talks_and_then_falls_silent_is_found():
    """Silence is counted from the last sign of life."""
    node = living()
    client = node.connect()
    pass_time(node, 100)
    hear(client)
    pass_time(node, 119)
    assert client.wire.pings == 0
    pass_time(node, 2)
    assert client.wire.pings == 1
    pass_time(node, 31)
    assert client.wire.closed[0] == 4201


def test_a_lost_connection_is_forgotten():
    """Who has gone is not pinged nor kept in memory."""
    node = living()
    client = node.connect()
    client.leave()
    node.liveness.forget(client.connection)
    # No empty sets either: they keep the memory of all who were in them.
    assert node.liveness._due == {}
    pass_time(node, 300)
    assert client.wire.pings == 0
    node.liveness.forget(client.connection)


def test_the_sweep_stops():
    """After stopping nobody is pinged any more; starting again finds everybody."""
    node = living()
    client = node.connect()
    node.liveness.stop()
    node.liveness.stop()
    assert not node.clock.getDelayedCalls()
    pass_time(node, 100)
    node.liveness.start()
    pass_time(node, 200)
    assert client.wire.closed[0] == 4201


def test_a_late_sweep_misses_nobody():
    """When the process was held up for minutes the sweep looks at all that became due meanwhile."""
    node = living(begin=1000.7)
    clients = []
    for _ in range(10):
        clients.append(node.connect())
        node.clock.advance(1)
    node.clock.advance(500)
    assert [client.wire.pings for client in clients] == [1] * 10
    pass_time(node, 32)
    assert all(client.wire.closed[0] == 4201 for client in clients)


def test_clients_of_one_moment_are_not_asked_all_at_once():
    """Jitter spreads the first pings of clients that came together."""
    node = living()
    chances = iter([0.0, 0.45, 0.95])
    node.liveness._chance = lambda: next(chances)
    clients = [node.connect() for _ in range(3)]
    seen = []
    pass_time(node, 135, lambda: seen.append(sum(client.wire.pings for client in clients)))
    assert [seen.index(n) + 1 for n in (1, 2, 3)] == [120, 125, 130]


def test_short_timeouts():
    """Timeouts below a second are kept as well as a sweep a second can."""
    node = living(Timeouts(0.2, 0.2))
    client = node.connect()
    pass_time(node, 1)
    assert client.wire.pings == 1
    pass_time(node, 1)
    assert client.wire.closed[0] == 4201
