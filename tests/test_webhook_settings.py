"""How webhook targets are written, and that every mistake is named without quoting what may be secret."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.app_settings import read_apps
from txpusher.errors import ConfigError
from txpusher.model import App, WebhookTarget
from txpusher.webhook_settings import OWN_HEADERS, read_webhooks
from txpusher.webhooks.kinds import KINDS

URL = "https://user.example/hook?token=hidden"
OCCUPIED = ("channel_occupied",)
TABLE = {"url": URL, "event_types": ["channel_occupied"]}
TARGET = WebhookTarget(URL, OCCUPIED)


def read(*targets):
    return read_webhooks(list(targets), "webhooks")


def problem(*targets):
    """Give the setting and the text of the error that these targets are, which must not quote what is secret."""
    with pytest.raises(ConfigError) as caught:
        read_webhooks(list(targets), "webhooks")
    assert "hidden" not in str(caught.value)
    return caught.value.setting, str(caught.value).removeprefix(f"{caught.value.setting}: ")


# What is read


def test_the_least():
    """An address and some kinds are enough."""
    assert read(TABLE) == (TARGET,)


def test_everything():
    """A table has every setting of a target."""
    table = {
        **TABLE,
        "filter": {"channel_prefix": "a", "channel_suffix": "b", "channel_pattern": "c+"},
        "headers": {"Authorization": "Bearer t"},
        "timeout": 2,
        "batch_window": 0.5,
        "batch_size": 7,
    }
    assert read(table) == (
        WebhookTarget(
            URL,
            OCCUPIED,
            "a",
            "b",
            "c+",
            (("Authorization", "Bearer t"),),
            timeout=2.0,
            batch_window=0.5,
            batch_size=7,
        ),
    )


def test_a_flat_filter():
    """The parts of the filter may stand beside the rest."""
    assert read({**TABLE, "channel_prefix": "a"}) == read(
        {**TABLE, "filter": {"channel_prefix": "a"}}
    )


def test_as_soketi_writes_it():
    """Soketi's own example is read."""
    table = {
        "url": URL,
        "event_types": ["channel_occupied", "client_event"],
        "filter": {"channel_name_starts_with": "private-", "channel_name_ends_with": "-eu"},
        "headers": {"X-Any": "v"},
    }
    assert read(table) == (
        WebhookTarget(
            URL,
            ("channel_occupied", "client_event"),
            "private-",
            "-eu",
            headers=(("X-Any", "v"),),
        ),
    )


def test_as_sockudo_writes_it():
    """Sockudo's own example is read, in its milliseconds."""
    table = {
        "url": URL,
        "eventTypes": ["member_added"],
        "filter": {"channel_prefix": "presence-", "channel_pattern": "^presence-room-[0-9]+$"},
        "request_timeout_ms": 2500,
        "lambda": None,
    }
    assert read(table) == (
        WebhookTarget(
            URL,
            ("member_added",),
            "presence-",
            channel_pattern="^presence-room-[0-9]+$",
            timeout=2.5,
        ),
    )


def test_json_text():
    """A text is a list in JSON, as tables of databases have it; an empty one is no target."""
    assert read_webhooks(json.dumps([TABLE, TABLE]), "webhooks") == (TARGET, TARGET)
    for nothing in ("", "[]", "null"):
        assert read_webhooks(nothing, "webhooks") == ()


def test_targets_as_objects():
    """An application may make the targets itself."""
    assert read(TARGET, TABLE) == (TARGET, TARGET)


def test_secrets_elsewhere(tmp_path, monkeypatch):
    """The address and the values of headers may be in a file or a variable."""
    path = tmp_path / "url"
    path.write_text(URL + "\n")
    monkeypatch.setenv("HOOK_TOKEN", "Bearer t")
    table = {**TABLE, "url": f"file:{path}", "headers": {"Authorization": "env:HOOK_TOKEN"}}
    assert read(table) == (WebhookTarget(URL, OCCUPIED, headers=(("Authorization", "Bearer t"),)),)


def test_headers_as_pairs():
    """Headers may be a list of pairs, and then one may be there twice."""
    pairs = [["X-One", "1"], ["X-One", "2"]]
    (target,) = read({**TABLE, "headers": pairs})
    assert target.headers == (("X-One", "1"), ("X-One", "2"))


