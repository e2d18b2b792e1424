"""What the report on growth says of its figures, and how it draws them."""

import json
import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from growing import clients, storm
from growing.chart import Chart
from growing.people import Caller, Person
from growing.picture import HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw, short
from growing.scrape import samples
from growing.tally import NEVER, Tally

METRICS = (Path(__file__).parents[1] / "docs/metrics.rst").read_text()


@pytest.fixture
def chart():
    return Chart("name", "CPU for something", "somebodies", "µs")


def test_a_line_is_judged_by_its_medians_from_a_point_on(chart):
    """What comes before that point does not count, nor does a round that was far off."""
    for x, values in {1: [9], 10: [2, 2, 90], 100: [2.2, 2.2, 2.2]}.items():
        for value in values:
            chart.add("one", x, value)
    chart.flat("one", 10, 0.25)
    chart.flat("one", 10, 0.05)
    chart.flat("one", 100, 0.25)  # a single point tells nothing
    assert chart.verdicts == [
        "one, from 10 on: the dearest is 10% above the cheapest (goal: at most 25%, met)",
        "one, from 10 on: the dearest is 10% above the cheapest (goal: at most 5%, not met)",
    ]


def test_a_line_may_fall(chart):
    """Where it must not rise, it is judged by its value at a point, not by its least."""
    for x, value in {10: 9, 100: 2, 1000: 2.2, 10_000: 1}.items():
        chart.add("one", x, value)
    chart.no_dearer("one", 100, 0.25)
    chart.no_dearer("one", 100, 0.05)
    chart.no_dearer("one", 10_000, 0.25)  # a single point tells nothing
    assert chart.verdicts == [
        "one, from 100 on: at most 10% dearer than there (goal: 25%, met), 0.50 times as dear in the end",
        "one, from 100 on: at most 10% dearer than there (goal: 5%, not met), 0.50 times as dear in the end",
    ]


def test_a_limit(chart):
    chart.add("one", 10, 150)
    chart.below("one", 200)
    chart.below("one", 100)
    assert chart.verdicts == [
        "one: at most 150 (goal: 200, met)",
        "one: at most 150 (goal: 100, not met)",
    ]


def test_lines_are_compared_point_by_point(chart):
    for x, one, other in ((1, 9, 1), (10, 5, 2), (100, 9, 4)):
        chart.add("one", x, one)
        chart.add("other", x, other)
    chart.above("one", "other", 10)
    assert chart.verdicts == ["one, from 10 on: 3 to 5 µs above other"]


def test_a_table(chart):
    """A cell has the median, with the least and the greatest of several rounds; it may be empty."""
    for value in (1, 3, 1234.5):
        chart.add("one", 1000, value)
    chart.add("other", 10, 0.12345)
    assert chart.rows() == [
        ["somebodies", "one (µs)", "other (µs)"],
        ["10", "", "0.123"],
        ["1,000", "3 [1-1,234]", ""],
    ]


@pytest.mark.parametrize("greatest", [1, 40, 3000])
def test_a_picture(greatest):
    """Every point is within the frame, the greater value higher, and the greatest and the least are written there."""
    text = draw(
        "A < B",
        "somebodies",
        "µs",
        {"one": {10: greatest / 2, 1000: greatest}, "two": {1000: greatest * 0.7}},
    )
    root = ET.fromstring(text)  # noqa: S314 - our own
    tag = "{http://www.w3.org/2000/svg}"
    (x1, y1), (x2, y2), (x3, y3) = (
        (float(circle.get("cx")), float(circle.get("cy"))) for circle in root.iter(f"{tag}circle")
    )
    assert LEFT < x1 < x2 < WIDTH
    assert x3 == x2
    assert 0 < y2 < y3 < y1 < HEIGHT
    texts = [element.text for element in root.iter(f"{tag}text")]
    assert {
        "A < B",
        "somebodies",
        "µs",
        "one",
        "two",
        "10",
        "1,000",
        short(greatest),
        short(greatest * 0.7),
    } <= set(texts)


