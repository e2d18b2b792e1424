"""Hosts that are looked up, in threads that run when the test says so."""

import socket
import threading

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
)
from twisted.internet.testing import MemoryReactorClock
from zope.interface.verify import verifyObject

from txpusher.webhooks import resolving
from txpusher.webhooks.resolving import ResolvingReactor, ThreadedResolver, TooManyLookups

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))
V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 0, 0, 2))
BLUETOOTH = (31, socket.SOCK_STREAM, 6, "", (0, b""))


class Reactor:
    """Where threads leave their answers."""

    def __init__(self):
        self.calls = []
        self.called = threading.Event()

    def callFromThread(self, function, *args):
        self.calls.append((function, args))
        self.called.set()

    def turn(self):
        calls, self.calls = self.calls, []
        for function, args in calls:
            function(*args)


class Receiver:
    """Somebody who asked."""

    def __init__(self):
        self.heard = []

    def resolutionBegan(self, resolution):
        self.resolution = resolution

    def addressResolved(self, address):
        self.heard.append(address)

    def resolutionComplete(self):
        self.heard.append("complete")


class Lookups:
    """A resolver, the threads that it started, and what they find."""

    def __init__(self, found=(V4,)):
        self.reactor = Reactor()
        self.threads = []
        self.asked = []
        self.found = found
        self.exhausted = False
        self.resolver = ThreadedResolver(self.reactor, self._thread, self._getaddrinfo)

    def ask(self, host="a.example", *args, **more):
        receiver = Receiver()
        resolution = self.resolver.resolveHostName(receiver, host, *args, **more)
        assert receiver.resolution is resolution
        return receiver

    def run(self):
        """Let all threads end, and the reactor turn."""
        threads, self.threads = self.threads, []
        for target, args in threads:
            target(*args)
        self.reactor.turn()

    def _thread(self, target, args, **more):
        assert more["daemon"]
        lookups = self

        class StandInThread:
            def start(self):
                if lookups.exhausted:
                    raise RuntimeError
                lookups.threads.append((target, args))

        return StandInThread()

    def _getaddrinfo(self, host, port, **more):
        assert more == {"type": socket.SOCK_STREAM}
        self.asked.append(host)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_a_host():
    """The addresses of a host come with the port, in their order."""
    lookups = Lookups([V6, BLUETOOTH, V4])
    receiver = lookups.ask("a.example", 80)
    assert receiver.heard == []
    lookups.run()
    assert lookups.asked == ["a.example"]
    assert receiver.heard == [
        IPv6Address("TCP", "fe80::1", 80, 0, 2),
        IPv4Address("TCP", "192.0.2.1", 80),
        "complete",
    ]


def test_what_is_wanted():
    """Only addresses of the kinds that are asked for are told, and for the transport that is asked for."""
    lookups = Lookups([V6, V4])
    receiver = lookups.ask("a.example", 53, [IPv4Address], "UDP")
    lookups.run()
    assert receiver.heard == [IPv4Address("UDP", "192.0.2.1", 53), "complete"]


@pytest.mark.parametrize(
    ("literal", "address"),
    [
        ("192.0.2.1", IPv4Address("TCP", "192.0.2.1", 80)),
        ("::1", IPv6Address("TCP", "::1", 80)),
        ("fe80::1%lo", IPv6Address("TCP", "fe80::1%lo", 80)),
    ],
)
def test_a_literal(literal, address):
    """An address is known at once, without a thread."""
    lookups = Lookups()
    assert lookups.ask(literal, 80).heard == [address, "complete"]
    assert lookups.threads == []


@pytest.mark.parametrize("error", [socket.gaierror(), UnicodeError(), ValueError("?")])
def test_a_host_without_an_address(error):
    """Whatever goes wrong, the answer is that there is no address; the next one asks anew."""
    lookups = Lookups(error)
    receiver = lookups.ask()
    lookups.run()
    assert receiver.heard == ["complete"]
    lookups.found = [V4]
    again = lookups.ask()
    lookups.run()
    assert again.heard[-2:] == [IPv4Address("TCP", "192.0.2.1", 0), "complete"]


def test_one_lookup_for_a_host():
    """Those who ask for a host meanwhile wait for the same answer, each with its own port; later ones ask anew."""
    lookups = Lookups()
    receivers = [lookups.ask("a.example", port) for port in (80, 81)]
    other = lookups.ask("b.example")
    lookups.run()
    assert lookups.asked == ["a.example", "b.example"]
    assert [receiver.heard[0].port for receiver in receivers] == [80, 81]
    assert len(other.heard) == 2
    lookups.ask("a.example")
    lookups.run()
    assert lookups.asked == ["a.example", "b.example", "a.example"]


def test_cancelling():
    """Who does not wait any longer is told nothing; the others are."""
    lookups = Lookups()
    leaves, stays = lookups.ask(), lookups.ask()
    leaves.resolution.cancel()
    lookups.run()
    assert leaves.heard == []
    assert stays.heard[-1] == "complete"


def test_the_bound():
    """One host too many fails at once; hosts that are looked up already, and addresses, do not count."""
    lookups = Lookups()
    for number in range(resolving.MOST_LOOKUPS):
        lookups.ask(f"{number}.example")
    with pytest.raises(TooManyLookups):
        lookups.ask("one.too.many")
    lookups.ask("0.example")
    lookups.ask("192.0.2.1")
    assert len(lookups.threads) == resolving.MOST_LOOKUPS
    lookups.run()
    lookups.ask("one.too.many")
    assert len(lookups.threads) == 1


def test_no_thread_left():
    """A thread that the system refuses is as one too many, and nobody waits for it afterwards."""
    lookups = Lookups()
    lookups.exhausted = True
    with pytest.raises(TooManyLookups):
        lookups.ask()
    lookups.exhausted = False
    receiver = lookups.ask()
    lookups.run()
    assert receiver.heard[-1] == "complete"


def test_a_real_thread():
    """By itself it takes a daemon thread, in which alone it waits."""
    reactor, where = Reactor(), []

    def getaddrinfo(*args, **more):
        where.append(threading.current_thread())
        return [V4]

    receiver = Receiver()
    resolver = ThreadedResolver(reactor, getaddrinfo=getaddrinfo)
    resolver.resolveHostName(receiver, "a.example")
    assert reactor.called.wait(10)
    (thread,) = where
    assert thread.daemon
    assert thread is not threading.current_thread()
    assert receiver.heard == []
    reactor.turn()
    assert receiver.heard[-1] == "complete"


def test_the_reactor():
    """The reactor that connects keeps its own resolver, whatever is installed here."""
    reactor = MemoryReactorClock()
    own, first, second = reactor.nameResolver, Lookups().resolver, Lookups().resolver
    stand_in = ResolvingReactor(reactor, first)
    assert stand_in.connectTCP == reactor.connectTCP
    assert stand_in.nameResolver is first
    assert stand_in.installNameResolver(second) is first
    assert stand_in.nameResolver is second
    assert reactor.nameResolver is own


def test_interfaces():
    """They are what Twisted takes them for."""
    lookups = Lookups()
    verifyObject(IHostnameResolver, lookups.resolver)
    verifyObject(IHostResolution, lookups.ask().resolution)
    verifyObject(
        IReactorPluggableNameResolver, ResolvingReactor(MemoryReactorClock(), lookups.resolver)
    )
