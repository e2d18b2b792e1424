"""The documentation says what the code says: every option, setting, metric, endpoint and code, and no other."""

import re
from dataclasses import MISSING, asdict, fields
from inspect import getdoc
from pathlib import Path
from typing import get_type_hints

import pytest
from twisted.internet.task import Clock

from tests.test_limit_edges import TABLE
from txpusher import errors
from txpusher.app_settings import APP_SETTINGS
from txpusher.config import SETTINGS
from txpusher.http.root import Root
from txpusher.metrics.collector import Snapshot
from txpusher.metrics.facade import Metrics
from txpusher.model import PUSHER_LIMITS, App, Limits, WebhookTarget
from txpusher.protocol.names import Kind
from txpusher.webhooks.kinds import KINDS
from txpusher.workers.metrics import GroupMetrics

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.rst").read_text()
CONFIGURATION = (ROOT / "docs/configuration.rst").read_text()
METRICS = (ROOT / "docs/metrics.rst").read_text()
HTTP_API = (ROOT / "docs/http-api.rst").read_text()
WEBHOOKS = (ROOT / "docs/webhooks.rst").read_text()
PROTOCOL = (ROOT / "docs/protocol-notes.rst").read_text()


def section(text, title):
    """Give what stands below a title, up to the next one of the same kind."""
    (after,) = re.findall(
        rf"^{re.escape(title)}\n-+\n(.*?)(?=^[^\n]+\n-{{3,}}\n|\Z)", text, re.DOTALL | re.MULTILINE
    )
    return after


def rows(text):
    """Give the cells of every row of the list-tables in a text, as one line each, without headers."""
    found = []
    for table in re.split(r"^ *\.\. list-table::", text, flags=re.MULTILINE)[1:]:
        lines = re.split(r"^ +\* - ?", table, flags=re.MULTILINE)[2:]
        for line in lines:
            row = re.split(r"\n(?=\S)", line, maxsplit=1)[0]
            cells = re.split(r"^ +-(?: |$)", row, flags=re.MULTILINE)
            found.append([" ".join(cell.split()) for cell in cells])
    return found


def code(cell):
    """Give the first thing that a cell has in backticks."""
    return re.search(r"``(.+?)``", cell)[1]


def written(default):
    """Give a default as the tables write it."""
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        default = " ".join(default)
    if isinstance(default, str):
        return f"``{default}``" if default else ""
    return {None: ""}.get(default, str(default))


SPECIAL = {
    "app": "the demo app",
    **dict.fromkeys(
        ("max_connections", "max_connects_per_minute", "max_api_calls_per_minute"), "no limit"
    ),
}


def test_readme_has_every_option_with_its_variable_and_default():
    assert [tuple(row[:3]) for row in rows(section(README, "Options"))] == [
        ("``--config``", "``TXPUSHER_CONFIG``", ""),
        *(
            (
                f"``--{s.option}``",
                f"``TXPUSHER_{name.upper()}``",
                SPECIAL.get(name, written(s.default)),
            )
            for name, s in SETTINGS.items()
        ),
    ]


def test_configuration_has_every_setting_with_its_default():
    documented = {}
    for name, default, _ in rows(section(CONFIGURATION, "Settings")):
        key, option = re.findall(r"``(.+?)``", name)
        documented[key] = (option, default.removesuffix(" seconds").removesuffix(" bytes"))
    assert documented.pop("config") == ("--config", "")
    assert documented == {
        name: (f"--{s.option}", SPECIAL.get(name, written(s.default)))
        for name, s in SETTINGS.items()
    }


def test_configuration_has_every_app_setting_with_its_default():
    documented = {
        code(name): default for name, default, *_ in rows(section(CONFIGURATION, "App settings"))
    }
    assert tuple(documented) == APP_SETTINGS
    for field in (*fields(App), *fields(Limits)):
        if field.name == "limits":
            continue
        default = "" if field.default is MISSING else field.default
        words = {None: "none", (): "all", True: "true", False: "false"}
        if field.name == "webhooks":
            words[()] = "none"
        assert documented[field.name] == words.get(default, str(default)), field.name


LIMITS = {
    code(row[0]): row for row in rows(section(CONFIGURATION, "App settings")) if len(row) == 5
}


def test_configuration_says_everything_about_every_limit():
    """A limit has a name, a default, a unit, a place where it is enforced, and an answer."""
    assert list(LIMITS) == [field.name for field in fields(Limits)]
    assert all(all(cells) for cells in LIMITS.values())


def test_limits_have_the_units_of_the_model():
    """What a limit counts, and whether it does so by the second, is what the code says."""
    units = r"\b(sockets|events|calls|channels|users|bytes|characters|seconds)\b"
    said = dict(
        re.findall(r"^ {4}(\w+): (.+?)(?=^ {4}\w|\Z)", getdoc(Limits), re.DOTALL | re.MULTILINE)
    )
    assert {name: cells[2] for name, cells in LIMITS.items()} == {
        name: re.search(units, text)[1] + (" a second" if "a second" in text else "")
        for name, text in said.items()
    }


def test_limits_that_may_be_switched_off():
    """The documentation names those that may be none, by what they have in common or one by one."""
    (sentence,) = re.findall(
        r"^Limits\. As much.*?(?=\n\n)", CONFIGURATION, re.DOTALL | re.MULTILINE
    )
    documented = {
        name
        for name, (_, default, unit, *_) in LIMITS.items()
        if default == "none" or unit.endswith(" a second") or f"``{name}``" in sentence
    }
    hints = get_type_hints(Limits)
    assert documented == {name for name, kind in hints.items() if kind == int | None}


