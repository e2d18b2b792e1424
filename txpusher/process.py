"""What the operating system gives this process, when Python looks for garbage, and how a start that failed ends."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from txpusher.errors import ConfigError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

WITHOUT_LIMITS = 512
"""Open files where no limit can be asked for: what ``select`` watches on Windows."""

# Tried when the hard limit itself is refused; macOS says "unlimited" and takes 10,240.
_SECOND_BEST = (1024 * 1024, 10_240)


class CannotStart(SystemExit, Exception):
    """The end of the process, told in one line and with status 1.

    It is an Exception, too, as ``twistd`` catches these to remove its PID file and to tell the command that waits for
    the daemon; after a bare SystemExit that command waits forever.

    Args:
        problem: what is wrong, in one line.
    """

    def __init__(self, problem: object) -> None:
        super().__init__(f"txpusher: {problem}")


@contextmanager
def one_line() -> Iterator[None]:
    """Let a setting that is wrong end the process with one line.

    Raises:
        CannotStart: in place of a ConfigError.
    """
    try:
        yield
    except ConfigError as error:
        raise CannotStart(error) from error


def raise_open_files(limits: Any = resource) -> int:
    """Raise the soft limit of open files (RLIMIT_NOFILE) to the hard one; every connection is an open file.

    Args:
        limits: the module `resource`, or None where there is none.

    Returns:
        How many files may be open from now on.
    """
    if limits is None:
        return WITHOUT_LIMITS
    soft, hard = (
        sys.maxsize if limit == limits.RLIM_INFINITY else limit
        for limit in limits.getrlimit(limits.RLIMIT_NOFILE)
    )
    for wanted in (hard, *_SECOND_BEST):
        if soft < wanted <= hard and _allowed(limits, wanted):
            return int(wanted)
    return int(soft)


def _allowed(limits: Any, wanted: int) -> bool:
    _, hard = limits.getrlimit(limits.RLIMIT_NOFILE)
    try:
        limits.setrlimit(
            limits.RLIMIT_NOFILE, (limits.RLIM_INFINITY if wanted == sys.maxsize else wanted, hard)
        )
    except (ValueError, OSError):
        return False
    return True


def tune_garbage_collector() -> None:
    """Let the collector of reference cycles disturb less. To be called once, when the server has started.

    It looks again and again at everything that lives long: modules, classes, code, and later every connection, which at
    50,000 connections stops the process for tenths of a second. What is there at start is frozen, that is, never looked
    at again; and collections begin after many more new objects, as nearly all of ours die by reference count.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class Memory(NamedTuple):
    """Memory in bytes, of the host or of the container; ``free + used == total``, ``percent`` is what is used."""

    free: int
    used: int
    total: int
    percent: float


def memory(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> Memory:
    """Tell how much memory there is: the host's, or that of the cgroup when it allows less.

    Args:
        proc: where the kernel describes processes.
        cgroups: where the control groups are mounted, version 1 or 2.

    Returns:
        The figures, or zeros on systems that do not tell.
    """
    host = _host(proc)
    groups = [group for group in _groups(proc, cgroups) if group.total < host.total]
    return min([host, *groups], key=lambda memory: memory.total)


def _memory(total: int, used: int) -> Memory:
    used = min(max(used, 0), total)
    return Memory(total - used, used, total, 100 * used / total if total else 0.0)


def _host(proc: Path) -> Memory:
    try:
        known = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines())
        total, available = (
            int(known[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable")
        )
    except (OSError, ValueError, KeyError):
        return _host_by_pages()
    return _memory(total, total - available)


def _host_by_pages() -> Memory:
    try:
        page, pages, free = (
            os.sysconf(f"SC_{name}") for name in ("PAGE_SIZE", "PHYS_PAGES", "AVPHYS_PAGES")
        )
    except (AttributeError, ValueError, OSError):
        return Memory(0, 0, 0, 0.0)
    return _memory(page * pages, page * (pages - free))


class _Files(NamedTuple):
    """Where a version of control groups keeps its figures."""

    limit: str
    used: str
    cache: str


_VERSION_1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Files("memory.max", "memory.current", "inactive_file")


def _groups(proc: Path, cgroups: Path) -> Iterator[Memory]:
    """Give every limited group this process is in, its own and those around it."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, files = (cgroups / "memory", _VERSION_1) if controllers else (cgroups, _VERSION_2)
        own = root / path.lstrip("/")
        for directory in (own, *own.parents):
            if directory.is_relative_to(root):
                yield from _group(directory, files)


def _group(directory: Path, files: _Files) -> Iterator[Memory]:
    try:
        # "max" is no number: the group has no limit of its own.
        total, used = (int((directory / name).read_text()) for name in (files.limit, files.used))
        figures = dict(
            line.split(maxsplit=1) for line in (directory / "memory.stat").read_text().splitlines()
        )
    except (OSError, ValueError):
        return
    # Cached files are given back when somebody needs the room; `docker stats` leaves them out, too.
    yield _memory(total, used - int(figures.get(files.cache, 0)))
