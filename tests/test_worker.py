"""The program of a worker process."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import twisted.internet

from txpusher import worker
from txpusher.config import Config
from txpusher.process import CannotStart
from txpusher.workers.orders import Orders


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in [name for name in os.environ if name.startswith("TXPUSHER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def calls(monkeypatch):
    """Stand in for the reactor and what runs on it, and hear what is done, in order."""

    class Member:
        def __init__(self, config, reactor, orders):
            heard.append(("member", config, reactor, orders))

        def run(self):
            heard.append("run")

    heard = []
    monkeypatch.setattr(os, "setsid", lambda: heard.append("setsid"))
    installs = SimpleNamespace(install=lambda: heard.append("install"))
    monkeypatch.setitem(sys.modules, "some.reactor", installs)
    monkeypatch.setitem(sys.modules, "some", SimpleNamespace(reactor=installs))
    monkeypatch.setattr(twisted.internet, "reactor", "the reactor", raising=False)
    made = SimpleNamespace(
        Member=Member, trial=lambda config, reactor: heard.append(("trial", config, reactor))
    )
    monkeypatch.setitem(sys.modules, "txpusher.workers.member", made)
    return heard


def test_a_worker(calls, tmp_path):
    """It installs the parent's kind of reactor, leaves the terminal's processes, and serves."""
    orders = Orders("some.reactor", str(tmp_path), worker=2, systemd=[])
    worker.main([str(orders), "--drain", "3"])
    assert calls == [
        "setsid",
        "install",
        ("member", Config(drain=3, metrics=None), "the reactor", orders),
        "run",
    ]


def test_a_trial(calls, tmp_path):
    """Without a slot, the settings are tried, and that is all."""
    worker.main([str(Orders("some.reactor", str(tmp_path))), "--drain", "3"])
    assert calls == ["install", ("trial", Config(drain=3, metrics=None), "the reactor")]


def test_reading_the_options(tmp_path, monkeypatch):
    """Options are read where the parent read them; the directory is left again."""
    (tmp_path / "config.toml").write_text('workers = 4\nadapter = "redis://x"\n')
    before = os.getcwd()  # noqa: PTH109 - as it is written
    config = worker.read_config(["--config", "config.toml"], str(tmp_path))
    assert (config.workers, config.adapter, config.metrics) == (1, "redis://x", None)
    assert os.getcwd() == before  # noqa: PTH109


def test_options_that_are_wrong(tmp_path):
    """They end it with one line."""
    with pytest.raises(CannotStart, match=r"^txpusher: --drain: expected a number"):
        worker.read_config(["--drain", "soon"], str(tmp_path))


def test_names_of_systemd():
    """Sockets of systemd's are found as if it had started the worker."""
    environment = {}
    worker.pretend_to_be_started_by_systemd(["one", "two"], environment)
    assert environment == {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": "2",
        "LISTEN_FDNAMES": "one:two",
    }
    worker.pretend_to_be_started_by_systemd([], none := {})
    assert none == {}


def test_the_program(tmp_path):
    """It is a module that can be run, and says in one line what is wrong."""
    orders = Orders("twisted.internet.selectreactor", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "txpusher.worker", str(orders), "--drain", "soon"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "txpusher: --drain: expected a number, 0 or more, not 'soon'\n"
