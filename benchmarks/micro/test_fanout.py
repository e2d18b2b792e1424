"""The fan-out: events to the subscribers of a channel, over wires that throw them away."""

import pytest

from txpusher.protocol import codec

FRAME = codec.channel_event("event", "bench", "x" * 100)


@pytest.mark.parametrize("frames", [1, 10])
@pytest.mark.parametrize("subscribers", [1, 500, 10_000])
def test_broadcast(benchmark, server, subscribers, frames):
    """One frame, and ten that go out joined."""
    sinks = [server.connect("bench") for _ in range(subscribers)]
    broadcast = [(FRAME, None)] * frames

    def deliver():
        server.registry.deliver(server.app.id, "bench", broadcast)
        server.end_turn()

    benchmark(deliver)
    assert all(sink.last == FRAME * frames for sink in sinks)
