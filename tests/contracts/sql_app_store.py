"""What every store of a table has to do besides: its database's types, spellings and moods.

A store's own tests subclass `SqlAppStoreContract` and say which database it is.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from tests.contracts.app_store import NEWS, SHOP, AppStoreContract, answer, table
from tests.doubles import now
from tests.store_doubles import Heard, InstantPool
from txpusher.errors import ServiceUnavailable
from txpusher.model import App, Limits, WebhookTarget
from txpusher.sql.store import SqlApps

ROOT = Path(__file__).parents[2]

SOKETI_COLUMNS = """
    {id} VARCHAR(255) NOT NULL PRIMARY KEY,
    {key} VARCHAR(255) NOT NULL,
    {secret} VARCHAR(255) NOT NULL,
    {max_connections} INTEGER NOT NULL,
    {enable_client_messages} SMALLINT NOT NULL,
    {enabled} SMALLINT NOT NULL,
    {max_backend_events_per_sec} INTEGER NOT NULL,
    {max_client_events_per_sec} INTEGER NOT NULL,
    {max_read_req_per_sec} INTEGER NOT NULL,
    {webhooks} JSON,
    {max_presence_members_per_channel} SMALLINT NULL,
    {max_presence_member_size_in_kb} DECIMAL(8, 2) NULL,
    {max_channel_name_length} SMALLINT NULL,
    {max_event_channels_at_once} SMALLINT NULL,
    {max_event_name_length} SMALLINT NULL,
    {max_event_payload_in_kb} DECIMAL(8, 2) NULL,
    {max_event_batch_size} SMALLINT NULL,
    {enable_user_authentication} SMALLINT NOT NULL,
    {created_at} TIMESTAMP NULL
"""
"""Those that soketi asks for, and one that is nobody's business."""

KINDS = {bool: "BOOLEAN", int: "INTEGER", list: "JSON"}
"""Types of our own columns that are no texts."""

HOOKS = [
    {
        "url": "https://example.com/hook",
        "event_types": ["client_event"],
        "filter": {"channel_name_starts_with": "private-"},
    }
]
SOKETI_ROW = {
    "id": "9",
    "key": "soketi-key",
    "secret": "soketi-secret",
    "max_connections": 200,
    "enable_client_messages": 1,
    "enabled": 1,
    "max_backend_events_per_sec": -1,
    "max_client_events_per_sec": -1,
    "max_read_req_per_sec": -1,
    "webhooks": json.dumps(HOOKS),
    "max_presence_member_size_in_kb": "0.5",
    "max_event_payload_in_kb": "12",
    "enable_user_authentication": 0,
}
SOKETI_APP = App(
    "9",
    "soketi-key",
    "soketi-secret",
    client_events=True,
    user_authentication=False,
    webhooks=(
        WebhookTarget("https://example.com/hook", ("client_event",), channel_prefix="private-"),
    ),
    limits=Limits(
        max_connections=200,
        max_client_events_per_second=None,
        max_presence_member_size=512,
        max_event_size=12 * 1024,
    ),
)


