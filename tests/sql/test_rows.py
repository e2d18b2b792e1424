"""Rows into apps."""

import json
from dataclasses import replace
from decimal import Decimal
from unittest import mock
from uuid import UUID

import pytest

from tests.contracts.app_store import SHOP
from txpusher.model import PUSHER_LIMITS, Limits
from txpusher.sql.database import Database
from txpusher.sql.rows import Row, RowReader

DATABASE = Database("sqlite3", {}, "shop.apps", "db", mark="?")


class Connection:
    """A connection and its cursor, which answers with these rows.

    Attributes:
        asked: the statements with their values.
    """

    def __init__(self, *rows, columns=None):
        self.rows = [tuple(row.values()) for row in rows]
        self.description = [(name, None) for name in columns or rows[0]]
        self.asked = []
        self.open = 0

    def cursor(self):
        self.open += 1
        return self

    def execute(self, statement, values):
        self.asked.append((statement, values))

    def fetchall(self):
        return self.rows

    def close(self):
        self.open -= 1


ONE = {"id": "1", "key": "shop-key", "secret": "shop-secret"}


def every(*rows, defaults=Limits()):  # noqa: B008 - frozen
    return RowReader(DATABASE, defaults).every(Connection(*rows))


def test_statements():
    """Names are quoted, values are parameters, and cursors are closed."""
    connection = Connection(columns=["id", "key"])
    reader = RowReader(DATABASE, Limits())
    assert reader.every(connection) == []
    assert reader.known(connection, ["a", "b"]) == []
    every, named = connection.asked
    assert every == ('SELECT * FROM "shop"."apps" ORDER BY "id"', ())
    assert named[0].startswith('SELECT "id", "key" FROM "shop"."apps" WHERE ')
    assert named[0].endswith('WHERE CAST("key" AS TEXT) IN (?, ?) OR CAST("id" AS TEXT) IN (?, ?)')
    assert named[1] == ("a", "b", "a", "b")
    assert connection.open == 0


def test_defaults():
    """What is NULL or has no column is at the defaults that the operator chose; other columns are passed over."""
    strange = {"limits": 9, "created_at": 5, "name": "x", "enabled": None, "max_event_size": None}
    assert every({**ONE, **strange}, defaults=PUSHER_LIMITS) == [
        Row("1", replace(SHOP, limits=PUSHER_LIMITS))
    ]


@pytest.mark.parametrize(
    ("column", "value", "name", "expected"),
    [
        ("enabled", 0, "enabled", False),
        ("enabled", "false", "enabled", False),
        ("ENABLED", False, "enabled", False),
        ("enable_client_messages", 1, "client_events", True),
        ("enableClientMessages", True, "client_events", True),
        (
            "allowed_origins",
            '["a.example", "b.example"]',
            "allowed_origins",
            ("a.example", "b.example"),
        ),
        ("allowed_origins", "a.example, b.example", "allowed_origins", ("a.example", "b.example")),
        ("allowed_origins", ["a.example"], "allowed_origins", ("a.example",)),
        ("allowed_origins", "[::1]", "allowed_origins", ("[::1]",)),
        ("tls_only", b"\1", "tls_only", True),
        ("enabled", b"\0", "enabled", False),
        ("id", 7, "id", "7"),
        ("id", UUID(int=7), "id", "00000000-0000-0000-0000-000000000007"),
        ("key", UUID(int=7), "key", "00000000-0000-0000-0000-000000000007"),
        ("key", "shop-key   ", "key", "shop-key"),
        ("secret", b"other", "secret", "other"),
        ("webhooks", "", "webhooks", ()),
        ("webhooks", "null", "webhooks", ()),
        ("webhooks", [], "webhooks", ()),
    ],
)
def test_types_of_databases(column, value, name, expected):
    """A value counts in whatever type a database has it."""
    row = {k: v for k, v in ONE.items() if k != column}
    app = replace(SHOP, **{name: expected})
    assert every({**row, column: value}) == [Row(app.id, app)]


@pytest.mark.parametrize(
    ("column", "value", "name", "expected"),
    [
        ("max_connections", -1, "max_connections", None),
        ("max_connections", 1, "max_connections", 1),
        ("max_connections", Decimal(7), "max_connections", 7),
        ("max_event_payload_in_kb", Decimal("0.5"), "max_event_size", 512),
        ("max_event_payload_in_kb", "0.5", "max_event_size", 512),
        ("max_read_req_per_sec", 5, "max_read_requests_per_second", 5),
        ("max_presence_members_per_channel", 5, "max_presence_members", 5),
    ],
)
def test_limits(column, value, name, expected):
    """Limits are read in soketi's words and ours, whatever type of number they are."""
    (row,) = every({**ONE, column: value})
    assert getattr(row.app.limits, name) == expected


