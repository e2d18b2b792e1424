"""A server at half load for a long time: is its memory what it was, and is every number right?

A first crowd warms the server up and goes; what the server has then is what it has to return to. A second one stays for
the time of the soak. Every half minute all wait until everything has been read, and the server's metrics page and its
API have to say exactly what the load has counted.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from growing.bench import Bench
from growing.crowd import Crowd
from growing.meter import Meter
from growing.scrape import metrics
from messages import LOOPBACK
from placing import cpu_seconds
from servers import free_port

BEAT = 0.05  # seconds
WARM_UP = 60.0
BETWEEN_CHECKS = 30.0
HALF = 0.5  # of a core
MAY_GROW = 0.05  # a part of the memory


def soak(bench: Bench, seconds: float) -> None:
    """Load the server and compare, and print how it goes; ends the program when something is wrong."""
    page = free_port()
    with bench.server("--metrics", f"tcp:{page}:interface={LOOPBACK}") as meter:
        start = meter.resident()
        _visit(meter, page, min(WARM_UP, seconds))
        base, descriptors = meter.resident(), metrics(page)["process_open_fds"]
        _visit(meter, page, seconds)
        end, grown = meter.resident(), metrics(page)["process_open_fds"] - descriptors
    print(f"memory: {start:,} bytes at the start, {base:,} after the warm-up, {end:,} in the end")
    if end > base * (1 + MAY_GROW):
        sys.exit(f"growth.py: the memory has grown by {end / base - 1:.1%}")
    if grown:
        sys.exit(f"growth.py: there are {grown:g} more open descriptors than before")


def _visit(meter: Meter, page: int, seconds: float) -> None:
    """Have a crowd there for some time, and see it off."""
    before = metrics(page)
    crowd, end = Crowd(meter.port), time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        _work(crowd, meter.pid, min(end, now + BETWEEN_CHECKS))
        crowd.settle()
        _compare(crowd, meter, page, before)
    crowd.leave()
    _compare(crowd, meter, page, before)


def _work(crowd: Crowd, pid: int, until: float) -> None:
    """Publish as much as makes half a core, with one guest who comes and one who goes in every beat."""
    events, begin, before = 1, time.monotonic(), cpu_seconds(pid)
    first = begin, before
    while begin < until:
        crowd.churn()
        for _ in range(events):
            crowd.publish()
        crowd.read()
        time.sleep(max(0.0, begin + BEAT - time.monotonic()))
        now, used = time.monotonic(), cpu_seconds(pid)
        events = max(1, events + (1 if used - before < HALF * (now - begin) else -1))
        begin, before = now, used
    share = (before - first[1]) / (begin - first[0])
    print(f"{share:.0%} of a core", end=", ")


def _compare(crowd: Crowd, meter: Meter, page: int, before: Counter[str]) -> None:
    """Compare what is counted here and there, since the crowd has come."""
    meter.quiet()
    expected, now, there = crowd.expected(), metrics(page), crowd.ask()
    now.subtract(before)
    for name, value in expected.items():
        if now[name] != value:
            sys.exit(f"growth.py: {name} is {now[name]:,.0f}, and should be {value:,}")
    if not 0 < (rounds := now["delivery_seconds_count.private"]) <= crowd.published:
        sys.exit(f"growth.py: {crowd.published:,} events went out {rounds:,.0f} times")
    if there != crowd.members():
        sys.exit(f"growth.py: the members are {there}, and should be {crowd.members()}")
    print(
        f"{expected['connected']} connections, {sum(there.values())} members, "
        f"{expected['new_connections_total']:,} connects and "
        f"{expected['ws_messages_sent_total']:,} messages so far, "
        f"{meter.resident():,} bytes: {len(expected)} numbers are right",
        flush=True,
    )
