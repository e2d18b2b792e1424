"""Which web pages may connect: an ``Origin`` header against an app's patterns.

Patterns, whatever their case: ``*``; ``https://app.example.com`` (scheme, host and port); ``app.example.com`` or
``localhost:3000`` (any scheme); ``*.example.com`` (any sub-domain and the bare domain), also with a scheme; any other
pattern with one ``*`` matches by its beginning and end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# What a browser sends has no path, no blanks and, as names go over the wire, no letter beyond ASCII.
_PATTERN = re.compile(
    r"([A-Za-z*][A-Za-z0-9+.*-]*://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._*-]+)(:[0-9*]+)?"
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def pattern_problem(pattern: str) -> str | None:
    """Say why a pattern can match no ``Origin``, or None.

    Args:
        pattern: as an operator wrote it.
    """
    if pattern.count("*") > 1:
        return f"expected at most one * in {pattern!r}"
    if not _PATTERN.fullmatch(pattern):
        return (
            f"expected an origin such as https://app.example.com, without a path, not {pattern!r}"
        )
    return None


def origin_allowed(origin: str | None, patterns: Iterable[str]) -> bool:
    """Tell whether a page of this origin may connect.

    Args:
        origin: the header's value; None, as of clients that are not browsers, matches only ``*``.
        patterns: at least one; see the module.
    """
    return any(_matches((origin or "").lower(), pattern.lower()) for pattern in patterns)


def _matches(origin: str, pattern: str) -> bool:
    if pattern in {"*", "any"}:
        return True
    if not origin:
        return False
    scheme, _, host = origin.rpartition("://")
    wanted_scheme, _, wanted_host = pattern.rpartition("://")
    if "*" in wanted_scheme:
        return _matches_around_star(origin, pattern)
    if wanted_scheme and wanted_scheme != scheme:
        return False
    return _host_matches(_with_port(host, scheme), host, wanted_host, scheme)


def _host_matches(host_and_port: str, host: str, wanted: str, scheme: str) -> bool:
    if wanted.startswith("*."):
        domain = _with_port(wanted[2:], scheme)
        return host_and_port == domain or host_and_port.endswith("." + domain)
    if "*" in wanted:
        return _matches_around_star(host, wanted)
    return host_and_port == _with_port(wanted, scheme)


def _matches_around_star(text: str, wanted: str) -> bool:
    beginning, _, end = wanted.partition("*")
    long_enough = len(text) >= len(beginning) + len(end)
    return long_enough and text.startswith(beginning) and text.endswith(end)


def _with_port(host: str, scheme: str) -> str:
    has_port = ":" in host.rpartition("]")[2]
    return host if has_port else f"{host}:{_DEFAULT_PORTS.get(scheme, '')}"
