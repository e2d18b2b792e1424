"""Apps that change under a running server: in files, and in real databases that come and go."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import time
from contextlib import closing

import pytest
from harness import DEADLINE, run_to_end, wait_until
from wire import Credentials

from tests.database_servers import IN_URL, PASSWORD, MariaDB, PostgreSQL, served

FIRST = Credentials("1", "first-key", "e2e-secret-first")
SECOND = Credentials("2", "second-key", "e2e-secret-second")
THIRD = Credentials("3", "third-key", "e2e-secret-third")
SECRETS = {FIRST.secret, SECOND.secret, THIRD.secret, "e2e-secret-old", PASSWORD, IN_URL}
TABLE = (
    "CREATE TABLE apps (id varchar(255) PRIMARY KEY, {key} varchar(255) NOT NULL, secret varchar(255) NOT NULL, "
    "max_connections integer NOT NULL, enable_client_messages smallint NOT NULL, enabled smallint NOT NULL, "
    "webhooks json, max_event_payload_in_kb smallint, created_at timestamp NULL)"
)
"""Some of what soketi has."""


def toml(*apps, **settings):
    """Write a file of apps; ``settings`` are further lines by the name of the key."""
    lines = "".join
    return lines(
        f'[[app]]\nid = "{app.id}"\nkey = "{app.key}"\nsecret = "{app.secret}"\n'
        f"{settings.get(app.key.partition('-')[0], '')}\n"
        for app in apps
    )


@pytest.fixture
def store(start):
    """Start a server with an app store."""

    def run(url, app=FIRST):
        server = start("--apps", url, app=app, configured=True)
        server.secrets = SECRETS
        return server

    return run


@pytest.fixture
def apps(tmp_path):
    """Give a file with two apps."""
    path = tmp_path / "apps.toml"
    path.write_text(toml(FIRST, SECOND))
    return path


def up(server, path="/up"):
    """Give status and word of a question about health."""
    answer = server.get(path)
    assert answer.headers["x-health-check"] == answer.text
    return answer.status, answer.text


def insert(app, mark, key="key"):
    """Give statement and values that put an app into the table."""
    columns = f"id, {key}, secret, max_connections, enable_client_messages, enabled"
    values = (app.id, app.key, app.secret, -1, 1, 1)
    return f"INSERT INTO apps ({columns}) VALUES ({', '.join([mark] * 6)})", values  # noqa: S608 - ours


def refused(server, app):
    """Connect with an app's key and give the code of the refusal."""
    return server.open(f"/app/{app.key}?protocol=7").close_code()


# Files


def test_file_change(store, apps):
    server = store(apps.as_uri())
    first, second = server.connect(FIRST), server.connect(SECOND)
    # As editors and volumes do it: another file under the same name.
    new = apps.with_suffix(".new")
    new.write_text(toml(FIRST, THIRD, first="client_events = true"))
    new.replace(apps)
    assert second.close_code() == 4001
    server.connect(THIRD)
    assert refused(server, SECOND) == 4001
    assert first.is_alive()
    # New settings count for who is there.
    other = server.connect(FIRST)
    for client in (first, other):
        client.subscribe("private-x")
    first.send("client-hello", {}, "private-x")
    other.expect("client-hello", "private-x")
    metrics = server.metrics()
    assert metrics["apps_known"] == 2
    assert metrics['apps_reloads_total{outcome="ok"}'] == 1
    assert metrics['apps_reloads_total{outcome="failed"}'] == 0


def test_file_sighup(store, apps, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("e2e-secret-old")
    hidden = Credentials(SECOND.id, SECOND.key, f"file:{secret}")
    apps.write_text(toml(FIRST, hidden))
    server = store(apps.as_uri())
    first = server.connect(FIRST)
    # Nobody looks at the secret by himself.
    secret.write_text(SECOND.secret)
    assert server.api(SECOND).get("/channels").status == 401
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.api(SECOND).get("/channels").status == 200, "the new secret")
    second = server.connect(SECOND)
    apps.write_text(toml(FIRST, hidden, second="enabled = false"))
    server.process.send_signal(signal.SIGHUP)
    assert second.close_code() == 4003
    assert refused(server, SECOND) == 4003
    assert server.api(SECOND).get("/channels").status == 403
    assert up(server, "/up/2") == (503, "ERROR")
    assert first.is_alive()
    assert server.metrics()['apps_reloads_total{outcome="ok"}'] >= 2


