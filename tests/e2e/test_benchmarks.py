"""The benchmark of a cluster runs from beginning to end; what it finds is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import harness
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.redis_server import redis_server

SCRIPT = Path(__file__).parents[2] / "benchmarks/cluster.py"


def test_cluster(tmp_path):
    """In its smallest form it says every figure, and what does not depend on the machine is as documented."""
    redis_server()
    command = [sys.executable, SCRIPT, "--rounds", "1", "--scale", "0.01", "--json", "out.json"]
    # A script finds its modules beside it.
    environment = {**harness.environment(), "PYTHONSAFEPATH": ""}
    done = subprocess.run(
        command,
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
    for name in ("fanout, redis: rate", "memory of Redis", "latency on another, p99"):
        assert figures[name]["median"] > 0
    nodes = [f"publish, {count} of 3 nodes subscribed" for count in (1, 2, 3)]
    # There are few events, so what else a node may ask meanwhile is seen.
    assert [round(figures[f"{name}: commands"]["median"]) for name in nodes] == [1, 1, 1]
    # The reply, and the event to each node that has a subscriber.
    replies, per_node = 4, [figures[f"{name}: sent"]["median"] for name in nodes]
    event = per_node[0] - replies
    expected = [replies + event, replies + 2 * event, replies + 3 * event]
    assert per_node == pytest.approx(expected, rel=0.1)
