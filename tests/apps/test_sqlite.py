"""Apps in an SQLite file."""

import sqlite3
from contextlib import closing

import pytest
from twisted.internet.task import Clock

from tests.contracts.sql_app_store import SqlAppStoreContract
from txpusher.apps.sqlite import create, database
from txpusher.errors import ConfigError
from txpusher.model import Limits
from txpusher.sql.address import parse

LONG = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 100000)
    SELECT max(n) FROM numbers
"""


class TestSqlite(SqlAppStoreContract):
    """The contract, on a real file, whose path needs encoding."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path):
        self.path = tmp_path / "my apps?.db"

    def database(self, table="apps"):
        return database(parse(f"sqlite://{self.path}?table={table}".replace("s?.", "s%3F.")))

    def execute(self, statement, values=()):
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, values)

    def test_a_file_that_is_not_there(self):
        """A file that is missing is not made; it is a trouble until it is there."""
        store = self.started()
        assert not self.path.exists()
        assert store.health() == (False, "unable to open database file")

    def test_a_locked_file(self):
        """A file that another process writes ahead can be read."""
        self.execute("PRAGMA journal_mode = WAL")
        self.make_ours()
        with closing(sqlite3.connect(self.path, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            assert self.started().health().ok


def test_created_by_url(tmp_path):
    """The URL names the file; nothing is opened before the start."""
    store = create(f"sqlite://{tmp_path}/apps.db", Clock(), Limits())
    assert not store.health().ok
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["sqlite://apps.db", "sqlite://", "sqlite:///"])
def test_url_without_a_path(url):
    """Two slashes make a host name of the path; the error says how it is meant."""
    with pytest.raises(ConfigError, match=r"sqlite:///path/apps\.db") as caught:
        create(url, Clock(), Limits())
    assert caught.value.setting == "--apps"


def test_cut():
    """A statement that takes too long can be interrupted."""
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
        cut = database(parse("sqlite:///x")).cut
        connection.set_progress_handler(lambda: cut(connection), 1000)
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            connection.execute(LONG).fetchall()


def test_four_slashes():
    """An absolute path may be written as SQLAlchemy does."""
    three, four = (database(parse(f"sqlite://{path}")) for path in ("/x/a.db", "//x/a.db"))
    assert three.arguments == four.arguments
