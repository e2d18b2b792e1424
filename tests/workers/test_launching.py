"""Starting worker processes."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from twisted.python.systemd import ListenFDs

from tests.worker_doubles import Spawner
from txpusher.process import CannotStart
from txpusher.workers import launching
from txpusher.workers.launching import Launcher
from txpusher.workers.orders import Orders

OPTIONS = ("--drain", "1")


class Held:
    """A holder of sockets."""

    def __init__(self):
        self.asked = []

    def inherited(self, slot):
        self.asked.append(slot)
        return {"tcp  6001": [20, 21], "unix /s": [22]}


@pytest.fixture
def launcher():
    return Launcher(Spawner(), Held(), OPTIONS, "/where")


def orders(args):
    return Orders.read(args[4])


def test_a_process(launcher):
    """It is the same Python, gets its orders and the options, and inherits sockets, pipes and the environment."""
    process = launcher.launch(2)
    (spawned,) = launcher.reactor.spawned
    assert launcher.holder.asked == [1]
    assert spawned.protocol is process
    assert process.number == 2
    assert spawned.executable == spawned.args[0] == sys.executable
    assert spawned.args[1:4] == ["-P", "-m", "txpusher.worker"]
    assert spawned.args[5:] == list(OPTIONS)
    assert spawned.env is None
    assert spawned.childFDs == {0: "w", 1: "r", 2: "r", 3: 20, 4: 21, 5: 22, 6: "r"}
    assert orders(spawned.args) == Orders(
        "tests.worker_doubles", "/where", 2, 6, {"tcp  6001": [3, 4], "unix /s": [5]}, []
    )


def test_sockets_of_systemd(launcher, monkeypatch):
    """They keep their numbers and names, and the others have numbers behind them."""
    monkeypatch.setattr(launching._SystemdParser, "_sddaemon", ListenFDs([3, 4], ["one", "one"]))
    launcher.holder.inherited = lambda slot: {"tcp  6001": [20], "descriptor 4": [9]}
    launcher.launch(1)
    (spawned,) = launcher.reactor.spawned
    assert spawned.childFDs == {0: "w", 1: "r", 2: "r", 4: 9, 5: 20, 6: "r"}
    assert orders(spawned.args).systemd == ["unknown", "one"]
    assert orders(spawned.args).sockets == {"tcp  6001": [5], "descriptor 4": [4]}


# Trying the settings


@pytest.fixture
def run(monkeypatch):
    """Stand in for running a process to its end."""

    def answer(command, **how):
        runs.append(command)
        if isinstance(result[0], Exception):
            raise result[0]
        return result[0]

    runs, result = [], [SimpleNamespace(returncode=0, stderr="")]
    monkeypatch.setattr(subprocess, "run", answer)
    return SimpleNamespace(runs=runs, result=result)


def test_settings_that_are_right(launcher, run):
    """They are tried by a process that serves nothing."""
    assert launcher.try_settings() is True
    ((*_, text, option, value),) = run.runs
    assert (option, value) == OPTIONS
    assert Orders.read(text) == Orders("tests.worker_doubles", "/where", systemd=[])


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("a warning\ntxpusher: --adapter: wrong\n", "txpusher: --adapter: wrong"),
        ("", "txpusher: a worker ended with status 3"),
    ],
)
def test_settings_that_are_wrong(launcher, run, said, told):
    """What the process said last is what the start ends with."""
    run.result[0] = SimpleNamespace(returncode=3, stderr=said)
    with pytest.raises(CannotStart) as caught:
        launcher.try_settings()
    assert caught.value.code == told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_settings_are_tried(launcher, monkeypatch, number):
    """The process that tries them ends as well, nothing else is started, and signals are as they were."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    def wait(trial, *args, **kwargs):
        trials.append(trial)
        if len(trials) == 1:
            os.kill(os.getpid(), number)
        return real(trial, *args, **kwargs)

    trials, real = [], subprocess.Popen.communicate
    monkeypatch.setattr(subprocess.Popen, "communicate", wait)
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(Launcher, "_command", lambda *_: command)
    assert launcher.try_settings() is False
    assert trials[0].returncode == -signal.SIGKILL
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_no_python(launcher, run):
    """Where Python itself is out of reach, as after --chroot, that is said."""
    run.result[0] = PermissionError(13, "Permission denied")
    with pytest.raises(CannotStart, match=rf"{sys.executable}: Permission denied"):
        launcher.try_settings()


def test_a_trial_without_end(launcher, run):
    """A store that does not answer ends the start as well."""
    run.result[0] = subprocess.TimeoutExpired("python", 120)
    with pytest.raises(CannotStart, match="the settings were not read within 120 s"):
        launcher.try_settings()
