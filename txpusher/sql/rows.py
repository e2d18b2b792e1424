"""Rows of the table into apps. All of it runs in the database's thread: nothing here touches the rest of the server.

The columns are those of soketi's table, and ours: every app setting, in any spelling of `txpusher.spellings`. What is
NULL is at its default; other columns are somebody else's, and are passed over. Secrets are what stands there: a table
cannot refer to files or variables of this machine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple, get_type_hints
from uuid import UUID

from txpusher.app_settings import APP_SETTINGS, read_app
from txpusher.errors import ConfigError
from txpusher.model import App, Limits
from txpusher.spellings import APP_SPELLINGS, our_name
from txpusher.sql.database import Database

_SWITCHES = frozenset(name for name, kind in get_type_hints(App).items() if kind is bool)
_NAMES = frozenset({"id", "key", "secret"})
"""What columns are called that have to be there."""
_BITS = {b"\0": False, b"\1": True}
"""What a BIT(1) of MySQL says."""


class Row(NamedTuple):
    """One row.

    Args:
        id: of the app, or where the row is.
        app: what it says, or None.
        problem: why there is none, with the name of the setting.
    """

    id: str
    app: App | None
    problem: str = ""


class RowReader:
    """Reads the table.

    Args:
        database: where it is.
        defaults: the limits of apps that are written without them.
    """

    def __init__(self, database: Database, defaults: Limits) -> None:
        self._defaults = defaults
        self._table = database.table
        table, key, app_id = map(database.quoted, (database.table, "key", "id"))
        self._every = f"SELECT * FROM {table} ORDER BY {app_id}"  # noqa: S608 - checked names
        # Whatever types the two have: PostgreSQL compares a name with no number or UUID, and no index is lost to that.
        self._ids = f"SELECT {app_id}, {key} FROM {table} WHERE " + " OR ".join(  # noqa: S608 - the same
            f"CAST({name} AS {database.text}) IN ({{marks}})" for name in (key, app_id)
        )
        self._mark = database.mark
        # Thousands of rows that did not change are not looked at a second time.
        self._columns: Sequence[str] = ()
        self._known: dict[str, Row] = {}

    def every(self, connection: Any) -> list[Row]:
        """Give all rows, those that are wrong as well."""
        columns, found = _ask(connection, self._every, ())
        before = self._known if columns == self._columns else {}
        self._columns, self._known = columns, {}
        rows = []
        for position, values in enumerate(found, 1):
            said = repr(values)
            row = before.get(said) or self._row(values, position)
            self._known[said] = row
            rows.append(row)
        return rows

    def known(self, connection: Any, names: Sequence[str]) -> list[tuple[str, str]]:
        """Give id and key of the apps one of whose both is one of these names."""
        marks = ", ".join([self._mark] * len(names))
        _, found = _ask(connection, self._ids.format(marks=marks), (*names, *names))
        return [(_plain("id", app_id), _plain("key", key)) for app_id, key in found]

    def _row(self, values: Sequence[Any], position: int) -> Row:
        table = {}
        for column, value in zip(self._columns, values, strict=True):
            name = our_name(column, APP_SPELLINGS)
            # The statements name id and key as they are, so an app_id is somebody else's.
            others = name in _NAMES and column.lower() != name
            if name in APP_SETTINGS and value is not None and not others:
                table[name if name in _NAMES else column] = _plain(name, value)
        app_id = str(table.get("id", f"in row {position}"))
        where = f"{self._table}: app"
        try:
            # A table is often written by people who may not see what this process sees.
            app = read_app(table, where, position, self._defaults, references=False)
        except ConfigError as error:
            return Row(app_id, None, str(error))
        except Exception as error:  # noqa: BLE001 - one row must not take the others with it
            return Row(app_id, None, f"{where} {app_id!r}: cannot be read: {type(error).__name__}")
        return Row(app_id, app)


def _ask(connection: Any, statement: str, names: Sequence[str]) -> tuple[Sequence[str], Any]:
    cursor = connection.cursor()
    try:
        cursor.execute(statement, names)
        return tuple(column[0] for column in cursor.description), cursor.fetchall()
    finally:
        cursor.close()


def _plain(name: str, value: Any) -> Any:
    """Give the value of a column as a file would have it: databases differ in what types they have."""
    if isinstance(value, Decimal):
        value = float(value) if value % 1 else int(value)
    if isinstance(value, (bytes, bytearray)):
        if name in _SWITCHES and bytes(value) in _BITS:
            return _BITS[bytes(value)]
        value = value.decode(errors="replace")
    if name in _SWITCHES and isinstance(value, int) and value in {0, 1}:
        return bool(value)
    if name in {"id", "key"} and isinstance(value, (int, str, UUID)):
        return str(value).strip()  # a CHAR is filled up with blanks
    if name == "allowed_origins" and isinstance(value, str) and value.startswith("["):
        return _from_json(value)
    return value


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return [text]  # the pattern that it would be, if it were one
