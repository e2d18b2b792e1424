"""Connections that send at once, keep the order, and give slow clients up; on sockets that a test can fill."""

import errno
import socket
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import tcp, unix
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from tests.socket_doubles import Reactor, connected
from txpusher.transport import (
    BufferingTCPServer,
    BufferingUNIXServer,
    EagerTCPServer,
    EagerUNIXServer,
    address_of,
    innermost,
    read_now,
    use_transport,
    write_now,
)

EAGER, BUFFERING = (EagerTCPServer, EagerUNIXServer), (BufferingTCPServer, BufferingUNIXServer)


@pytest.fixture(params=[*EAGER, *BUFFERING], ids=lambda kind: kind.__name__)
def kind(request):
    """Any of our transports."""
    return request.param


@pytest.fixture(params=EAGER, ids=lambda kind: kind.__name__)
def eager(request):
    """One that sends at once."""
    return connected(request.param)


# Sending


def test_eager_ones_send_at_once(eager):
    """What fits into the socket is sent in the very call, and the reactor has nothing to do."""
    eager.write(b"one")
    eager.write(b"two")
    eager.writeSequence([b"three", b"four"])
    assert eager.socket.sent == b"onetwothreefour"
    assert eager.socket.calls == 3
    assert eager.reactor.getWriters() == []
    assert eager.backlog() == 0


@pytest.mark.parametrize("kind", BUFFERING)
def test_the_others_wait_for_the_reactor(kind):
    """What is written is sent when the reactor says so, together."""
    transport = connected(kind)
    transport.write(b"one")
    transport.writeSequence([b"two", b"three"])
    assert transport.socket.sent == b""
    assert transport.backlog() == 11
    transport.reactor.write_all()
    assert transport.socket.sent == b"onetwothree"
    assert transport.backlog() == 0


def test_what_does_not_fit_waits(eager):
    """The rest of what was sent in part goes when there is room again."""
    eager.socket.room = 2
    eager.write(b"hello")
    assert (eager.socket.sent, eager.backlog()) == (b"he", 3)
    eager.socket.room = None
    eager.reactor.write_all()
    assert (eager.socket.sent, eager.backlog()) == (b"hello", 0)


@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.ENOBUFS, errno.EAGAIN])
def test_a_full_socket(eager, number):
    """A socket that takes nothing now is no broken one."""
    eager.socket.error = number
    eager.write(b"hello")
    eager.reactor.write_all(3)
    assert (eager.socket.sent, eager.backlog(), eager.protocol.ended) == (b"", 5, None)
    eager.socket.error = None
    eager.reactor.write_all()
    assert eager.socket.sent == b"hello"


def test_a_broken_socket(eager):
    """An error in sending does not reach who writes: the connection ends a moment later, as Twisted does it."""
    eager.socket.error = errno.EPIPE
    protocol = eager.protocol
    eager.write(b"hello")
    eager.write(b"again")
    assert protocol.ended is None
    eager.reactor.write_all()
    assert protocol.ended is not None


def test_later_writes_do_not_overtake(eager):
    """While something waits, everything that comes later waits behind it, though there is room by now."""
    eager.socket.room = 1
    eager.write(b"abc")
    eager.socket.room = None
    eager.write(b"def")
    eager.writeSequence([b"ghi"])
    assert eager.socket.sent == b"a"
    eager.reactor.write_all()
    assert eager.socket.sent == b"abcdefghi"
    eager.write(b"jkl")
    assert eager.socket.sent == b"abcdefghijkl"


def test_nothing_overtakes_what_the_reactor_sent_in_part(eager):
    """Also behind what the reactor has begun to send, later writes wait, though there is room by now."""
    eager.socket.room = 0
    eager.write(b"abc")
    eager.socket.room = 1
    eager.reactor.write_all(1)
    eager.socket.room = None
    eager.write(b"def")
    assert eager.socket.sent == b"a"
    eager.reactor.write_all()
    assert eager.socket.sent == b"abcdef"


@given(
    kind=st.sampled_from([*EAGER, *BUFFERING]),
    steps=st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.integers(0, 30),
            st.integers(-30, -1),
            st.lists(st.binary(max_size=5), max_size=3),
        )
    ),
)
def test_all_bytes_arrive_in_order(kind, steps):
    """However the socket fills and empties, what was written arrives whole and in order."""
    transport = connected(kind)
    transport.socket.room = 0
    written = b""
    for step in steps:
        if isinstance(step, int):
            transport.socket.room += abs(step)
            # Also room that nobody was told of yet.
            if step >= 0:
                transport.reactor.write_all(1)
        elif isinstance(step, bytes):
            transport.write(step)
            written += step
        else:
            transport.writeSequence(step)
            written += b"".join(step)
        assert transport.backlog() == len(written) - len(transport.socket.sent)
    transport.socket.room = None
    transport.reactor.write_all()
    assert transport.socket.sent == written


