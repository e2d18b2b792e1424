"""The parent of several workers."""

import os
import signal

import pytest
from twisted.internet.error import CannotListenError
from twisted.logger import capturedLogs, formatEvent

from tests.worker_doubles import PIPE, Spawner
from txpusher.config import Config
from txpusher.process import CannotStart
from txpusher.workers import supervisor
from txpusher.workers.pipes import encode
from txpusher.workers.supervisor import GRACE, Supervisor


class FakeHolder:
    """Holds ports of a reactor in memory."""

    def __init__(self, reactor, slots):
        self.reactor, self.slots = reactor, slots
        self.ports, self.silenced, self.closed = [], [], False

    def listenTCP(self, *args, **kwargs):
        self.ports.append(self.reactor.listenTCP(*args, **kwargs))
        return self.ports[-1]

    def inherited(self, slot):
        return {}

    def silence(self, slot):
        self.silenced.append(slot)

    def close(self):
        self.closed = True
        for port in self.ports:
            port.connected = False


class Group:
    """A supervisor of two workers on a reactor in memory."""

    def __init__(self, **settings):
        self.reactor = Spawner()
        self.config = Config(workers=2, adapter="redis://here", **settings)
        self.service = Supervisor(self.config, self.reactor, ("--some", "option"), "/")
        self.holder = self.service._holder
        self.trials = []
        # Frozen, as its fields do not change; a test's do.
        object.__setattr__(self.service._launcher, "try_settings", lambda: self.trials.append(1))

    def start(self):
        self.service.privilegedStartService()
        self.service.startService()
        return self

    @property
    def processes(self):
        return [spawned.protocol for spawned in self.reactor.spawned]

    def serve(self, *numbers):
        for number in numbers:
            self.processes[number].childDataReceived(PIPE, encode({"told": "ready"}))

    def said(self, number, word):
        """Give what was said of this kind to a process."""
        said = self.processes[number].transport.said
        return [message for message in said if message["do"] == word]

    def end(self, number):
        process = self.processes[number]
        process.transport.gone = True
        process.transport.pipes.clear()
        process.how = "status 0"
        process.ended.happen()


@pytest.fixture(autouse=True)
def everything_in_memory(monkeypatch):
    monkeypatch.setattr(supervisor, "Holder", FakeHolder)
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGUSR2)}
    yield
    for number, call in before.items():
        signal.signal(number, call)


@pytest.fixture
def group():
    """Give a group whose workers serve."""
    group = Group().start()
    group.serve(0, 1)
    return group


# Starting


def test_start():
    """The addresses are bound early, the settings are tried, and then the workers are started."""
    group = Group()
    group.service.privilegedStartService()
    assert [port.host.port for port in group.reactor.ports] == [6001, 9601]
    assert (group.trials, group.processes) == ([], [])
    with capturedLogs() as logs:
        group.service.startService()
    assert len(group.reactor.ports) == 2
    assert group.trials == [1]
    assert [process.number for process in group.processes] == [1, 2]
    assert group.reactor.spawned[0].args[-2:] == ["--some", "option"]
    assert "listens on 127.0.0.1:6001 with 2 workers, metrics on 127.0.0.1:9601" in formatEvent(
        logs[-1]
    )


def test_a_start_without_privileges():
    """The addresses are bound by then."""
    group = Group(metrics="none")
    with capturedLogs() as logs:
        group.service.startService()
    assert [port.host.port for port in group.reactor.ports] == [6001]
    assert formatEvent(logs[-1]).endswith("metrics on none")


def test_an_address_that_is_taken():
    """It ends the start with one line that names the option."""
    group = Group()
    group.reactor.taken[6001] = CannotListenError("127.0.0.1", 6001, OSError("taken"))
    with pytest.raises(CannotStart, match=r"^txpusher: --listen: tcp:6001.*taken"):
        group.service.privilegedStartService()


def test_settings_that_are_wrong():
    """They end the start, no worker is started, and nothing stays open."""
    group = Group()

    def fail():
        raise CannotStart("--adapter: wrong")

    object.__setattr__(group.service._launcher, "try_settings", fail)
    with pytest.raises(CannotStart, match="--adapter: wrong"):
        group.start()
    assert group.holder.closed
    assert group.processes == []


# What workers are told


