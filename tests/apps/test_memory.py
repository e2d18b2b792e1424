"""Apps that are known from the start."""

from dataclasses import fields

import pytest

from tests.contracts.app_store import NEWS, SHOP, AppStoreContract
from txpusher.apps.memory import MemoryApps, create
from txpusher.errors import ConfigError
from txpusher.model import App, Limits


class TestMemoryApps(AppStoreContract):
    """The contract."""

    def store(self, apps, tmp_path):
        return MemoryApps(apps)


def test_the_apps_of_the_contract():
    """One of them says something else than the default about every setting, so that a store cannot lose any."""
    for said, usual in ((NEWS, SHOP), (NEWS.limits, Limits())):
        for setting in fields(said):
            assert getattr(said, setting.name) != getattr(usual, setting.name), setting.name


def test_created_by_url():
    """The URL alone has no apps to give, and a server without any serves nobody."""
    with pytest.raises(ConfigError, match=r"has no apps; name them by --app") as caught:
        create("memory://", None, Limits())
    assert caught.value.setting == "--apps"


@pytest.mark.parametrize("twin", [App("1", "other", "x"), App("other", "shop-key", "x")])
def test_twins(twin):
    """Two apps cannot share an id or a key: nobody could say which is meant."""
    with pytest.raises(ConfigError, match=r"two apps have the (id '1'|key 'shop-key')"):
        MemoryApps([SHOP, NEWS, twin])
