"""The benchmark without sockets: what it times does what it says."""

import runpy
from pathlib import Path

import pytest

BENCHMARK = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks/run.py"))
CASES = BENCHMARK["cases"]()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_case_runs(case):
    """None of the calls that are timed fails."""
    case()


def test_a_publish_is_answered_and_delivered(monkeypatch):
    """It is not the time of an error that is told."""
    answers, frames = [], []
    monkeypatch.setattr(BENCHMARK["Nowhere"], "write", lambda self, data: answers.append(data))
    monkeypatch.setattr(BENCHMARK["Nowhere"], "send", lambda self, frame: frames.append(frame))
    publish, broadcast = BENCHMARK["server"](3)
    del frames[:]  # the greetings
    publish()
    assert [answer[:15] for answer in answers] == [b"HTTP/1.1 200 OK"]
    assert len(frames) == 3
    broadcast()
    assert len(frames) == 6