# Reading


def test_what_was_sent_already_is_read_now(kind):
    """Nobody waits for the reactor to say that there is something."""
    transport = connected(kind)
    transport.socket.received = b"hello"
    read_now(transport)
    assert transport.protocol.read == b"hello"


def test_where_nothing_was_sent_the_reactor_goes_on_looking(kind):
    """Nothing to read is no end, and an end is the reactor's to find."""
    for nothing in (b"", None):
        transport = connected(kind)
        transport.socket.received = nothing
        read_now(transport)
        assert (transport.protocol.read, transport.protocol.ended) == (b"", None)
        assert transport.reactor.getReaders() == [transport]


def test_a_bug_in_what_reads_ends_the_connection(kind):
    """As it does when the reactor reads."""
    transport = connected(kind)
    transport.socket.received = b"hello"
    protocol = transport.protocol
    protocol.dataReceived = None
    with capturedLogs() as logs:
        read_now(transport)
        transport.reactor.advance(0)
    assert [log["log_failure"].type for log in logs] == [TypeError]
    assert protocol.ended is not None


def test_what_has_ended_is_not_read(kind):
    """A connection may end in the turn in which it was accepted."""
    transport = connected(kind)
    sock, protocol = transport.socket, transport.protocol
    sock.received = b"hello"
    transport.connectionLost(Failure(ConnectionLost()))
    read_now(transport)
    assert (sock.received, protocol.read) == (b"hello", b"")


def test_what_is_no_socket_of_ours_is_not_read():
    """TLS and the PROXY protocol have to begin first."""
    transport = connected(EagerTCPServer)
    transport.socket.received = b"hello"
    read_now(ProtocolWrapper(WrappingFactory(Factory()), Protocol()))
    wrapper = ProtocolWrapper(WrappingFactory(Factory()), Protocol())
    wrapper.makeConnection(transport)
    read_now(wrapper)
    assert transport.socket.received == b"hello"


@pytest.fixture(params=BUFFERING, ids=lambda kind: kind.__name__)
def buffering(request):
    """One that leaves sending to the reactor."""
    return connected(request.param)


def test_what_is_written_now_is_sent_now(buffering):
    """Everything goes out in the very call, and the reactor has nothing left to do."""
    write_now(buffering, b"one")
    write_now(buffering, b"two")
    assert buffering.socket.sent == b"onetwo"
    assert buffering.reactor.getWriters() == []


def test_what_cannot_be_sent_now_waits(buffering):
    """The rest goes when there is room again, in order, and nothing twice."""
    buffering.socket.room = 2
    write_now(buffering, b"hello")
    assert (buffering.socket.sent, buffering.backlog()) == (b"he", 3)
    write_now(buffering, b" you")
    assert (buffering.socket.sent, buffering.backlog()) == (b"he", 7)
    buffering.socket.room = None
    buffering.reactor.write_all()
    assert buffering.socket.sent == b"hello you"


def test_an_error_of_sending_now_is_left_to_the_reactor(buffering):
    """The connection ends a moment later, as Twisted does it."""
    buffering.socket.error = errno.EPIPE
    protocol = buffering.protocol
    write_now(buffering, b"hello")
    assert protocol.ended is None
    buffering.reactor.write_all()
    assert protocol.ended is not None


def test_what_closes_is_not_sent_to_now(buffering):
    """Its last bytes and its end stay the reactor's business."""
    protocol, sock = buffering.protocol, buffering.socket
    buffering.write(b"hello")
    buffering.loseConnection()
    write_now(buffering, b" you")
    assert sock.sent == b""
    buffering.reactor.write_all()
    assert sock.sent.startswith(b"hello")
    assert protocol.ended is not None
    calls = sock.calls
    write_now(buffering, b"more")
    assert sock.calls == calls


def test_transports_without_a_socket_send_as_they_do():
    """What is no socket below is left alone."""
    transport = StringTransport()
    write_now(transport, b"hello")
    assert transport.value() == b"hello"


def test_empty_writes(kind):
    """Writing nothing does nothing."""
    transport = connected(kind)
    transport.write(b"")
    transport.writeSequence([])
    transport.reactor.write_all()
    assert transport.socket.sent == b""


def test_text_is_refused(kind):
    """Text instead of bytes is a mistake of ours, and is not hidden."""
    with pytest.raises(TypeError):
        connected(kind).write("text")


# The end


