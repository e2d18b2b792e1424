"""A signed request from its bytes to its answer, and to one subscriber."""

import hashlib
import json
import time

import pytest
from twisted.internet.testing import StringTransport

from txpusher.apps.memory import MemoryApps
from txpusher.core.admission import Admission
from txpusher.http.facade import ApiOptions, HttpApi
from txpusher.idle import Closing
from txpusher.protocol import signatures

OPTIONS = ApiOptions(
    "", 2 * 1024 * 1024, None, 0, ("*",), allow_reserved_events=False, shared_limits=False
)
EVENT = {"name": "event", "channel": "bench", "data": "x" * 100}


def request(path, content):
    """Sign a request as it comes over the network."""
    body = json.dumps(content).encode()
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    query = f"auth_key=key&auth_timestamp={int(time.time())}&auth_version=1.0&body_md5={digest}"
    text = signatures.request_text("POST", path, signatures.parse_query(query))
    signed = f"POST {path}?{query}&auth_signature={signatures.sign('secret', text)} HTTP/1.1\r\n"
    return f"{signed}Host: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("path", "content"),
    [("/apps/1/events", EVENT), ("/apps/1/batch_events", {"batch": [EVENT] * 10})],
    ids=["event", "batch of 10"],
)
def test_publish(benchmark, server, path, content):
    """One event, and ten."""
    subscriber = server.connect("bench")
    apps, closing = MemoryApps([server.app]), Closing(server.clock, 5)
    admission = Admission(apps, server.registry)
    api = HttpApi(server.registry, apps, admission, (), server.tell, server.clock, closing, OPTIONS)
    publisher, transport, signed = api.publishing(), StringTransport(), request(path, content)
    publisher.makeConnection(transport)

    def publish():
        transport.clear()
        publisher.dataReceived(signed)
        server.end_turn()

    benchmark(publish)
    assert transport.value().startswith(b"HTTP/1.1 200 OK\r\n")
    assert subscriber.last.count(b'"event":"event"') == len(content.get("batch", [content]))
