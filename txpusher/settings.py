"""How a setting is read, wherever it is written: by its type, and with errors that name it.

A value of a TOML or JSON file has its type already; what comes from the command line and the environment is text. One
reader per type takes both.
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from txpusher.errors import ConfigError

COMMAS = r"[,\s]+"
"""What separates the members of a list that is written as one text."""

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})


def read(
    value: object, kind: Any, setting: str, *, least: float | None = None, separator: str = COMMAS
) -> Any:
    """Turn what was written into a value of a setting's type.

    Args:
        value: as it was written.
        kind: the type, as the field of the setting is annotated.
        setting: where it was written.
        least: the smallest number that is allowed.
        separator: a pattern; what separates the members of a list that is written as one text.

    Raises:
        ConfigError: it cannot be one, or it is too small; the error says what was given and what is expected.
    """
    expected, reader = _READERS[kind]
    try:
        result = reader(value, separator) if reader is _texts else reader(value)
    except (TypeError, ValueError, OverflowError):
        result = _NOTHING
    if result is _NOTHING or (least is not None and result is not None and result < least):
        limit = "" if least is None else f", {least} or more"
        raise ConfigError(setting, f"expected {expected}{limit}, not {value!r}")
    return result


def secret(value: object, setting: str, *, references: bool = True) -> str:
    """Give a secret that is written here, or in the place that ``file:/path`` or ``env:NAME`` refers to.

    Args:
        value: as it was written.
        setting: where it was written.
        references: whether ``file:`` and ``env:`` refer to other places. Whoever may write a value that does can read
            what this process can.

    Raises:
        ConfigError: there is none at that place; the error never quotes a secret.
    """
    if not isinstance(value, str):
        raise ConfigError(setting, "expected the secret as text, file:/path or env:NAME")
    if not references:
        return _filled(value.strip(), setting, "the secret is empty")
    if value.startswith("file:"):
        found = _content(Path(value.removeprefix("file:").removeprefix("//")), setting)
    elif value.startswith("env:"):
        found = os.environ.get(value.removeprefix("env:"), "")
    else:
        return _filled(value.strip(), setting, "the secret is empty")
    return _filled(found.strip(), setting, f"there is no secret at {value}")


def document(path: Path) -> Any:
    """Read a settings file: JSON when its name ends in ``.json``, else TOML.

    Raises:
        ConfigError: it cannot be read, or is not in that format.
    """
    text = _content(path, str(path))
    language, parse = ("JSON", json.loads) if path.suffix == ".json" else ("TOML", tomllib.loads)
    try:
        return parse(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(str(path), f"is not {language}: {error}") from error


def unknown(setting: str, name: str, known: Iterable[str]) -> ConfigError:
    """Make the error about a setting that does not exist, with the one that was probably meant.

    Args:
        setting: as it was written, and where.
        name: what was compared with ``known``.
        known: those that exist.
    """
    close = get_close_matches(name, list(known), n=1)
    return ConfigError(
        setting, "there is no such setting" + (f"; did you mean {close[0]}?" if close else "")
    )


def _content(path: Path, setting: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(setting, _unreadable(path, setting, error.strerror)) from error
    except ValueError as error:
        raise ConfigError(setting, _unreadable(path, setting, "it is not UTF-8 text")) from error


def _unreadable(path: Path, setting: str, why: str | None) -> str:
    return f"cannot be read: {why}" if setting == str(path) else f"cannot read {path}: {why}"


def _filled(text: str, setting: str, otherwise: str) -> str:
    if not text:
        raise ConfigError(setting, otherwise)
    return text


# One reader per type. They raise TypeError or ValueError on what they cannot read.


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value.strip()


def _text_or_none(value: object) -> str | None:
    text = "" if value is None else _text(value)
    return None if text in {"", "none"} else text


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = _text(value).lower()
    if word not in _YES | _NO:
        raise ValueError
    return word in _YES


def _whole(value: object) -> int:
    # True is an int to Python, and no number to anybody else.
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = _text(value)
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise ValueError
    return int(text)


def _whole_or_unlimited(value: object) -> int | None:
    if value is None or value == "none":
        return None
    number = _whole(value)
    return None if number in {0, -1} else number


def _number(value: object) -> float:
    number = (
        value
        if isinstance(value, float)
        else float(_text(value) if isinstance(value, str) else _whole(value))
    )
    if not math.isfinite(number):
        raise ValueError
    return number


def _texts(value: object, separator: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = re.split(separator, value)
    if not isinstance(value, (list, tuple)):
        raise TypeError
    return tuple(text for text in map(_text, value) if text)


_NOTHING = object()
_READERS: dict[Any, tuple[str, Callable[..., Any]]] = {
    str: ("text", _text),
    str | None: ("text or none", _text_or_none),
    bool: ("true or false", _switch),
    int: ("a whole number", _whole),
    int | None: ("a whole number (0 is no limit)", _whole_or_unlimited),
    float: ("a number", _number),
    tuple[str, ...]: ("a list of texts", _texts),
}
