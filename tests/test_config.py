"""What a configuration may be, and what it says about itself."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.config import DEMO_APP, SETTINGS, Config
from txpusher.errors import ConfigError
from txpusher.model import App

SHOP = App("1", "shop-key", "shop-secret")
PUBLIC = ("tcp:6001",)


def test_defaults():
    """Nothing has to be said: it listens on the loopback, in memory, with the demo app."""
    config = Config()
    assert config.listen == ("tcp:6001:interface=127.0.0.1",)
    assert config.metrics == "tcp:9601:interface=127.0.0.1"
    assert config.adapter == "memory://"
    assert config.demo
    assert config.served_apps() == (DEMO_APP,)


def test_defaults_are_valid_as_text():
    """What the help text shows as a default can be written back."""
    for name, setting in SETTINGS.items():
        if setting.kind in {int, float, bool, str}:
            assert setting.read(str(setting.default), name) == setting.default


def test_every_setting_is_described():
    """No option is without a word about it, and no two have the same name."""
    assert all(setting.text for setting in SETTINGS.values())
    assert len({setting.option for setting in SETTINGS.values()}) == len(dataclasses.fields(Config))


def test_frozen():
    """A configuration does not change under those who read it."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().drain = 3


def test_no_secret_in_its_repr():
    """A configuration that is logged keeps its secrets."""
    assert "shop-secret" not in repr(Config(app_list=(SHOP,)))


def test_apps_end_the_demo():
    """As soon as there is an app, the demo app is gone."""
    config = Config(app_list=(SHOP,), listen=PUBLIC)
    assert not config.demo
    assert config.served_apps() == (SHOP,)


def test_a_store_ends_the_demo():
    """The same with apps that are somewhere else."""
    config = Config(apps="file:///apps.toml", listen=PUBLIC)
    assert not config.demo
    assert config.served_apps() == ()


def test_apps_twice():
    """Apps that are listed would be hidden by a store, so both at once are refused."""
    with pytest.raises(ConfigError, match=r"^apps: .*one or the other"):
        Config(apps="file:///apps.toml", app_list=(SHOP,))


@pytest.mark.parametrize(
    ("written", "normal"),
    [("", ""), ("/", ""), ("ws", "/ws"), ("/ws/", "/ws"), (" /a/b-c.d~e_f ", "/a/b-c.d~e_f")],
)
def test_path_prefix(written, normal):
    """A path prefix is meant however its slashes are written."""
    assert Config(path_prefix=written).path_prefix == normal


@given(st.text())
def test_path_prefix_is_normal_or_refused(written):
    """Any path prefix comes out without a slash at its end, and once more the same."""
    try:
        prefix = Config(path_prefix=written).path_prefix
    except ConfigError as error:
        assert error.setting == "path_prefix"  # noqa: PT017 - both ends are right
    else:
        assert not prefix.endswith("/")
        assert Config(path_prefix=prefix).path_prefix == prefix


def test_metrics_off():
    """The metrics page can be left out."""
    assert Config(metrics="none").metrics is None
    assert Config(metrics=None).metrics is None


def test_one_text_is_one_endpoint():
    """A text where a tuple was meant is not taken letter by letter."""
    assert Config(listen="unix:/a,b;unix:/c").listen == ("unix:/a,b", "unix:/c")


def test_several_processes():
    """Several processes need an adapter that connects them; auto counts the cores that may be used."""
    assert Config(workers=3, adapter="redis://here").workers == 3
    assert Config(workers="auto", adapter="redis://here").workers >= 1
    with pytest.raises(ConfigError, match=r"^workers: 2 processes need .* --adapter redis://"):
        Config(workers=2)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"listen": ()}, "^listen: expected at least one endpoint"),
        ({"listen": ("6001",)}, "^listen: expected an endpoint such as tcp:6001, not '6001'$"),
        ({"metrics": "9601"}, "^metrics: expected an endpoint such as tcp:6001, not '9601'$"),
        ({"path_prefix": "/a b"}, "^path_prefix: expected a path such as /ws, not '/a b'$"),
        ({"path_prefix": "/a?b"}, "^path_prefix: "),
        ({"path_prefix": "/a//b"}, "^path_prefix: "),
        (
            {"metrics_prefix": "my-"},
            "^metrics_prefix: expected letters, digits, _ and : only, not 'my-'$",
        ),
        ({"activity_timeout": 0}, "^activity_timeout: expected a whole number, 1 or more, not 0$"),
        (
            {"activity_timeout": "soon"},
            "^activity_timeout: expected a whole number, 1 or more, not 'soon'$",
        ),
        ({"workers": 0}, "^workers: expected a whole number or auto, 1 or more, not 0$"),
        ({"drain": -1}, "^drain: expected a number, 0 or more, not -1$"),
        ({"max_connections": -7}, "^max_connections: "),
        ({"eager_send": "perhaps"}, "^eager_send: expected true or false, not 'perhaps'$"),
        ({"app_list": 7}, "^app: expected a list of apps"),
        ({"app_list": (SHOP, App("1", "k", "s"))}, "^app: two apps have the id '1'$"),
    ],
)
def test_mistakes(wrong, told):
    """A value that cannot be is refused when the configuration is made, however it is made."""
    with pytest.raises(ConfigError, match=told):
        Config(**wrong)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"app_list": (DEMO_APP,)},
        {"app_list": (SHOP, App("2", "other-key", DEMO_APP.secret))},
    ],
)
def test_demo_secret_in_public(settings):
    """A secret that everybody knows is not served to everybody, whoever configured it."""
    with pytest.raises(
        ConfigError, match=r"others can reach tcp:6001, .* --insecure-demo"
    ) as caught:
        Config(listen=("unix:/run/it", "tcp:6001"), **settings)
    assert caught.value.setting == "listen"


def test_demo_secret_in_public_on_demand():
    """It is when that is asked for."""
    assert Config(listen=PUBLIC, insecure_demo=True).demo


def test_demo_secret_in_a_store():
    """Apps of a store, which are known later, are judged by the same rule."""
    config = Config(listen=PUBLIC, apps="file:///apps.toml")
    config.refuse_demo_secret([SHOP])
    with pytest.raises(ConfigError, match=r"everybody knows the secret"):
        config.refuse_demo_secret([SHOP, DEMO_APP])


@pytest.mark.parametrize("prefix", ["/app", "apps/x"])
def test_a_prefix_that_hides_our_own_paths(prefix):
    """A prefix that begins like our paths could not be told from them."""
    with pytest.raises(ConfigError, match=r"^path_prefix: /app"):
        Config(path_prefix=prefix)


def test_passwords_in_urls_are_not_shown():
    """A configuration that is logged shows no URL that may have a password in it."""
    shown = repr(Config(adapter="memory://user:hidden@host", apps="file:///hidden"))
    assert "hidden" not in shown
