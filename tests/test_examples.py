"""The examples: they compile, sign as the documentation of Pusher prints it, and say every setting."""

import ast
import configparser
import json
import runpy
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import twisted.internet
from twisted.application.service import IServiceCollection
from twisted.internet.testing import MemoryReactorClock

from txpusher.app_settings import APP_SETTINGS
from txpusher.apps import file
from txpusher.config import SETTINGS
from txpusher.loading import load
from txpusher.model import App, Limits
from txpusher.protocol import signatures

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SECRETS = {"SHOP_SECRET": "one", "STRICT_SECRET": "two"}


@pytest.fixture
def _secrets(monkeypatch):
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)


@pytest.fixture
def run(monkeypatch):
    """Run an example as a module, and give what it defines."""
    monkeypatch.syspath_prepend(EXAMPLES)
    yield lambda name: runpy.run_path(str(EXAMPLES / name))
    sys.modules.pop("publish", None)


@pytest.mark.parametrize(
    "path", sorted([*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.tac")]), ids=lambda p: p.name
)
def test_python_compiles(path):
    ast.parse(path.read_text(), path.name)


# The vector of Pusher's documentation: HTTP API, authentication.
KEY, SECRET, TIMESTAMP = "278d425bdf160c739803", "7ad3773142a6692b25b8", 1353088179
BODY = rb'{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}'
SIGNATURE = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"


def test_publish_signs_as_pusher_documents_it(run):
    signed_query = run("publish.py")["signed_query"]
    query = signed_query(KEY, SECRET, "POST", "/apps/3/events", BODY, TIMESTAMP)
    assert parse_qs(query) == {
        "auth_key": [KEY],
        "auth_timestamp": [str(TIMESTAMP)],
        "auth_version": ["1.0"],
        "body_md5": ["ec365a775a4cd0599faeb73354201b6f"],
        "auth_signature": [SIGNATURE],
    }


def test_publish_signs_a_request_without_a_body(run):
    signed_query = run("publish.py")["signed_query"]
    query = signed_query(KEY, SECRET, "GET", "/apps/3/channels", b"", TIMESTAMP)
    pairs = signatures.parse_query(query)
    text = signatures.request_text("GET", "/apps/3/channels", pairs)
    assert dict(pairs)["auth_signature"] == signatures.sign(SECRET, text)
    assert "body_md5" not in dict(pairs)


def test_the_documentation_prints_the_same_vector():
    assert SIGNATURE in (ROOT / "docs/http-api.rst").read_text()


def test_the_chat_authorizes_subscriptions(run):
    authorization = run("chat_server.py")["authorization"]
    answer = authorization("app-id:app-key:app-secret", "1.2", "presence-chat", "Ada")
    text = signatures.channel_text("1.2", "presence-chat", answer["channel_data"])
    assert not signatures.authorization_problem(answer["auth"], "app-key", "app-secret", text)
    assert json.loads(answer["channel_data"])["user_id"] == "Ada"


@pytest.mark.usefixtures("_secrets")
def test_apps_toml_says_every_setting_with_its_default():
    content = tomllib.loads((EXAMPLES / "apps.toml").read_text())
    table = content["app"][0]
    assert set(table) == set(APP_SETTINGS)
    defaults = {field.name: field.default for field in (*fields(App), *fields(Limits))}
    # These are there to be seen.
    differ = {"id", "key", "secret", "client_events", "allowed_origins", "webhooks"}
    assert {name: value or None for name, value in table.items() if name not in differ} == {
        name: defaults[name] or None for name in table if name not in differ
    }
    assert file.create((EXAMPLES / "apps.toml").as_uri(), None, Limits())


@pytest.mark.usefixtures("_secrets")
def test_txpusher_toml_says_every_setting_with_its_default():
    path = EXAMPLES / "txpusher.toml"
    written = tomllib.loads(path.read_text())
    assert set(written) == set(SETTINGS) - {"apps"}
    config = load({"config": str(path)}, {})
    for name, setting in SETTINGS.items():
        if name != "app":
            assert getattr(config, setting.field) == setting.default, name
    assert [app.secret for app in config.app_list] == ["one"]


def test_the_units_belong_together():
    units = {}
    for kind in ("service", "socket"):
        unit = configparser.ConfigParser(interpolation=None)
        unit.optionxform = str
        unit.read_string((EXAMPLES / f"txpusher.{kind}").read_text().replace("\\\n", ""))
        units[kind] = unit
    name = units["socket"]["Socket"]["FileDescriptorName"]
    start = units["service"]["Service"]["ExecStart"]
    assert f"--listen systemd:domain=INET:name={name}" in start
    assert "--nodaemon --pidfile= txpusher" in start
    assert int(units["service"]["Service"]["TimeoutStopSec"]) > SETTINGS["drain"].default


def test_the_embedded_server_publishes_each_second(run, monkeypatch):
    """Without a port: the reactor is one in memory."""
    reactor = MemoryReactorClock()
    monkeypatch.setattr(twisted.internet, "reactor", reactor, raising=False)
    monkeypatch.setenv("PORT", "7001")
    defined = run("embedded.tac")
    published = []

    async def publish(app, events):
        published.extend((app.id, event.name, event.channels) for event in events)

    defined["pusher"].registry.publish = publish
    services = IServiceCollection(defined["application"])
    services.startService()
    assert [server[0] for server in reactor.tcpServers] == [7001]
    for _ in range(2):
        reactor.advance(1)
    assert published == [("1001", "tick", ("clock",))] * 3
    services.stopService()
