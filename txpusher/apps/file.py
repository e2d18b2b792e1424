"""``file:///path/apps.toml``: any number of apps with all their settings, in one TOML or JSON file.

In TOML every app is a table ``[[app]]``; in JSON the file is a list of objects, or ``{"apps": [...]}``. The file is
read once, when the server starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from txpusher.app_directory import AppDirectory
from txpusher.app_settings import read_apps
from txpusher.errors import ConfigError
from txpusher.model import Limits
from txpusher.settings import document, unknown


def create(url: str, reactor: Any, defaults: Limits) -> FileApps:
    """Make the store of the file that a URL names.

    Raises:
        ConfigError: the URL names none, or something in the file is wrong.
    """
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"} or not parts.path:
        raise ConfigError(
            "--apps", f"expected file:///path/apps.toml, with three slashes, not {url!r}"
        )
    return FileApps(Path(unquote(parts.path)), defaults)


class FileApps(AppDirectory):
    """The apps of one file.

    Args:
        path: the file; JSON when its name ends in ``.json``, else TOML.
        defaults: the limits of apps that are written without them.

    Raises:
        ConfigError: it cannot be read, has no app or a wrong setting; the error names the file and the setting.
    """

    def __init__(self, path: Path, defaults: Limits = Limits()) -> None:  # noqa: B008 - frozen
        apps = read_apps(_tables(path), f"{path}: app", defaults)
        if not apps:
            raise ConfigError(
                str(path), "has no app; write one as a table [[app]] with id, key and secret"
            )
        super().__init__(apps)


def _tables(path: Path) -> object:
    content = document(path)
    if not isinstance(content, dict):
        return content
    for name in content:
        if name not in {"app", "apps"}:
            raise unknown(f"{path}: {name}", name, ("app", "apps"))
    return next(iter(content.values()), [])
