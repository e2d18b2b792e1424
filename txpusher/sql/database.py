"""What is to be known about a database before anybody connects to it: its driver, and its dialect of SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from txpusher.errors import ConfigError

CONNECT = 3
"""Seconds that a connection may take."""
STATEMENT = 3
"""Seconds that a statement may take."""


def _left_to_the_driver(connection: Any) -> None:
    """Do nothing: its own time-outs are enough."""


class Database(NamedTuple):
    """One table of one database.

    Args:
        driver: the name of a DB-API module.
        arguments: those of its ``connect``, with time-outs.
        table: the table, as it is written in the URL.
        shown: how it is called in logs.
        password: never appears in any.
        quote: stands around names in SQL.
        mark: stands for a parameter in SQL.
        text: the type to cast ids and keys to, which may be numbers.
        kept: whether the next question is asked on the same connection.
        cut: ends a connection that another thread is waiting for.
    """

    driver: str
    arguments: Mapping[str, Any]
    table: str
    shown: str
    password: str | None = None
    quote: str = '"'
    mark: str = "%s"
    text: str = "TEXT"
    kept: bool = True
    cut: Callable[[Any], None] = _left_to_the_driver

    def quoted(self, name: str) -> str:
        """Write the name of a table or a column in SQL; parts of it are separated by dots."""
        return ".".join(f"{self.quote}{part}{self.quote}" for part in name.split("."))

    def reason(self, error: BaseException) -> str:
        """Give the text of an error in one line, and never with the password."""
        text = " ".join(str(error).split()) or type(error).__name__
        return text.replace(self.password, "***") if self.password else text


def require(driver: str, package: str) -> None:
    """Import a driver.

    Args:
        driver: its module.
        package: what to install when it is missing.

    Raises:
        ConfigError: it is missing.
    """
    try:
        import_module(driver)
    except ImportError as error:
        raise ConfigError(
            "--apps", f"the driver {driver} is missing; install it by: pip install '{package}'"
        ) from error
