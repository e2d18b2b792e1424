"""The report on growth and the soak run from beginning to end; how much anything costs is not judged here."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import harness
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/growth.py"
CHARTS = {
    "deliveries": ["10"],
    "channels": ["10"],
    "subscriptions": ["1", "10"],
    "members": ["10"],
    "leaving": ["10"],
    "storm": ["100"],
    "payloads": ["10"],
    "memory": ["1", "10"],
}
"""What grows in the smallest form of each."""


def growth(tmp_path, *options):
    # A script finds its modules beside it.
    environment = {**harness.environment(), "PYTHONSAFEPATH": ""}
    return subprocess.run(
        [sys.executable, SCRIPT, *options],
        cwd=tmp_path,
        env=environment,
        timeout=90,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_report(tmp_path):
    """In its smallest form it draws and writes every chart, with a figure for every point of every line."""
    done = growth(tmp_path, "--rounds", "1", "--most", "10", "--into", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    for name, grows in CHARTS.items():
        chart = json.loads((tmp_path / f"out/{name}.json").read_text())
        assert chart["title"] in done.stdout
        assert all(list(line) == grows for line in chart["lines"].values())
        values = [value for line in chart["lines"].values() for value in line.values()]
        assert all(len(rounds) == 1 and rounds[0] > 0 for rounds in values)
        with (tmp_path / f"out/{name}.csv").open(newline="") as file:
            head, *rows = csv.reader(file)
        assert len(head) == 1 + len(chart["lines"])
        assert [row[0] for row in rows] == grows
        assert ET.parse(tmp_path / f"out/{name}.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own
    assert len(list((tmp_path / "out").iterdir())) == 3 * len(CHARTS)


def test_the_soak(tmp_path):
    """In some seconds, too, people come and go, and every number of the server is what the load has counted."""
    done = growth(tmp_path, "--soak", "0.05")
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, memory = done.stdout.splitlines()
    there = [int(line.partition(" connections")[0].split(", ")[-1]) for line in lines]
    assert [bool(count) for count in there] == [True, False] * 2
    assert all(line.endswith("numbers are right") for line in lines)
    assert memory.startswith("memory: ")


@pytest.mark.parametrize("options", [["nothing"], ["--rounds", "no"]])
def test_what_there_is_not(tmp_path, options):
    """A part that does not exist is an error, before anything is measured."""
    done = growth(tmp_path, *options)
    assert done.returncode == 2
    assert done.stdout == ""
