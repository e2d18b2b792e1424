"""Every kind of listener: TCP, UNIX, TLS, behind HAProxy, opened by systemd; several at once."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import sys

import pytest
from harness import Server, behind_proxy, command, free_port, managed, tcp, tls, unix
from served_apps import APP, TLS_ONLY, write_apps
from wire import HttpConnection


def works(server):
    """Everything goes through this listener: a WebSocket, signed calls, a publish, a large message."""
    client, other = server.connect(), server.connect()
    client.subscribe("private-x")
    other.subscribe("private-x")
    for one in (client, other):
        one.so_far()
    data = "x" * 90_000
    server.api().trigger("private-x", data)
    assert client.expect("event")["data"] == other.expect("event")["data"] == data
    client.send("client-x", "y" * 20_000, "private-x")
    assert other.expect("client-x")["data"] == "y" * 20_000
    assert server.api().get("/channels").json == {"channels": {"private-x": {}}}
    assert server.get("/up").text == "OK"
    with HttpConnection(server.dial()) as http:
        for _ in range(3):
            request = server.api().request("/events", {"name": "e", "channel": "c", "data": "x"})
            http.socket.sendall(request * 2)
            assert [http.answer().json for _ in range(2)] == [{}, {}]


def served_on(directory, endpoint, dial, **how):
    """A server that listens there and nowhere else."""
    arguments = command(
        "twistd", ("--listen", endpoint, "--metrics", "none", "--apps", write_apps(directory))
    )
    return Server(directory, arguments, dial, APP, **how)


def test_tcp(server):
    """The shared server has other channels as well."""
    client = server.connect()
    client.subscribe("presence-tcp", {"user_id": "a"})
    assert client.is_alive()


def test_ipv6(tmp_path, manage):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    port = free_port()

    def dial():
        return socket.create_connection(("::1", port), timeout=10)

    works(manage(served_on(tmp_path, f"tcp6:{port}:interface=\\:\\:1", dial)))


def test_unix(tmp_path):
    path = tmp_path / "s"
    with managed(served_on(tmp_path, f"unix:{path}:mode=660", unix(path))) as server:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        works(server)
        assert f"unix:{path}" in server.log
    assert not path.exists()


@pytest.fixture
def over_tls(tmp_path, manage, certificate):
    private, public = certificate
    port = free_port()
    endpoint = f"ssl:{port}:privateKey={private}:certKey={public}:interface=127.0.0.1"
    return manage(served_on(tmp_path, endpoint, tls(port, public), port=port))


def test_tls(over_tls):
    works(over_tls)


def test_app_that_wants_tls(over_tls):
    assert over_tls.connect(TLS_ONLY).is_alive()


def test_tls_version(over_tls):
    with over_tls.dial() as connection:
        assert connection.version() in {"TLSv1.2", "TLSv1.3"}


def test_nonsense_on_a_tls_port(over_tls):
    client = over_tls.connect()
    for beginning in (b"GET /up HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 100, b""):
        with HttpConnection(tcp(over_tls.port)()) as http:
            http.socket.sendall(beginning)
            http.socket.shutdown(socket.SHUT_WR)
            while http.socket.recv(1000):
                pass
    with pytest.raises(ssl.SSLError), tcp(over_tls.port)() as plain:
        # Nobody vouches for the certificate.
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    assert client.is_alive()


def test_stop_with_tls_clients(over_tls):
    client = over_tls.connect()
    over_tls.terminate()
    assert client.close_code() == 4200
    assert over_tls.ended() == 0


PROXY_V1 = b"PROXY TCP4 203.0.113.7 203.0.113.1 56324 443\r\n"
PROXY_V2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    + socket.inet_aton("203.0.113.7")
    + socket.inet_aton("203.0.113.1")
    + b"\xdc\x04\x01\xbb"
)


@pytest.mark.parametrize("header", [PROXY_V1, PROXY_V2], ids=["v1", "v2"])
def test_haproxy(tmp_path, manage, header):
    port = free_port()
    endpoint = f"haproxy:tcp:{port}:interface=127.0.0.1"
    works(manage(served_on(tmp_path, endpoint, behind_proxy(port, header))))


def test_haproxy_without_its_header(tmp_path, manage):
    port = free_port()
    endpoint = f"haproxy:tcp:{port}:interface=127.0.0.1"
    server = manage(served_on(tmp_path, endpoint, behind_proxy(port, PROXY_V1)))
    client = server.connect()
    with HttpConnection(tcp(port)()) as http:
        http.send("GET", "/up")
        assert http.ended()
    assert client.is_alive()


# Takes file descriptor 3, as systemd would have it, and becomes the server.
AS_SYSTEMD = """
import os, sys
descriptor, program = int(sys.argv[1]), sys.argv[2:]
if descriptor != 3:
    os.dup2(descriptor, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="txpusher")
