#!/usr/bin/env python3
"""Measure how the cost of the installed txpusher grows: with subscribers, channels, members, bytes, connections.

    python benchmarks/growth.py [PART ...] [--rounds N] [--most N] [--into DIRECTORY]
    python benchmarks/growth.py --soak MINUTES

It needs Linux and at least two cores, listens on free ports of the loopback, and takes about five minutes. The server
is a real one, alone on the first core; the load is here, on the others. Cost is the CPU time that the kernel counted
for the server's process, so neither the load's own nor waiting is in it. Each point is the median of all rounds.

``--into`` writes each chart as a picture, a table and JSON: ``--into docs/growth`` makes those of the documentation.
``--soak`` is apart: it has a server at half load for that long, and ends with an error when a number is wrong.

The parts are modules of `growing`. Beside them:

* `clients`: connections of clients and publishers; `meter`: what the server spends on something.
* `bare`: a process that only sends, to compare with.
* `chart`: figures as tables, and `picture`: as SVG.
* `soak`, with `crowd` and `people` for its load, `tally` for what it has done, and `scrape` for what the server says of
  itself.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

from growing.bench import Bench
from growing.channels import channels
from growing.deliveries import deliveries
from growing.leaving import leaving
from growing.members import members
from growing.memory import memory
from growing.payloads import payloads
from growing.soak import soak
from growing.storm import storm
from growing.subscriptions import subscriptions
from placing import Cores, all_cores

PARTS = {
    part.__name__: part
    for part in (
        deliveries,
        channels,
        subscriptions,
        members,
        leaving,
        storm,
        payloads,
        memory,
    )
}


def main() -> None:
    """Measure what is asked for, and print as it comes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default 3")
    parser.add_argument("--most", type=int, default=100_000, metavar="N", help="of anything")
    parser.add_argument("--into", type=Path, metavar="DIRECTORY", help="write the charts there")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="nothing but the soak")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"there is no part {unknown.pop()}")
    core, *others = all_cores()
    _prepare(set(others) or {core})
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(options.rounds, options.most, core, Path(directory))
        if options.soak is not None:
            soak(bench, options.soak * 60)
            return
        for name in options.parts or PARTS:
            for chart in PARTS[name](bench):
                chart.show()
                if options.into:
                    chart.write(options.into)


def _prepare(cores: Cores) -> None:
    """Stay on these cores, and take as many sockets as there may be."""
    if sys.platform != "linux":
        sys.exit("growth.py: it needs Linux, for epoll and /proc")
    # The servers are ended in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("growth.py: terminated"))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, cores)


if __name__ == "__main__":
    main()