def test_a_picture_of_many_lines():
    """Each has its colour, and all their names have room above the frame, in two rows."""
    text = draw("title", "connections", "ms", {name: {10: 1, 100: 2} for name in storm.LINES})
    root = ET.fromstring(text)  # noqa: S314 - our own
    tag = "{http://www.w3.org/2000/svg}"
    paths = [path for path in root.iter(f"{tag}path") if path.get("class") == "line"]
    assert len({path.get("stroke") for path in paths}) == len(storm.LINES)
    names = {e.text: (float(e.get("x")), float(e.get("y"))) for e in root.iter(f"{tag}text")}
    places = [names[name] for name in storm.LINES]
    assert len(set(places)) == len(places)
    assert {y for _, y in places} == {TOP - 24, TOP - 8}
    assert all(x + 6 * len(name) < WIDTH - RIGHT for name, (x, _) in names.items() if x > LEFT)


@pytest.mark.parametrize("line", storm.LINES)
def test_those_who_end_by_a_reset_have_not_read_an_event(monkeypatch, line):
    """On each channel something is published in the end; the others have read everything, and so had these."""
    told = []

    class Client:
        def join(self, name, user_id):
            told.append(name)

        def drain(self):
            told.append("read")

    class Publisher:
        def __init__(self, port):
            pass

        def publish(self, channel):
            told.append(("event", channel))

    def connect(port, count, channels):
        told.extend(name for number in range(count) for name in channels(number))
        return [Client() for _ in range(count)]

    monkeypatch.setattr(storm, "connect", connect)
    monkeypatch.setattr(storm, "Publisher", Publisher)
    kind = storm.LINES[line]
    assert len(storm.subscribed(1, 60, kind)) == 60
    prefix = "presence" if "presence" in line else "channel"
    channels = {f"{prefix}-{number}" for number in range(3)}
    joined, rest = told[:60], told[60:]
    assert Counter(joined) == dict.fromkeys(channels, 20)
    events = {("event", channel) for channel in channels}
    assert set(rest[-3:]) == (events if "resets" in line else {"read"} & set(rest))
    assert events.isdisjoint(rest[:-3])


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_messages_are_counted_in_any_pieces(monkeypatch, piece):
    """Those who count messages count whole ones, after the answer to their handshake."""

    class Socket:
        rest = b"HTTP/1.1 101\r\n\r\n\x81\x02ab\x81\x7e\x00\x80%b\x81\x05ab" % bytes(128)

        def recv(self, size):
            come, self.rest = self.rest[:piece], self.rest[piece:]
            return come

        def sendall(self, data):
            pass

    monkeypatch.setattr(clients, "dial", lambda port: Socket())
    person = Person(0)
    while person.receive():
        pass
    assert (person.messages, person.size) == (2, 4 + 132)


