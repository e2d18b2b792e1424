"""The service as a process of its own."""

import os
import signal
from types import SimpleNamespace

import pytest
from twisted.internet.defer import succeed

from txpusher import daemon
from txpusher.config import Config
from txpusher.daemon import Daemon
from txpusher.errors import ConfigError
from txpusher.process import CannotStart
from txpusher.service import PusherService


@pytest.fixture
def service(monkeypatch):
    """A daemon whose service proper does nothing."""
    monkeypatch.setattr(PusherService, "__init__", lambda self, config, reactor: None)
    made = Daemon(Config(), None)
    made.reactor = SimpleNamespace(_exitSignal=15, callFromThread=lambda call: call())
    before = signal.getsignal(signal.SIGHUP)
    yield made
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("method", ["privilegedStartService", "startService"])
def test_address_that_cannot_be_had(service, monkeypatch, method):
    """An address that is taken or impossible ends the process with one line that names the option."""

    def fail(self):
        raise ConfigError("--listen", "tcp:6001: taken")

    monkeypatch.setattr(PusherService, method, fail)
    with pytest.raises(CannotStart, match=r"^txpusher: --listen: tcp:6001: taken$"):
        getattr(service, method)()


def test_the_garbage_collector_is_tuned_after_the_start(service, monkeypatch):
    """What was made at the start is not looked at again and again."""
    calls = []
    monkeypatch.setattr(PusherService, "startService", lambda self: calls.append("started"))
    monkeypatch.setattr(daemon, "tune_garbage_collector", lambda: calls.append("tuned"))
    service.startService()
    assert calls == ["started", "tuned"]


def test_sigterm_is_a_success(service, monkeypatch):
    """A service manager that stops the daemon by SIGTERM sees status 0."""
    monkeypatch.setattr(PusherService, "stopService", lambda self: succeed("stopped"))
    assert service.stopService().result == "stopped"
    assert service.reactor._exitSignal is None


@pytest.fixture
def quiet(monkeypatch):
    """A service proper that starts and stops at once, without a word."""
    monkeypatch.setattr(PusherService, "startService", lambda self: None)
    monkeypatch.setattr(PusherService, "stopService", lambda self: succeed(None))
    monkeypatch.setattr(daemon, "tune_garbage_collector", lambda: None)


def test_sighup_reloads(service, quiet, monkeypatch):
    """SIGHUP reads the apps again while the daemon runs, and does what it did before once it has stopped."""
    reloads = []
    monkeypatch.setattr(PusherService, "reload", lambda self: reloads.append(1))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    service.startService()
    os.kill(os.getpid(), signal.SIGHUP)
    assert reloads == [1]
    service.stopService()
    os.kill(os.getpid(), signal.SIGHUP)
    assert reloads == [1]
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_without_signals(service, quiet, monkeypatch):
    """Where there is no SIGHUP the daemon does without."""
    before = signal.getsignal(signal.SIGHUP)
    with monkeypatch.context() as patch:
        patch.delattr(signal, "SIGHUP")
        service.startService()
        service.stopService()
    assert signal.getsignal(signal.SIGHUP) is before
