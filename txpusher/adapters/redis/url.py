"""What the URL of ``--adapter`` says about Redis.

=============================================== ===================================================================
``redis://[user:password@]host[:port][/db]``    TCP
``rediss://...``                                TLS; the certificate and its name are verified
``redis+unix://[user:password@]/path[?db=1]``   a UNIX socket
``redis+sentinel://h1[:port],h2[:port]/master`` the master that the Sentinels know by this name; ``rediss+sentinel``
                                                for TLS to both
=============================================== ===================================================================

User and password are percent-encoded, as in every URL. What else there is to say is a query parameter; see `Target`.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from txpusher.errors import ConfigError

SETTING = "--adapter"
"""What errors name. They quote nothing of a URL: any part may be one of a password that was not percent-encoded."""

_PORT = 6379
_SENTINEL_PORT = 26379
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]{1,5}))?")
_ENCODED = "in user and password : / ? # and @ have to be percent-encoded"
_PARAMETERS = (
    *("prefix", "heartbeat", "lease", "timeout", "db", "ca"),
    *("sentinel_user", "sentinel_password"),
)
_SHAPES = {
    "redis": "redis://host:port/db",
    "rediss": "rediss://host:port/db",
    "redis+unix": "redis+unix:///path",
    "redis+sentinel": "redis+sentinel://host:port,host:port/master",
    "rediss+sentinel": "rediss+sentinel://host:port,host:port/master",
}


class Target(NamedTuple):
    """Where Redis is, and how it is used.

    Args:
        addresses: host and port of Redis, or of every Sentinel; empty for a UNIX socket.
        path: of the UNIX socket, or empty.
        master: the name by which Sentinel knows the master, or empty.
        tls: whether connections are encrypted.
        user, password: for ``AUTH``; empty for none.
        sentinel_user, sentinel_password: the same for the Sentinels.
        db: the number of the database.
        prefix: what all keys and channels begin with.
        heartbeat: seconds between two signs of life of a node.
        lease: seconds after the last one until the others take the node for dead.
        timeout: seconds that Redis may take to answer, and to be connected to.
        ca: path of a PEM file with the authorities that are trusted instead of the system's, or empty.
    """

    addresses: tuple[tuple[str, int], ...] = ()
    path: str = ""
    master: str = ""
    tls: bool = False
    user: str = ""
    password: str = ""
    sentinel_user: str = ""
    sentinel_password: str = ""
    db: int = 0
    prefix: str = "txpusher"
    heartbeat: float = 5.0
    lease: float = 15.0
    timeout: float = 3.0
    ca: str = ""


def parse(url: str) -> Target:
    """Read a URL.

    Raises:
        ConfigError: it is not one of those above; the error names the part and quotes none.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(SETTING, "is not a URL") from error
    if parts.scheme not in _SHAPES:
        raise _unknown_scheme(parts.scheme)
    if parts.fragment or url.endswith("#"):
        raise ConfigError(SETTING, f"expected no #; {_ENCODED}")
    target = Target(tls=parts.scheme.startswith("rediss"))._replace(**_credentials(parts))
    target = _placed(target, parts)
    return _checked(_with_parameters(target, parts.query))


def _unknown_scheme(scheme: str) -> ConfigError:
    if "cluster" in scheme:
        return ConfigError(
            SETTING,
            "Redis Cluster is not supported: its nodes do not share the keys that one script has to change; use one "
            "Redis, or Sentinel for a second one that takes over",
        )
    return ConfigError(SETTING, f"expected one of {', '.join(_SHAPES.values())}")


def _credentials(parts: SplitResult) -> dict[str, Any]:
    # Not parts.password: it is None for "user@", and hosts may be a list here.
    before, at, _ = parts.netloc.rpartition("@")
    if not at:
        return {}
    user, colon, password = before.partition(":")
    if not colon:
        raise ConfigError(SETTING, "expected user:password or :password before the @")
    return {"user": unquote(user), "password": unquote(password)}


def _placed(target: Target, parts: SplitResult) -> Target:
    where = parts.netloc.rpartition("@")[2]
    if parts.scheme == "redis+unix":
        if where or len(parts.path) < 2:
            raise ConfigError(SETTING, "expected the path of a socket, as redis+unix:///path")
        return target._replace(path=unquote(parts.path))
    if parts.scheme.endswith("+sentinel"):
        master = unquote(parts.path.strip("/"))
        if not master:
            raise ConfigError(SETTING, "expected the name of the master after the Sentinels")
        return target._replace(addresses=_addresses(where, _SENTINEL_PORT), master=master)
    target = target._replace(addresses=_addresses(where, _PORT))
    if len(target.addresses) > 1:
        raise ConfigError(SETTING, "expected one host; several are for redis+sentinel://")
    db = parts.path.strip("/")
    return target._replace(db=_whole("db", db)) if db else target


def _addresses(where: str, default_port: int) -> tuple[tuple[str, int], ...]:
    found = []
    for text in where.split(","):
        match = _HOST.fullmatch(text)
        port = int((match and match["port"]) or default_port)
        if match is None or not 0 < port < 65536:
            raise ConfigError(SETTING, f"expected host or host:port; {_ENCODED}")
        found.append((match["host"].strip("[]"), port))
    return tuple(found)


def _with_parameters(target: Target, query: str) -> Target:
    for name, value in parse_qsl(query, keep_blank_values=True):
        said: dict[str, Any] = {name: value}
        if name in {"heartbeat", "lease", "timeout"}:
            said = {name: _seconds(name, value)}
        elif name == "db" and (target.path or target.master):
            said = {name: _whole(name, value)}
        elif not _means_something(name, value, target):
            raise _unknown_parameter(name)
        target = target._replace(**said)
    return target


def _unknown_parameter(name: str) -> ConfigError:
    if name in _PARAMETERS:
        return ConfigError(SETTING, f"the parameter {name} has no meaning here")
    return ConfigError(SETTING, f"expected {', '.join(_PARAMETERS)} as parameters; {_ENCODED}")


def _means_something(name: str, value: str, target: Target) -> bool:
    return (
        (name == "prefix" and value != "")
        or (name == "ca" and target.tls)
        or (name in {"sentinel_user", "sentinel_password"} and target.master != "")
    )


def _checked(target: Target) -> Target:
    if target.lease < 3 * target.heartbeat:
        raise ConfigError(
            SETTING,
            f"lease={target.lease:g} has to be at least three times heartbeat={target.heartbeat:g}: one lost "
            "sign of life is no death",
        )
    return target


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ConfigError(SETTING, f"expected a whole number for {name}; {_ENCODED}")
    return int(text)


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.05 <= seconds <= 3600:
        raise ConfigError(SETTING, f"expected seconds from 0.05 to 3600 for {name}")
    return seconds
