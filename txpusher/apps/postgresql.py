"""``postgresql://user:password@host:port/database?table=apps&ttl=60``: apps in a table of PostgreSQL.

Without a host, libpq's own defaults and variables (``PGHOST``, ``PGPASSFILE`` ...) count.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from txpusher.model import Limits
from txpusher.sql.address import Address, parse
from txpusher.sql.database import CONNECT, STATEMENT, Database, require
from txpusher.sql.store import SqlApps


def create(url: str, reactor: Any, defaults: Limits) -> SqlApps:
    """Make the store of the table that a URL names; the database may be away.

    Raises:
        ConfigError: something about the URL is wrong, or the driver is missing.
    """
    address = parse(url, "host", "sslmode", "sslrootcert")
    require("psycopg", "txpusher[postgresql]")
    return SqlApps(database(address), address.ttl, defaults, reactor)


def database(address: Address) -> Database:
    """Say how the database is connected to and asked."""
    given = {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "password": address.password,
        "dbname": address.path.lstrip("/") or None,
        **address.options,
    }
    return Database(
        driver="psycopg",
        arguments={
            **{name: value for name, value in given.items() if value is not None},
            "client_encoding": "UTF8",  # else a database without an encoding gives bytes for text
            "application_name": "txpusher",
            "connect_timeout": CONNECT,
            "options": f"-c statement_timeout={STATEMENT * 1000}",
            "autocommit": True,
            "prepare_threshold": None,  # poolers between us and the database may not keep statements
        },
        table=address.table,
        shown=address.shown,
        password=address.password,
        cut=_cut,
    )


def _cut(connection: Any) -> None:
    # libpq waits for an answer as long as it takes; it notices when its socket is shut down.
    with socket.socket(fileno=os.dup(connection.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)
