"""``python -m txpusher.worker``: one of several processes that serve the same addresses.

`txpusher.workers` starts it, and nobody else should: its first argument is what only the parent knows (`Orders`), the
others are the options of ``twistd txpusher``. Its parent hears from it by pipes; when they end, so does the worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping, Sequence
from contextlib import chdir
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from txpusher.workers.orders import Orders

if TYPE_CHECKING:
    from txpusher.config import Config


def main(arguments: Sequence[str]) -> None:
    """Serve until the parent says that it is enough.

    Args:
        arguments: `Orders` as text, and the options.

    Raises:
        CannotStart: a setting is wrong.
    """
    orders = Orders.read(arguments[0])
    if orders.worker:
        # What a terminal sends to all its processes is for the parent to handle.
        os.setsid()
    pretend_to_be_started_by_systemd(orders.systemd, os.environ)
    import_module(orders.reactor).install()
    from twisted.internet import reactor

    from txpusher.workers.member import Member, trial  # noqa: PLC0415 - they import the reactor

    config = read_config(arguments[1:], orders.directory)
    if orders.worker:
        Member(config, reactor, orders).run()
    else:
        trial(config, reactor)


def pretend_to_be_started_by_systemd(
    names: Sequence[str], environment: MutableMapping[str, str]
) -> None:
    """Let Twisted find the sockets that systemd gave the parent: they have the same numbers here.

    Args:
        names: theirs, in the order of their numbers.
        environment: is changed.
    """
    if names:
        environment["LISTEN_PID"] = str(os.getpid())
        environment["LISTEN_FDS"] = str(len(names))
        environment["LISTEN_FDNAMES"] = ":".join(names)


def read_config(options: Sequence[str], directory: str) -> Config:
    """Read the options where the parent read them, for one process that shows no metrics by itself.

    Raises:
        CannotStart: one is wrong, or what they refer to is.
    """
    from txpusher.tap import Options  # noqa: PLC0415 - below it the reactor may be imported

    read = Options()
    with chdir(directory):
        read.parseOptions(options)
    return replace(read.config, workers=1, metrics=None)


if __name__ == "__main__":
    main(sys.argv[1:])
