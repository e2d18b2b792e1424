"""Parts that are chosen by a URL."""

import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from txpusher.adapters import memory
from txpusher.adapters.memory import MemoryAdapter
from txpusher.apps import file
from txpusher.errors import ConfigError
from txpusher.plugging import load, make


def test_ours():
    """A scheme is the name of a module of ours."""
    assert load("memory://", "txpusher.adapters", "--adapter") is memory
    assert load("file:///apps.toml", "txpusher.apps", "--apps") is file


def test_made():
    """What a URL stands for is made with the parts it needs."""
    assert isinstance(make("memory://", "txpusher.adapters", "--adapter", Clock()), MemoryAdapter)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Make somebody's own package `theirs.shop`, and forget it afterwards."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__init__.py").touch()
    code = "def create(url, *parts):\n    return url, parts\n"
    (tmp_path / "theirs" / "shop.py").write_text(code, encoding="utf-8")
    (tmp_path / "theirs" / "empty.py").touch()
    (tmp_path / "theirs" / "broken.py").write_text("import not_installed_here", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        del sys.modules[name]


@pytest.mark.usefixtures("package")
def test_theirs():
    """A scheme with a plus in it names somebody's own module, which gets the whole URL."""
    url = "theirs.shop+sql://user@host/db"
    assert isinstance(load(url, "txpusher.apps", "--apps"), ModuleType)
    assert make(url, "txpusher.apps", "--apps", 1, 2) == (url, (1, 2))


@pytest.mark.usefixtures("package")
def test_theirs_without_create():
    """Somebody's module without the one function it needs is named."""
    with pytest.raises(
        ConfigError, match=r"^--apps: the module theirs.empty has no function create$"
    ):
        make("theirs.empty+x://", "txpusher.apps", "--apps")


@pytest.mark.usefixtures("package")
def test_theirs_with_a_bug():
    """A bug in somebody's module is not hidden behind an error of ours."""
    with pytest.raises(ModuleNotFoundError, match=r"not_installed_here"):
        make("theirs.broken+x://", "txpusher.apps", "--apps")


@pytest.mark.parametrize(
    "url",
    [
        "kafka://user:hush@host",
        "postgres://user:hush@host",
    ],
)
def test_unknown(url):
    """A scheme that nobody knows is told, with those there are and without the password in the URL."""
    with pytest.raises(
        ConfigError, match=r"there is no .*://; expected one of file://, memory://"
    ) as caught:
        load(url, "txpusher.apps", "--apps")
    assert caught.value.setting == "--apps"
    assert "hush" not in str(caught.value)


def test_a_scheme_that_is_nearly_one():
    """Others write the scheme in another way."""
    with pytest.raises(ConfigError, match=r"did you mean postgresql://\?$"):
        load("postgres://host", "txpusher.apps", "--apps")


@pytest.mark.parametrize(
    "url", ["no.such.module+x://hush", "nowhere+x://hush", "txpusher.model.more+x://hush"]
)
def test_theirs_that_is_not_there(url):
    """Somebody's module that cannot be found is named, with where it has to be."""
    name = url.partition("+")[0]
    with pytest.raises(ConfigError, match=rf"there is no module {name}; .*PYTHONPATH$") as caught:
        load(url, "txpusher.apps", "--apps")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "memory", "Memory://", "_memory://", "../x://", "a..b+x://", "+x://", "1://"]
)
def test_no_scheme(url):
    """What does not begin with a scheme is told, with those there are."""
    with pytest.raises(
        ConfigError, match=r"^--adapter: expected a URL with one of the schemes .*memory://"
    ):
        load(url, "txpusher.adapters", "--adapter")


@given(st.text())
def test_any_text(text):
    """Whatever a URL is, it is refused by name unless there is such a module."""
    with pytest.raises(ConfigError, match=r"^--adapter: "):
        load(f"no-{text}", "txpusher.adapters", "--adapter")


def test_errors_deep_in_a_part_name_the_option(monkeypatch):
    """An operator sees which option led to a file with a mistake in it."""

    def create(url):
        raise ConfigError("apps.toml: drane", "there is no such setting")

    monkeypatch.setattr("txpusher.apps.file.create", create)
    with pytest.raises(ConfigError, match=r"^--apps: apps.toml: drane: there is no such setting"):
        make("file:///apps.toml", "txpusher.apps", "--apps")


@pytest.mark.parametrize(
    ("setting", "told"),
    [("--apps", "--apps: no"), ("--apps: ttl", "--apps: ttl: no"), ("ttl", "--apps: ttl: no")],
)
def test_an_option_is_named_once(monkeypatch, setting, told):
    """Whether a part knows the option or not, it is named once."""

    def create(url):
        raise ConfigError(setting, "no")

    monkeypatch.setattr("txpusher.apps.file.create", create)
    with pytest.raises(ConfigError) as caught:
        make("file:///apps.toml", "txpusher.apps", "--apps")
    assert str(caught.value) == told
