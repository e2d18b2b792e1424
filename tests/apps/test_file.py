"""Apps in a TOML or JSON file."""

import json
import os
from dataclasses import replace

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from tests.contracts.app_store import NEWS, SHOP, AppStoreContract, answer, table
from tests.doubles import now
from tests.store_doubles import Heard
from txpusher.apps.file import FileApps, create
from txpusher.errors import ConfigError
from txpusher.model import App, Limits, WebhookTarget

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


def soketi(app):
    """Write an app in soketi's words, and in ours what soketi does not know."""
    ours = table(app)
    for theirs, name in {
        "enableClientMessages": "client_events",
        "enableUserAuthentication": "user_authentication",
        "maxBackendEventsPerSecond": "max_backend_events_per_second",
        "maxClientEventsPerSecond": "max_client_events_per_second",
        "maxReadRequestsPerSecond": "max_read_requests_per_second",
        "maxPresenceMembersPerChannel": "max_presence_members",
        "maxEventChannelsAtOnce": "max_channels_per_event",
        "maxEventBatchSize": "max_batch_size",
    }.items():
        ours[theirs] = ours.pop(name)
    ours["maxPresenceMemberSizeInKb"] = ours.pop("max_presence_member_size") / 1024
    ours["maxEventPayloadInKb"] = ours.pop("max_event_size") / 1024
    for hook in ours["webhooks"]:
        prefix, suffix = hook.pop("channel_prefix"), hook.pop("channel_suffix")
        hook["filter"] = {"channel_name_starts_with": prefix, "channel_name_ends_with": suffix}
    for name in ("event_name_length", "channel_name_length"):
        theirs = "max" + "".join(word.capitalize() for word in name.split("_"))
        ours[theirs] = ours.pop(f"max_{name}")
    return {**ours, "lambda": None}


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def read(path, clock=None):
    return FileApps(path, Limits(), clock or Clock())


class TestToml(AppStoreContract):
    """The contract, on a TOML file."""

    def store(self, apps, tmp_path):
        return read(write(tmp_path / "apps.toml", "\n".join(map(toml, apps))))


class TestJson(AppStoreContract):
    """The contract, on a JSON file that is a list."""

    def store(self, apps, tmp_path):
        return read(write(tmp_path / "apps.json", json.dumps([table(app) for app in apps])))


class TestSoketi(AppStoreContract):
    """The contract, on a list of apps as soketi's array driver has it: camel case, KiB, filters, and null."""

    def store(self, apps, tmp_path):
        return read(write(tmp_path / "apps.json", json.dumps([soketi(app) for app in apps])))


class TestJsonObject(AppStoreContract):
    """The contract, on a JSON file with the list in an object."""

    def store(self, apps, tmp_path):
        document = {"apps": [table(app) for app in apps]}
        return read(write(tmp_path / "apps.json", json.dumps(document)))


def test_created_by_url(tmp_path):
    """A URL names the file; its path may be percent-encoded."""
    path = write(tmp_path / "my apps.toml", ONE)
    store = create(f"file://{path}".replace(" ", "%20"), Clock(), Limits())
    assert answer(store.by_id("1")) == SHOP


@pytest.mark.parametrize("url", ["file://apps.toml", "file://", "file://host/apps.toml"])
def test_url_without_a_path(url):
    """Two slashes make a host name of the path; the error says how it is meant."""
    with pytest.raises(ConfigError, match=r"file:///path/apps.toml") as caught:
        create(url, None, Limits())
    assert caught.value.setting == "--apps"


@pytest.mark.parametrize("more", ["?ttl=60", "#2"])
def test_url_with_more_than_a_path(more):
    """What would be passed over in silence is refused, and how to write such a path is told."""
    with pytest.raises(ConfigError, match=r"no parameters; .* %3F and # as %23") as caught:
        create(f"file:///path/apps.toml{more}", None, Limits())
    assert caught.value.setting == "--apps"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "apps.toml: has no app"),
        (ONE + ONE.replace("[app]", "[apps]"), "apps.toml: apps: is app under another name"),
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
        read(write(tmp_path / "apps.toml", text))


def test_no_file(tmp_path):
    """A file that is not there is named."""
    with pytest.raises(ConfigError, match=r"gone.toml: cannot be read: No such file or directory"):
        read(tmp_path / "gone.toml")


# soketi's list as it stands in its documentation and in the wild: numbers may be -1, and most of it is not there.
WILD = """[{
    "id": "app-id", "key": "app-key", "secret": "app-secret",
    "maxConnections": -1, "enableClientMessages": true, "enabled": true,
    "maxBackendEventsPerSecond": -1, "maxClientEventsPerSecond": -1, "maxReadRequestsPerSecond": -1,
    "webhooks": [{
        "url": "https://example.com/hook", "headers": {"X-Any": "v"},
        "event_types": ["client_event", "member_added"],
        "filter": {"channel_name_starts_with": "presence-"}
    }]
}]"""


