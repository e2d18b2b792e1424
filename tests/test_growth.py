"""What the report on growth says of its figures, and how it draws them."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from growing import clients
from growing.chart import Chart
from growing.people import Person
from growing.picture import HEIGHT, LEFT, WIDTH, draw, short


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
    assert person.messages == 2
