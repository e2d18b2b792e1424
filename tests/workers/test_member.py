"""A worker from inside."""

import json
import signal
from types import SimpleNamespace

import pytest
from twisted.logger import formatEvent

from tests.socket_doubles import Reactor
from tests.wire_doubles import HttpClient, http
from txpusher.config import Config
from txpusher.interfaces import Health
from txpusher.model import App
from txpusher.process import CannotStart
from txpusher.workers import member, sockets
from txpusher.workers.member import ACCEPT_AFTER, LOOK_AGAIN, Member, trial
from txpusher.workers.orders import Orders
from txpusher.workers.pipes import encode

CONFIG = Config(app_list=(App("1", "key", "secret"),), metrics=None, drain=0)
UP = http("GET", "/up")


class RunningReactor(Reactor):
    """A reactor that adopts descriptors, and stops when it is told to, which is once."""

    def __init__(self):
        super().__init__()
        self.hooks, self.stops, self.over = [], 0, None

    def adoptStreamPort(self, descriptor, family, factory):
        port = self.listenTCP(descriptor, factory)
        port.accepting = True
        port.stopReading = lambda: setattr(port, "accepting", False)
        port.startReading = lambda: setattr(port, "accepting", True)
        return port

    def addSystemEventTrigger(self, phase, event, call):
        assert (phase, event) == ("before", "shutdown")
        self.hooks.append(call)

    def stop(self):
        self.stops += 1
        self.over = self.hooks[0]()

    def callFromThread(self, call):
        call()


class Pipes:
    """The pipes to the parent."""

    def __init__(self):
        self.told, self.closing = [], False

    def write(self, data):
        self.told += map(json.loads, data.splitlines())

    def loseConnection(self):
        self.closing = True


class Worker:
    """A worker that serves in memory."""

    def __init__(self, config=CONFIG):
        self.reactor = RunningReactor()
        orders = Orders("a.reactor", "/", 1, 5, {"tcp 127.0.0.1 6001": [7]})
        self.member = Member(config, self.reactor, orders)
        self.pipes = Pipes()

    def start(self):
        self.member.start()
        self.member.makeConnection(self.pipes)
        return self

    def order(self, **order):
        self.member.dataReceived(encode(order))

    def lose(self):
        self.member.connectionLost(None)

    def up(self):
        return HttpClient(self.reactor.ports[0].factory.buildProtocol(None)).ask(UP).body


@pytest.fixture(autouse=True)
def process(monkeypatch):
    """Leave this process and its descriptors as they are."""
    monkeypatch.setattr(sockets, "os", SimpleNamespace(close=lambda descriptor: None))
    monkeypatch.setattr(sockets, "_family", lambda descriptor: 2)
    monkeypatch.setattr("txpusher.daemon.tune_garbage_collector", lambda: None)
    monkeypatch.setattr("txpusher.service.raise_open_files", lambda: 1050)


@pytest.fixture
def worker():
    return Worker().start()


def test_it_serves_what_it_inherits(worker):
    """It listens on the inherited socket, and tells its parent that it serves."""
    assert worker.reactor.ports[0].host.port == 7
    assert worker.reactor.ports[0].accepting
    assert worker.pipes.told == [{"told": "ready"}]


def away(part="_adapter"):
    """Give a worker whose adapter or app store is away, and a list whose last member says how that is."""
    worker, health = Worker(), [Health(ok=False)]
    server = worker.member._server
    getattr(server, part).health = lambda: health[-1]
    if part == "_served":
        server._served._ids.clear()
    return worker.start(), health


@pytest.mark.parametrize("part", ["_adapter", "_served"])
def test_until_all_is_well(part):
    """It accepts nobody and does not say that it serves before its adapter is connected and its apps are known."""
    worker, health = away(part)
    worker.reactor.advance(LOOK_AGAIN)
    assert worker.pipes.told == []
    assert not worker.reactor.ports[0].accepting
    health.append(Health())
    worker.reactor.advance(LOOK_AGAIN)
    assert worker.pipes.told == [{"told": "ready"}]
    assert worker.reactor.ports[0].accepting


def test_a_store_that_is_away_later(worker):
    """A worker that has apps serves them, whatever becomes of the store."""
    worker.member._server._served.health = lambda: Health(ok=False)
    assert worker.member._server.health().ok


def test_an_adapter_that_does_not_come():
    """After a while it accepts clients without it, and says that it serves when the adapter has come."""
    worker, health = away()
    for _ in range(round(ACCEPT_AFTER / LOOK_AGAIN) + 1):
        worker.reactor.advance(LOOK_AGAIN)
    assert worker.reactor.ports[0].accepting
    assert worker.pipes.told == []
    health.append(Health())
    worker.reactor.advance(LOOK_AGAIN)
    assert worker.pipes.told == [{"told": "ready"}]