def test_a_target_of_an_app():
    """Targets are settings of an app, and an error says of which."""
    app = {"id": "1", "key": "k", "secret": "s", "webhooks": [TABLE]}
    assert read_apps([app], "app") == (App("1", "k", "s", webhooks=(TARGET,)),)
    with pytest.raises(ConfigError) as caught:
        read_apps([{**app, "webhooks": [TABLE, {**TABLE, "event_types": ["x"]}]}], "app")
    assert caught.value.setting == "app '1': webhooks 2: event_types"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "http://10.0.0.1:8080/a?b=c",
        "https://[::1]:8443/hook",
        "HTTPS://a.example/%C3%A9",
        "https://a-1.example./",
    ],
)
def test_addresses(url):
    """Any http or https address will do."""
    assert read({**TABLE, "url": url})[0].url == url


@pytest.mark.parametrize(
    "host", ["my_service", "a..b", "-a.example", "a-.example", "x" * 64, ".".join(["x" * 60] * 5)]
)
def test_hosts_that_cannot_be_asked_for(host):
    """A name that cannot be looked up is a mistake at once, and no failure later; it is not quoted."""
    with pytest.raises(ConfigError, match="letters, digits and hyphens") as caught:
        read({**TABLE, "url": f"https://{host}/hook"})
    assert host not in str(caught.value)


def test_secrets_are_not_shown():
    """Whoever prints a target or an app sees neither its address nor its headers."""
    (target,) = read({**TABLE, "headers": {"Authorization": "hidden"}})
    assert "hidden" not in repr(App("1", "k", "s", webhooks=(target,)))


# What is wrong


@pytest.mark.parametrize("value", [5, {"url": URL}, True, None])
def test_no_list(value):
    """Anything but a list or a text is a mistake that says what is expected."""
    with pytest.raises(ConfigError, match=r"^webhooks: expected a list of targets"):
        read_webhooks(value, "webhooks")


@pytest.mark.parametrize("text", ["[", "nonsense hidden", "{'url': 1}"])
def test_no_json(text):
    """A text that is not JSON is a mistake, and is not quoted."""
    with pytest.raises(ConfigError, match=r"^webhooks: is not JSON: ") as caught:
        read_webhooks(text, "webhooks")
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("target", [URL, 5, None, ["url", URL]])
def test_no_table(target):
    """What is no table is named by its position."""
    setting, text = problem(TABLE, target)
    assert setting == "webhooks 2"
    assert text.startswith("expected a table with url, event_types")


@pytest.mark.parametrize("missing", ["url", "event_types"])
def test_what_is_missing(missing):
    """Both are required."""
    table = {name: value for name, value in TABLE.items() if name != missing}
    assert problem(TABLE, TABLE, table) == (f"webhooks 3: {missing}", "is missing")
    assert problem({**TABLE, missing: None}) == (f"webhooks 1: {missing}", "is missing")


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"url": "ftp://a.example/hidden"}, "url"),
        ({"url": "a.example/hidden"}, "url"),
        ({"url": "http:///hidden"}, "url"),
        ({"url": "http://a.example:x/hidden"}, "url"),
        ({"url": "http://a.example:0/hidden"}, "url"),
        ({"url": "http://a.example:70000/hidden"}, "url"),
        ({"url": "http://[::1/hidden"}, "url"),
        ({"url": "http://ä.example/hidden"}, "url"),
        ({"url": "http://a.example/hid den"}, "url"),
        ({"url": "http://a.example/\nhidden"}, "url"),
        ({"url": "http://ann:hidden@a.example/"}, "url"),
        ({"url": ""}, "url"),
        ({"url": 5}, "url"),
        ({"url": "env:TXPUSHER_NO_SUCH_VARIABLE"}, "url"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["channel_ocupied"]}, "event_types"),
        ({"event_types": 5}, "event_types"),
        ({"eventTypes": [5], "event_types": None}, "eventTypes"),
        ({"filter": "presence-"}, "filter"),
        ({"filter": {"prefix": "a"}}, "filter: prefix"),
        ({"filter": {"url": "a"}}, "filter: url"),
        ({"filter": {"channel_pattern": "("}}, "channel_pattern"),
        ({"filter": {"channel_name_starts_with": 5}}, "filter: channel_name_starts_with"),
        (
            {"filter": {"channel_prefix": "a", "channel_name_starts_with": "b"}},
            "filter: channel_name_starts_with",
        ),
        (
            {"channel_prefix": "a", "filter": {"channelNameStartsWith": "b"}},
            "filter: channelNameStartsWith",
        ),
        ({"headers": "X-A: hidden"}, "headers"),
        ({"headers": 5}, "headers"),
        ({"headers": ["hidden"]}, "headers"),
        ({"headers": [["X-A", "hidden", "more"]]}, "headers"),
        ({"headers": [[["X-A"], "hidden"]]}, "headers: ['X-A']"),
        ({"headers": {"X-A": 5}}, "headers: X-A"),
        ({"headers": {"X-A": "hidden\r\nX-B: 1"}}, "headers: X-A"),
        ({"headers": {"X-A": "hiddén"}}, "headers: X-A"),
        ({"headers": {"X A": "hidden"}}, "headers: X A"),
        ({"headers": {"": "hidden"}}, "headers: "),
        *(
            ({"headers": {name.upper(): "hidden"}}, f"headers: {name.upper()}")
            for name in sorted(OWN_HEADERS)
        ),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"request_timeout_ms": 0}, "request_timeout_ms"),
        ({"request_timeout_ms": "soon"}, "request_timeout_ms"),
        ({"timeout": 1, "request_timeout_ms": 1000}, "request_timeout_ms"),
        ({"batch_window": -1}, "batch_window"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"lambda": {"function_name": "f"}}, "lambda"),
        ({"lambda_function": "f"}, "lambda_function"),
        ({"lambdaFunction": "f"}, "lambdaFunction"),
        ({"URL": "http://a.example/"}, "URL"),
        ({"retries": 5}, "retries"),
    ],
)
def test_mistakes(wrong, setting):
    """Every mistake names the target by its position, and the setting as it was written; nothing secret is quoted."""
    assert problem(TABLE, {**TABLE, **wrong})[0] == f"webhooks 2: {setting}"


