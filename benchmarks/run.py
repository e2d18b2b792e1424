#!/usr/bin/env python3
"""Measure the installed txpusher with a real server and real sockets: how fast, at what cost, and faster than before?

    python benchmarks/run.py [--work NAME,...] [--rounds N] [--against REVISION] [--json FILE]

It needs Linux, listens on free ports of the loopback, and takes about a minute. The server has one core, the load
the others. Every line is the median of all rounds, with the least and the greatest. "CPU" is user and system time that
the kernel counted for the server, so the load's own is not in it. A rate is the server's when "server" is near 100 %,
and the load's when "load" is; when neither is, something else ran on these cores.

With ``--against`` that revision is built into an environment of its own. Both versions are measured in every round,
each the first in every other one, and compared round by round.

* `works`: a file for each family of works; their functions are the works, and say what they do.
* `loads`: publishers and subscribers, `load` in processes of their own; `subject`, `against`: what is measured.
* `cluster.py` beside this measures Redis and workers, and `micro` the parts of the server without sockets.
"""

from __future__ import annotations

import argparse
import inspect
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from against import build
from figures import Figures
from loads import LISTENERS, Loads
from measuring import Bench
from placing import Cores, all_cores
from subject import Subject
from works import client_events, connections, fanout, publishing, waiting
from works.stage import Stage

WORKS = {
    work.__name__: work
    for work in (
        fanout.fanout,
        fanout.fanout_1k,
        fanout.fanout_5000,
        fanout.batches,
        fanout.tls,
        publishing.publish,
        publishing.channels,
        client_events.client_events,
        waiting.latency,
        waiting.bystander,
        connections.connect,
        connections.memory,
        connections.idle,
    )
}


def main() -> None:
    """Measure everything, and print as it comes."""
    options = _options()
    if sys.platform != "linux":
        sys.exit("run.py: it needs Linux, for epoll and /proc")
    # The servers are ended in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("run.py: terminated"))
    figures = Figures()
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        bench = Bench(options.rounds, options.scale, Path(directory), figures)
        first, *others = all_cores()
        cores = set(others or [first])
        _tell_sharing(first, others)
        subjects = list(_subjects(options, bench.directory, {first}))
        for subject in subjects:
            subject.start(stack)
        os.sched_setaffinity(0, cores)  # this process is a part of the load
        loads = Loads(cores)
        for name in options.work:
            _measure(name, bench, subjects, loads, options.idle)
    if options.json:
        figures.write(options.json)


def _subjects(options: argparse.Namespace, directory: Path, cores: Cores) -> Iterator[Subject]:
    """Make the versions that are measured; the installed one is the first."""
    pythons = {"": Path(sys.executable)}
    if options.against:
        print(f"Building {options.against}", flush=True)
        pythons[options.against] = build(options.against, directory)
    for number, (revision, python) in enumerate(pythons.items()):
        place = directory / f"version-{number}"
        place.mkdir()
        yield Subject(revision, python, place, cores, options.server_option)


def _measure(name: str, bench: Bench, subjects: list[Subject], loads: Loads, idle: float) -> None:
    """Do one work in all rounds, and print what came of it."""
    work = WORKS[name]
    for number in range(bench.rounds):
        for subject in subjects[:: -1 if number % 2 else 1]:
            work(Stage(name, bench, subject, loads, idle))
    for other in subjects[1:]:
        bench.figures.compare(name, other.revision)
    bench.figures.show(name, inspect.getdoc(work) or "")


def _tell_sharing(first: int, others: list[int]) -> None:
    """Say which core has what, and what that means."""
    if not others:
        print(f"Server and load share core {first}: rates and waiting times are those of both.")
    elif len(others) < LISTENERS:
        print(f"The server has core {first}; all processes of the load share core {others[0]}.")
    else:
        print(f"The server has core {first}; the load has {len(others)} others.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--work", type=_works, default=list(WORKS), metavar="NAME,...", help=", ".join(WORKS))
    add("--rounds", type=int, default=3, metavar="N", help="default 3")
    add(
        "--scale",
        type=float,
        default=1,
        metavar="FACTOR",
        help="of what is sent, below 1 of clients, too",
    )
    add(
        "--idle",
        type=float,
        default=5,
        metavar="SECONDS",
        help="that the work idle takes; default 5",
    )
    add("--against", metavar="REVISION", help="measure that, too, and compare")
    add(
        "--server-option",
        action="append",
        default=[],
        metavar="OPTION",
        help="of twistd txpusher; repeatable",
    )
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def _works(names: str) -> list[str]:
    unknown = set(names.split(",")) - WORKS.keys()
    if unknown:
        raise argparse.ArgumentTypeError(f"no such work: {', '.join(unknown)}")
    return names.split(",")


if __name__ == "__main__":
    main()
