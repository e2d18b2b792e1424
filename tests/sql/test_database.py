"""What is known about a database before anybody connects to it."""

import pytest

from txpusher.errors import ConfigError
from txpusher.sql.database import Database, require

DATABASE = Database("sqlite3", {}, "a.b", "db://h", password="s3cret")


def test_quoted():
    """Each part of a name is quoted."""
    assert DATABASE.quoted("own.apps") == '"own"."apps"'
    assert DATABASE._replace(quote="`").quoted("key") == "`key`"


def test_reasons():
    """The reason of an error is one line without the password; there is always one."""
    assert DATABASE.reason(OSError("login s3cret\n failed\n")) == "login *** failed"
    assert DATABASE.reason(TimeoutError()) == "TimeoutError"
    assert DATABASE._replace(password=None).reason(OSError("a\nb")) == "a b"


def test_cut():
    """A driver that has time-outs of its own is not hurried."""
    assert DATABASE.cut(None) is None


def test_drivers():
    """A driver that is there is imported; another one is named with what to install."""
    require("sqlite3", "python")
    with pytest.raises(ConfigError, match=r"no_such_driver is missing.*pip install 'x\[y\]'"):
        require("no_such_driver", "x[y]")