class Recording:
    """A connection that gives what it was given, and keeps what is sent."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []

    def recv(self, size):
        return self.answers.pop(0) if self.answers else b""

    def sendall(self, data):
        self.sent.append(data)

    def close(self):
        pass


def test_own_messages_are_counted_by_their_texts(monkeypatch):
    """Neither the handshake nor the heads of frames count."""
    connection = Recording(b"HTTP/1.1 101\r\n\r\n\x81\x16subscription_succeeded")
    monkeypatch.setattr(clients, "dial", lambda port: connection)
    person = Person(0)
    person.socket_id = "1.2"
    person.enter("private-stage")
    _, frame = connection.sent
    text = frame[8:]  # a length of two bytes, and the mask
    message = json.loads(text)
    assert message["event"] == "pusher:subscribe"
    assert message["data"]["channel"] == "private-stage"
    assert message["data"]["auth"].startswith("bench-key:")
    assert (person.sent, person.sent_size) == (1, len(text))


def test_calls_of_the_api_are_counted(monkeypatch):
    """With the bodies of both sides, in however many pieces one comes."""
    channels = b'{"channels":{"presence-a":{"user_count":3}}}'
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    connection = Recording(
        head % 2 + b"{}", head % len(channels), channels[:9], channels[9:], b"HTTP/1.1 413 No"
    )
    monkeypatch.setattr(clients, "dial", lambda port: connection)
    caller = Caller(0)
    caller.publish("one")
    assert caller.members() == {"presence-a": 3}
    bodies = [request.partition(b"\r\n\r\n")[2] for request in connection.sent]
    assert (caller.calls, caller.size) == (2, 2 + len(channels))
    assert caller.sent_size == sum(map(len, bodies)) > 100
    with pytest.raises(RuntimeError, match="refused"):
        caller.publish("one")
    assert caller.calls == 2


def test_samples_are_added_up():
    """Those of several apps as one; by the type of channel or the status, too, but not by other labels."""
    assert samples(
        "# TYPE txpusher_connected gauge\n"
        'txpusher_connected{app_id="1",port="2"} 3.0\n'
        'txpusher_connected{app_id="2",port="2"} 4.0\n'
        'txpusher_http_responses_total{app_id="1",status="200",port="2"} 5.0\n'
        'txpusher_http_responses_total{app_id="1",status="413",port="2"} 1.0\n'
        'txpusher_active_channels{app_id="1",channel_type="private",port="2"} 1e+03\n'
        'txpusher_messages_dropped_total{app_id="1",reason="slow_client",port="2"} 6.0\n'
    ) == {
        "connected": 7,
        "http_responses_total": 6,
        "http_responses_total.200": 5,
        "http_responses_total.413": 1,
        "active_channels": 1000,
        "active_channels.private": 1000,
        "messages_dropped_total": 6,
    }


@pytest.fixture
def person(monkeypatch):
    monkeypatch.setattr(clients, "dial", lambda port: Recording())

    def make(messages, size, sent, sent_size):
        one = Person(0)
        one.messages, one.size, one.sent, one.sent_size = messages, size, sent, sent_size
        return one

    return make


def test_a_tally(person):
    """What has gone counts with what is there, and is over."""
    callers = [Caller(0)]
    tally = Tally(callers)
    callers.append(Caller(0))
    for caller, numbers in zip(callers, ((5, 40, 10), (1, 0, 300)), strict=True):
        caller.calls, caller.sent_size, caller.size = numbers
    tally.left(person(3, 300, 2, 20), {"public": 4, "presence": 1})
    tally.rounds.update(public=6, presence=7)
    expected = tally.expected(
        [person(10, 1000, 1, 11), person(20, 2000, 1, 12)],
        {"public": 1, "private": 2},
        {"public": 3, "private": 2},
    )
    assert {name: number for name, number in expected.items() if number} == {
        "connected": 2,
        "new_connections_total": 3,
        "new_disconnections_total": 1,
        "ws_messages_received_total": 4,
        "ws_messages_sent_total": 33,
        "socket_received_bytes": 43,
        "socket_transmitted_bytes": 3300,
        "subscriptions": 5,
        "active_channels.public": 1,
        "active_channels.private": 2,
        "channel_subscriptions_total.public": 7,
        "channel_subscriptions_total.private": 2,
        "channel_subscriptions_total.presence": 1,
        "channel_unsubscriptions_total.public": 4,
        "channel_unsubscriptions_total.presence": 1,
        "delivery_seconds_count.public": 6,
        "delivery_seconds_count.presence": 7,
        "http_calls_received_total": 6,
        "http_responses_total": 6,
        "http_responses_total.200": 6,
        "http_received_bytes": 40,
        "http_transmitted_bytes": 310,
    }
    assert {name for name, number in expected.items() if not number} == {
        "channel_unsubscriptions_total.private",
        *NEVER,
    }


def test_every_counter_of_the_server_is_compared():
    """Those that measure the process cannot be known; the page on growth says so. And there is no name of none."""
    types = dict(re.findall(r"^   \* - ``(\w+)``\n     - (\w+)$", METRICS, re.MULTILINE))
    tally = Tally([])
    tally.rounds.update(public=1)
    expected = tally.expected([], {"public": 1}, {"public": 1})
    compared = {name.partition(".")[0].removesuffix("_count") for name in expected}
    assert compared <= types.keys()
    assert {name for name in types.keys() - compared if types[name] != "gauge"} == {
        "event_loop_lag_seconds",
        "process_cpu_seconds_total",
        "python_gc_collections_total",
        "python_gc_objects_collected_total",
        "python_gc_objects_uncollectable_total",
        "worker_restarts_total",
    }