def test_an_array_of_soketi(tmp_path):
    """The array of apps that soketi takes is read as it stands."""
    (app,) = answer(read(write(tmp_path / "apps.json", WILD)).all())
    assert app == App(
        "app-id",
        "app-key",
        "app-secret",
        client_events=True,
        webhooks=(
            WebhookTarget(
                "https://example.com/hook",
                ("client_event", "member_added"),
                channel_prefix="presence-",
                headers=(("X-Any", "v"),),
            ),
        ),
        limits=Limits(max_client_events_per_second=None),
    )


def test_the_words_of_pascal(tmp_path):
    """The names that soketi has for what is in DynamoDB, and numbers as text, are read as well."""
    app = {"AppId": "1", "AppKey": "shop-key", "AppSecret": "shop-secret", "MaxConnections": "5"}
    app |= {"MaxEventPayloadInKb": "1", "Webhooks": "null"}
    path = write(tmp_path / "apps.json", json.dumps([app]))
    assert list(answer(read(path).all())) == [
        replace(SHOP, limits=Limits(max_connections=5, max_event_size=1024))
    ]


# Changes


class Watched:
    """A file with apps, watched by its store.

    Attributes:
        heard: what the store told.
    """

    def __init__(self, path, *apps, refuse=None):
        self.path = path
        self.put(*apps)
        self.clock = Clock()
        self.store = read(path, self.clock)
        self.heard = Heard(refuse)
        now(self.heard.listen_to(self.store))

    def put(self, *apps, text=None):
        write(self.path, "\n".join(map(toml, apps)) if text is None else text)
        return self

    def look(self, seconds=2):
        """Let the time pass that a change needs to be seen, and give what was logged."""
        with capturedLogs() as logs:
            self.clock.pump([1] * seconds)
        return logs

    def apps(self):
        return list(answer(self.store.all()))


@pytest.fixture
def watched(tmp_path):
    return Watched(tmp_path / "apps.toml", SHOP, NEWS)


def test_nothing_changes(watched):
    """A file that nobody touches causes nothing."""
    assert watched.look(10) == []
    assert not watched.heard.changes
    assert not watched.heard.reloads
    assert watched.store.health().ok


def test_a_change(watched):
    """What is written to the file is served: apps that differ, came or went are told, the others are not."""
    closed, third = replace(SHOP, enabled=False), App("3", "third", "s")
    logs = watched.put(closed, third).look()
    assert watched.apps() == [closed, third]
    assert answer(watched.store.by_key("2")) is None
    assert watched.heard.changes == [("news", None), ("1", closed), ("3", third)]
    assert watched.heard.reloads == [True]
    (log,) = logs
    assert log["log_level"] is LogLevel.info
    assert log["log_format"].format(**log) == (
        f"{watched.path} was read: 2 apps, 2 of them new or different, 1 gone"
    )


def test_a_file_that_is_being_written(watched):
    """A file is not read while it changes from one look to the next: half of it may be a list, too."""
    watched.put(SHOP).look(1)
    watched.put(SHOP, App("3", "third", "s")).look(1)
    assert not watched.heard.reloads
    watched.look(1)
    assert watched.heard.changes == [("news", None), ("3", App("3", "third", "s"))]


def test_touched(watched):
    """A file that was written with the same content is read, and no app is told to have changed."""
    os.utime(watched.path, ns=(1, 1))
    watched.look()
    assert watched.heard.reloads == [True]
    assert not watched.heard.changes


def test_replaced(watched):
    """A file that was renamed to the name is another one."""
    write(watched.path.with_suffix(".new"), toml(SHOP)).replace(watched.path)
    watched.look()
    assert watched.apps() == [SHOP]


def test_a_link_that_leads_elsewhere(tmp_path):
    """What a symbolic link leads to now counts: a volume of Kubernetes swaps a link to its directory."""
    for name, app in (("1", SHOP), ("2", NEWS)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "apps.toml", toml(app))
    data = tmp_path / "data"
    data.symlink_to("1")
    (tmp_path / "apps.toml").symlink_to("data/apps.toml")
    store, heard = read(tmp_path / "apps.toml", clock := Clock()), Heard()
    now(heard.listen_to(store))
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").replace(data)
    clock.pump([1, 1])
    assert list(answer(store.all())) == [NEWS]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "apps.toml: has no app"),
        (ONE + "[[app]", "is not TOML"),
        (ONE + "enabled = 7", "app '1': enabled: expected true or false, not 7"),
        (ONE + ONE, "two apps have the id '1'"),
    ],
)
def test_a_mistake_and_its_end(watched, text, told):
    """While the file is wrong all the old apps go on; it is logged once, and its end as well."""
    (log,) = watched.put(text=text).look(10)
    assert log["log_level"] is LogLevel.error
    assert told in log["log_format"].format(**log)
    assert "shop-secret" not in str(log)
    assert watched.apps() == [SHOP, NEWS]
    assert told in watched.store.health().detail
    assert not watched.store.health().ok
    watched.put(SHOP).look(10)
    assert watched.store.health() == (True, "")
    assert watched.heard.reloads == [False, True]
    assert watched.heard.changes == [("news", None)]


