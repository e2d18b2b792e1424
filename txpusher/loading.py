"""Filling a `Config`: defaults, then the file, then the environment, then the command line; the later ones win.

* The file is TOML: the names of `SETTINGS` (dashes are as good as underscores), and a table ``[[app]]`` per app.
* A variable is ``TXPUSHER_`` and the name in capitals; an empty one counts as not set. Members of a list are separated
  by commas or whitespace, those of ``TXPUSHER_LISTEN`` by semicolons or newlines. ``TXPUSHER_CONFIG`` names the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from txpusher.config import SETTINGS, Config
from txpusher.errors import ConfigError
from txpusher.settings import document, unknown

PREFIX = "TXPUSHER_"

# Kubernetes sets these in every container beside a service that is called txpusher.
_KUBERNETES = re.compile(r"SERVICE_(HOST|PORT)(_.*)?|PORT(_.*)?")


class Given(NamedTuple):
    """What was given for a setting, and where: ``--drain``, ``TXPUSHER_DRAIN`` or ``config.toml: drain``."""

    value: Any
    where: str


def load(arguments: Mapping[str, Any], environment: Mapping[str, str]) -> Config:
    """Make the configuration of everything that was given.

    Args:
        arguments: those of the command line by the names of `SETTINGS`, and ``config``, the path of the file.
        environment: the environment variables.

    Raises:
        ConfigError: something is wrong; ``setting`` is spelled as whoever wrote it did.
    """
    path = arguments.get("config") or environment.get(f"{PREFIX}CONFIG")
    option = "--config" if arguments.get("config") else f"{PREFIX}CONFIG"
    given = {
        **(_from_file(Path(path), option) if path else {}),
        **_from_environment(environment),
        **_from_arguments(arguments),
    }
    try:
        return Config(**{SETTINGS[name].field: value for name, (value, _) in given.items()})
    except ConfigError as error:
        raise _as_written(error, given) from error


def _from_file(path: Path, option: str) -> dict[str, Given]:
    try:
        content, given = document(path), {}
    except ConfigError as error:
        raise ConfigError(f"{option}: {error.setting}", error.message) from error
    if not isinstance(content, dict):
        raise ConfigError(str(path), "expected settings by their names, not a list")
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in SETTINGS:
            raise unknown(f"{path}: {key}", name, SETTINGS)
        given[name] = Given(value, f"{path}: {key}")
    return given


def _from_environment(environment: Mapping[str, str]) -> dict[str, Given]:
    given = {}
    for variable, value in environment.items():
        rest = variable.removeprefix(PREFIX)
        if rest in {variable, "CONFIG"} or _KUBERNETES.fullmatch(rest):
            continue
        if rest.lower() not in SETTINGS or not rest.isupper():
            raise unknown(variable, variable.upper(), [PREFIX + name.upper() for name in SETTINGS])
        if value:
            given[rest.lower()] = Given(value, variable)
    return given


def _from_arguments(arguments: Mapping[str, Any]) -> dict[str, Given]:
    return {
        name: Given(arguments[name], f"--{setting.option}")
        for name, setting in SETTINGS.items()
        if name in arguments
    }


def _as_written(error: ConfigError, given: Mapping[str, Given]) -> ConfigError:
    # The setting is a name, or a name with more behind it: "app 'shop': max_connections".
    name, space, more = error.setting.partition(" ")
    return ConfigError(
        f"{given[name].where}{space}{more}" if name in given else error.setting, error.message
    )