os.execv(program[0], program)
"""


@pytest.mark.parametrize("choice", ["index=0", "name=txpusher"])
def test_systemd(tmp_path, choice):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        descriptor = os.dup(listener.fileno())
    options = ("--metrics", "none", "--apps", write_apps(tmp_path))
    program = command("twistd", ("--listen", f"systemd:domain=INET:{choice}", *options))
    arguments = [sys.executable, "-c", AS_SYSTEMD, str(descriptor), *program]
    try:
        server = Server(tmp_path, arguments, tcp(port), APP, port=port, pass_fds=(descriptor,))
    finally:
        os.close(descriptor)
    with managed(server):
        works(server)


# -- clients that do not read, over each of them


@pytest.fixture(params=["tcp", "unix", "tls", "haproxy"])
def strict(request, tmp_path, manage, certificate):
    """A server that lets little wait."""
    port, path, (private, public) = free_port(), tmp_path / "s", certificate
    endpoint, dial = {
        "tcp": (f"tcp:{port}:interface=127.0.0.1", tcp(port)),
        "unix": (f"unix:{path}", unix(path)),
        "tls": (
            f"ssl:{port}:privateKey={private}:certKey={public}:interface=127.0.0.1",
            tls(port, public),
        ),
        "haproxy": (f"haproxy:tcp:{port}:interface=127.0.0.1", behind_proxy(port, PROXY_V1)),
    }[request.param]
    metrics_port = free_port()
    options = [
        *("--listen", endpoint, "--metrics", f"tcp:{metrics_port}:interface=127.0.0.1"),
        *("--app", f"{APP.id}:{APP.key}:{APP.secret}", "--max-backlog", "100000"),
    ]
    server = Server(
        tmp_path,
        command("twistd", options),
        dial,
        APP,
        # What its metrics are labelled with.
        port=str(path) if request.param == "unix" else port,
        metrics_port=metrics_port,
    )
    return manage(server)


def test_slow_consumer(strict, name):
    slow, quick = strict.connect(), strict.connect()
    for client in (slow, quick):
        client.subscribe(name)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    event = {"name": "e", "channel": name, "data": "x" * 50_000}
    counted = 'messages_dropped_total{app_id="1001",reason="slow_client"}'
    with HttpConnection(strict.dial()) as http:
        for sent in range(1, 1000):
            http.socket.sendall(strict.api().request("/events", event))
            assert http.answer().json == {}
            assert quick.expect("e")["data"] == event["data"]
            if sent % 50 == 0 and strict.metrics().get(counted):
                break
    metrics = strict.metrics()
    assert metrics[counted] == 1
    assert metrics['connected{app_id="1001"}'] == 1
    assert quick.is_alive()
    # Cut off, not closed: nothing was queued behind what it does not read.
    assert slow.close_code() == 1006
    assert "does not read" in strict.log


def test_several_listeners(tmp_path, start):
    path = tmp_path / "s"
    server = start("--listen", f"unix:{path}")
    over_tcp = server.connect()
    over_tcp.subscribe("x")
    server.dial = unix(path)
    over_unix = server.connect()
    over_unix.subscribe("x")
    server.api().trigger("x", "both")
    assert over_tcp.expect("event")["data"] == over_unix.expect("event")["data"] == "both"


def test_no_eager_send(start, name):
    server = start("--no-eager-send")
    client = server.connect()
    client.subscribe(name)
    for number in range(20):
        server.api().trigger(name, str(number))
    assert [m["data"] for m in client.so_far()] == [str(n) for n in range(20)]
