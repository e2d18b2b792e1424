"""Who can reach a listener: only this machine, or others as well?"""

from __future__ import annotations

from ipaddress import ip_address

# The only part of Twisted that splits endpoint strings, and it needs no reactor. There is no public one.
from twisted.internet.endpoints import _parse

# Which argument after the type is the interface, when it is not written as interface=...
_INTERFACE = {"tcp": 1, "tcp6": 2, "ssl": 4, "tls": 3}


def is_local(endpoint: str) -> bool:
    """Tell whether a server endpoint can only be reached from this machine.

    What cannot be known, such as a socket that systemd opened, counts as public.

    Args:
        endpoint: a Twisted endpoint string, such as ``tcp:6001:interface=127.0.0.1``.
    """
    try:
        words, named = _parse(endpoint)
    except RuntimeError:  # it ends in a backslash
        return False
    while words and words[0] == "haproxy":  # the rest is the endpoint that it wraps
        words = words[1:]
    kind, *arguments = words or [""]
    if kind == "unix":
        return True
    if kind not in _INTERFACE:
        return False
    position = _INTERFACE[kind]
    positional = arguments[position] if len(arguments) > position else ""
    return _is_loopback(named.get("interface", positional))


def _is_loopback(interface: str) -> bool:
    if interface == "localhost":
        return True
    try:
        return ip_address(interface).is_loopback
    except ValueError:
        return False
