"""The registry: clients come, subscribe and go."""

import json

import pytest

from txpusher.protocol import signatures

CHANNEL = "presence-bench"
SUBSCRIBE = b'{"event":"pusher:subscribe","data":{"channel":"bench"}}'


def test_connect_and_lose(benchmark, server):
    """A client that is greeted, and gone again."""
    sink = server.connect()

    def connect_and_lose():
        server.registry.connect(server.app, sink).lost()

    benchmark(connect_and_lose)
    assert b"connection_established" in sink.last
    assert server.registry.connection_count() == 1


@pytest.mark.parametrize("others", [0, 10_000])
def test_subscribe_and_lose(benchmark, server, others):
    """A client that is greeted and subscribes, and is gone again; others stay on the channel."""
    for _ in range(others):
        server.connect("bench")
    sink = server.connect()

    def subscribe_and_lose():
        connection = server.registry.connect(server.app, sink)
        connection.received(SUBSCRIBE)
        connection.lost()

    benchmark(subscribe_and_lose)
    assert b"subscription_succeeded" in sink.last
    assert server.registry.connection_count() == others + 1


def test_subscribe_to_presence_and_lose(benchmark, server):
    """A member of a presence channel, alone on it, who comes and goes."""
    sink, data = server.connect(), '{"user_id":"1"}'

    def connect():
        connection = server.registry.connect(server.app, sink)
        text = signatures.channel_text(connection.socket_id, CHANNEL, data)
        auth = f"key:{signatures.sign('secret', text)}"
        fields = {"channel": CHANNEL, "auth": auth, "channel_data": data}
        message = json.dumps({"event": "pusher:subscribe", "data": fields}).encode()
        return (connection, message), {}

    def subscribe_and_lose(connection, message):
        connection.received(message)
        connection.lost()
        server.end_turn()  # others would be told

    benchmark.pedantic(subscribe_and_lose, setup=connect, rounds=2000)
    assert b"subscription_succeeded" in sink.last