class SqlAppStoreContract(AppStoreContract):
    """The suite; `database` and `execute` are what a subclass gives."""

    def database(self, table="apps"):
        """Say where the table is."""
        raise NotImplementedError

    def execute(self, statement, values=()):
        """Do something to the database."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _stores(self):
        self.stores = []
        yield
        for store in self.stores:
            now(store.stop())

    def quoted(self, name):
        return self.database().quoted(name)

    def make(self, columns):
        """Make an empty table."""
        self.execute(f"DROP TABLE IF EXISTS {self.quoted('apps')}")
        self.execute(f"CREATE TABLE {self.quoted('apps')} ({columns})")

    def insert(self, row):
        """Put a row into it."""
        names = ", ".join(map(self.quoted, row))
        marks = ", ".join([self.database().mark] * len(row))
        statement = f"INSERT INTO {self.quoted('apps')} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own
        self.execute(statement, tuple(row.values()))

    def make_ours(self):
        """Make an empty table with all our columns."""
        columns = [
            f"{self.quoted(name)} {KINDS.get(type(value), 'VARCHAR(255)')}"
            for name, value in row_of(NEWS).items()
        ]
        self.make(", ".join(columns))

    def started(self, database=None):
        """Start a store and give what it is watched by."""
        clock, heard = Clock(), Heard()
        store = SqlApps(database or self.database(), 60, Limits(), clock, InstantPool)
        now(heard.listen_to(store))
        self.stores.append(store)
        store.clock, store.heard = clock, heard
        return store

    def store(self, apps, tmp_path):
        self.make_ours()
        for app in apps:
            self.insert(self.row(app))
        store = self.started()
        assert store.health() == (True, "")
        return store

    def row(self, app):
        """Give the values of our columns."""
        lists = {name: json.dumps(v) for name, v in row_of(app).items() if isinstance(v, list)}
        return {**row_of(app), **lists}

    # Tables of soketi

    def test_a_table_of_soketi(self):
        """An existing table of soketi is read as it is, with what it has and does not have."""
        names = {name.strip("{} ") for name in SOKETI_COLUMNS.split() if name.startswith("{")}
        self.make(SOKETI_COLUMNS.format(**{name: self.quoted(name) for name in names}))
        self.insert(SOKETI_ROW)
        store = self.started()
        assert answer(store.by_key("soketi-key")) == SOKETI_APP
        assert answer(store.by_id("9")) == SOKETI_APP

    def test_the_table_of_the_documentation(self):
        """The table that the documentation shows can be made, and its app is served."""
        text = (ROOT / "docs/app-stores.rst").read_text()
        table, app = re.findall(r"^   ((?:CREATE|INSERT) .*?);$", text, re.DOTALL | re.MULTILINE)
        self.execute(f"DROP TABLE IF EXISTS {self.quoted('apps')}")
        for statement in (table, app):
            self.execute(statement.replace('"key"', self.quoted("key")))
        assert self.started().heard.changes == [
            ("1001", App("1001", "shop-key", "a long random text"))
        ]

    def test_ids_that_are_numbers(self):
        """The id may be a number, and a key or id that is none harms nobody."""
        columns = ("id", "key", "secret", "enabled")
        kinds = ("INTEGER", "VARCHAR(50)", "VARCHAR(50)", KINDS[bool])
        pairs = zip(map(self.quoted, columns), kinds, strict=True)
        self.make(", ".join(map(" ".join, pairs)))
        store = self.started()
        self.insert({"id": 7, "key": "key-7", "secret": "s", "enabled": None})
        for strange in ("seven", "' OR 1=1 --", "7\x00", "\u0667", "x" * 300):
            assert answer(store.by_id(strange)) is None
        assert answer(store.by_id("7")) == App("7", "key-7", "s")
        assert store.health().ok

    def test_names_that_are_filled_up(self):
        """A CHAR has blanks at its end in some databases, which are no part of a new app's id and key."""
        columns = ("id", "key", "secret")
        self.make(", ".join(f"{self.quoted(name)} CHAR(36)" for name in columns))
        store = self.started()
        self.insert(dict(zip(columns, ("1", "shop-key", "shop-secret"), strict=True)))
        assert answer(store.by_key("shop-key")) == SHOP

    # Changes

    def test_a_new_app(self):
        """A new app is there when somebody asks for it, by its key or its id."""
        store = self.store([SHOP], None)
        self.insert(self.row(NEWS))
        assert answer(store.by_key("2")) == NEWS
        assert store.heard.changes == [("1", SHOP), ("news", NEWS)]

    def test_a_changed_and_a_vanished_app(self):
        """Other changes are there when the table is read again."""
        store = self.store([SHOP, NEWS], None)
        store.heard.changes.clear()
        self.execute("UPDATE apps SET enabled = FALSE WHERE id = '1'")
        self.execute("DELETE FROM apps WHERE id = 'news'")
        assert answer(store.by_id("1")) == SHOP
        store.clock.advance(60)
        assert answer(store.by_id("1")) == replace(SHOP, enabled=False)
        assert store.heard.changes == [("news", None), ("1", replace(SHOP, enabled=False))]

    def test_a_schema(self):
        """A table that is not there is a trouble, and none when it comes."""
        self.execute(f"DROP TABLE IF EXISTS {self.quoted('apps')}")
        store = self.started()
        assert not store.health().ok
        with pytest.raises(ServiceUnavailable):
            now(store.by_key("shop-key"))
        self.make_ours()
        self.insert(self.row(SHOP))
        store.clock.advance(1)
        assert answer(store.by_key("shop-key")) == SHOP
        assert store.health().ok


def row_of(app):
    """Give the settings of an app by our names, with lists for what is no single value."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in table(app).items()
    }