def test_a_replacement_that_is_not_well():
    """As long as the others are all there, one that is to replace one of them turns none of their clients away."""
    worker, _ = away()
    worker.order(do="group", ok=True, detail="2 of 2 workers serve")
    worker.reactor.advance(ACCEPT_AFTER)
    assert not worker.reactor.ports[0].accepting
    worker.order(do="group", ok=False, detail="1 of 2 workers serve")
    worker.reactor.advance(LOOK_AGAIN)
    assert worker.reactor.ports[0].accepting


def test_stopping_before_it_is_well():
    """One that is to stop does not look any more."""
    worker, _ = away()
    worker.order(do="stop")
    worker.reactor.advance(1)
    assert {told["told"] for told in worker.pipes.told} == {"metrics"}


def test_how_the_group_is(worker):
    """It is not well until the parent says so, and then as the parent says."""
    assert worker.up() == b"DEGRADED"
    worker.order(do="group", ok=True, detail="2 of 2 workers serve")
    assert worker.up() == b"OK"
    worker.order(do="group", ok=False, detail="1 of 2 workers serve")
    assert worker.up() == b"DEGRADED"


def test_metrics(worker):
    """It gives its metrics when it is asked."""
    worker.order(do="metrics")
    families = {family[0] for family in worker.pipes.told[-1]["families"]}
    assert {"txpusher_connected", "txpusher_process_open_fds"} <= families


def test_a_sign_of_life(worker):
    """It is given whenever it is asked for."""
    worker.pipes.told.clear()
    for _ in range(2):
        worker.order(do="answer")
    assert worker.pipes.told == [{"told": "alive"}] * 2


def test_stopping(worker):
    """Told to stop, it stops serving, gives its metrics for the last time, and waits until they are sent."""
    worker.order(do="stop")
    worker.order(do="stop")
    worker.reactor.advance(0)
    worker.reactor.advance(0)
    assert worker.reactor.stops == 1
    assert not worker.reactor.ports[0].connected
    assert worker.pipes.told[-1]["told"] == "metrics"
    assert worker.pipes.closing
    assert not worker.reactor.over.called
    worker.lose()
    assert worker.reactor.over.called
    assert worker.reactor.stops == 1


def test_a_parent_that_is_gone(worker):
    """Without a parent it ends, and there is nobody to tell."""
    told = list(worker.pipes.told)
    worker.lose()
    worker.reactor.advance(0)
    worker.reactor.advance(0)
    assert worker.reactor.over.called
    assert worker.pipes.told == told


@pytest.fixture
def _handlers():
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, call in before.items():
        signal.signal(number, call)


def test_reload(worker):
    """It reads its apps again, as on SIGHUP."""
    calls = []
    worker.member._server.reload = lambda: calls.append(1)
    worker.order(do="reload")
    assert calls == [1]


@pytest.mark.usefixtures("_handlers")
def test_running(monkeypatch):
    """It logs JSON, talks over its pipes, and takes SIGTERM and SIGINT, any number of them, for one stop."""
    worker, begun, opened = Worker(), [], []
    monkeypatch.setattr(member.globalLogBeginner, "beginLoggingTo", begun.extend)
    monkeypatch.setattr(
        member, "StandardIO", lambda protocol, **how: opened.append((protocol, how))
    )
    worker.reactor.run = lambda: worker.reactor.advance(0)
    worker.member.run()
    worker.member.makeConnection(worker.pipes)
    assert opened == [(worker.member, {"stdin": 0, "stdout": 5, "reactor": worker.reactor})]
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
    assert worker.reactor.stops == 1


@pytest.mark.usefixtures("_handlers")
def test_its_log(monkeypatch, capsys):
    """A log event is one line of JSON on standard output."""
    worker, begun = Worker(), []
    monkeypatch.setattr(member.globalLogBeginner, "beginLoggingTo", begun.extend)
    monkeypatch.setattr(member, "StandardIO", lambda protocol, **how: None)
    worker.reactor.run = lambda: None
    worker.member.run()
    begun[0]({"log_format": "{what}", "what": "two\nlines", "log_time": 0.0})
    (line,) = capsys.readouterr().out.splitlines()
    assert formatEvent(json.loads(line)) == "two\nlines"


def test_trial():
    """Settings are tried without a port being opened."""
    reactor = RunningReactor()
    trial(CONFIG, reactor)
    assert reactor.ports == []


@pytest.mark.parametrize("make", [trial, lambda config, reactor: Worker(config)])
def test_settings_that_are_wrong(make):
    """What only a part can judge is told in one line."""
    with pytest.raises(CannotStart, match=r"^txpusher: --adapter: there is no nonsense://"):
        make(Config(adapter="nonsense://"), RunningReactor())
