"""The words of other servers."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txpusher.errors import ConfigError
from txpusher.model import App, Limits, WebhookTarget
from txpusher.spellings import APP_SPELLINGS, WEBHOOK_SPELLINGS, in_our_words


def words(table, spellings=APP_SPELLINGS):
    """Give our names and values of a table."""
    return {name: value for name, (_, value) in in_our_words(table, spellings, "app 1").items()}


def spelled(name, style):
    """Write a snake-case name in another style."""
    first, *rest = name.split("_")
    hump = first + "".join(word.capitalize() for word in rest)
    return {
        "snake": name,
        "camel": hump,
        "pascal": hump[0].upper() + hump[1:],
        "dashes": name.replace("_", "-"),
    }[style]


STYLES = ["snake", "camel", "pascal", "dashes"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("theirs", APP_SPELLINGS)
def test_every_name_of_others(theirs, style):
    """What others call a setting of an app is ours, in every style they write it in."""
    ours, translate = APP_SPELLINGS[theirs]
    assert words({spelled(theirs, style): 1}) == {ours: translate(1)}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("theirs", WEBHOOK_SPELLINGS)
def test_every_name_of_others_in_webhooks(theirs, style):
    """The same for the settings of webhook targets."""
    ours, translate = WEBHOOK_SPELLINGS[theirs]
    assert words({spelled(theirs, style): 1}, WEBHOOK_SPELLINGS) == {ours: translate(1)}


@pytest.mark.parametrize(
    ("spellings", "models"),
    [(APP_SPELLINGS, (App, Limits)), (WEBHOOK_SPELLINGS, (WebhookTarget,))],
)
def test_our_names_exist(spellings, models):
    """Every name is translated into that of a setting that exists, and is no name of ours itself."""
    known = {field.name for model in models for field in fields(model)}
    assert {ours for ours, _ in spellings.values()} <= known
    assert not spellings.keys() & known


@pytest.mark.parametrize("style", STYLES)
def test_our_own_names(style):
    """Our own names may be written in these styles, too."""
    assert words({spelled("max_connections", style): 5}) == {"max_connections": 5}


def test_as_it_was_written():
    """Beside our name stands the one that was written, for errors."""
    given = in_our_words({"maxEventPayloadInKb": 2}, APP_SPELLINGS, "app 1")
    assert given == {"max_event_size": ("maxEventPayloadInKb", 2048)}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *((100, 102400), (0.5, 512), (0.001, 1)),
        *(("100", 102400), (" 0.5 ", 512), ("-1", -1024), ("1e3", 1024000)),
        *((True, True), ("much", "much"), ("", ""), ("nan", "nan"), ("9" * 19, "9" * 19), ([], [])),
    ],
)
def test_kilobytes(written, read):
    """Kilobytes become whole bytes, also when they are text; what is no number is left to whoever refuses it."""
    (value,) = words({"max_event_payload_in_kb": written}).values()
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("written", "read"),
    [(10_000, 10.0), (1, 0.001), ("10000", 10.0), ("1.5", 0.0015), (True, True), ("x", "x")],
)
def test_milliseconds(written, read):
    """Milliseconds become seconds."""
    assert words({"request_timeout_ms": written}, WEBHOOK_SPELLINGS) == {"timeout": read}


def test_null():
    """What is null counts as not written, also beside its other spelling."""
    assert words({"maxConnections": None, "max_connections": 3, "key": None}) == {
        "max_connections": 3
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("client_events", "enableClientMessages"),
        ("max-connections", "maxConnections"),
        ("max_event_size", "max_event_payload_in_kb"),
    ],
)
def test_one_setting_twice(first, second):
    """One setting under two names is a mistake that names both."""
    with pytest.raises(ConfigError) as caught:
        in_our_words({first: 1, second: 1}, APP_SPELLINGS, "app 1")
    assert str(caught.value) == f"app 1: {second}: is {first} under another name"


@given(st.dictionaries(st.text() | st.integers(), st.integers(), max_size=3))
def test_any_table(table):
    """Whatever the names are, they are read or refused by a ConfigError."""
    wrong = None
    try:
        given = in_our_words(table, APP_SPELLINGS, "app 1")
    except ConfigError as error:
        wrong = error.setting
    assert len(given) == len(table) if wrong is None else wrong.startswith("app 1: ")
