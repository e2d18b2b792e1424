"""The apps that a service serves, whether its store changes or not."""

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.contracts.app_store import NEWS, SHOP
from tests.doubles import now
from txpusher.app_directory import AppDirectory
from txpusher.core.occurrences import AppsReloaded
from txpusher.errors import ConfigError
from txpusher.interfaces import Health
from txpusher.served_apps import ServedApps


class Changing(AppDirectory):
    """A store that a test changes."""

    stopped = reloads = 0

    async def start(self, check, changed, reloaded):
        self.check, self.changed, self.reloaded = check, changed, reloaded

    async def stop(self):
        self.stopped += 1

    async def reload(self):
        self.reloads += 1

    def health(self):
        return Health(False, "away")


def fine(apps):
    """Let any apps be served."""


def test_a_store_that_never_changes():
    """Its apps are known from the start, and it is always well."""
    served = ServedApps(AppDirectory([SHOP, NEWS]), fine)
    assert list(served.ids) == ["1", "news"]
    assert served.health() == Health()
    for step in (served.start(None, None), served.reload(), served.stop()):
        now(step)


def test_half_a_store():
    """A store that is to be started and lacks a method would stay unstarted without a word; it is refused."""

    class Half(AppDirectory):
        async def start(self, check, changed, reloaded):
            raise AssertionError

    with pytest.raises(ConfigError, match=r"--apps: .*not all of stop, reload and health"):
        ServedApps(Half([SHOP]), fine)


def test_a_store_that_changes():
    """What it tells is known, and told on."""
    store, changes, told = Changing([SHOP]), [], []
    served = ServedApps(store, fine)
    now(served.start(lambda *change: changes.append(change), told.append))
    assert store.check is fine
    store.changed("news", NEWS)
    assert list(served.ids) == ["1", "news"]
    store.changed("1", None)
    store.changed("1", None)
    assert list(served.ids) == ["news"]
    assert changes == [("news", NEWS), ("1", None), ("1", None)]
    store.reloaded(False)
    assert told == [AppsReloaded(ok=False)]
    assert served.health() == (False, "away")
    now(served.reload())
    now(served.stop())
    assert (store.reloads, store.stopped) == (1, 1)


def refuse(apps):
    """Let no apps be served."""
    raise ConfigError("listen", "not these")


def test_apps_that_may_not_be_served():
    """A store that answers at once ends the start."""
    with pytest.raises(ConfigError):
        ServedApps(AppDirectory([SHOP]), refuse)


def test_apps_that_are_known_too_late():
    """For a store that answers later it is too late for that; it is logged."""
    waiting = Deferred()

    class Slow(AppDirectory):
        async def all(self):
            return await waiting

    served = ServedApps(Slow([]), refuse)
    with capturedLogs() as logs:
        waiting.callback([SHOP])
    assert [log["log_format"] for log in logs] == ["The apps cannot be served"]
    assert not served.ids