def test_configuration_says_what_the_profile_of_pusher_changes():
    (sentence,) = re.findall(r"``--profile pusher`` makes them.*?\. ", CONFIGURATION, re.DOTALL)
    usual = asdict(Limits())
    assert {name: int(number) for name, number in re.findall(r"``(\w+)`` (\d+)", sentence)} == {
        name: limit for name, limit in asdict(PUSHER_LIMITS).items() if limit != usual[name]
    }


@pytest.mark.parametrize(("name", "answer"), [(name, answer) for name, _, answer in TABLE], ids=str)
def test_limits_are_answered_as_documented(name, answer):
    """What one more than the limit is answered stands in the documentation."""
    documented = LIMITS[name][4]
    for part in answer if isinstance(answer, tuple) else (answer,):
        assert re.search(rf"\b{part}\b|pusher:{part}", documented)


def test_readme_has_every_limit_with_its_default():
    assert {code(name): default for name, default, _ in rows(section(README, "Limits"))} == {
        field.name: "none" if field.default is None else str(field.default)
        for field in fields(Limits)
    }


def test_webhooks_has_every_kind():
    documented = [code(name) for name, *_ in rows(section(WEBHOOKS, "What is sent"))]
    assert sorted(documented) == sorted(KINDS)


def test_webhooks_has_every_setting_of_a_target_with_its_default():
    documented = {code(name): default for name, default, _ in rows(section(WEBHOOKS, "Targets"))}
    words = {(): "none", 10.0: "10 seconds", "": "", MISSING: ""}
    usual = {
        name: f"``--webhook-{name.replace('_', '-')}``" for name in documented if "batch" in name
    }
    assert documented == {
        field.name: usual.get(field.name) or words[field.default] for field in fields(WebhookTarget)
    }


def test_readme_shows_the_first_page_as_it_is():
    page = (ROOT / "examples/first.html").read_text()
    assert "".join(f"   {line}\n" if line else "\n" for line in page.splitlines()) in README


def test_every_metric_is_documented_and_no_other():
    snapshot = Snapshot({"1": 0}, {}, {})
    metrics = Metrics(prefix="", port=lambda: "6001", snapshot=lambda: snapshot, clock=Clock())
    exposed = set()
    for family in metrics.registry.collect():
        total = family.type == "counter" and not family.name.endswith("_total")
        exposed.add(family.name + ("_total" if total else ""))
    workers = GroupMetrics("", lambda: "6001", [], Clock())
    exposed |= {f"{f.name}_total" if f.type == "counter" else f.name for f in workers.collect()}
    documented = {code(row[0]) for row in rows(METRICS) if len(row) > 2}
    documented |= set(re.findall(r"``(horizontal_adapter_\w+)``", METRICS))
    assert documented == exposed


def kinds_of_error(base):
    """Give a class and all below it."""
    return {base, *(kind for sub in base.__subclasses__() for kind in kinds_of_error(sub))}


def test_every_reason_and_channel_type_is_documented():
    # These end a connection and drop no message.
    ended = {errors.ConnectionEnded, errors.Terminated, errors.PongNotReceived}
    reasons = {error.reason for error in kinds_of_error(errors.PusherError) - ended}
    assert [reason for reason in sorted(reasons) if f"``{reason}``" not in METRICS] == []
    assert [kind.value for kind in Kind if f"``{kind.value}``" not in METRICS] == []


def test_every_code_is_explained():
    codes = {error.code for error in kinds_of_error(errors.PusherError)} - {None}
    explained = {int(row[0]) for row in rows(section(PROTOCOL, "Connecting")) if row[0].isdigit()}
    assert explained == codes


def test_every_status_is_explained():
    statuses = {error.status for error in kinds_of_error(errors.ApiError)}
    explained = {int(row[0]) for row in rows(section(HTTP_API, "What is true of every call"))}
    assert explained == statuses | {431}


def routes():
    """Give method and path of every endpoint."""
    for rule in Root.app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        if path not in {"/app/{key}", "/users/{user_id}/terminate_connections"}:
            yield from (f"{method} {path}" for method in rule.methods - {"HEAD", "OPTIONS"})


@pytest.mark.parametrize("text", [README, HTTP_API], ids=["README.rst", "http-api.rst"])
def test_every_endpoint_is_documented(text):
    documented = {" ".join(found) for found in re.findall(r"(GET|POST) +(/[\w/{}]+)", text)}
    assert set(routes()) <= documented
    assert {path for path in documented if "{app_id}" in path} <= set(routes())


@pytest.mark.parametrize(
    "name", ["README.rst", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.rst"))]
)
def test_options_that_are_mentioned_exist(name):
    known = {setting.option for setting in SETTINGS.values()} | {"config"}
    theirs = {  # options of other programs
        *("nodaemon", "pidfile", "logfile", "uid", "gid", "chroot", "reactor"),
        *(
            "editable",
            "config-settings",
            "no-cache-dir",
            "data",
            "time",
            "ulimit",
            "benchmark-json",
        ),
    }
    for script in (ROOT / "benchmarks").glob("*.py"):
        theirs.update(re.findall(r'add(?:_argument)?\(\s*"--([a-z-]+)"', script.read_text()))
    mentioned = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", (ROOT / name).read_text()))
    assert mentioned <= known | theirs
