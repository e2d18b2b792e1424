"""The query of ``/app/{key}``: what a client says about itself before its first message.

Source: "Pusher docs: Channels protocol, connection". ``protocol`` and ``version`` are independent: the first is the
protocol's version, the second the client library's.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from txpusher.errors import InvalidVersion, NoProtocol, PathNotFound, UnsupportedProtocol

SUPPORTED_PROTOCOLS = frozenset({"5", "6", "7"})
SUBPROTOCOL = re.compile(r"pusher-channels-protocol-[0-9]+")

# One way to match each text, as a stranger chooses it: a group of its own for ".1.2" would take quadratic time.
_VERSION = re.compile(r"[0-9]+([-.+][0-9A-Za-z.+-]+)?")


def without_prefix(path: str, prefix: str) -> str:
    """Take a configured prefix off a path; a path without it, as proxies make, stays as it is."""
    return path.removeprefix(prefix) if path.startswith(prefix + "/") else path


def app_key(path: str, prefix: str) -> str | None:
    """Read the app key from the path of a WebSocket request.

    Args:
        path: as requested, not decoded.
        prefix: the configured path prefix; it may be missing, as proxies strip it.

    Returns:
        The decoded key, or None when this is not ``/app/{key}``.
    """
    path = without_prefix(path, prefix)
    if not path.startswith("/app/"):
        return None
    key = path.removeprefix("/app/").removesuffix("/")
    return unquote(key) if key and "/" not in key else None


class Handshake(NamedTuple):
    """What a WebSocket was opened with.

    Args:
        key: the app key from the path, or None when the path is another one.
        protocol: the ``protocol`` parameter, if any.
        version: the ``version`` parameter, if any.
        origin: the ``Origin`` header, if any.
        secure: whether the client speaks TLS to us or to the proxy in front.
        address: on whose account it goes, where addresses have a limit (`txpusher.protocol.addresses`).
    """

    key: str | None
    protocol: str | None
    version: str | None
    origin: str | None
    secure: bool
    address: str | None = None


def check(handshake: Handshake, *, strict: bool) -> str:
    """Check what can be checked without knowing the app.

    Args:
        handshake: what the client said.
        strict: refuse clients that leave out ``protocol`` or send a malformed ``version``.

    Returns:
        The app key.

    Raises:
        PathNotFound: 4005. NoProtocol: 4008. UnsupportedProtocol: 4007. InvalidVersion: 4006.
    """
    if handshake.key is None:
        raise PathNotFound
    if handshake.protocol is None:
        if strict:
            raise NoProtocol
    elif handshake.protocol not in SUPPORTED_PROTOCOLS:
        raise UnsupportedProtocol
    if strict and not _VERSION.fullmatch(handshake.version or ""):
        raise InvalidVersion
    return handshake.key
