"""Messages: what clients say into values, and events into frames."""

import json

from txpusher.model import Limits
from txpusher.protocol import api, codec
from txpusher.protocol.messages import ClientEvent, Subscribe

DATA = "x" * 100


def test_decode_a_subscribe(benchmark):
    message = b'{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"key:0"}}'
    assert isinstance(benchmark(codec.decode, message), Subscribe)


def test_decode_a_client_event(benchmark):
    message = b'{"event":"client-x","channel":"private-x","data":"%b"}' % DATA.encode()
    assert isinstance(benchmark(codec.decode, message), ClientEvent)


def test_frame_an_event(benchmark):
    frame = benchmark(codec.channel_event, "event", "bench", DATA)
    assert json.loads(frame[4:])["data"] == DATA


def test_parse_a_publish(benchmark):
    body = json.dumps({"name": "event", "channels": ["bench"], "data": DATA}).encode()
    publication = benchmark(api.parse_event, body, Limits(), allow_reserved=False)
    assert publication.event.data == DATA


def test_parse_a_batch_of_10(benchmark):
    event = {"name": "event", "channel": "bench", "data": DATA}
    body = json.dumps({"batch": [event] * 10}).encode()
    assert len(benchmark(api.parse_batch, body, Limits(), allow_reserved=False)) == 10
