"""The URL of a database with apps, as ``postgresql://user:password@host:port/database?table=apps&ttl=60``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from txpusher.errors import ConfigError
from txpusher.settings import read, secret, unknown

# It becomes a part of SQL statements.
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


class Address(NamedTuple):
    """What a URL says.

    Args:
        host: the server, or None.
        port: its port, or None.
        user: who logs in, or None.
        password: with what, or None.
        path: what stands behind the host, decoded, with its slash.
        table: the table, perhaps behind the name of its schema and a dot.
        ttl: seconds from one reading of the table to the next.
        options: the other parameters.
        shown: the URL without what is nobody's business.
    """

    host: str | None
    port: int | None
    user: str | None
    password: str | None
    path: str
    table: str
    ttl: float
    options: Mapping[str, str]
    shown: str


def parse(url: str, *options: str) -> Address:
    """Take a URL apart.

    Args:
        url: as it was written.
        options: parameters that may stand in it, besides ``table``, ``ttl`` and ``password``.

    Raises:
        ConfigError: something about it is wrong; as it may have a password in it, it is never quoted.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        query = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
    except ValueError as error:
        raise _no_url() from error
    if parts.fragment:
        raise _no_url()
    known = ("table", "ttl", "password", *options)
    for name in query:
        if name not in known:
            raise unknown(f"--apps: {name}", name, known)
    table = query.pop("table", "apps")
    if not _TABLE.fullmatch(table):
        raise ConfigError(
            "--apps: table", "expected letters, digits and _, such as apps or shop.apps"
        )
    ttl = read(query.pop("ttl", "60"), float, "--apps: ttl", least=1)
    host = "" if parts.hostname is None else f"{parts.hostname}{f':{port}' if port else ''}"
    return Address(
        host=_decoded(parts.hostname),
        port=port,
        user=_decoded(parts.username),
        password=_password(_decoded(parts.password), query.pop("password", None)),
        path=unquote(parts.path),
        table=table,
        ttl=ttl,
        options=query,
        shown=f"{parts.scheme}://{host}{parts.path} (table {table})",
    )


def _no_url() -> ConfigError:
    return ConfigError(
        "--apps",
        "is not a URL; in a password, write @ as %40, / as %2F, ? as %3F, # as %23, % as %25",
    )


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _password(in_url: str | None, parameter: str | None) -> str | None:
    return in_url if parameter is None else secret(parameter, "--apps: password")