def test_closing_sends_everything_first(kind):
    """A connection that is closed politely sends what waits, and what is written meanwhile."""
    transport = connected(kind)
    protocol, sock = transport.protocol, transport.socket
    sock.room = 0
    transport.write(b"one")
    transport.loseConnection()
    transport.write(b"two")
    sock.room = None
    transport.reactor.write_all()
    assert sock.sent == b"onetwo"
    assert protocol.ended is not None


def test_writing_after_the_end(kind):
    """Writing to a connection that is gone does nothing."""
    transport = connected(kind)
    sock = transport.socket
    transport.abortConnection()
    transport.reactor.advance(0)
    transport.write(b"late")
    transport.writeSequence([b"later"])
    assert sock.sent == b""
    assert transport.backlog() == 0
    assert transport.reactor.getWriters() == []


def test_small_messages_are_not_delayed():
    """TCP connections are without Nagle's algorithm."""
    for kind in (EagerTCPServer, BufferingTCPServer):
        options = connected(kind).socket.options
        assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in options


# Slow clients


def slow(kind, limit):
    transport = connected(kind)
    transport.socket.room = 0
    given_up = []
    transport.max_backlog = limit
    transport.on_backlog = lambda: given_up.append(transport.backlog())
    return transport, given_up


def test_a_slow_client_is_given_up_once(kind):
    """Past the limit nothing more is kept, and somebody is told, once."""
    transport, given_up = slow(kind, 10)
    for _ in range(20):
        transport.write(b"12345")
    assert given_up == [15]
    assert transport.backlog() == 15
    assert transport.on_backlog is None


def test_the_limit_itself_is_allowed(kind):
    """As many bytes as the limit may wait, and one more write."""
    transport, given_up = slow(kind, 10)
    transport.write(b"1234567890")
    transport.write(b"x" * 1000)
    assert (given_up, transport.backlog()) == ([], 1010)
    transport.write(b"y")
    assert given_up == [1010]


def test_a_client_that_catches_up_is_kept(kind):
    """Bytes that were sent do not count, whatever buffer they were in."""
    transport, given_up = slow(kind, 10)
    for _ in range(20):
        transport.write(b"123456")
        transport.socket.room = 4
        transport.reactor.write_all(1)
        transport.socket.room = None
        transport.reactor.write_all()
        transport.socket.room = 0
    assert (given_up, transport.backlog()) == ([], 0)


def test_without_a_limit_everything_waits(kind):
    """Where no limit is set, as for HTTP, clients may be as slow as they like."""
    transport, given_up = slow(kind, 0)
    for _ in range(100):
        transport.write(b"x" * 1000)
    assert (given_up, transport.backlog()) == ([], 100_000)


def test_nobody_to_be_told(kind):
    """With a limit and nobody who is told, the rest is dropped."""
    transport, _ = slow(kind, 10)
    transport.on_backlog = None
    for _ in range(5):
        transport.write(b"12345678")
    assert transport.backlog() == 16


def test_giving_up_may_end_the_connection(kind):
    """Whoever is told may abort the connection on the spot: the buffer goes with it."""
    transport, _ = slow(kind, 10)
    protocol = transport.protocol
    transport.on_backlog = transport.abortConnection
    with capturedLogs() as logs:
        for _ in range(10):
            transport.write(b"12345678")
        transport.reactor.advance(0)
    assert protocol.ended is not None
    assert not logs


# Real sockets, as far as they need no port


def pair():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


@pytest.mark.parametrize("kind", [EagerUNIXServer, BufferingUNIXServer])
def test_a_real_socket(kind):
    """A UNIX socket of the system gets everything in order, though it takes only a little at once."""
    ours, theirs = pair()
    transport = connected(kind, ours)
    written = b"".join(b"%07d\n" % n for n in range(20_000))
    for begin in range(0, len(written), 5000):
        transport.write(written[begin : begin + 5000])
    assert transport.backlog() > 0
    read = b""
    while len(read) < len(written):
        transport.reactor.write_all(1)
        read += theirs.recv(65536)
    assert read == written
    transport.loseConnection()
    transport.reactor.write_all()
    assert theirs.recv(1) == b""
    theirs.close()


@pytest.mark.parametrize("kind", [EagerUNIXServer, BufferingUNIXServer])
def test_a_real_peer_that_goes_away(kind):
    """Writing to a peer that closed ends the connection, and raises nothing."""
    ours, theirs = pair()
    transport = connected(kind, ours)
    protocol = transport.protocol
    theirs.close()
    transport.write(b"hello")
    transport.write(b"hello")
    transport.reactor.write_all()
    assert protocol.ended is not None


# Ports and wrappers