def test_file_broken(store, apps):
    server = store(apps.as_uri())
    client = server.connect(SECOND)
    apps.write_text(toml(FIRST, first="max_event_sise = 1"))
    wait_until(lambda: up(server) == (200, "DEGRADED"), "a mistake that is seen")
    metrics = server.metrics()
    assert metrics["app_store_ok"] == 0
    assert metrics['apps_reloads_total{outcome="failed"}'] == 1
    assert client.is_alive()
    server.connect(SECOND)
    assert server.log.count("app '1': max_event_sise: there is no such setting") == 1
    apps.write_text(toml(FIRST, SECOND))
    wait_until(lambda: up(server) == (200, "OK"), "its end")
    assert server.metrics()["app_store_ok"] == 1
    assert client.is_alive()


def test_file_wrong_at_the_start(tmp_path, apps):
    apps.write_text("[[app]]\n")
    done = run_to_end(tmp_path, "--apps", apps.as_uri())
    assert done.status == 1
    (line,) = done.output.strip().splitlines()
    assert line == f"txpusher: --apps: {apps}: app 1: id: is missing"


def test_file_of_soketi(store, tmp_path):
    path = tmp_path / "apps.json"
    hook = {
        "url": "http://127.0.0.1:9/hook",
        "event_types": ["channel_occupied"],
        "filter": {"channel_name_starts_with": "private-"},
    }
    app = {"id": FIRST.id, "key": FIRST.key, "secret": FIRST.secret, "maxConnections": -1}
    app |= {"enableClientMessages": True, "maxEventPayloadInKb": 1, "webhooks": [hook]}
    path.write_text(json.dumps([app]))
    server = store(path.as_uri())
    server.connect()
    event = {"name": "e", "channel": "x", "data": "x" * 1025}
    assert server.api().post("/events", event).status == 413


def test_nothing_to_reload(start):
    server = start()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "There is nothing to reload" in server.log, "an answer to SIGHUP")
    assert up(server) == (200, "OK")


# Databases


@pytest.fixture
def sqlite(tmp_path):
    """Give a function that changes the table of an SQLite file, and the file."""
    path = tmp_path / "apps.db"

    def execute(statement, values=()):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement, values)

    execute(TABLE.format(key="key"))
    execute(*insert(FIRST, "?"))
    execute.url = f"sqlite://{path}?ttl=1"
    return execute


def test_sqlite(store, sqlite):
    server = store(sqlite.url)
    first = server.connect(FIRST)
    assert refused(server, THIRD) == 4001
    sqlite(*insert(SECOND, "?"))
    # At once, over either way in.
    assert server.api(SECOND).trigger("x", "data").status == 200
    second = server.connect(SECOND)
    sqlite("UPDATE apps SET enabled = 0 WHERE id = '2'")
    assert second.close_code() == 4003
    sqlite("DELETE FROM apps WHERE id = '2'")
    wait_until(lambda: refused(server, SECOND) == 4001, "an app that is gone")
    sqlite("UPDATE apps SET max_event_payload_in_kb = 'much' WHERE id = '1'")
    wait_until(lambda: up(server) == (200, "DEGRADED"), "a row that is wrong")
    assert first.is_alive()
    assert server.log.count("app '1': max_event_payload_in_kb: expected a whole number") == 1


def test_sqlite_file_is_replaced(store, sqlite, tmp_path):
    """The file that has the name now counts, and none at all is a database that is away."""
    path, away = tmp_path / "apps.db", tmp_path / "away.db"
    server = store(sqlite.url)
    client = server.connect(FIRST)
    path.rename(away)
    wait_until(lambda: up(server) == (200, "DEGRADED"), "the file to be missed")
    assert client.is_alive()
    sqlite(TABLE.format(key="key"))
    sqlite(*insert(SECOND, "?"))
    assert client.close_code() == 4001
    server.connect(SECOND)
    away.replace(path)
    wait_until(lambda: refused(server, SECOND) == 4001, "the first file")
    server.connect(FIRST)


