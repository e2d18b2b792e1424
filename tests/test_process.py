"""Open files, memory and the garbage collector, on machines that are made up."""

import gc
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher import process
from txpusher.errors import ConfigError
from txpusher.process import (
    CannotStart,
    Memory,
    memory,
    one_line,
    raise_open_files,
    tune_garbage_collector,
)

MB = 1024 * 1024


class Limits:
    """The module `resource`, of a system that refuses more than `most`."""

    RLIMIT_NOFILE = 7
    RLIM_INFINITY = -1

    def __init__(self, soft, hard, most=sys.maxsize):
        self.limits, self.most = (soft, hard), most

    def getrlimit(self, what):
        assert what == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, what, limits):
        assert what == self.RLIMIT_NOFILE
        if limits[0] == self.RLIM_INFINITY or limits[0] > self.most:
            raise ValueError
        self.limits = limits


@pytest.mark.parametrize(
    ("limits", "files"),
    [
        (Limits(1024, 524_288), 524_288),
        (Limits(1024, 1024), 1024),
        (Limits(256, -1, most=10_240), 10_240),  # macOS
        (Limits(256, -1), 1024 * 1024),
        (Limits(20_000, -1, most=10_240), 20_000),
        (Limits(1024, 4096, most=100), 1024),
    ],
)
def test_open_files(limits, files):
    """As many files may be open as the system lets us ask for, and never fewer than before."""
    assert raise_open_files(limits) == files
    assert limits.limits[0] == files


def test_open_files_without_limit():
    """Where there is no limit, none is set."""
    assert raise_open_files(Limits(-1, -1)) == sys.maxsize


def test_open_files_on_windows():
    """Where limits are unknown, it is as many as select watches."""
    assert raise_open_files(None) == 512


def test_open_files_here():
    """It works on this machine, too."""
    assert raise_open_files() >= 256


@pytest.fixture
def collector():
    """Leave the garbage collector as it was."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("collector")
def test_garbage_collector():
    """What is there is left alone, and collections are rare."""
    tune_garbage_collector()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold()[0] > 10_000


class Machine:
    """Files as the kernel writes them."""

    def __init__(self, path):
        self.proc, self.cgroups = path / "proc", path / "cgroup"

    def write(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")

    def host(self, total, available):
        text = (
            f"MemTotal: {total // 1024} kB\nMemFree: 1 kB\nMemAvailable: {available // 1024} kB\n"
        )
        self.write(self.proc / "meminfo", text)

    def member(self, *lines):
        self.write(self.proc / "self" / "cgroup", "\n".join(lines) + "\n")

    def group(self, path, limit, used, cache=0):
        names = ("memory.max", "memory.current", "inactive_file")
        self._group(self.cgroups / path, names, limit, used, cache)

    def old_group(self, path, limit, used, cache=0):
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        self._group(self.cgroups / "memory" / path, names, limit, used, cache)

    def _group(self, directory, names, limit, used, cache):
        self.write(directory / names[0], f"{limit}\n")
        self.write(directory / names[1], f"{used}\n")
        self.write(directory / "memory.stat", f"anon 5\n{names[2]} {cache}\nfile 7\n")

    def memory(self):
        return memory(self.proc, self.cgroups)


@pytest.fixture
def machine(tmp_path):
    """Make a machine with 1000 MB, 250 of them used."""
    machine = Machine(tmp_path)
    machine.host(1000 * MB, 750 * MB)
    return machine


HOST = Memory(free=750 * MB, used=250 * MB, total=1000 * MB, percent=25.0)


def test_host(machine):
    """Without control groups it is the host's memory."""
    assert machine.memory() == HOST


def test_container(machine):
    """In a container it is what the container may use, without what is merely cached."""
    machine.member("0::/")
    machine.group("", 100 * MB, 60 * MB, cache=10 * MB)
    assert machine.memory() == Memory(50 * MB, 50 * MB, 100 * MB, 50.0)


def test_old_container(machine):
    """The same with the first version of control groups, whose paths are those of the host."""
    machine.member("12:pids:/docker/1", "3:cpu,memory:/docker/1", "0::/docker/1")
    machine.old_group("", 100 * MB, 60 * MB, cache=10 * MB)
    assert machine.memory() == Memory(50 * MB, 50 * MB, 100 * MB, 50.0)


def test_unlimited_container(machine):
    """A container without a limit of its own has the host's memory."""
    machine.member("1:memory:/a", "0::/a")
    machine.group("a", "max", 60 * MB)
    machine.old_group("a", 2**63 - 4096, 60 * MB)
    assert machine.memory() == HOST


def test_smallest_of_nested_groups(machine):
    """A systemd slice around the unit may allow less than the unit itself."""
    machine.member("0::/system.slice/txpusher.service")
    machine.group("system.slice/txpusher.service", 400 * MB, 10 * MB)
    machine.group("system.slice", 200 * MB, 100 * MB)
    assert machine.memory().total == 200 * MB


@given(total=st.integers(0, 2**50), used=st.integers(-(2**50), 2**51))
def test_sums(total, used):
    """Free and used always make up the total, whatever the kernel says in the middle of a change."""
    figures = process._memory(total, used)
    assert figures.free + figures.used == figures.total == total
    assert 0 <= figures.percent <= 100


def test_without_proc(tmp_path):
    """Where there is no /proc, pages are counted, and no group is looked for."""
    figures = memory(tmp_path, tmp_path)
    assert figures.total > 0
    assert figures.free + figures.used == figures.total


def test_where_nothing_is_told(tmp_path, monkeypatch):
    """Where the system does not tell, all is zero."""
    monkeypatch.delattr(os, "sysconf")
    assert memory(tmp_path, tmp_path) == Memory(0, 0, 0, 0.0)


def test_memory_here():
    """It works on this machine, too."""
    assert 0 < memory().used < memory().total


def test_cannot_start():
    """A start that failed ends the process with one line, and is an Exception to those who clean up."""
    error = CannotStart("--drain: expected a number")
    assert error.code == "txpusher: --drain: expected a number"
    assert isinstance(error, SystemExit)
    assert isinstance(error, Exception)


def test_one_line():
    """A setting that is wrong ends the process with one line; other errors stay what they are."""
    with pytest.raises(CannotStart, match=r"^txpusher: --drain: wrong$"), one_line():
        raise ConfigError("--drain", "wrong")
    with pytest.raises(KeyError), one_line():
        raise KeyError