def test_gone_and_back(watched):
    """A file that vanishes is a mistake, and no reason to serve nobody."""
    text = watched.path.read_text()
    watched.path.unlink()
    (log,) = watched.look(10)
    assert "cannot be read: No such file" in log["log_format"].format(**log)
    assert watched.apps() == [SHOP, NEWS]
    watched.put(text=text).look()
    assert watched.heard.reloads == [False, True]
    assert not watched.heard.changes


def test_apps_that_may_not_be_served(tmp_path):
    """Apps that the server refuses are a mistake of the file."""
    watched = Watched(tmp_path / "apps.toml", SHOP, refuse="news-secret")
    (log,) = watched.put(SHOP, NEWS).look()
    assert "listen: not these" in log["log_format"].format(**log)
    assert watched.apps() == [SHOP]
    assert watched.heard.reloads == [False]


def test_reload(watched):
    """A reload reads the file at once, changed or not."""
    now(watched.store.reload())
    watched.put(NEWS)
    now(watched.store.reload())
    assert watched.heard.reloads == [True, True]
    assert watched.heard.changes == [("1", None)]
    watched.look()
    assert watched.heard.reloads == [True, True]


def test_secrets_elsewhere(tmp_path):
    """A reload reads the secrets again that the file refers to."""
    secret = write(tmp_path / "secret", "old")
    watched = Watched(tmp_path / "apps.toml", replace(SHOP, secret=f"file:{secret}"))
    write(secret, "new")
    now(watched.store.reload())
    assert watched.heard.changes == [("1", replace(SHOP, secret="new"))]


def test_a_secret_that_comes_later(tmp_path):
    """A mistake may end without a change of the file: it is looked for every second, and logged once."""
    secret = write(tmp_path / "secret", "old")
    app = replace(SHOP, secret=f"file:{secret}")
    watched = Watched(tmp_path / "apps.toml", app)
    secret.unlink()
    (log,) = watched.put(app, NEWS).look(10)
    assert "cannot read" in log["log_format"].format(**log)
    write(secret, "new")
    watched.look(1)
    assert watched.heard.reloads == [False, True]
    assert watched.apps() == [replace(SHOP, secret="new"), NEWS]


def test_the_same_mistake_again(watched):
    """Each change that is wrong is told, and so is each reload."""
    watched.put(text="").look()
    watched.put(text=" ").look()
    watched.look(5)
    now(watched.store.reload())
    assert watched.heard.reloads == [False, False, False]


def test_stopped(watched):
    """A stopped store looks no more, and stopping it again does nothing."""
    now(watched.store.stop())
    now(watched.store.stop())
    watched.put(SHOP).look()
    now(watched.store.reload())
    assert watched.apps() == [SHOP, NEWS]
    assert not watched.clock.getDelayedCalls()


def test_a_listener_that_fails(watched, monkeypatch):
    """A bug of who listens does not end the looking."""
    monkeypatch.setattr(watched.store, "_reloaded", None)
    watched.put(SHOP)
    with pytest.raises(TypeError):
        watched.look()
    assert watched.clock.getDelayedCalls()


def test_a_mark_at_the_beginning(tmp_path):
    """Editors of Windows begin a file with a byte order mark."""
    path = write(tmp_path / "apps.toml", "\ufeff" + ONE)
    assert answer(FileApps(path, Limits(), Clock()).by_id("1")) == SHOP


def test_no_ordinary_file(tmp_path):
    """A pipe would be waited for until somebody writes into it."""
    os.mkfifo(tmp_path / "apps.toml")
    with pytest.raises(ConfigError, match=r"apps.toml: is not a file$"):
        FileApps(tmp_path / "apps.toml", Limits(), Clock())


def test_more_than_can_be_read(tmp_path):
    """Whatever is in a file, a mistake is one line at the start; later the old apps stay and it shows."""
    path = write(tmp_path / "apps.json", "[" * 100_000)
    with pytest.raises(ConfigError, match=r"apps.json: is not JSON"):
        FileApps(path, Limits(), Clock())
