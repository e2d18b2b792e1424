"""Parts that are chosen by a URL: its scheme names the module that makes them.

``redis://...`` is the module ``redis`` of one of our packages, so a new part is one new file and no edited table, and
``redis+unix://...`` is another way to reach the same; ``my.pkg+x://...`` is somebody's own module ``my.pkg``, which may
make what it likes of ``x``.
"""

from __future__ import annotations

import pkgutil
import re
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from txpusher.errors import ConfigError

_NAME = r"[a-z][a-z0-9_]*"
_SCHEME = re.compile(rf"(?P<module>{_NAME}(?:\.{_NAME})*)\+{_NAME}://|(?P<ours>{_NAME})://")


def make(url: str, package: str, setting: str, *parts: object) -> Any:
    """Make what a URL stands for, by calling ``create(url, *parts)`` of its module.

    Args:
        url: what the operator wrote.
        package: the package our own modules of this sort are in.
        setting: the option that the URL was given by.
        parts: handed on.

    Raises:
        ConfigError: there is no such module, or it refused the URL.
    """
    module = load(url, package, setting)
    create = getattr(module, "create", None)
    if create is None:
        raise ConfigError(setting, f"the module {module.__name__} has no function create")
    try:
        return create(url, *parts)
    except ConfigError as error:
        # What is wrong may be deep in a file: the option is named all the same.
        named = error.setting in setting or error.setting.startswith(setting)
        where = error.setting if named and len(error.setting) > len(setting) else setting
        where = where if named else f"{setting}: {error.setting}"
        raise ConfigError(where, error.message) from error


def load(url: str, package: str, setting: str) -> ModuleType:
    """Import the module that a URL's scheme names.

    Args:
        url: what the operator wrote; it may have a password in it and is never quoted.
        package: the package our own modules of this sort are in.
        setting: the option that the URL was given by.

    Raises:
        ConfigError: there is none; the error names those there are.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise ConfigError(setting, f"expected a URL with one of the schemes {_choices(package)}")
    ours = f"{package}.{scheme['module'] or scheme['ours']}"
    name = ours if scheme["ours"] or _exists(ours) else scheme["module"]
    if not _exists(name):
        raise ConfigError(setting, _missing(scheme, package))
    return import_module(name)


def _missing(scheme: re.Match[str], package: str) -> str:
    if scheme["module"]:
        return f"there is no module {scheme['module']}; it has to be installed, or its folder on PYTHONPATH"
    close = get_close_matches(scheme["ours"], _ours(package), n=1)
    hint = f"; did you mean {close[0]}://?" if close else ""
    return f"there is no {scheme[0]}; expected one of {_choices(package)}{hint}"


def _exists(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _choices(package: str) -> str:
    return ", ".join([*(f"{name}://" for name in _ours(package)), "your.module+name://"])


def _ours(package: str) -> list[str]:
    modules = pkgutil.iter_modules(import_module(package).__path__)
    return sorted(module.name for module in modules if not module.name.startswith("_"))