def test_how_the_group_is():
    """As long as not all serve, those who do can say so."""
    group = Group().start()
    group.serve(0)
    assert group.said(0, "group")[-1] == {
        "do": "group",
        "ok": False,
        "detail": "1 of 2 workers serve",
    }
    group.serve(1)
    for number in (0, 1):
        assert group.said(number, "group")[-1]["ok"]
    group.end(1)
    assert not group.said(0, "group")[-1]["ok"]


def test_a_slot_without_a_worker(group):
    """Its connections go to the other one, unless there is none who serves."""
    group.end(1)
    assert group.holder.silenced == [1]
    group.end(0)
    assert group.holder.silenced == [1]


def test_reload(group):
    """SIGHUP is passed on."""
    os.kill(os.getpid(), signal.SIGHUP)
    assert [group.said(number, "reload") for number in (0, 1)] == [[{"do": "reload"}]] * 2


def replaced(group, number):
    """Let the worker of a slot be replaced."""
    group.serve(2 + number)
    assert group.said(number, "stop")
    group.end(number)


def test_replacing(group):
    """SIGUSR2 replaces one after the other."""
    os.kill(os.getpid(), signal.SIGUSR2)
    assert len(group.processes) == 3
    replaced(group, 0)
    assert len(group.processes) == 4
    assert not group.said(2, "stop")
    with capturedLogs() as logs:
        replaced(group, 1)
    assert formatEvent(logs[-1]) == "All workers have been replaced"
    assert group.holder.silenced == []
    group.service.replace_workers()
    assert len(group.processes) == 5


def test_replacing_twice_at_once(group):
    """While they are being replaced, asking for it again does nothing but say so."""
    group.service.replace_workers()
    with capturedLogs() as logs:
        assert group.service.replace_workers().called
    assert formatEvent(logs[-1]) == "The workers are being replaced or stopped already"
    assert len(group.processes) == 3


def test_replacing_after_an_error(group, monkeypatch):
    """Whatever ends it, it may be tried again."""

    async def replace():
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(group.service.slots[0], "replace", replace)
        group.service.replace_workers().addErrback(lambda failure: failure.trap(RuntimeError))
    group.service.replace_workers()
    assert len(group.processes) == 3


def test_replacing_that_fails(group):
    """The first that cannot be replaced ends it, and it can be tried again."""
    group.service.replace_workers()
    with capturedLogs() as logs:
        group.end(2)
    assert formatEvent(logs[-1]) == "The workers from 1 on stay as they are"
    assert len(group.processes) == 3
    assert not group.said(0, "stop")
    group.service.replace_workers()
    assert len(group.processes) == 4


# Stopping


def test_stopping(group):
    """All workers are told at the same time; the metrics page is there until they have gone."""
    ports = list(group.reactor.ports)
    stopped = group.service.stopService()
    assert group.said(0, "stop")
    assert group.said(1, "stop")
    assert group.holder.closed
    group.end(0)
    assert not stopped.called
    assert ports[1].connected
    group.end(1)
    group.reactor.advance(0)
    assert stopped.called
    assert not ports[1].connected
    assert group.reactor._exitSignal is None
    assert len(group.processes) == 2


def test_a_worker_that_does_not_stop(group):
    """It is killed after the time that it needs for its clients, and some grace."""
    group.service.stopService()
    group.end(0)
    group.reactor.advance(group.config.drain + GRACE)
    assert group.processes[1].transport.signals == ["KILL"]


def test_a_stop_while_workers_are_replaced(group):
    """Nobody is started any more, and nobody complains."""
    group.service.replace_workers()
    group.serve(2)
    stopped = group.service.stopService()
    with capturedLogs() as logs:
        for number in (0, 1, 2):
            group.end(number)
    group.reactor.advance(0)
    assert stopped.called
    assert len(group.processes) == 3
    assert [formatEvent(event) for event in logs if event["log_level"].name == "error"] == []
    assert group.service.replace_workers().called
    assert len(group.processes) == 3


def test_signals_after_the_stop():
    """Signals do then what they did before."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    group = Group().start()
    group.service.stopService()
    group.end(0)
    group.end(1)
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN


def test_a_worker_that_ends_during_the_stop(group):
    """Nobody else gets its connections then: there are none."""
    group.service.stopService()
    group.end(0)
    assert group.holder.silenced == []


def test_the_port_in_labels(group):
    """The metrics are labelled with the public port, also when it is closed."""
    assert group.service._port_label() == "6001"
    group.service.stopService()
    assert group.service._port_label() == "6001"
