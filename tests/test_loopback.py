"""Which endpoints only this machine can reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.loopback import is_local


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:6001:interface=127.0.0.1",
        "tcp:6001:interface=127.8.9.10:backlog=5",
        "tcp:6001:interface=localhost",
        "tcp:6001:127.0.0.1",
        r"tcp6:6001:interface=\:\:1",
        r"tcp:6001:interface=\:\:1",
        "ssl:6001:privateKey=a.pem:interface=127.0.0.1",
        "tls:/keys:6001:interface=127.0.0.1",
        "unix:/run/txpusher.sock:mode=660",
        "haproxy:tcp:6001:interface=127.0.0.1",
        "haproxy:unix:/run/txpusher.sock",
    ],
)
def test_local(endpoint):
    """The loopback and UNIX sockets are local, behind a proxy's protocol, too."""
    assert is_local(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:6001",
        "tcp:6001:interface=0.0.0.0",
        "tcp:6001:interface=",
        "tcp:6001:interface=192.168.0.1",
        "tcp:6001:interface=127.0.0.1.example.com",
        "tcp:127.0.0.1",
        "tcp6:6001",
        r"tcp6:6001:interface=\:\:",
        "ssl:6001:privateKey=a.pem",
        "tls:/keys",
        "systemd:domain=INET:name=txpusher",
        "haproxy:tcp:6001",
        "haproxy",
        "onion:80",
        "",
        "tcp:6001:\\",
    ],
)
def test_public(endpoint):
    """Everything else is public, and so is what cannot be known or understood."""
    assert not is_local(endpoint)


@given(st.text("tcpunixhaproxy:=\\.0127 "))
def test_any_text(endpoint):
    """Any text is one or the other."""
    assert is_local(endpoint) in {True, False}