def test_sqlite_without_a_file(store, tmp_path):
    server = store(f"sqlite://{tmp_path}/later.db")
    assert up(server) == (503, "ERROR")
    assert refused(server, FIRST) == 4100
    assert server.metrics()['connections_refused_total{app_id="",reason="apps_unavailable"}'] == 1
    with closing(sqlite3.connect(tmp_path / "later.db")) as connection, connection:
        connection.execute(TABLE.format(key="key"))
        connection.execute(*insert(FIRST, "?"))
    wait_until(lambda: up(server) == (200, "OK"), "the apps")
    server.connect()


def test_postgresql_goes_away_and_comes_back(store):
    with served(PostgreSQL) as database:
        database.execute(TABLE.format(key="key"))
        database.execute(*insert(FIRST, "%s"))
        server = store(f"{database.url}?ttl=1")
        client = server.connect()
        database.stop()
        wait_until(lambda: up(server) == (200, "DEGRADED"), "the database to be missed")
        # Known apps go on.
        assert client.is_alive()
        server.connect()
        assert server.api().trigger("x", "data").status == 200
        # Others may come back later.
        assert refused(server, SECOND) == 4100
        event = {"name": "e", "channel": "x", "data": ""}
        assert server.api(SECOND).post("/events", event).status == 503
        assert up(server, "/up/2") == (503, "ERROR")
        assert server.metrics()["app_store_ok"] == 0
        database.start()
        database.execute(*insert(SECOND, "%s"))
        wait_until(lambda: up(server) == (200, "OK"), "the database to be found again")
        server.connect(SECOND)
        assert client.is_alive()
        assert server.log.count("cannot be read;") == 1


@pytest.mark.parametrize(("kind", "key"), [(PostgreSQL, "key"), (MariaDB, "`key`")])
def test_a_database_that_hangs(store, kind, key):
    with served(kind) as database:
        database.execute(TABLE.format(key=key))
        database.execute(*insert(FIRST, "%s", key))
        server = store(f"{database.url}?ttl=1")
        client = server.connect()
        database.hang()
        wait_until(lambda: up(server) == (200, "DEGRADED"), "the end of a question's time")
        assert client.is_alive()
        assert refused(server, SECOND) == 4100
        # The end of the server does not wait for the database's.
        before = time.monotonic()
        server.stop()
        assert time.monotonic() - before < 5
        database.go_on()


def test_mysql(store):
    with served(MariaDB) as database:
        database.execute(TABLE.format(key="`key`"))
        database.execute(*insert(FIRST, "%s", "`key`"))
        server = store(f"{database.url}?ttl=1")
        server.connect()
        database.execute(*insert(SECOND, "%s", "`key`"))
        second = server.connect(SECOND)
        database.stop()
        wait_until(lambda: up(server) == (200, "DEGRADED"), "the database to be missed")
        assert refused(server, THIRD) == 4100
        assert second.is_alive()
        database.start()
        database.execute("DELETE FROM apps WHERE id = '2'")
        assert second.close_code() == 4001
        assert up(server) == (200, "OK")


def test_wrong_password(store):
    with served(PostgreSQL) as database:
        server = store(database.url.replace("word", "none"))
        server.secrets |= {"p@ss/none#1", "p%40ss%2Fnone"}
        wait_until(lambda: "password authentication failed" in server.log, "the reason")
        assert up(server) == (503, "ERROR")


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_stop_while_connecting(store, scheme):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        server = store(f"{scheme}://ann:{IN_URL}@127.0.0.1:{deaf.getsockname()[1]}/shop")
        deaf.settimeout(DEADLINE)
        with deaf.accept()[0]:
            before = time.monotonic()
            server.stop()
            assert time.monotonic() - before < 4
        assert "left behind" in server.log
