"""``file:///path/apps.toml``: any number of apps with all their settings, in one TOML or JSON file.

In TOML every app is a table ``[[app]]``; in JSON the file is a list of objects, or ``{"apps": [...]}``.

The file is looked at once a second and read when it is another one: written to, replaced, or behind a symbolic link
that leads elsewhere now, as in volumes of Kubernetes. Somebody may be writing it at that very moment, and half a list
of apps is a list of apps, too: so it is read when it has not changed between two looks. It is taken as a whole or not
at all; while it is wrong or gone, the apps that were read before go on, and every look reads it again, as what is
wrong may be elsewhere: a secret that it refers to, or a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from twisted.logger import Logger

from txpusher.app_directory import AppDirectory
from txpusher.app_settings import read_apps
from txpusher.errors import ConfigError
from txpusher.interfaces import Health
from txpusher.model import App, Limits
from txpusher.settings import document, unknown

if TYPE_CHECKING:
    from txpusher.interfaces import Call, Clock

_log = Logger()

LOOKS = 1.0
"""Seconds from one look at the file to the next."""


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
    if parts.query or parts.fragment:
        raise ConfigError(
            "--apps", "a file has no parameters; in its path, write ? as %3F and # as %23"
        )
    return FileApps(Path(unquote(parts.path)), defaults, reactor)


class FileApps(AppDirectory):
    """The apps of one file.

    Args:
        path: the file; JSON when its name ends in ``.json``, else TOML.
        defaults: the limits of apps that are written without them.
        clock: tells when to look at the file again.

    Raises:
        ConfigError: it cannot be read, has no app or a wrong setting; the error names the file and the setting.
    """

    def __init__(self, path: Path, defaults: Limits, clock: Clock) -> None:
        self._path = path
        self._defaults = defaults
        self._clock = clock
        self._call: Call | None = None
        self._problem = ""
        # Before the reading: what is written meanwhile is seen by the next look.
        self._read = self._seen = _state(path)
        super().__init__(_apps(path, defaults))

    async def start(
        self,
        check: Callable[[Iterable[App]], None],
        changed: Callable[[str, App | None], None],
        reloaded: Callable[[bool], None],
    ) -> None:
        """See `txpusher.interfaces.ChangingAppStore`."""
        self._check, self._changed, self._reloaded = check, changed, reloaded
        self._call = self._clock.callLater(LOOKS, self._look)

    async def stop(self) -> None:
        """See `txpusher.interfaces.ChangingAppStore`."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    async def reload(self) -> None:
        """Read the file now, and with it the secrets that it refers to."""
        if self._call is not None:
            self._take(_state(self._path), asked=True)

    def health(self) -> Health:
        """Tell whether the file could be read when it was last another one."""
        return Health(not self._problem, self._problem)

    def _look(self) -> None:
        # First, so that no error may end the looking.
        self._call = self._clock.callLater(LOOKS, self._look)
        before, self._seen = self._seen, _state(self._path)
        if self._seen == before and (self._seen != self._read or self._problem):
            self._take(self._seen)

    def _take(self, state: tuple[int, ...], *, asked: bool = False) -> None:
        known = (self._read, self._problem)
        self._read = self._seen = state
        try:
            apps = _apps(self._path, self._defaults)
            self._check(apps)
        except Exception as error:  # noqa: BLE001 - whatever is in the file, the apps that are served stay
            self._problem = str(error) if isinstance(error, ConfigError) else type(error).__name__
            if asked or known != (state, self._problem):
                _log.error(
                    "The apps stay as they were, as the new ones are wrong: {error}", error=error
                )
                self._reloaded(False)
        else:
            self._problem = ""
            self._serve(apps)
            self._reloaded(True)

    def _serve(self, apps: tuple[App, ...]) -> None:
        different = self.replace(apps)
        _log.info(
            "{path} was read: {count} apps, {different} of them new or different, {gone} gone",
            path=self._path,
            count=len(apps),
            different=sum(app is not None for _, app in different),
            gone=sum(app is None for _, app in different),
        )
        for app_id, app in different:
            self._changed(app_id, app)


def _state(path: Path) -> tuple[int, ...]:
    """Give what is another one when the file is; empty when there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)


def _apps(path: Path, defaults: Limits) -> tuple[App, ...]:
    apps = read_apps(_tables(path), f"{path}: app", defaults)
    if not apps:
        raise ConfigError(
            str(path), "has no app; write one as a table [[app]] with id, key and secret"
        )
    return apps


def _tables(path: Path) -> object:
    if path.exists() and not path.is_file():
        # Reading a pipe would wait for who writes into it.
        raise ConfigError(str(path), "is not a file")
    content = document(path)
    if not isinstance(content, dict):
        return content
    for name in content:
        if name not in {"app", "apps"}:
            raise unknown(f"{path}: {name}", name, ("app", "apps"))
    if len(content) > 1:
        first, second = content
        raise ConfigError(f"{path}: {second}", f"is {first} under another name")
    return next(iter(content.values()), [])
