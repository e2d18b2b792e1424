"""``sqlite:///path/apps.db?table=apps&ttl=60``: apps in a table of an SQLite file."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from txpusher.errors import ConfigError
from txpusher.model import Limits
from txpusher.sql.address import Address, parse
from txpusher.sql.database import STATEMENT, Database
from txpusher.sql.store import SqlApps


def create(url: str, reactor: Any, defaults: Limits) -> SqlApps:
    """Make the store of the table that a URL names; the file may come later.

    Raises:
        ConfigError: something about the URL is wrong.
    """
    address = parse(url)
    if address.host is not None or len(address.path) < 2:
        raise ConfigError("--apps", "expected sqlite:///path/apps.db, with three slashes")
    return SqlApps(database(address), address.ttl, defaults, reactor)


def database(address: Address) -> Database:
    """Say how the file is opened and asked."""
    path = "/" + address.path.lstrip("/")  # some write an absolute path with four slashes
    return Database(
        driver="sqlite3",
        arguments={
            # Not "ro", which cannot read what another process writes ahead. It never makes a file.
            "database": f"file:{quote(path)}?mode=rw",
            "uri": True,
            "timeout": STATEMENT,  # for a file that is locked
            "isolation_level": None,
            "check_same_thread": False,  # it is opened in a thread, and may be closed by another one
        },
        table=address.table,
        shown=address.shown,
        mark="?",
        kept=False,  # an open file stays what it was when another one takes its name, or none
        cut=lambda connection: connection.interrupt(),
    )
