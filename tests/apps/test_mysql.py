"""Apps in MySQL or MariaDB."""

import sys
from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from tests.contracts.app_store import SHOP
from tests.contracts.sql_app_store import SqlAppStoreContract
from tests.database_servers import MariaDB, served
from txpusher.apps.mysql import create, database
from txpusher.errors import ConfigError
from txpusher.model import Limits
from txpusher.sql.address import parse


@pytest.fixture(scope="module")
def server():
    with served(MariaDB) as running:
        yield running


class TestMariaDB(SqlAppStoreContract):
    """The contract, on a real server."""

    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server

    def database(self, table="apps"):
        return database(parse(f"{self.server.url}?table={table}"))

    def execute(self, statement, values=()):
        self.server.execute(statement, values)

    def test_types_of_its_own(self):
        """A switch may be a bit, and JSON may say that there is nothing."""
        self.make(
            "id INTEGER, `key` TEXT, secret TEXT, enabled BIT(1), tls_only BIT, webhooks JSON"
        )
        self.execute("INSERT INTO apps VALUES (1, 'shop-key', 'shop-secret', b'0', b'1', 'null')")
        closed = replace(SHOP, enabled=False, tls_only=True)
        assert self.started().heard.changes == [("1", closed)]


def test_connection_arguments():
    """What the URL says, with time-outs; an authority's certificate means that the server's is checked."""
    url = "mysql://ann:s%40cret@db.example:3307/shop?ssl_ca=/ca.pem&table=x.apps"
    where = database(parse(url, "ssl_ca"))
    assert where.arguments == {
        "host": "db.example",
        "port": 3307,
        "user": "ann",
        "password": "s@cret",
        "database": "shop",
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": 3,
        "read_timeout": 3,
        "write_timeout": 3,
        "ssl_ca": "/ca.pem",
        "ssl_verify_cert": True,
        "ssl_verify_identity": True,
    }
    assert where.quoted(where.table) == "`x`.`apps`"
    plain = database(parse("mysql://db/shop")).arguments
    local = database(parse("mysql:///shop?unix_socket=/run/x", "unix_socket"))
    assert local.arguments["unix_socket"] == "/run/x"
    assert plain.keys().isdisjoint(
        {"port", "user", "password", "unix_socket", "ssl_ca", "ssl_verify_cert"}
    )


def test_created_by_url(monkeypatch):
    """Nothing is connected to before the start; without a database there is nothing to connect to."""
    driver = pytest.importorskip("pymysql")
    monkeypatch.setattr(driver, "connect", lambda **_: pytest.fail("it is connected to"))
    create("mysql://127.0.0.1:1/shop", Clock(), Limits())
    with pytest.raises(ConfigError, match="mysql://user:password@host/database"):
        create("mysql://127.0.0.1:1", Clock(), Limits())


def test_a_missing_driver(monkeypatch):
    """Without the driver the error says what to install."""
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(ConfigError, match=r"pip install 'txpusher\[mysql\]'"):
        create("mysql://db/shop", Clock(), Limits())
