#!/usr/bin/env python3
"""Measure the installed txpusher with real servers, sockets and Redis: what does a cluster cost, and what does it gain?

    python benchmarks/cluster.py [--rounds N] [--scale FACTOR] [--json FILE]

It needs Linux and redis-server, listens on free ports of the loopback, and takes about two minutes. Every line is
the median of all rounds, with the least and the greatest; servers that are compared take turns in every round. "CPU" is
user and system time that the kernel counted for the server's processes, so the load's own cost is not in it.

* `one_node`, `two_workers`, `three_nodes`: the measurements; `measuring`: what they share.
* `load`: subscribers and publishers, in processes of their own; `servers`: what is measured.
* `placing`: cores and CPU time; `figures`: the values and the table.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from figures import Figures
from measuring import Bench
from one_node import one_node
from three_nodes import three_nodes
from two_workers import two_workers


def main() -> None:
    """Measure everything, and print as it comes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default 5")
    parser.add_argument("--scale", type=float, default=1, metavar="FACTOR", help="of what is sent")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("cluster.py: it needs Linux, for epoll and /proc")
    # The servers are ended in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("cluster.py: terminated"))
    figures = Figures()
    for part in (one_node, two_workers, three_nodes):
        with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
            part(Bench(options.rounds, options.scale, Path(directory), figures), stack)
    if options.json:
        figures.write(options.json)


if __name__ == "__main__":
    main()
