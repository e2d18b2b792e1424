"""The command line. No test here needs a reactor."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from txpusher import __version__
from txpusher.config import SETTINGS, Config
from txpusher.errors import ConfigError
from txpusher.model import App
from txpusher.process import CannotStart
from txpusher.tap import Options, makeService


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Begin without a variable of ours, as a developer's shell may have some."""
    for variable in [name for name in os.environ if name.startswith("TXPUSHER_")]:
        monkeypatch.delenv(variable)
    return monkeypatch


def parse(*arguments):
    options = Options()
    options.parseOptions(list(arguments))
    return options.config


def test_nothing():
    """Without an option, everything is as by default."""
    assert parse() == Config()


def test_every_kind_of_option():
    """Values, lists and switches arrive in the configuration."""
    config = parse(
        *("--listen", "tcp:6001", "--listen", "unix:/run/a;b", "--metrics", "none", "--drain=0.5"),
        *("--app", "1:k:s", "--app", "2:l:t,u", "--cors-origin", "https://a.example"),
        *(
            "--max-connections",
            "9",
            "--path-prefix",
            "ws/",
            "--no-eager-send",
            "--only-pusher-error",
        ),
    )
    assert config == Config(
        listen=("tcp:6001", "unix:/run/a;b"),
        metrics=None,
        drain=0.5,
        app_list=(App("1", "k", "s"), App("2", "l", "t,u")),
        cors_origins=("https://a.example",),
        max_connections=9,
        path_prefix="/ws",
        eager_send=False,
        only_pusher_error=True,
    )


def test_every_setting_has_an_option():
    """What the file can say, the command line can say."""
    names = {name.rstrip("=") for name in Options().longOpt}
    assert names == {setting.option for setting in SETTINGS.values()} | {
        "config",
        "help",
        "version",
    }


def test_environment_and_file(environment, tmp_path):
    """The environment and the file are read, and yield to the command line."""
    path = tmp_path / "config.toml"
    path.write_text("drain = 1\npong_timeout = 1\nactivity_timeout = 1\n", encoding="utf-8")
    environment.setenv("TXPUSHER_PONG_TIMEOUT", "2")
    environment.setenv("TXPUSHER_ACTIVITY_TIMEOUT", "2")
    config = parse("--config", str(path), "--activity-timeout", "3")
    assert (config.drain, config.pong_timeout, config.activity_timeout) == (1, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--drain", "soon"], "txpusher: --drain: expected a number, 0 or more, not 'soon'"),
        (["--drain="], "txpusher: --drain: expected a number, 0 or more, not ''"),
        (
            ["--max-backlog", "1 MB"],
            "txpusher: --max-backlog: expected a whole number, 1 or more, not '1 MB'",
        ),
        (["--app", "1:k"], "txpusher: --app: expected ID:KEY:SECRET"),
        (
            ["--config", "/not/there"],
            "txpusher: --config: /not/there: cannot be read: No such file or directory",
        ),
        (["--drane", "1"], "txpusher: option --drane not recognized"),
        (["--drain"], "txpusher: option --drain requires argument"),
        (["--insecure-demo=1"], "txpusher: option --insecure-demo must not have an argument"),
        (
            ["--listen", "unix:/a", "unix:/b"],
            "txpusher: 'unix:/b' is no option and belongs to none",
        ),
    ],
)
def test_mistakes(arguments, told):
    """A mistake ends the process with one line that names the option."""
    with pytest.raises(CannotStart) as caught:
        parse(*arguments)
    assert caught.value.code == told


def test_version(capsys):
    """The version is ours, not Twisted's."""
    with pytest.raises(SystemExit) as caught:
        parse("--version")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"txpusher {__version__}\n"


def test_help():
    """The help text tells units and defaults, and how else settings can be given."""
    words = " ".join(Options().getUsage(width=200).split())
    for part in (
        "--drain= Seconds over which clients are sent away when the server stops (default: 10).",
        "--max-connections= WebSocket connections this process takes (default: no limit).",
        "--listen= Endpoint for clients and API callers; repeatable (default: tcp:6001:interface=127.0.0.1).",
        "--insecure-demo Serve the demo app's well-known secret to everybody.",
        "TXPUSHER_LISTEN",
    ):
        assert part in words


def test_no_reactor():
    """Looking at the options installs no reactor: --reactor may still choose one."""
    code = "import sys, txpusher.tap; txpusher.tap.Options(); sys.exit('twisted.internet.reactor' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def daemon(monkeypatch):
    """Stand in for what the reactor and the service are made of, and hear what they are made with."""

    def make(*parts):
        made.append(parts)
        if problems:
            raise problems[0]
        return "the service"

    made, problems = [], []
    monkeypatch.setitem(sys.modules, "twisted.internet.reactor", object())
    monkeypatch.setitem(sys.modules, "txpusher.daemon", SimpleNamespace(Daemon=make))
    return SimpleNamespace(made=made, problems=problems)


def test_service(daemon):
    """The service is made of the configuration and the reactor."""
    options = Options()
    options.parseOptions(["--drain", "3"])
    assert makeService(options) == "the service"
    ((config, reactor),) = daemon.made
    assert config.drain == 3
    assert reactor is not None


def test_service_of_several_processes(daemon, monkeypatch):
    """With several workers it is their parent, which can give them the options as they were written."""
    made = []

    def supervisor(*parts):
        made.append(parts)
        return "the parent"

    module = SimpleNamespace(Supervisor=supervisor)
    monkeypatch.setitem(sys.modules, "txpusher.workers.supervisor", module)
    options, written = Options(), ["--workers", "2", "--adapter", "redis://here"]
    options.parseOptions(written)
    assert makeService(options) == "the parent"
    assert daemon.made == []
    ((config, _, given, directory),) = made
    assert (config.workers, given, directory) == (2, tuple(written), str(Path.cwd()))


def test_service_of_a_wrong_configuration(daemon):
    """What only a part of the service can judge is told in one line as well."""
    daemon.problems.append(ConfigError("--adapter", "there is no kafka://"))
    options = Options()
    options.parseOptions([])
    with pytest.raises(CannotStart) as caught:
        makeService(options)
    assert caught.value.code == "txpusher: --adapter: there is no kafka://"
