"""Parts that are chosen by a URL: its scheme names the module that makes them.

``redis://...`` is the module ``redis`` of one of our packages, so a new part is one new file and no edited table, and
``redis+unix://...`` is another way to reach the same; ``my.pkg+x://...`` is somebody's own module ``my.pkg``, which may
make what it likes of ``x``.
"""

from __future__ import annotations

import pkgutil
import re
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
        where = setting if error.setting in setting else f"{setting}: {error.setting}"
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
        raise ConfigError(setting, f"there is no {scheme[0]}; expected one of {_choices(package)}")
    return import_module(name)


def _exists(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _choices(package: str) -> str:
    modules = pkgutil.iter_modules(import_module(package).__path__)
    names = [f"{module.name}://" for module in modules if not module.name.startswith("_")]
    return ", ".join([*sorted(names), "your.module+name://"])
