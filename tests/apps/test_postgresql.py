"""Apps in PostgreSQL."""

import socket
import sys
from uuid import UUID

import pytest
from twisted.internet.task import Clock

from tests.contracts.app_store import answer
from tests.contracts.sql_app_store import SqlAppStoreContract
from tests.database_servers import PASSWORD, PostgreSQL, served
from txpusher.apps.postgresql import create, database
from txpusher.errors import ConfigError
from txpusher.model import App, Limits
from txpusher.sql.address import parse

URL = "postgresql://ann:s%40cret@db.example:5433/shop?sslmode=require&sslrootcert=/ca.pem&table=x.apps"


@pytest.fixture(scope="module")
def server():
    with served(PostgreSQL) as running:
        yield running


class TestPostgreSQL(SqlAppStoreContract):
    """The contract, on a real server."""

    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server

    def database(self, table="apps"):
        return database(parse(f"{self.server.url}?table={table}"))

    def execute(self, statement, values=()):
        self.server.execute(statement, values)

    def test_types_of_its_own(self):
        """Lists may be arrays, and the table in a schema of its own."""
        self.execute("CREATE SCHEMA own")
        self.execute(
            "CREATE TABLE own.apps (id text, key text, secret text, allowed_origins text[])"
        )
        self.execute("INSERT INTO own.apps VALUES ('5', 'five', 's', '{a.example,b.example}')")
        store = self.started(self.database("own.apps"))
        (change,) = store.heard.changes
        assert change[1].allowed_origins == ("a.example", "b.example")

    @pytest.mark.parametrize(
        ("kind", "app_id", "key"),
        [("uuid", str(UUID(int=1)), str(UUID(int=2))), ("bigint", "1", "2")],
    )
    def test_names_that_are_no_texts(self, kind, app_id, key):
        """Id and key may be of any type, and who asks for what cannot be of it is a stranger like others."""
        self.make(f"id {kind}, key {kind}, secret text")
        store = self.started()
        assert answer(store.by_key("nobody")) is None
        self.insert({"id": app_id, "key": key, "secret": "s"})
        app = App(app_id, key, "s")
        assert answer(store.by_key(key)) == app
        assert answer(store.by_id(app_id)) == app
        assert store.health().ok

    def test_a_wrong_password(self):
        """A login that fails is told without the password."""
        address = parse(self.server.url.replace("word", "none"))
        store = self.started(database(address))
        assert "authentication failed" in store.health().detail
        assert PASSWORD not in store.health().detail


def test_connection_arguments():
    """What the URL says, with time-outs; what it does not say is libpq's."""
    where = database(parse(URL, "sslmode", "sslrootcert"))
    assert where.arguments == {
        "host": "db.example",
        "port": 5433,
        "user": "ann",
        "password": "s@cret",
        "dbname": "shop",
        "sslmode": "require",
        "sslrootcert": "/ca.pem",
        "connect_timeout": 3,
        "options": "-c statement_timeout=3000",
        "autocommit": True,
        "prepare_threshold": None,
        "application_name": "txpusher",
        "client_encoding": "UTF8",
    }
    assert where.shown == "postgresql://db.example:5433/shop (table x.apps)"
    local = database(parse("postgresql:///shop?host=/run/pg", "host"))
    assert local.arguments["host"] == "/run/pg"
    assert database(parse("postgresql:///")).arguments.keys().isdisjoint({"host", "user", "dbname"})


def test_cut():
    """Who waits for an answer on a connection is woken."""

    class Connection:
        def __init__(self, socket):
            self.fileno = socket.fileno

    ours, theirs = socket.socketpair()
    with ours, theirs:
        database(parse("postgresql:///")).cut(Connection(ours))
        assert ours.recv(1) == theirs.recv(1) == b""


def test_created_by_url(monkeypatch):
    """Nothing is connected to before the start."""
    driver = pytest.importorskip("psycopg")
    monkeypatch.setattr(driver, "connect", lambda **_: pytest.fail("it is connected to"))
    create("postgresql://127.0.0.1:1/shop?sslmode=disable", Clock(), Limits())


def test_a_missing_driver(monkeypatch):
    """Without the driver the error says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"pip install 'txpusher\[postgresql\]'"):
        create("postgresql:///shop", Clock(), Limits())
