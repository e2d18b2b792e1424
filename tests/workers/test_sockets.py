"""Sockets that are bound by one process and served by others."""

import os
import socket
from types import SimpleNamespace

import pytest
from twisted.internet import unix
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.doubles import now
from tests.socket_doubles import FakePort, FakeSocket, Reactor
from txpusher.ports import BACKLOG
from txpusher.workers import sockets
from txpusher.workers.sockets import Heir, Holder

HERE = ("127.0.0.1", 6001)


class BoundSocket(FakeSocket):
    """A socket that remembers what is done to it, with a descriptor of its own."""

    made = 100

    def __init__(self, family=socket.AF_INET, kind=socket.SOCK_STREAM):
        super().__init__()
        BoundSocket.made += 1
        self.number, self.family, self.type = BoundSocket.made, family, kind
        self.bound, self.closed, self.shut = None, False, 0

    def fileno(self):
        return self.number

    def bind(self, address):
        self.bound = address

    def getsockname(self):
        return self.bound or HERE

    def getsockopt(self, level, option):
        if option == socket.SO_ACCEPTCONN:
            return int(not self.shut)
        return {"of": (level, option)}

    def shutdown(self, how):
        assert how == socket.SHUT_RDWR
        self.shut += 1

    def close(self):
        self.closed = True


class BoundPort(FakePort):
    """A port that is open, and is read from unless it is told not to."""

    def __init__(self, host, kind, factory):
        super().__init__(host, kind, factory)
        self.socket = BoundSocket()
        self.reading, self.lost = True, None

    def stopReading(self):
        self.reading = False

    def startReading(self):
        self.reading = True

    def connectionLost(self, reason):
        self.lost = reason
        self.connected = False


class BindingReactor(Reactor):
    """Opens such ports, and adopts descriptors."""

    def __init__(self):
        super().__init__()
        self.adopted = []

    def _opened(self, key, host, kind, factory):
        self.ports.append(BoundPort(host, kind, factory))
        return self.ports[-1]

    def adoptStreamPort(self, descriptor, family, factory):
        self.adopted.append((descriptor, family, factory))
        return self._opened(None, IPv4Address("TCP", *HERE), None, factory)


@pytest.fixture
def reactor(monkeypatch):
    monkeypatch.setattr(sockets.socket, "socket", BoundSocket)
    return BindingReactor()


def numbers(holder, name, slots):
    return [holder.inherited(slot)[name] for slot in range(slots)]


# The parent's side


def test_a_port_has_a_socket_for_each_slot(reactor):
    """The first is the port's own; the others are bound to the same address; none is accepted from."""
    holder = Holder(reactor, 3, balanced=True)
    holder.listenTCP(6001, Factory(), 50, "127.0.0.1")
    (port,) = reactor.ports
    found = numbers(holder, "tcp 127.0.0.1 6001", 3)
    assert found[0] == [port.socket.number]
    assert len({number for (number,) in found}) == 3
    assert not port.reading
    assert port.socket.options == [(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)]
    (_, further, _) = holder._held[0].sockets
    assert (further.bound, further.backlogs) == (HERE, [BACKLOG])
    assert (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1) in further.options


def test_ipv6(reactor):
    """The sockets agree on whether IPv4 comes there as well."""
    holder = Holder(reactor, 2, balanced=True)
    first = BoundSocket(socket.AF_INET6)
    (_, further) = holder._multiplied(first)
    same = first.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    assert (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, same) in further.options


@pytest.mark.parametrize(("balanced", "port"), [(False, 6001), (True, 0)])
def test_one_socket_for_all(reactor, balanced, port):
    """Where the system does not balance, or chooses the port, all share a socket, and none is silenced."""
    holder = Holder(reactor, 2, balanced=balanced)
    holder.listenTCP(port, Factory())
    one, other = numbers(holder, f"tcp  {port}", 2)
    assert one == other == [reactor.ports[0].socket.number]
    holder.silence(0)
    assert reactor.ports[0].socket.shut == 0


def test_all_kinds_of_endpoints(reactor):
    """TLS is a TCP port to the parent; UNIX sockets and those of others are shared."""
    holder = Holder(reactor, 2, balanced=True)
    holder.listenSSL(443, Factory(), object(), interface="::1")
    holder.listenUNIX("/run/s", Factory(), mode=0o660)
    holder.adoptStreamPort(3, socket.AF_INET, Factory())
    assert set(holder.inherited(0)) == {"tcp ::1 443", "unix /run/s", "descriptor 3"}
    assert holder.inherited(0)["unix /run/s"] == holder.inherited(1)["unix /run/s"]
    assert [port.reading for port in reactor.ports] == [False] * 3


def test_the_same_twice(reactor):
    """What is asked for twice is there twice."""
    holder = Holder(reactor, 2, balanced=True)
    for _ in range(2):
        holder.listenTCP(0, Factory())
    assert len(holder.inherited(0)["tcp  0"]) == 2


def test_silence(reactor):
    """A slot without a worker gets no connections; one that is silent already is left alone."""
    holder = Holder(reactor, 2, balanced=True)
    holder.listenTCP(6001, Factory())
    for _ in range(2):
        holder.silence(1)
    assert [held.shut for held in holder._held[0].sockets] == [0, 1]