@pytest.mark.parametrize(
    ("original", "eager", "ours"),
    [
        (tcp.Server, True, EagerTCPServer),
        (tcp.Server, False, BufferingTCPServer),
        (unix.Server, True, EagerUNIXServer),
        (unix.Server, False, BufferingUNIXServer),
    ],
)
def test_ports_make_our_transports(original, eager, ours):
    """A port of TCP or UNIX sockets makes connections of ours."""
    port = SimpleNamespace(transport=original)
    use_transport(port, eager=eager)
    assert port.transport is ours


@pytest.mark.parametrize(
    ("eager", "wrapper"), [(True, TLSMemoryBIOProtocol), (False, BufferingTLSTransport)]
)
def test_small_writes_are_not_collected_below_tls(eager, wrapper):
    """What is written over TLS waits for nothing either, unless that is switched off."""
    factory = TLSMemoryBIOFactory(CertificateOptions(), False, WrappingFactory(None), Reactor())
    use_transport(SimpleNamespace(transport=tcp.Server, factory=factory), eager=eager)
    assert factory.protocol is wrapper


@pytest.mark.parametrize("eager", [True, False])
def test_other_ports_keep_theirs(eager):
    """A port of another kind is left as it is."""
    port = SimpleNamespace(transport=StringTransport)
    use_transport(port, eager=eager)
    assert port.transport is StringTransport
    use_transport(object(), eager=eager)


def test_real_ports_can_be_told():
    """Twisted's own ports, before they listen, are the ones that are meant."""
    for port in (tcp.Port(0, None, reactor=Reactor()), unix.Port("x", None, reactor=Reactor())):
        use_transport(port, eager=True)
        assert port.transport in EAGER


def wrapped(transport, times):
    for _ in range(times):
        wrapper = ProtocolWrapper(WrappingFactory(None), Protocol())
        wrapper.transport = transport
        transport = wrapper
    return transport


@pytest.mark.parametrize("times", [0, 1, 2])
def test_the_socket_below_the_wrappers(kind, times):
    """TLS and the PROXY protocol wrap the connection: the one with the socket is found below them."""
    transport = connected(kind)
    assert innermost(wrapped(transport, times)) is transport


def test_a_wrapper_writes_through(eager):
    """What a wrapper such as TLS writes is sent at once, too, and counts against the limit."""
    outer = wrapped(eager, 2)
    outer.write(b"hello")
    assert eager.socket.sent == b"hello"
    eager.socket.room = 0
    outer.write(b"wait")
    assert innermost(outer).backlog() == 4


def test_other_transports_are_their_own_innermost():
    """A transport that is none of ours, and wraps nothing, is given back."""
    transport = StringTransport()
    assert innermost(transport) is transport
    assert innermost(wrapped(transport, 1)) is transport


# Whom they belong to


@pytest.mark.parametrize(
    ("peer", "own"),
    [
        (IPv4Address("TCP", "203.0.113.7", 4321), "203.0.113.7"),
        (IPv6Address("TCP", "2001:db8::7", 4321), "2001:db8::/64"),
        (UNIXAddress("/run/x"), None),
    ],
)
def test_the_address_of_a_client(peer, own):
    """A client has the address of the other end, also below wrappers, or the one that a trusted proxy tells."""
    transport = StringTransport(peerAddress=peer)
    for outer in (transport, wrapped(transport, 1)):
        assert address_of(outer, "203.0.113.8", 0) == own
        assert address_of(outer, "203.0.113.8", 1) == "203.0.113.8"


def test_the_address_that_a_proxy_speaks_for():
    """Behind the PROXY protocol a client has the address that the proxy names."""
    addresses = []

    class Asking(Protocol):
        def dataReceived(self, data):
            addresses.append(address_of(self.transport, "203.0.113.8", 0))

    wrapper = HAProxyWrappingFactory(Factory.forProtocol(Asking)).buildProtocol(None)
    wrapper.makeConnection(StringTransport())
    wrapper.dataReceived(b"PROXY TCP4 203.0.113.7 203.0.113.1 56324 443\r\nhello")
    assert addresses == ["203.0.113.7"]


# The end


def test_the_end_may_wait(kind):
    """Somebody may say when the protocol hears of the end; until then it hears of nothing, and then of the same."""
    transport, reason, waiting = connected(kind), Failure(ConnectionLost()), []
    transport.on_lost = waiting.append
    transport.connectionLost(reason)
    assert waiting == [reason]
    assert transport.protocol.ended is None
    protocol = transport.protocol
    transport.connectionLost(reason)
    transport.connectionLost(reason)
    assert protocol.ended is reason
    assert waiting == [reason]
