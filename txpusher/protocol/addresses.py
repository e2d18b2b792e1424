"""Whose requests are counted together: the address of a client, as far as it can be believed.

A server behind proxies sees their addresses only. Each proxy appends the address it was asked from to
``X-Forwarded-For``; what stands to the left of that was in the request before, and anybody may have written it. So the
list is counted from the right, by as many entries as there are proxies to trust.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

HOST_BITS = 64
"""The bits at the end of an IPv6 address that its owner chooses at will, and may change as often (RFC 4291, 2.5.1)."""

UNKNOWN = "unknown"
"""On whose account everybody goes of whom a trusted proxy on a UNIX socket tells nothing usable."""

# As some proxies write it: with a port, and IPv6 in brackets then.
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


def client_address(peer: str | None, forwarded: str, trusted_hops: int) -> str | None:
    """Find out on whose account a request goes.

    Args:
        peer: the address of the other end of the connection; None when it has none, as on a UNIX socket.
        forwarded: the value of ``X-Forwarded-For``; several headers joined by commas. It may be empty.
        trusted_hops: proxies in front that append to it.

    Returns:
        The address that the outermost of these proxies saw, as `network` writes it. With fewer entries than proxies
        it is the leftmost one. Without a usable one it is the peer's, and `UNKNOWN` where that has none: nonsense
        makes nobody anybody else. None when no proxy is trusted and the peer has no address.
    """
    if not trusted_hops:
        return None if peer is None else network(peer)
    entries = [entry for entry in map(str.strip, forwarded.split(",")) if entry]
    told = network(entries[-trusted_hops:][0]) if entries else None
    return told or network(peer or "") or UNKNOWN


def network(text: str) -> str | None:
    """Write an address so that those of one client are the same text.

    Args:
        text: an IP address, with or without a port.

    Returns:
        An IPv4 address, also when it came mapped into IPv6, or the network of an IPv6 address; None when it is none.
    """
    with_port = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address(text if with_port is None else with_port[1] or with_port[2] or "")
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return _network(address) if mapped is None else str(mapped)
    return str(address)


def _network(address: IPv6Address) -> str:
    return f"{IPv6Address(int(address) >> HOST_BITS << HOST_BITS)}/{128 - HOST_BITS}"
