"""How apps are written: texts and tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.app_store import NEWS, table
from txpusher.app_settings import APP_SETTINGS, index, read_apps
from txpusher.errors import ConfigError
from txpusher.model import App, Limits

TABLE = {"id": "1", "key": "k", "secret": "s"}
names = st.text("abcXYZ019._~-", min_size=1)


@given(names, names, st.text("abc:,/=!", min_size=1).map(lambda text: "s" + text))
def test_text(app_id, key, secret):
    """ID:KEY:SECRET is an app; the secret may have colons in it."""
    assert read_apps([f"{app_id}:{key}:{secret}"], "--app") == (App(app_id, key, secret),)


def test_several_in_one_text():
    """One variable can hold several apps."""
    assert read_apps("1:k:s, 2:l:t\n", "TXPUSHER_APP") == (App("1", "k", "s"), App("2", "l", "t"))


def test_text_with_a_reference(tmp_path):
    """The secret of ID:KEY:SECRET can be in a file, so that it does not show in ps."""
    path = tmp_path / "secret"
    path.write_text("s\n", encoding="utf-8")
    assert read_apps([f"1:k:file:{path}"], "--app") == (App("1", "k", "s"),)


def test_table():
    """A table holds every setting there is."""
    assert set(table(NEWS)) == set(APP_SETTINGS)
    assert read_apps([table(NEWS)], "app") == (NEWS,)


def test_an_id_that_is_a_number():
    """JSON and SQL may have the id as a number."""
    assert read_apps([{**TABLE, "id": 1001}], "app") == (App("1001", "k", "s"),)


def test_table_with_dashes():
    """Dashes are as good as underscores."""
    (app,) = read_apps([{**TABLE, "client-events": True, "cache-ttl": 5}], "app")
    assert app == App("1", "k", "s", client_events=True, limits=Limits(cache_ttl=5))


@pytest.mark.parametrize("unlimited", [0, -1, "none"])
def test_no_limit(unlimited):
    """0 and -1 take away the limits that can be taken away."""
    (app,) = read_apps([{**TABLE, "max_presence_members": unlimited}], "app")
    assert app.limits.max_presence_members is None


def test_made_apps():
    """Applications give apps as they are."""
    assert read_apps((NEWS,), "app") == (NEWS,)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (["shop"], "^app: expected ID:KEY:SECRET$"),
        (["1:k"], "^app: expected ID:KEY:SECRET$"),
        (["1:k:"], "^app '1': the secret is empty$"),
        ([":k:s"], "^app: id: expected letters, digits and . _ ~ - only$"),
        (["1:k/2:s"], "^app '1': key: expected letters, digits and . _ ~ - only$"),
        ([7], "^app: expected ID:KEY:SECRET, or a table"),
        (7, "^app: expected a list of apps "),
        ([{"key": "k", "secret": "s"}], "^app 1: id: is missing$"),
        ([{**TABLE, "id": 7.5}], "^app 7.5: id: expected text, not 7.5$"),
        ([{**TABLE, "id": True}], "^app True: id: expected text, not True$"),
        ([{**TABLE, "key": 7}], "^app '1': key: expected text, not 7$"),
        (
            [{**TABLE, "allowed_origins": ["https://app.example.com/"]}],
            "^app '1': allowed_origins: expected an origin such as https://app.example.com, without a path, not",
        ),
        ([{**TABLE, "colour": "red"}], "^app '1': colour: there is no such setting$"),
        ([{**TABLE, "limits": {}}], "^app '1': limits: there is no such setting$"),
        ([{**TABLE, "max_conections": 9}], "did you mean max_connections?"),
        (
            [{**TABLE, "cache_ttl": 0}],
            "^app '1': cache_ttl: expected a whole number, 1 or more, not 0$",
        ),
        ([{**TABLE, "max_connections": -5}], "^app '1': max_connections: .*1 or more, not -5$"),
        ([{**TABLE, "maxConnections": -5}], "^app '1': maxConnections: .*1 or more, not -5$"),
        (
            [{**TABLE, "maxEventPayloadInKb": 0}],
            "^app '1': maxEventPayloadInKb: .*1 or more, not 0$",
        ),
        (
            [{**TABLE, "allowed_origins": [1]}],
            "^app '1': allowed_origins: expected a list of texts",
        ),
        (
            [{**TABLE, "allowed_origins": []}],
            "^app '1': allowed_origins: expected some origins; leave it out to allow all$",
        ),
        (
            [{**TABLE, "allowedOrigins": ["https://*.*.example.com"]}],
            "^app '1': allowedOrigins: expected at most one [*] in",
        ),
        (
            [App("1", "k", "s", allowed_origins=("x/",))],
            "^app '1': allowed_origins: expected an origin",
        ),
        ([App("1", "k", "")], "^app '1': secret: the secret is empty$"),
        ([App("1", "k", "s", limits=Limits(cache_ttl=0))], "^app '1': cache_ttl: "),
        (["1:k:s", "1:l:s"], "^app: two apps have the id '1'$"),
        (["1:k:s", "2:k:s"], "^app: two apps have the key 'k'$"),
    ],
)
def test_mistakes(written, told):
    """Every mistake names the app, the setting, and what was expected."""
    with pytest.raises(ConfigError, match=told):
        read_apps(written, "app")


@given(st.text(st.characters(exclude_characters=":")))
def test_secrets_are_not_told(secret):
    """An error about an app never quotes its secret."""
    hidden = f"hush{secret}hush"
    for written in (
        f"1:{hidden}",
        {**TABLE, "secret": [hidden]},
        {**TABLE, "secret": hidden, "id": "/"},
    ):
        with pytest.raises(ConfigError) as caught:
            read_apps([written], "app")
        assert "hush" not in str(caught.value)


def test_index():
    """Apps are found by id and by key."""
    by_id, by_key = index([NEWS], "app")
    assert by_id == {"news": NEWS}
    assert by_key == {"2": NEWS}
