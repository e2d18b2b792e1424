"""Requests as they come over a connection: bounded while they arrive, answered in order, refused in JSON."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.web.resource import Resource

from tests.doubles import LateAdapter
from tests.wire_doubles import Api, HttpClient, chunked, event, http, publish, signed
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.occurrences import ApiCalled
from txpusher.http.exchange import EMPTY
from txpusher.http.requests import LINGER, ApiSite

UP = http("GET", "/up")
LIMIT = 200


def late_api():
    clock = Clock()
    adapter = LateAdapter(MemoryAdapter(Hub(clock)), ["publish"])
    return Api(adapter=adapter), adapter


# Connections


def test_a_connection_is_kept():
    """Many requests go over one connection."""
    client = Api().klein()
    for _ in range(100):
        assert client.ask(UP).status == 200
    assert not client.disconnecting


def test_pipelined_requests_are_answered_in_order():
    """Requests that are sent without waiting are answered one after the other."""
    client = Api().klein()
    client.receive(UP + publish(event()) + http("GET", "/nowhere") + UP)
    assert [response.status for response in client.responses()] == [200, 200, 404, 200]


def test_pipelined_requests_wait_for_a_late_one():
    """An answer that has to wait keeps those behind it waiting."""
    api, adapter = late_api()
    client = api.klein()
    client.receive(publish(event()) + UP)
    assert client.take() == b""
    adapter.answer("publish")
    client.receive()
    assert [r.body for r in client.responses()] == [b"{}", b"OK"]


def test_a_client_that_does_not_wait_is_read_no_longer():
    """What a client sends while its publish is late is bounded, and answered in the end."""
    api, adapter = late_api()
    client = api.klein()
    client.receive(publish(event()))
    for _ in range(1000):
        client.receive(UP)
    assert client.producerState == "paused"
    adapter.answer("publish")
    client.receive()
    assert len(client.responses()) == 1001


@pytest.mark.parametrize(
    "request_bytes",
    [http("GET", "/up", headers={"Connection": "close"}), http("GET", "/up", version="1.0")],
)
def test_a_connection_that_is_not_kept(request_bytes):
    """A caller that wants the connection closed, and any of HTTP/1.0, is answered and disconnected."""
    client = Api().klein()
    client.receive(request_bytes + UP)
    assert client.take().count(b"HTTP/1.") == 1
    assert client.disconnecting


def test_an_idle_connection_is_closed():
    """A connection that is not used for a minute and a half is closed: later than common proxies close theirs."""
    api = Api()
    client = api.klein()
    client.ask(UP)
    api.clock.advance(89)
    assert not client.disconnecting
    api.clock.advance(1)
    assert client.disconnecting


def test_half_a_request_is_not_kept_for_ever():
    """A client that stops in the middle of a request is disconnected, too."""
    api = Api()
    client = api.klein()
    client.receive(UP[:10])
    api.clock.advance(90)
    assert client.disconnecting


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64])
def test_requests_in_pieces(piece):
    """It does not matter how the network cuts a request, of any kind, to pieces."""
    client = Api().klein()
    target = signed("POST", "/apps/1/events", event())
    client.receive(publish(event()) + UP + chunked(target, event()[:5], event()[5:]) + UP, piece)
    assert [response.status for response in client.responses()] == [200, 200, 200, 200]


# Bodies


def test_a_chunked_body():
    """A body may come in chunks."""
    body = event()
    target = signed("POST", "/apps/1/events", body)
    assert (
        Api().klein().ask(chunked(target, *[body[i : i + 1] for i in range(len(body))])).status
        == 200
    )


def test_a_client_that_asks_before_it_sends(way):
    """A client such as curl asks before it sends a large body, and is told to go on."""
    client = way.connect(Api())
    target = signed("POST", "/apps/1/events", event())
    head, _, body = http("POST", target, event(), {"Expect": "100-continue"}).partition(b"\r\n\r\n")
    client.receive(head + b"\r\n\r\n")
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert client.ask(body).status == 200


def test_forms_are_not_parsed():
    """A body that claims to be a form is taken as it is, and nothing is made of it."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert Api().klein().ask(publish(event(), headers=headers)).status == 200


def too_large(response):
    assert response.status == 413
    assert f"{LIMIT} bytes" in response.error
    assert "--max-request-size" in response.error
    assert response.headers["connection"] == "close"
    assert response.headers["access-control-allow-origin"] == "*"


def test_a_body_may_have_as_many_bytes_as_allowed():
    """The limit itself is allowed, announced or in chunks."""
    body = event().ljust(LIMIT)
    target = signed("POST", "/apps/1/events", body)
    api = Api(max_request_size=LIMIT)
    assert api.klein().ask(http("POST", target, body)).status == 200
    assert api.klein().ask(chunked(target, body)).status == 200


