"""URLs of databases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.errors import ConfigError
from txpusher.sql.address import Address, parse


def test_everything():
    """All that a URL can say; what is percent-encoded is decoded, and logins are not shown."""
    url = "db://ann:p%40ss%23@Host.Example:5433/my%20shop?table=a.b&ttl=2.5&sslmode=require"
    assert parse(url, "sslmode") == Address(
        host="host.example",
        port=5433,
        user="ann",
        password="p@ss#",
        path="/my shop",
        table="a.b",
        ttl=2.5,
        options={"sslmode": "require"},
        shown="db://host.example:5433/my%20shop (table a.b)",
    )


def test_almost_nothing():
    """What is not said is left to the driver, but for the table and how often it is read."""
    address = parse("db:///x.db")
    assert address[:5] == (None, None, None, None, "/x.db")
    assert (address.table, address.ttl, address.options) == ("apps", 60, {})
    assert address.shown == "db:///x.db (table apps)"


def test_a_password_elsewhere(tmp_path, monkeypatch):
    """The password may be in a file or a variable, where no list of processes shows it."""
    (tmp_path / "password").write_text("s3cret\n")
    monkeypatch.setenv("DB_PASSWORD", "other")
    assert parse(f"db://ann@h/x?password=file:{tmp_path}/password").password == "s3cret"
    assert parse("db://ann:ignored@h/x?password=env:DB_PASSWORD").password == "other"


@pytest.mark.parametrize(
    ("url", "setting", "told"),
    [
        ("db://ann:to#psecret@h/x", "--apps", "in a password, write @ as %40"),
        ("db://ann:top/secret@h/x", "--apps", "in a password"),
        ("db://[::1/x", "--apps", "is not a URL"),
        ("db://h:99999/x", "--apps", "is not a URL"),
        ("db://h/x?table", "--apps", "is not a URL"),
        ("db://h/x#secret", "--apps", "in a password"),
        ("db://h/x?tabel=apps", "--apps: tabel", "did you mean table?"),
        ("db://h/x?table=", "--apps: table", "expected letters, digits and _"),
        ("db://h/x?table=apps;drop", "--apps: table", "expected letters"),
        ("db://h/x?table=a%22b", "--apps: table", "expected letters"),
        ("db://h/x?table=a..b", "--apps: table", "expected letters"),
        ("db://h/x?table=%C3%A4", "--apps: table", "expected letters"),
        ("db://h/x?ttl=0.5", "--apps: ttl", "expected a number, 1 or more, not '0.5'"),
        ("db://h/x?ttl=often", "--apps: ttl", "expected a number"),
        ("db://h/x?password=env:TXPUSHER_NO_SUCH", "--apps: password", "there is no secret"),
    ],
)
def test_mistakes(url, setting, told):
    """A mistake is told by what is wrong, and never with what may be a password."""
    with pytest.raises(ConfigError) as caught:
        parse(url)
    assert caught.value.setting == setting
    assert told in caught.value.message
    assert "secret@" not in str(caught.value)


@given(st.text())
def test_any_text(text):
    """Whatever is written, it is a URL or a mistake of the setting."""
    try:
        setting = parse(f"db://{text}") and "--apps"
    except ConfigError as error:
        setting = error.setting
    assert setting.startswith("--apps")