def test_names_beside_names():
    """Only id, key and secret are what they are called, in any case of letters; an app_id is somebody else's."""
    others = {"app_id": 7, "AppKey": "k", "app_secret": "x"}
    assert every({**others, **ONE}) == [Row("1", SHOP)]
    large = {name.upper(): value for name, value in ONE.items()}
    assert every({**others, **large}) == [Row("1", SHOP)]


def test_mistakes():
    """A row that is wrong is told by its id and the setting, and without its secret; the others are read."""
    good, *bad = every(
        ONE,
        {"id": 2, "key": "two", "secret": None},
        {"id": None, "key": "three", "secret": "top"},
        {"id": "4", "key": "no key", "secret": "top"},
    )
    assert good.app == SHOP
    assert bad == [
        Row("2", None, "shop.apps: app '2': secret: is missing"),
        Row("in row 3", None, "shop.apps: app 3: id: is missing"),
        Row("4", None, "shop.apps: app '4': key: expected letters, digits and . _ ~ - only"),
    ]
    ((_, app, problem),) = every({**ONE, "enabled": 3})
    assert app is None
    assert problem == "shop.apps: app '1': enabled: expected true or false, not 3"


def test_names_in_other_types():
    """Keys and ids are compared as texts."""
    connection = Connection({"id": 7, "key": b"seven"})
    assert RowReader(DATABASE, Limits()).known(connection, ["seven"]) == [("7", "seven")]


def test_unchanged_rows():
    """A row that did not change is the very same; after a change of the columns it is read anew."""
    reader, two = RowReader(DATABASE, Limits()), {"id": "2", "key": "two", "secret": "s"}
    first = reader.every(Connection(ONE, two))
    second = reader.every(Connection(ONE, {**two, "secret": "other"}))
    assert second[0] is first[0]
    assert second[1].app.secret == "other"
    third = reader.every(Connection({"key": "1", "id": "shop-key", "secret": "shop-secret"}))
    assert third == [Row("shop-key", replace(SHOP, id="shop-key", key="1"))]


def test_a_table_refers_to_nothing_else(tmp_path, monkeypatch):
    """Who may write the table cannot read files and variables of the server by it: texts are what they are."""
    path = tmp_path / "secret"
    path.write_text("hush")
    monkeypatch.setenv("HUSH", "hush")
    hook = {
        "url": "https://a.example",
        "event_types": ["cache_miss"],
        "headers": {"X-A": "env:HUSH", "X-B": f"file:{path}"},
    }
    (row,) = every({**ONE, "secret": "env:HUSH", "webhooks": json.dumps([hook])})
    assert row.app.secret == "env:HUSH"
    assert row.app.webhooks[0].headers == (("X-A", "env:HUSH"), ("X-B", f"file:{path}"))
    (row,) = every({**ONE, "webhooks": json.dumps([{**hook, "url": "env:HUSH"}])})
    assert "webhooks 1: url: expected an address" in row.problem


def hooked(**settings):
    return json.dumps([{"url": "https://a.example", "event_types": ["cache_miss"], **settings}])


@pytest.mark.parametrize(
    "columns",
    [
        {"webhooks": hooked(filter={"channel_pattern": "a{99999999999999999999}"})},
        {"webhooks": hooked(filter={"channel_pattern": "(" * 5000 + ")" * 5000})},
        {"webhooks": hooked(timeout=10**400)},
        {"webhooks": hooked(request_timeout_ms=10**400)},
        {"webhooks": hooked(timeout=1).replace("1}", "1e999}")},
        {"webhooks": "[" * 100_000},
        {"max_event_payload_in_kb": float("inf")},
        {"max_event_payload_in_kb": float("nan")},
    ],
    ids=range(8),
)
def test_a_row_that_nobody_expects(columns):
    """Whatever is in one row is told of that row, and the others are read."""
    nothing = dict.fromkeys(columns)
    bad, good = every({"id": "2", "key": "two", "secret": "s", **columns}, {**ONE, **nothing})
    assert bad.app is None
    assert "app '2'" in bad.problem
    assert good.app == SHOP


def test_a_bug_in_reading_a_row(monkeypatch):
    """An error that nobody expected is told of its row as well, by its kind alone."""
    monkeypatch.setattr("txpusher.sql.rows.read_app", mock.Mock(side_effect=KeyError("hush")))
    (row,) = every(ONE)
    assert row.problem == "shop.apps: app '1': cannot be read: KeyError"


def test_webhooks_that_are_no_json():
    """What has to be JSON and is not is told without its text, in which there may be a secret."""
    (row,) = every({**ONE, "webhooks": "[{secret"})
    assert "webhooks: is not JSON" in row.problem
    assert "secret" not in row.problem
    (row,) = every({**ONE, "webhooks": json.dumps([{"url": "https://a.example"}])})
    assert row.problem == "shop.apps: app '1': webhooks 1: event_types: is missing"