def test_closing(reactor):
    """All sockets are closed at once, and none is shut down, as workers may still look after it."""
    holder = Holder(reactor, 2, balanced=True)
    holder.listenTCP(6001, Factory())
    (port,), (_, further) = reactor.ports, holder._held[0].sockets
    holder.close()
    assert port.lost.getErrorMessage() == "Connection was closed cleanly: Connection done."
    assert not port._shouldShutdown
    assert (further.closed, further.shut) == (True, 0)
    assert holder.inherited(0) == {}


# The worker's side


@pytest.fixture
def closed(monkeypatch):
    """Hear which descriptors are closed."""
    numbers = []
    monkeypatch.setattr(
        sockets, "os", SimpleNamespace(dup=lambda n: n, close=numbers.append, fsdecode=os.fsdecode)
    )
    monkeypatch.setattr(sockets, "_family", lambda descriptor: socket.AF_INET)
    return numbers


def listened(reactor, description, inherited):
    """Listen as a worker does, and give the port and the factory."""
    factory = Factory()
    endpoint = serverFromString(Heir(reactor, inherited), description)
    return now(awaited(endpoint.listen(factory))), factory


async def awaited(deferred):
    return await deferred


def test_tcp(reactor, closed):
    """A worker serves the inherited socket, and lets it listen, as it may be silent."""
    port, factory = listened(reactor, "tcp:6001:backlog=7", {"tcp  6001": [5]})
    assert reactor.adopted == [(5, socket.AF_INET, factory)]
    assert port.socket.backlogs == [7]
    assert closed == [5]


def test_tls(reactor, closed):
    """TLS is put on top as the reactor itself would."""
    factory, context = Factory(), CertificateOptions()
    heir = Heir(reactor, {"tcp  443": [5]})
    port = heir.listenSSL(port=443, factory=factory, contextFactory=context, interface="")
    ((_, _, wrapped),) = reactor.adopted
    assert isinstance(wrapped, TLSMemoryBIOFactory)
    assert wrapped.wrappedFactory is factory
    assert port._type == "TLS"


def test_a_socket_of_others(reactor, closed):
    """The endpoint closes the descriptor, as it does always."""
    factory = Factory()
    Heir(reactor, {"descriptor 3": [3]}).adoptStreamPort(3, socket.AF_INET, factory)
    assert reactor.adopted == [(3, socket.AF_INET, factory)]
    assert closed == []


def test_accepting(reactor, closed):
    """It accepts when it is told to, and not from a port that was closed before that."""
    heir = Heir(reactor, {"tcp  6001": [5], "descriptor 3": [3]})
    heir.listenTCP(6001, Factory())
    heir.adoptStreamPort(3, socket.AF_INET, Factory())
    assert [port.reading for port in reactor.ports] == [False, False]
    reactor.ports[1].connected = False
    heir.accept()
    assert [port.reading for port in reactor.ports] == [True, False]
    reactor.ports[0].reading = False
    heir.accept()
    assert not reactor.ports[0].reading


@pytest.fixture
def pair(tmp_path):
    """Bind a UNIX socket, which is no port of this machine, and give its path and a descriptor of it."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        path.chmod(0o640)
        yield path, os.dup(bound.fileno())


@pytest.mark.parametrize("adopted", [False, True])
def test_unix(pair, adopted):
    """The file of a UNIX socket keeps its mode, and stays when a worker ends."""
    path, descriptor = pair
    reactor = Reactor()
    inherited = {f"unix {path}": [descriptor], f"descriptor {descriptor}": [descriptor]}
    heir, factory = Heir(reactor, inherited), Factory()
    if adopted:
        port = heir.adoptStreamPort(descriptor, socket.AF_UNIX, factory)
        os.close(descriptor)
    else:
        port = heir.listenUNIX(str(path), factory, backlog=9, mode=0o666, wantPID=False)
    assert isinstance(port, unix.Port)
    assert port.backlog == (BACKLOG if adopted else 9)
    assert os.fsdecode(port.getHost().name) == str(path)
    assert path.stat().st_mode & 0o777 == 0o640
    port.connectionLost(None)
    assert path.exists()


def test_the_family_of_a_socket(pair):
    """A descriptor is asked what it is, and stays open."""
    _, descriptor = pair
    assert sockets._family(descriptor) == socket.AF_UNIX
    os.close(descriptor)


@pytest.mark.parametrize("inherited", [{}, {"tcp  6001": []}, {"tcp  6002": [5]}])
def test_an_address_that_is_new(reactor, inherited):
    """An address that the parent does not hold is refused, and the reason is said."""
    with pytest.raises(LookupError, match="this address is new"):
        listened(reactor, "tcp:6001", inherited)


def test_who_is_served():
    """What the reactor reads from and writes to can be asked for here, too."""
    reactor = Reactor()
    reactor.addReader(reader := object())
    reactor.addWriter(writer := object())
    heir = Heir(reactor, {})
    assert heir.getReaders() == [reader]
    assert heir.getWriters() == [writer]