def test_a_body_that_is_announced_to_be_too_large(way):
    """A body that will be too large is refused before any of it is sent."""
    api = Api(max_request_size=LIMIT)
    client = way.connect(api)
    too_large(
        client.ask(b"POST /apps/1/events HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1))
    )
    assert [call.status for call in api.told.of(ApiCalled)] == [413]


def test_a_client_that_asks_whether_it_may_send_too_much(way):
    """Who asks first is refused, and not told to go on after that."""
    head = b"POST /apps/1/events HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    too_large(way.connect(Api(max_request_size=LIMIT)).ask(head % (LIMIT + 1)))


@pytest.mark.parametrize("piece", [1, 10, 100, 0])
@pytest.mark.parametrize("further", [b"", UP, b"nonsense\r\n\r\n" * 3])
def test_a_chunked_body_that_gets_too_large(way, piece, further):
    """A body in chunks is refused once, as soon as it is too large; nothing of it is published, nor what follows."""
    api = Api(max_request_size=LIMIT)
    subscriber = api.node.connect()
    subscriber.subscribe("news")
    subscriber.wire.clear()
    body = event(data="x" * LIMIT)
    target = signed("POST", "/apps/1/events", body)
    client = way.connect(api)
    too_large(
        client.ask(
            chunked(target, *[body[i : i + 40] for i in range(0, len(body), 40)]) + further, piece
        )
    )
    assert not subscriber.wire
    assert [call.status for call in api.told.of(ApiCalled)] == [413]


def test_broken_chunks_after_the_limit():
    """What is sent after a refusal is not looked at, whatever it is."""
    client = Api(max_request_size=LIMIT).klein()
    head = b"POST /apps/1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    too_large(client.ask(head + b"%x\r\n%b\r\nzzz\r\n" % (LIMIT + 1, b"x" * (LIMIT + 1))))


def test_a_refused_client_reads_the_answer():
    """A refused client may send on for a while, so that it gets to read the answer; then the connection ends."""
    api = Api(max_request_size=LIMIT)
    client = api.klein()
    client.receive(http("POST", "/apps/1/events", b"x" * (LIMIT + 1)))
    client.take()
    for _ in range(10):
        client.receive(b"x" * 1000)
    api.clock.advance(LINGER - 0.1)
    assert not client.disconnecting
    api.clock.advance(0.1)
    assert client.disconnecting
    assert client.take() == b""


def test_a_refused_client_that_goes_away():
    """A refused client may go before its time is over."""
    api = Api(max_request_size=LIMIT)
    client = api.klein()
    client.receive(http("POST", "/apps/1/events", b"x" * (LIMIT + 1)))
    with capturedLogs() as logs:
        client.go_away()
        api.clock.advance(LINGER)
    assert not logs


# Nonsense


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /up\r\n\r\n",
        b"GET  /up HTTP/1.1\r\n\r\n",
        b"GET /up HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
        b"G\xffT /up HTTP/1.1\r\n\r\n",
        b"GET /up HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /up HTTP/1.1\r\nX: a\x00b\r\n\r\n",
        b"GET /up HTTP/1.1\r\nX Y: z\r\n\r\n",
        b"POST /up HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /up HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /up HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /up HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /up HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    ],
)
def test_what_is_not_http_is_refused(request_bytes):
    """Anything that is no HTTP/1 request is answered 400, once, in JSON, and the connection ends."""
    api = Api()
    client = api.klein()
    with capturedLogs() as logs:
        client.receive(request_bytes + UP)
    (response,) = client.responses()
    assert (response.status, response.error) == (400, "This is not a valid HTTP request")
    assert response.headers["connection"] == "close"
    assert [call.status for call in api.told.of(ApiCalled)] == [400]
    assert not logs
    api.clock.advance(LINGER)
    assert client.disconnecting


@pytest.mark.parametrize(
    "head",
    [
        b"GET /%b HTTP/1.1\r\n" % (b"x" * 17000),
        b"GET /up HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * 17000),
        b"GET /up HTTP/1.1\r\n" + b"X: 0123456789\r\n" * 1200 + b"\r\n",
        b"GET /up HTTP/1.1\r\n" + b"X: \r\n" * 501 + b"\r\n",
        b"GET /up HTTP/1.1\r\nX: " + b"x" * 17000,
    ],
)
@pytest.mark.parametrize("piece", [0, 1000])
def test_a_head_that_is_too_large(head, piece):
    """Heads are bounded while they arrive: lines, all of them together, and their number."""
    client = Api().klein()
    client.receive(head, piece)
    (response,) = client.responses()
    assert response.status == 431
    assert "16384 bytes" in response.error
    assert "500 headers" in response.error
    assert response.headers["connection"] == "close"


def test_empty_lines_before_a_request():
    """An empty line before a request, as careless clients send it, is skipped."""
    assert Api().klein().ask(b"\r\n" + UP).status == 200


def test_methods_in_lower_case():
    """A method in lower case is still that method."""
    assert Api().klein().ask(b"get /up HTTP/1.1\r\nHost: x\r\n\r\n").status == 200


# The site


class Broken(Resource):
    """A resource with a bug."""

    isLeaf = True

    def render(self, request):
        raise ValueError("secret")


def test_a_bug_outside_of_the_routes():
    """A bug in finding the route is answered 500 in JSON and logged, and the connection stays."""
    api = Api()
    site = ApiSite(Broken(), api.clock, api.cors, api.told, api.closing)
    client = HttpClient(site.buildProtocol(None))
    with capturedLogs() as logs:
        for _ in range(2):
            response = client.ask(UP)
            assert (response.status, response.error) == (500, "Internal server error")
    assert len(logs) == 2


class BrokenAfterwards(Resource):
    """A resource with a bug that comes to light when it has answered."""

    isLeaf = True

    def render(self, request):
        request.answer(EMPTY)
        raise ValueError


def test_a_bug_after_the_answer():
    """A bug that comes too late to be answered is logged all the same, and no second answer is sent."""
    api = Api()
    site = ApiSite(BrokenAfterwards(), api.clock, api.cors, api.told, api.closing)
    with capturedLogs() as logs:
        assert HttpClient(site.buildProtocol(None)).ask(UP).body == b"{}"
    assert len(logs) == 1


def test_no_line_is_logged_for_a_request():
    """Requests are counted, not logged."""
    with capturedLogs() as logs:
        Api().klein().ask(UP)
    assert not logs


def test_nothing_says_what_the_server_is():
    """No response names the server software."""
    assert "server" not in Api().klein().ask(UP).headers
