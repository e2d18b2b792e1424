"""``mysql://user:password@host:port/database?table=apps&ttl=60``: apps in a table of MySQL or MariaDB."""

from __future__ import annotations

from typing import Any

from txpusher.errors import ConfigError
from txpusher.model import Limits
from txpusher.sql.address import Address, parse
from txpusher.sql.database import CONNECT, STATEMENT, Database, require
from txpusher.sql.store import SqlApps


def create(url: str, reactor: Any, defaults: Limits) -> SqlApps:
    """Make the store of the table that a URL names; the database may be away.

    Raises:
        ConfigError: something about the URL is wrong, or the driver is missing.
    """
    address = parse(url, "unix_socket", "ssl_ca")
    if len(address.path) < 2:
        raise ConfigError("--apps", "expected mysql://user:password@host/database")
    require("pymysql", "txpusher[mysql]")
    return SqlApps(database(address), address.ttl, defaults, reactor)


def database(address: Address) -> Database:
    """Say how the database is connected to and asked."""
    given = {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "password": address.password,
        "unix_socket": address.options.get("unix_socket"),
    }
    authority = address.options.get("ssl_ca")
    verified = {"ssl_ca": authority, "ssl_verify_cert": True, "ssl_verify_identity": True}
    return Database(
        driver="pymysql",
        arguments={
            **{name: value for name, value in given.items() if value is not None},
            **(verified if authority else {}),
            "database": address.path.lstrip("/"),
            "charset": "utf8mb4",
            "connect_timeout": CONNECT,
            "read_timeout": STATEMENT,
            "write_timeout": STATEMENT,
            "autocommit": True,
        },
        table=address.table,
        shown=address.shown,
        password=address.password,
        quote="`",
        text="CHAR",
    )
