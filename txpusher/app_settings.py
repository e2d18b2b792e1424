"""How apps are written: ``ID:KEY:SECRET`` in one text, or a table with every setting of `App` and `Limits`.

A table is flat: ``max_connections`` stands beside ``client_events``. Dashes are as good as underscores, and the
spellings of soketi and sockudo as good as ours (`txpusher.spellings`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, get_type_hints

from txpusher.errors import ConfigError
from txpusher.model import App, Limits
from txpusher.protocol.origins import pattern_problem
from txpusher.settings import COMMAS, read, secret, unknown
from txpusher.spellings import APP_SPELLINGS, in_our_words
from txpusher.webhook_settings import read_webhooks

# They stand in paths and queries, and `key:signature` is split at its colon.
_NAME = re.compile(r"[A-Za-z0-9._~-]+")
_REQUIRED = ("id", "key", "secret")
_SWITCHES = {
    name: kind
    for name, kind in get_type_hints(App).items()
    if name not in {*_REQUIRED, "webhooks", "limits"}
}
_LIMITS = get_type_hints(Limits)

APP_SETTINGS: tuple[str, ...] = (*_REQUIRED, *_SWITCHES, "webhooks", *_LIMITS)
"""Everything that can be said about an app, in the order of the model."""


def read_apps(value: object, setting: str, defaults: Limits = Limits()) -> tuple[App, ...]:  # noqa: B008 - frozen
    """Read a list of apps.

    Args:
        value: apps, tables or texts; or one text with several ``ID:KEY:SECRET``, separated by commas or whitespace.
        setting: where they are written.
        defaults: the limits of apps that are written without them.

    Raises:
        ConfigError: one of them is wrong, or two have the same id or key.
    """
    if isinstance(value, str):
        value = [text for text in re.split(COMMAS, value) if text]
    if not isinstance(value, (list, tuple)):
        raise ConfigError(setting, "expected a list of apps (in TOML, tables [[app]])")
    apps = tuple(
        read_app(item, setting, position, defaults) for position, item in enumerate(value, 1)
    )
    index(apps, setting)
    return apps


def index(apps: Iterable[App], setting: str) -> tuple[dict[str, App], dict[str, App]]:
    """Give the apps by id and by key.

    Raises:
        ConfigError: two of them have the same id or key.
    """
    by_id: dict[str, App] = {}
    by_key: dict[str, App] = {}
    for app in apps:
        if by_id.setdefault(app.id, app) is not app:
            raise ConfigError(setting, f"two apps have the id {app.id!r}")
        if by_key.setdefault(app.key, app) is not app:
            raise ConfigError(setting, f"two apps have the key {app.key!r}")
    return by_id, by_key


def read_app(
    item: object, setting: str, position: int, defaults: Limits, *, references: bool = True
) -> App:
    """Read one app.

    Args:
        item: an app, a table or a text.
        setting: where it is written.
        position: its position among others, from 1.
        defaults: its limits, if it is written without them.
        references: whether secrets may be in other places, see `txpusher.settings.secret`.

    Raises:
        ConfigError: something about it is wrong.
    """
    if isinstance(item, App):
        return _checked(item, f"{setting} {item.id!r}")
    if isinstance(item, str):
        return _from_text(item, setting, defaults)
    if isinstance(item, Mapping):
        return _from_table(item, setting, position, defaults, references)
    raise ConfigError(setting, "expected ID:KEY:SECRET, or a table with these and other settings")


def _from_text(text: str, setting: str, defaults: Limits) -> App:
    # The text is never quoted: whatever is wrong with it, there may be a secret in it.
    parts = text.strip().split(":", 2)
    if len(parts) < 3:
        raise ConfigError(setting, "expected ID:KEY:SECRET")
    app_id, key, written = parts
    # Who mixes up the order writes a secret first.
    where = f"{setting} {app_id!r}" if _NAME.fullmatch(app_id) else setting
    return _checked(App(app_id, key, secret(written, where), limits=defaults), where)


def _from_table(
    table: Mapping[str, Any], setting: str, position: int, defaults: Limits, references: bool
) -> App:
    given = in_our_words(table, APP_SPELLINGS, f"{setting} {position}")
    where = f"{setting} {given.get('id', ('', position))[1]!r}"
    for name, (written, _) in given.items():
        if name not in APP_SETTINGS:
            raise unknown(f"{where}: {written}", name, APP_SETTINGS)
    for name in _REQUIRED:
        if name not in given:
            raise ConfigError(f"{where}: {name}", "is missing")

    def settings(kinds: Mapping[str, Any], least: int | None = None) -> dict[str, Any]:
        return {
            name: read(given[name][1], kind, f"{where}: {given[name][0]}", least=least)
            for name, kind in kinds.items()
            if name in given
        }

    if type(given["id"][1]) is int:  # many are numbers, and JSON and SQL have a type for these
        given["id"] = (given["id"][0], str(given["id"][1]))
    app_id, key = settings(dict.fromkeys(("id", "key"), str)).values()
    password = secret(given["secret"][1], f"{where}: secret", references=references)
    switches, limits = settings(_SWITCHES), replace(defaults, **settings(_LIMITS, least=1))
    if "allowed_origins" in given:
        _check_origins(switches["allowed_origins"], f"{where}: {given['allowed_origins'][0]}")
    if "webhooks" in given:
        switches["webhooks"] = read_webhooks(
            given["webhooks"][1], f"{where}: webhooks", references=references
        )
    return _checked(App(app_id, key, password, **switches, limits=limits), where)


def _checked(app: App, where: str) -> App:
    for name, text in (("id", app.id), ("key", app.key)):
        if not _NAME.fullmatch(text):
            # Not quoted: who mixes up the order writes a secret here.
            raise ConfigError(f"{where}: {name}", "expected letters, digits and . _ ~ - only")
    if not app.secret:
        raise ConfigError(f"{where}: secret", "the secret is empty")
    if app.allowed_origins:
        _check_origins(app.allowed_origins, f"{where}: allowed_origins")
    read_webhooks(app.webhooks, f"{where}: webhooks")
    for limit in fields(app.limits):
        read(
            getattr(app.limits, limit.name), _LIMITS[limit.name], f"{where}: {limit.name}", least=1
        )
    return app


def _check_origins(patterns: tuple[str, ...], setting: str) -> None:
    if not patterns:
        # An empty variable in a template would otherwise let everybody in, or nobody.
        raise ConfigError(setting, "expected some origins; leave it out to allow all")
    for pattern in patterns:
        problem = pattern_problem(pattern)
        if problem:
            raise ConfigError(setting, problem)
