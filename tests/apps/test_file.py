"""Apps in a TOML or JSON file."""

import json

import pytest

from tests.contracts.app_store import SHOP, AppStoreContract, answer, table
from txpusher.apps.file import FileApps, create
from txpusher.errors import ConfigError
from txpusher.model import Limits

ONE = '[[app]]\nid = "1"\nkey = "shop-key"\nsecret = "shop-secret"\n'


def toml(app):
    return "\n".join(["[[app]]", *(f"{name} = {_toml(v)}" for name, v in table(app).items()), ""])


def _toml(value):
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        members = (f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items() if v is not None)
        return f"{{{', '.join(members)}}}"
    # JSON's texts, numbers and booleans are TOML's.
    return json.dumps(value)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


class TestToml(AppStoreContract):
    """The contract, on a TOML file."""

    def store(self, apps, tmp_path):
        return FileApps(write(tmp_path / "apps.toml", "\n".join(map(toml, apps))))


class TestJson(AppStoreContract):
    """The contract, on a JSON file that is a list."""

    def store(self, apps, tmp_path):
        return FileApps(write(tmp_path / "apps.json", json.dumps([table(app) for app in apps])))


class TestJsonObject(AppStoreContract):
    """The contract, on a JSON file with the list in an object."""

    def store(self, apps, tmp_path):
        document = {"apps": [table(app) for app in apps]}
        return FileApps(write(tmp_path / "apps.json", json.dumps(document)))


def test_created_by_url(tmp_path):
    """A URL names the file; its path may be percent-encoded."""
    path = write(tmp_path / "my apps.toml", ONE)
    store = create(f"file://{path}".replace(" ", "%20"), None, Limits())
    assert answer(store.by_id("1")) == SHOP


@pytest.mark.parametrize("url", ["file://apps.toml", "file://", "file://host/apps.toml"])
def test_url_without_a_path(url):
    """Two slashes make a host name of the path; the error says how it is meant."""
    with pytest.raises(ConfigError, match=r"file:///path/apps.toml") as caught:
        create(url, None, Limits())
    assert caught.value.setting == "--apps"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "apps.toml: has no app"),
        ("[[app]]\nid = \n", r"apps.toml: is not TOML: .*line 2"),
        (
            ONE.replace("[[app]]", "[app]"),
            r"apps.toml: app: expected a list of apps \(in TOML, tables \[\[app\]\]\)",
        ),
        ("[[aps]]", "apps.toml: aps: there is no such setting; did you mean apps?"),
        (
            ONE + "max_event_sise = 9",
            "app '1': max_event_sise: there is no such setting; did you mean max_event_size?",
        ),
        (ONE + ONE, "apps.toml: app: two apps have the id '1'"),
        (ONE.replace('secret = "shop-secret"', ""), "apps.toml: app '1': secret: is missing"),
        (
            ONE + "max_event_size = 0",
            "app '1': max_event_size: expected a whole number, 1 or more, not 0",
        ),
        (
            ONE + 'client_events = "maybe"',
            "app '1': client_events: expected true or false, not 'maybe'",
        ),
    ],
)
def test_mistakes(tmp_path, text, told):
    """A mistake names the file, the app and the setting."""
    with pytest.raises(ConfigError, match=told):
        FileApps(write(tmp_path / "apps.toml", text))


def test_no_file(tmp_path):
    """A file that is not there is named."""
    with pytest.raises(ConfigError, match=r"gone.toml: cannot be read: No such file or directory"):
        FileApps(tmp_path / "gone.toml")
