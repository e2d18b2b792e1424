"""How the webhook targets of an app are written: a list of tables, in our spelling or in that of soketi and sockudo.

Everything that can be wrong with a target is found when it is read, so that none is silent later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from ipaddress import ip_address
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from txpusher.errors import ConfigError
from txpusher.model import WebhookTarget
from txpusher.settings import read, secret, unknown
from txpusher.spellings import WEBHOOK_SPELLINGS, in_our_words
from txpusher.webhooks.kinds import KINDS

OWN_HEADERS = frozenset(
    {
        *("content-type", "content-length", "host", "connection", "transfer-encoding"),
        *("x-pusher-key", "x-pusher-signature"),
    }
)
"""Headers that every request has already."""

_TYPES = get_type_hints(WebhookTarget)
_FILTER = ("channel_prefix", "channel_suffix", "channel_pattern")
_KINDS: Mapping[str, Any] = {
    "event_types": tuple[str, ...],
    **dict.fromkeys(_FILTER, str),
    "timeout": float,
    "batch_window": float,
    "batch_size": int,
}
_LEAST = {"timeout": 0.001, "batch_window": 0, "batch_size": 1}
_ELSEWHERE = ("lambda", "lambda_function")
_HOST = re.compile(
    r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?"
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


def read_webhooks(
    value: object, where: str, *, references: bool = True
) -> tuple[WebhookTarget, ...]:
    """Read the targets of an app.

    Args:
        value: targets or tables; or one text with a JSON list of tables, as SQL tables have it.
        where: the setting.
        references: whether secrets may be in other places, see `txpusher.settings.secret`.

    Raises:
        ConfigError: one of them is wrong; the error names the target by its position, never by its URL.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value or "null")
        except (ValueError, RecursionError) as error:
            raise ConfigError(where, f"is not JSON: {error}") from error
        value = [] if value is None else value
    if not isinstance(value, (list, tuple)):
        raise ConfigError(where, "expected a list of targets (in TOML, tables [[app.webhooks]])")
    return tuple(
        _target(item, f"{where} {number}", references) for number, item in enumerate(value, 1)
    )


def _target(item: object, where: str, references: bool) -> WebhookTarget:
    if isinstance(item, Mapping):
        item = _from_table(item, where, references)
    if not isinstance(item, WebhookTarget):
        raise ConfigError(where, "expected a table with url, event_types and further settings")
    _check(item, where)
    return item


def _from_table(table: Mapping[str, Any], where: str, references: bool) -> WebhookTarget:
    given = in_our_words(table, WEBHOOK_SPELLINGS, where)
    if "filter" in given:
        parts = _filter(given.pop("filter")[1], where)
        for name in parts.keys() & given.keys():
            raise ConfigError(f"{where}: {parts[name][0]}", "stands beside the filter, too")
        given |= parts
    for name, (written, value) in given.items():
        if name in _ELSEWHERE and value:
            raise ConfigError(f"{where}: {written}", "AWS Lambda cannot be called; give it a URL")
        if name not in {*_TYPES, *_ELSEWHERE}:
            raise unknown(f"{where}: {written}", name, _TYPES)
    for name in ("url", "event_types"):
        if name not in given:
            raise ConfigError(f"{where}: {name}", "is missing")
    values = {
        name: read(value, _KINDS[name], f"{where}: {written}", least=_LEAST.get(name))
        for name, (written, value) in given.items()
        if name in _KINDS
    }
    if "headers" in given:
        values["headers"] = _headers(given["headers"][1], f"{where}: headers", references)
    url = secret(given["url"][1], f"{where}: url", references=references)
    return WebhookTarget(url=url, **values)


def _filter(value: object, where: str) -> dict[str, tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: filter", f"expected a table with {', '.join(_FILTER)}")
    given = in_our_words(value, WEBHOOK_SPELLINGS, f"{where}: filter")
    for name, (written, _) in given.items():
        if name not in _FILTER:
            raise unknown(f"{where}: filter: {written}", name, _FILTER)
    return {name: (f"filter: {written}", text) for name, (written, text) in given.items()}


def _headers(value: object, where: str, references: bool) -> tuple[tuple[str, str], ...]:
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, (list, tuple)) or not all(map(_is_pair, pairs)):
        raise ConfigError(where, "expected a table of names and values")
    return tuple(
        (str(name), secret(text, f"{where}: {name}", references=references)) for name, text in pairs
    )


def _is_pair(item: object) -> bool:
    return isinstance(item, (list, tuple)) and len(item) == 2


def _check(target: WebhookTarget, where: str) -> None:
    _check_url(target.url, f"{where}: url")
    if not target.event_types:
        raise ConfigError(f"{where}: event_types", f"expected some of {', '.join(KINDS)}")
    for kind in target.event_types:
        if kind not in KINDS:
            raise ConfigError(
                f"{where}: event_types",
                f"there is no {kind!r}; expected some of {', '.join(KINDS)}",
            )
    try:
        re.compile(target.channel_pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(
            f"{where}: channel_pattern", f"is not a regular expression: {error}"
        ) from error
    for name, text in target.headers:
        _check_header(name, text, f"{where}: headers: {name}")
    for item in fields(target):
        value = getattr(target, item.name)
        if item.name in _LEAST and value is not None:
            read(value, _KINDS[item.name], f"{where}: {item.name}", least=_LEAST[item.name])


def _check_url(url: str, where: str) -> None:
    # It may hold a secret and is not quoted.
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            where, "expected an address with http:// or https://, a host and perhaps a port"
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(
            where,
            "spaces and letters beyond ASCII have to be written as %20 and the like, in a host as xn--",
        )
    if not _is_host(parts.hostname or ""):
        raise ConfigError(
            where,
            "the name of the host has to be made of letters, digits and hyphens, with dots between",
        )
    if parts.username is not None:
        raise ConfigError(where, "a name and password do not work here; send them by headers")


def _is_host(name: str) -> bool:
    """Tell whether a host can be asked for: Twisted looks names up as RFC 5890 has them, without underscores."""
    try:
        ip_address(name)
    except ValueError:
        return len(name) < 254 and _HOST.fullmatch(name) is not None
    return True


def _check_header(name: str, text: str, where: str) -> None:
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
        raise ConfigError(where, "is not a header that can be sent")
    if name.lower() in OWN_HEADERS:
        raise ConfigError(where, "is set by the server")
