"""Where settings come from, which source wins, and how mistakes in each are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.config import SETTINGS, Config
from txpusher.errors import ConfigError
from txpusher.loading import load
from txpusher.model import App, Limits


@pytest.fixture
def file(tmp_path):
    """Write a file and give its path."""

    def write(text, name="config.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_nothing():
    """Without any source, everything is as by default."""
    assert load({}, {}) == Config()
    assert load({"config": None}, {"PATH": "/bin"}) == Config()


def test_precedence(file):
    """The file yields to the environment, the environment to the command line."""
    path = file("drain = 1\nactivity_timeout = 1\npong_timeout = 1\n")
    environment = {"TXPUSHER_ACTIVITY_TIMEOUT": "2", "TXPUSHER_PONG_TIMEOUT": "2"}
    config = load({"config": path, "pong_timeout": "3"}, environment)
    assert (config.handshake_timeout, config.drain) == (10, 1)
    assert (config.activity_timeout, config.pong_timeout) == (2, 3)


@given(
    st.lists(st.integers(1, 99), min_size=2, max_size=2), st.sets(st.sampled_from(["env", "cli"]))
)
def test_the_later_source_wins(values, sources):
    """Whatever a later source says replaces what an earlier one says."""
    environment = {"TXPUSHER_DRAIN": str(values[0])} if "env" in sources else {}
    arguments = {"drain": str(values[1])} if "cli" in sources else {}
    expected = values[1] if "cli" in sources else values[0] if "env" in sources else 10
    assert load(arguments, environment).drain == expected


def test_file(file):
    """A file says everything that options say, with dashes or underscores, and apps as tables."""
    path = file(
        """
        listen = ["tcp:6001", "unix:/run/it"]
        metrics = "none"
        path-prefix = "/ws"
        max_connections = 0
        eager_send = false
        cors-origins = []

        [[app]]
        id = "1"
        key = "k"
        secret = "s"
        max_event_size = 10

        [[app]]
        id = "2"
        key = "l"
        secret = "t"
        """
    )
    assert load({"config": path}, {}) == Config(
        listen=("tcp:6001", "unix:/run/it"),
        metrics=None,
        path_prefix="/ws",
        eager_send=False,
        cors_origins=(),
        app_list=(App("1", "k", "s", limits=Limits(max_event_size=10)), App("2", "l", "t")),
    )


def test_environment():
    """A variable is the name in capitals; the lists among them are separated."""
    environment = {
        "TXPUSHER_LISTEN": "tcp:6001 ; unix:/run/a,b\n",
        "TXPUSHER_APP": "1:k:s,2:l:env:SECRET_OF_2",
        "TXPUSHER_CORS_ORIGINS": "https://a.example, https://b.example",
        "TXPUSHER_EAGER_SEND": "off",
        "TXPUSHER_METRICS": "none",
        "TXPUSHER_DRAIN": "",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_OF_2", "t")
        config = load({}, environment)
    assert config == Config(
        listen=("tcp:6001", "unix:/run/a,b"),
        app_list=(App("1", "k", "s"), App("2", "l", "t")),
        cors_origins=("https://a.example", "https://b.example"),
        eager_send=False,
        metrics=None,
    )


def test_file_named_by_the_environment(file):
    """The file can be named by a variable, and by the command line instead."""
    environment = {"TXPUSHER_CONFIG": file("drain = 3")}
    assert load({}, environment).drain == 3
    assert load({"config": file("drain = 4", "other.toml")}, environment).drain == 4


@pytest.mark.parametrize(
    "variable",
    [
        "TXPUSHER_PORT",
        "TXPUSHER_PORT_6001_TCP_ADDR",
        "TXPUSHER_SERVICE_HOST",
        "TXPUSHER_SERVICE_PORT_HTTP",
    ],
)
def test_kubernetes(variable):
    """What Kubernetes sets for a service called txpusher is no mistake of anybody."""
    assert load({}, {variable: "tcp://10.0.0.1:6001"}) == Config()


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TXPUSHER_DRIAN", "TXPUSHER_DRAIN"),
        ("TXPUSHER_drain", "TXPUSHER_DRAIN"),
        ("TXPUSHER_APP_LIST", "TXPUSHER_APP"),
    ],
)
def test_unknown_variable(variable, meant):
    """A variable that would do nothing is told, with the one that was probably meant."""
    with pytest.raises(
        ConfigError, match=rf"^{variable}: there is no such setting; did you mean {meant}"
    ):
        load({}, {variable: "1"})


def test_unknown_key(file):
    """So is a key of the file."""
    path = file("max-conections = 5")
    with pytest.raises(
        ConfigError, match=rf"^{path}: max-conections: .*did you mean max_connections"
    ):
        load({"config": path}, {})


@pytest.mark.parametrize(
    ("where", "arguments", "environment"),
    [
        ("--drain", {"drain": "soon"}, {"TXPUSHER_DRAIN": "1"}),
        ("TXPUSHER_DRAIN", {}, {"TXPUSHER_DRAIN": "soon"}),
    ],
)
def test_mistakes_are_told_where_they_are(where, arguments, environment):
    """A mistake is told with the setting as its author spelled it."""
    with pytest.raises(ConfigError) as caught:
        load(arguments, environment)
    assert str(caught.value) == f"{where}: expected a number, 0 or more, not 'soon'"


def test_mistakes_in_the_file(file):
    """In a file, that is the file and the key."""
    path = file("max-backlog = 0")
    with pytest.raises(
        ConfigError, match=rf"^{path}: max-backlog: expected a whole number, 1 or more, not 0$"
    ):
        load({"config": path}, {})


def test_mistakes_in_an_app(file):
    """In an app, it is the app and its setting, too."""
    path = file('[[app]]\nid = "shop"\nkey = "k"\nsecret = "s"\nenabled = "perhaps"')
    with pytest.raises(ConfigError, match=rf"^{path}: app 'shop': enabled: expected true or false"):
        load({"config": path}, {})


def test_mistakes_between_settings():
    """A rule about several settings is told at the one that breaks it."""
    with pytest.raises(ConfigError, match=r"^TXPUSHER_LISTEN: others can reach tcp:6001"):
        load({}, {"TXPUSHER_LISTEN": "tcp:6001"})
    with pytest.raises(ConfigError, match=r"^--apps: "):
        load({"apps": "file:///x", "app": ["1:k:s"]}, {})


def test_missing_file():
    """A file that is not there is named."""
    with pytest.raises(
        ConfigError, match=r"^--config: /not/there.toml: cannot be read: No such file"
    ):
        load({"config": "/not/there.toml"}, {})


def test_file_without_names(file):
    """A list has no settings in it."""
    with pytest.raises(ConfigError, match=r"expected settings by their names"):
        load({"config": file("[]", "it.json")}, {})


@given(
    st.sampled_from(sorted(SETTINGS)),
    st.text(st.characters(exclude_characters="\0", codec="utf-8")),
)
def test_any_variable(name, text):
    """Whatever a variable holds, there is a configuration or an error that names the variable."""
    variable = f"TXPUSHER_{name.upper()}"
    try:
        load({}, {variable: text})
    except ConfigError as error:
        assert error.setting.startswith(variable)  # noqa: PT017 - both ends are right
