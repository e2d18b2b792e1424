"""Where processes run, and what they cost: cores, and the seconds that the kernel counted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Cores = set[int]


def all_cores() -> list[int]:
    """Give the cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


@contextmanager
def placed(cores: Cores) -> Iterator[None]:
    """Let processes that are started meanwhile run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def children(pid: int) -> list[int]:
    """Give the processes that one has started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for listed in lists for child in listed.read_text().split()]


def cpu_seconds(pid: int) -> float:
    """Give the seconds, user and system, that all threads of a process have run.

    From ``schedstat``, which counts nanoseconds; ``stat`` counts ticks of ten milliseconds.
    """
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def resident_bytes(pid: int) -> int:
    """Give the memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def pin(pid: int, cores: Cores) -> None:
    """Move all threads of a process to these cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)
