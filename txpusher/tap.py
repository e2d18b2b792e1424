"""``twistd txpusher`` and ``twist txpusher``: the options, and the service they make.

Nothing here imports the reactor before the service is made, as ``--reactor`` may choose another one until then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from twisted.application.service import IService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from txpusher import __version__
from txpusher.config import SETTINGS, Config, Setting
from txpusher.errors import ConfigError
from txpusher.loading import load
from txpusher.process import CannotStart, one_line

_REPEATABLE = frozenset({"listen", "app", "cors_origins"})


def _described(setting: Setting) -> str:
    default = "no limit" if setting.kind == (int | None) else setting.default
    shown = f" (default: {default})" if default and setting.kind is not bool else ""
    return f"{setting.text[0].upper()}{setting.text[1:]}{shown}."


class Options(UsageOptions):
    """The command line.

    Attributes:
        config: everything that was said here, in the environment and in the file; there after parsing.
        written: the options as they were written, and ``directory`` where: what another process needs to read them.
    """

    synopsis = "[options]"
    longdesc = (
        "Every option can also stand in the file, under its name (listen = [...], one table [[app]] per app), or in "
        "the environment, as TXPUSHER_LISTEN and so on; the file yields to the environment, the environment to the "
        "command line. A secret may be file:/path or env:NAME, so that it does not show in ps. Without any app, a "
        "demo app is served: app-id, app-key, app-secret."
    )
    optParameters: ClassVar[list[list[Any]]] = [
        ["config", None, None, "TOML file with any of these settings."],
        *(
            [setting.option, None, None, _described(setting)]
            for name, setting in SETTINGS.items()
            if name not in _REPEATABLE and setting.kind is not bool
        ),
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        [setting.option, None, _described(setting)]
        for setting in SETTINGS.values()
        if setting.kind is bool
    ]

    config: Config
    written: Sequence[str] = ()
    directory: str = "."

    def __init__(self) -> None:
        super().__init__()
        self._lists: dict[str, list[str]] = {}

    def opt_listen(self, value: str) -> None:
        """Endpoint for clients and API callers; repeatable (default: tcp:6001:interface=127.0.0.1)."""
        self._lists.setdefault("listen", []).append(value)

    def opt_app(self, value: str) -> None:
        """An app as ID:KEY:SECRET; repeatable."""
        self._lists.setdefault("app", []).append(value)

    def opt_cors_origin(self, value: str) -> None:
        """Origin whose pages may call the HTTP API; repeatable (default: *)."""
        self._lists.setdefault("cors_origins", []).append(value)

    def opt_version(self) -> NoReturn:
        """Display the version and exit."""
        sys.stdout.write(f"txpusher {__version__}\n")
        sys.exit(0)

    def parseArgs(self, *arguments: str) -> None:
        """Refuse what is no option."""
        if arguments:
            raise UsageError(f"{arguments[0]!r} is no option and belongs to none")

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the command line.

        Raises:
            CannotStart: something is wrong with it. A UsageError would make ``twistd`` print all its own help.
        """
        self.written = tuple(options or ())
        self.directory = str(Path.cwd())
        try:
            super().parseOptions(options)
        except UsageError as error:
            raise CannotStart(error) from error

    def postOptions(self) -> None:
        """Make the configuration.

        Raises:
            UsageError: a setting is wrong, wherever it was written.
        """
        try:
            self.config = load(self._given(), os.environ)
        except ConfigError as error:
            raise UsageError(str(error)) from error

    def _given(self) -> dict[str, Any]:
        given: dict[str, Any] = {**self._lists, "config": self["config"]}
        for name, setting in SETTINGS.items():
            if setting.kind is bool and self[setting.option]:
                given[name] = not setting.default
            elif self.get(setting.option) not in (None, 0):
                given[name] = self[setting.option]
        return given


def makeService(options: Options) -> IService:
    """Make the service that ``twistd`` runs.

    Raises:
        CannotStart: a setting is wrong that only its part can judge.
    """
    from twisted.internet import reactor

    with one_line():
        # Libraries below these import the reactor, too; and the parent of workers needs few of them.
        if options.config.workers > 1:
            from txpusher.workers.supervisor import Supervisor  # noqa: PLC0415

            return Supervisor(options.config, reactor, options.written, options.directory)
        from txpusher.daemon import Daemon  # noqa: PLC0415

        return Daemon(options.config, reactor)