@pytest.mark.parametrize("nothing", [{"lambda": {}}, {"lambda_function": ""}, {"lambda": None}])
def test_no_lambda(nothing):
    """Soketi writes what is not used as well."""
    assert read({**TABLE, **nothing}) == read(TABLE)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"lambda": {"region": "x"}}, "AWS Lambda cannot be called; give it a URL"),
        ({"headers": {"Host": "hidden"}}, "is set by the server"),
        (
            {"url": "http://ann:hidden@a"},
            "a name and password do not work here; send them by headers",
        ),
        (
            {"url": "http://a.example:70000"},
            "expected an address with http:// or https://, a host and perhaps a port",
        ),
        (
            {"url": "http://ä.example/"},
            "spaces and letters beyond ASCII have to be written as %20 and the like, in a host as xn--",
        ),
        (
            {"channel_prefix": "a", "filter": {"channel_prefix": "b"}},
            "stands beside the filter, too",
        ),
        ({"event_type": []}, "there is no such setting; did you mean event_types?"),
        (
            {"event_types": ["x"]},
            f"there is no 'x'; expected some of {', '.join(KINDS)}",
        ),
        ({"batch_size": 0}, "expected a whole number, 1 or more, not 0"),
    ],
)
def test_what_is_said(wrong, text):
    """An error says what can be done about it."""
    assert problem({**TABLE, **wrong})[1] == text


@pytest.mark.parametrize(
    ("target", "setting"),
    [
        (WebhookTarget("nonsense", OCCUPIED), "url"),
        (WebhookTarget(URL, ()), "event_types"),
        (WebhookTarget(URL, ("x",)), "event_types"),
        (WebhookTarget(URL, OCCUPIED, channel_pattern="("), "channel_pattern"),
        (WebhookTarget(URL, OCCUPIED, headers=(("Host", "a"),)), "headers: Host"),
        (WebhookTarget(URL, OCCUPIED, timeout=0), "timeout"),
        (WebhookTarget(URL, OCCUPIED, batch_window=-1), "batch_window"),
        (WebhookTarget(URL, OCCUPIED, batch_size=0), "batch_size"),
    ],
)
def test_objects_are_checked_as_well(target, setting):
    """A target that an application made is no better than one that was read."""
    assert problem(TARGET, target)[0] == f"webhooks 2: {setting}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [*TABLE, "filter", "headers", "timeout", "batch_size", "lambda", "channelPrefix"]
)


@given(st.dictionaries(NAMES, JSON, max_size=4), st.booleans())
def test_any_table(table, least):
    """Whatever is written is read, or refused by a ConfigError that names the target."""
    wrong = None
    try:
        targets = read({**(TABLE if least else {}), **table})
    except ConfigError as error:
        wrong = error.setting
    assert targets if wrong is None else wrong.startswith("webhooks 1")
