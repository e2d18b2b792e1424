"""The short way for publishes: what it takes, what it hands to twisted.web, and that nobody can tell the difference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.doubles import LateAdapter
from tests.wire_doubles import (
    Api,
    HttpClient,
    SlowLine,
    chunked,
    event,
    http,
    publish,
    read_responses,
    signed,
)
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.occurrences import ApiCalled
from txpusher.http.fast_lane import MAX_BACKLOG, MAX_HEAD, FastLane
from txpusher.http.requests import ApiChannel

UP = http("GET", "/up")
PUBLISH = publish(event())
BATCH = publish(b'{"batch":[]}', "/apps/1/batch_events")
TARGET = signed("POST", "/apps/1/events", event())


def head(*lines, target=TARGET, version=b"1.1"):
    return b"POST %b HTTP/%b\r\n%b\r\n" % (
        target.encode(),
        version,
        b"".join(line + b"\r\n" for line in lines),
    )


LENGTH = b"Content-Length: %d" % len(event())

# Each with the status that twisted.web answers it with.
UNUSUAL = {
    "another method": (UP, 200),
    "another path": (publish(b"{}", "/apps/1/users/ann/terminate_connections"), 200),
    "no path": (head(LENGTH, target="nowhere") + event(), 404),
    "an app id with an escape": (publish(event(), "/apps/%31/events"), 200),
    "an empty app id": (publish(event(), "/apps//events"), 404),
    "a slash at the end": (publish(event(), "/apps/1/events/"), 404),
    "a path that begins alike": (publish(event(), "/apps/1/events2"), 404),
    "an unknown prefix": (publish(event(), "/ws/apps/1/events"), 404),
    "chunks": (chunked(TARGET, event()[:9], event()[9:]), 200),
    "no length": (head(), 401),
    "an upgrade": (head(b"Upgrade: h2c", LENGTH) + event(), 200),
    "an upgrade without a body": (
        head(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 0"),
        401,
    ),
    "HTTP/1.0": (head(LENGTH, version=b"1.0") + event(), 200),
    "HTTP/9.9": (head(LENGTH, version=b"9.9") + event(), 400),
    "two lengths": (head(LENGTH, b"Content-Length: 1") + event(), 400),
    "a length and chunks": (head(LENGTH, b"Transfer-Encoding: chunked") + event(), 400),
    "a negative length": (head(b"Content-Length: -1"), 400),
    "a length that is no number": (head(b"Content-Length: x"), 400),
    "a length that is empty": (head(b"Content-Length:"), 400),
    "a length beyond all bounds": (head(b"Content-Length: " + b"9" * 30), 413),
    "a length over the limit": (head(b"Content-Length: 501"), 413),
    "no colon": (head(b"nonsense", LENGTH), 400),
    "a control character": (head(b"X: a\x00b", LENGTH), 400),
    "a large head": (head(*[b"X: 0123456789"] * 1200, LENGTH) + event(), 431),
    "a large line": (head(b"X: " + b"x" * MAX_HEAD, LENGTH) + event(), 431),
    "line feeds alone": (head(LENGTH).replace(b"\r\n", b"\n") + b"\r\n\r\n", 400),
    "nonsense": (b"POST nonsense\r\n\r\n", 400),
}


def late_api():
    adapter = LateAdapter(MemoryAdapter(Hub(Clock())), ["publish"])
    return Api(adapter=adapter), adapter


def statuses(client):
    written = client.take().replace(b"HTTP/1.0 ", b"HTTP/1.1 ")
    return [response.status for response in read_responses(written)]


# What it takes


def test_publishes_stay_on_the_fast_lane():
    """A connection of publishes never sees twisted.web."""
    client = Api().fast_lane()
    for request in (PUBLISH, BATCH) * 50:
        assert client.ask(request).status == 200
    assert isinstance(client.protocol, FastLane)


def test_the_port_brings_publishes_here():
    """A connection that begins with a POST comes to the fast lane."""
    client = Api().public_port()
    assert client.ask(PUBLISH).status == 200
    assert isinstance(client.protocol, FastLane)


@pytest.mark.parametrize("path", ["/ws/apps/1/events", "/apps/1/events"])
def test_a_configured_prefix_is_usual(path):
    """With --path-prefix, publishes below the prefix, and without it, stay on the fast lane."""
    client = Api(path_prefix="/ws").fast_lane()
    assert client.ask(publish(event(), path)).status == 200
    assert isinstance(client.protocol, FastLane)


def test_a_fragment_is_taken_for_a_part_of_the_query(way):
    """RFC 9112 knows no fragment here; one that is sent all the same is signed, as twisted.web has it."""
    response = way.ask(Api(), http("POST", f"{TARGET}#top", event()))
    assert response.status == 401
    assert response.error.startswith("Invalid signature: ")


@pytest.mark.parametrize("odd", [b" ", b"\x7f", b"\x80", b"\xff", b"\t"])
def test_odd_characters_in_a_query_are_for_twisted_web(odd):
    """What may not stand in a request line leaves the fast lane, and is answered."""
    client = Api().fast_lane()
    client.receive(b"POST /apps/1/events?a=%b HTTP/1.1\r\n%b\r\n\r\n%b" % (odd, LENGTH, event()))
    assert statuses(client)[0] in {400, 401}
    assert not isinstance(client.protocol, FastLane)


@pytest.mark.parametrize("app_id", ["1", "my-app_2.0~x", "0"])
def test_app_ids_that_need_no_escape_are_usual(app_id):
    """An app id of the characters that never need an escape stays on the fast lane, known or not."""
    client = Api().fast_lane()
    assert client.ask(publish(event(), f"/apps/{app_id}/events")).status in {200, 404}
    assert isinstance(client.protocol, FastLane)


def test_pieces_of_any_size():
    """It does not matter how the network cuts requests to pieces."""
    requests = PUBLISH + BATCH + PUBLISH
    for piece in (*range(1, 50), len(PUBLISH), len(PUBLISH) - 1, len(PUBLISH) + 1, 0):
        api = Api()
        client = api.fast_lane()
        client.receive(requests, piece)
        assert statuses(client) == [200, 200, 200]
        assert isinstance(client.protocol, FastLane)


def test_every_single_cut():
    """A request may be cut in two at any of its bytes."""
    for cut in range(len(PUBLISH)):
        client = Api().fast_lane()
        client.receive(PUBLISH[:cut])
        assert client.take() == b""
        assert client.ask(PUBLISH[cut:]).status == 200


def test_a_large_body_in_many_pieces():
    """A body of a megabyte arrives as it was sent."""
    body = event() + b" " * 1_000_000
    client = Api().fast_lane()
    client.receive(publish(body), 65_536)
    assert statuses(client) == [200]
    assert isinstance(client.protocol, FastLane)


def test_responses_have_a_date():
    """Responses say when they were made, though most are made from one that is a second old at most."""
    api = Api()
    client = api.fast_lane()
    dates = []
    for moment in (0, 0.9, 1, 1.5):
        api.time = 1353088179 + moment
        dates.append(client.ask(PUBLISH).headers["date"])
    assert dates == ["Fri, 16 Nov 2012 17:49:39 GMT"] * 2 + ["Fri, 16 Nov 2012 17:49:40 GMT"] * 2


def test_the_first_second_of_1970():
    """A clock that stands at zero is no reason to answer nothing."""
    api = Api()
    api.time = 0.5
    target = signed("POST", "/apps/1/events", event(), auth_timestamp="0")
    assert api.fast_lane().ask(http("POST", target, event())).status == 200


# Order and endings


def test_pipelined_publishes_are_answered_in_order():
    """Publishes that are sent without waiting are answered and done one after the other."""
    api = Api()
    subscriber = api.node.connect()
    subscriber.subscribe("news")
    subscriber.wire.clear()
    client = api.fast_lane()
    client.receive(
        b"".join(publish(event(data=str(n))) for n in range(20)) + publish(b"[]") + PUBLISH
    )
    assert statuses(client) == [200] * 20 + [400, 200]
    assert [m["data"] for m in subscriber.wire] == [*map(str, range(20)), "hello"]


def test_pipelined_publishes_wait_for_a_late_one():
    """A publish that has to wait keeps those behind it waiting, and their order."""
    api, adapter = late_api()
    client = api.fast_lane()
    client.receive(publish(event(data="1")) + publish(event(data="2")) + publish(b"[]"))
    assert (client.take(), adapter.asked()) == (b"", ["publish"])
    adapter.answer("publish")
    assert (statuses(client), adapter.asked()) == ([200], ["publish"])
    client.receive(publish(event(data="3")))
    adapter.answer("publish")
    assert (statuses(client), adapter.asked()) == ([200, 400], ["publish"])
    adapter.answer("publish")
    assert statuses(client) == [200]
    assert isinstance(client.protocol, FastLane)


def test_an_unusual_request_waits_for_a_late_publish():
    """Also who leaves the fast lane is answered in order."""
    api, adapter = late_api()
    client = api.fast_lane()
    client.receive(PUBLISH + UP + PUBLISH)
    assert client.take() == b""
    adapter.answer("publish")
    assert statuses(client) == [200, 200]
    assert isinstance(client.protocol, ApiChannel)
    adapter.answer("publish")
    assert statuses(client) == [200]


def test_a_client_that_does_not_wait_is_read_no_longer():
    """What a client sends while its publish is late is bounded by the size of a request, and answered in the end."""
    adapter = LateAdapter(MemoryAdapter(Hub(Clock())), ["publish"])
    api = Api(adapter=adapter, max_request_size=5000)
    client = api.fast_lane()
    client.receive(PUBLISH)
    for _ in range(10):
        client.receive(publish(b"[]") * 5)
    assert client.producerState == "paused"
    adapter.answer("publish")
    assert client.producerState == "producing"
    client.receive()
    assert statuses(client) == [200] + [400] * 50


def test_a_client_that_reads_no_answers_is_cut_off():
    """A client that sends on and on without reading its answers is disconnected before they fill the memory."""

    class SlowCaller(SlowLine, HttpClient):
        pass

    client = SlowCaller(FastLane(Api().lane))
    refused = http("POST", "/apps/1/events") * 1000
    for _ in range(100):
        client.receive(refused)
    assert client.disconnected
    assert len(client.take()) < MAX_BACKLOG + 1000


def test_who_leaves_the_lane_is_watched_by_twisted_web():
    """twisted.web has a way of its own with clients that do not read: it stops reading."""

    class SlowCaller(SlowLine, HttpClient):
        pass

    client = SlowCaller(FastLane(Api().lane))
    client.receive(UP)
    assert client.max_backlog == 0
    assert client.on_backlog is None


def test_the_last_publish_of_a_connection():
    """A caller that wants the connection closed is answered and disconnected; what it sends after that is dropped."""
    api = Api(max_request_size=5000)
    client = api.fast_lane()
    client.receive(publish(event(), headers={"Connection": "close"}) + PUBLISH)
    (response,) = client.responses()
    assert (response.status, response.headers["connection"]) == (200, "close")
    assert client.disconnecting
    assert len(api.told.of(ApiCalled)) == 1


def test_the_last_publish_is_late():
    """A late answer closes the connection, too, when the caller asked for that."""
    api, adapter = late_api()
    client = api.fast_lane()
    client.receive(publish(event(), headers={"Connection": "close"}) + PUBLISH)
    adapter.answer("publish")
    assert statuses(client) == [200]
    assert client.disconnecting
    assert adapter.asked() == []


def test_a_client_that_goes_away_during_a_late_publish():
    """A publish is finished though its caller went away; nothing is left of the connection, and nothing is logged."""
    api, adapter = late_api()
    client = api.fast_lane()
    client.receive(publish(event(channel=None, channels=["a", "b"])) + PUBLISH)
    with capturedLogs() as logs:
        client.go_away()
        adapter.answer("publish", "publish")
    assert adapter.asked() == []
    assert [call.status for call in api.told.of(ApiCalled)] == [200]
    assert not logs
    assert api.publishers._touched == {}


def test_a_client_that_goes_away_in_the_middle():
    """Half a request is forgotten with its connection."""
    api = Api()
    client = api.fast_lane()
    client.receive(PUBLISH[:-1])
    client.go_away()
    assert api.publishers._touched == {}
    assert api.told.of(ApiCalled) == []


def test_idle_connections_are_ended():
    """A connection that is not used for a minute and a half is ended; each request gives it the whole time again."""
    api = Api()
    client = api.fast_lane()
    client.ask(PUBLISH)
    api.clock.pump([1] * 80)
    client.ask(PUBLISH)
    api.clock.pump([1] * 89)
    assert not client.disconnected
    api.clock.pump([1] * 2)
    assert client.disconnected


def test_a_late_publish_gives_the_whole_time_again():
    """The time of an idle connection begins when its answer is given."""
    api, adapter = late_api()
    client = api.fast_lane()
    client.receive(PUBLISH)
    api.clock.pump([1] * 60)
    adapter.answer("publish")
    api.clock.pump([1] * 60)
    assert not client.disconnected


def test_connections_that_left_are_not_ended_from_here():
    """Who was handed to twisted.web has the times of twisted.web."""
    api = Api()
    client = api.fast_lane()
    client.receive(UP)
    assert api.publishers._touched == {}


# What it hands over


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_requests_leave_the_lane(name):
    """What is unusual is answered by twisted.web, and just as if it had come there at once."""
    request, status = UNUSUAL[name]
    fast, slow = Api(max_request_size=500).fast_lane(), Api(max_request_size=500).klein()
    fast.receive(request)
    slow.receive(request)
    answer = fast.take()
    # The moment may differ by a second, and only that.
    assert [line for line in answer.split(b"\r\n") if b"Date" not in line] == [
        line for line in slow.take().split(b"\r\n") if b"Date" not in line
    ]
    assert answer.startswith((b"HTTP/1.1 %d " % status, b"HTTP/1.0 %d " % status))
    assert isinstance(fast.protocol, ApiChannel)


@pytest.mark.parametrize("name", [name for name in UNUSUAL if len(UNUSUAL[name][0]) < 2000])
def test_unusual_requests_cut_at_any_byte(name):
    """Nothing is lost when a request turns out to be unusual in its second half."""
    request, status = UNUSUAL[name]
    for cut in range(1, len(request)):
        client = Api(max_request_size=500).fast_lane()
        client.receive(PUBLISH + request[:cut])
        client.receive(request[cut:])
        assert statuses(client) == [200, status]


def test_who_left_the_lane_does_not_come_back():
    """After an unusual request the connection stays with twisted.web, and publishes go on there."""
    client = Api().fast_lane()
    client.receive(PUBLISH + UP + PUBLISH + UP)
    assert statuses(client) == [200] * 4
    assert isinstance(client.protocol, ApiChannel)


def test_a_head_that_never_ends():
    """An endless head is refused when it is too large, though it began as a publish."""
    client = Api().fast_lane()
    client.receive(b"POST /apps/1/events HTTP/1.1\r\nX: ")
    for _ in range(20):
        client.receive(b"x" * 1000)
    assert statuses(client) == [431]


def test_a_head_of_just_the_right_size():
    """A head may be as large as the limit."""
    fixed = len(head(LENGTH, b"X: "))
    large = head(LENGTH, b"X: " + b"x" * (MAX_HEAD - fixed))
    assert len(large) == MAX_HEAD
    client = Api().fast_lane()
    assert client.ask(large + event()).status == 200
    assert isinstance(client.protocol, FastLane)


@given(
    st.lists(
        st.sampled_from([PUBLISH, BATCH, publish(b"[]"), UP, UNUSUAL["chunks"][0]]), max_size=6
    ),
    st.lists(st.integers(1, 400), max_size=20),
)
def test_any_requests_in_any_pieces(requests, sizes):
    """Whatever is sent in whatever pieces, by either way in, each request gets its answer, in order."""
    stream = b"".join(requests)
    expected = {PUBLISH: b"{}", BATCH: b"{}", UP: b"OK", UNUSUAL["chunks"][0]: b"{}"}
    for way in ("fast_lane", "klein", "public_port"):
        client, rest = Api().by(way), stream
        for size in sizes:
            client.receive(rest[:size])
            rest = rest[size:]
        client.receive(rest)
        bodies = [response.body for response in client.responses()]
        assert len(bodies) == len(requests)
        for body, request in zip(bodies, requests, strict=True):
            assert body == expected.get(request, body)


def test_a_bug_while_a_late_answer_is_given():
    """A bug after everything else is logged, and ends this connection."""
    api, adapter = late_api()
    client = api.fast_lane()
    client.receive(PUBLISH)

    def tell(occurrence):
        raise ValueError("a bug")

    api.lane._calls._tell = tell
    with capturedLogs() as logs:
        adapter.answer("publish")
    assert [log["log_failure"].type for log in logs] == [ValueError]
    assert client.disconnecting
