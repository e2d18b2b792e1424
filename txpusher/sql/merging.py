"""What is served after a table was read: a row that is wrong harms no other one, and its app goes on as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from txpusher.errors import ConfigError

if TYPE_CHECKING:
    from txpusher.model import App
    from txpusher.sql.rows import Row


class Merged(NamedTuple):
    """The outcome.

    Args:
        apps: those to serve; no two have the same id or key.
        problems: what is wrong, by the id of the app.
    """

    apps: list[App]
    problems: dict[str, str]


def merge(
    rows: Iterable[Row], old: Mapping[str, App], check: Callable[[Iterable[App]], None]
) -> Merged:
    """Decide which apps to serve.

    Args:
        rows: all there are.
        old: the apps that were served before, by id.
        check: raises ConfigError when apps may not be served.
    """
    apps: dict[str, App] = {}
    keys: set[str] = set()
    problems: dict[str, str] = {}
    for row in rows:
        app = row.app
        problem = row.problem if app is None else _problem(app, apps, keys, old, check)
        if app is None or problem:
            problems[row.id] = problem
        else:
            apps[app.id] = app
            keys.add(app.key)
    for app_id in problems:
        last = old.get(app_id)
        # Its key may be another app's by now, and that one is right.
        if last is not None and app_id not in apps and last.key not in keys:
            apps[app_id] = last
            keys.add(last.key)
    return Merged(list(apps.values()), problems)


def _problem(
    app: App,
    apps: Mapping[str, App],
    keys: set[str],
    old: Mapping[str, App],
    check: Callable[[Iterable[App]], None],
) -> str:
    if app.id in apps:
        return f"app {app.id!r}: id: another row has the same one"
    if app.key in keys:
        return f"app {app.id!r}: key: another app has the same one"
    if old.get(app.id) is not app:
        try:
            check([app])
        except ConfigError as error:
            return f"app {app.id!r}: {error}"
    return ""
