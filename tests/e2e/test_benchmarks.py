"""The benchmarks run from beginning to end; what they find is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import harness
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.redis_server import redis_server

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALLEST = "--rounds", "1", "--scale", "0.01", "--json", "out.json"
BROADCASTS = "fanout", "fanout_1k", "fanout_5000", "batches", "tls", "without tls"
RATED = *BROADCASTS, "publish", "channels", "client_events"


@pytest.fixture
def measure(tmp_path):
    """Run a script in its smallest form, and give its figures, all of which it has printed."""

    def run(script, *options):
        # A script finds its modules beside it.
        environment = {**harness.environment(), "PYTHONSAFEPATH": ""}
        done = subprocess.run(
            [sys.executable, BENCHMARKS / script, *SMALLEST, *options],
            cwd=tmp_path,
            env=environment,
            timeout=120,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        figures = json.loads((tmp_path / "out.json").read_text())["figures"]
        assert all(name in done.stdout for name in figures)
        return {name: figure["median"] for name, figure in figures.items()}

    return run


def test_compression(measure):
    """It says what is saved: bytes do not depend on the machine."""
    figures = measure("compression.py", "--subscribers", "3")
    for size, saved in (("200 B", 0.35), ("1 KB", 0.6), ("10 KB", 0.75)):
        assert figures[f"{size}, on, not taken: bytes"] == figures[f"{size}, off: bytes"]
        assert figures[f"{size}, on: bytes to off"] < 1 - saved
        assert figures[f"{size}, on: CPU"] > 0


def test_server(measure):
    """Every work has its figures."""
    figures = measure("run.py", "--idle", "0.5")
    assert figures.keys() == {
        *(f"{work}: {figure}" for work in RATED for figure in ("rate", "CPU", "server", "load")),
        "tls: rate, to that without",
        *(f"{work}: {percent}" for work in ("latency", "bystander") for percent in ("p50", "p99")),
        *("latency: CPU", "connect: rate", "connect: CPU", "memory: resident", "idle: CPU"),
    }
    assert all(figure > 0 for figure in figures.values())


def test_silence(measure):
    """Silent clients answer pings: the server would end them otherwise."""
    options = [f"--server-option=--{name}-timeout=2" for name in ("activity", "pong")]
    figures = measure("run.py", "--work", "idle", "--idle", "5.5", *options)
    assert figures.keys() == {"idle: CPU"}


def test_against_a_revision(measure):
    """A revision is built and measured beside the installed version, with options for both."""
    if not (BENCHMARKS.parent / ".git").exists():
        pytest.skip("needs a git checkout")
    work = "--work", "publish", "--server-option=--no-eager-send"
    figures = measure("run.py", *work, "--against", "HEAD")
    ours, other = figures["publish: rate"], figures["publish, HEAD: rate"]
    assert figures["publish: rate, to that of HEAD"] == pytest.approx(ours / other)
    assert min(figures.values()) > 0
    assert len(figures) == 10


def test_cluster(measure):
    """What does not depend on the machine is as documented."""
    redis_server()
    figures = measure("cluster.py")
    for name in ("fanout, redis: rate", "memory of Redis", "latency on another, p99"):
        assert figures[name] > 0
    nodes = [f"publish, {count} of 3 nodes subscribed" for count in (1, 2, 3)]
    # There are few events, so what else a node may ask meanwhile is seen.
    assert [round(figures[f"{name}: commands"]) for name in nodes] == [1, 1, 1]
    # The reply, and the event to each node that has a subscriber.
    replies, per_node = 4, [figures[f"{name}: sent"] for name in nodes]
    event = per_node[0] - replies
    expected = [replies + event, replies + 2 * event, replies + 3 * event]
    assert per_node == pytest.approx(expected, rel=0.1)
