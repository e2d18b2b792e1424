"""Finding apps; the contract of app stores is run in tests/apps."""

import pytest

from tests.contracts.app_store import SHOP, AppStoreContract
from txpusher.app_directory import AppDirectory
from txpusher.errors import ConfigError


class TestAppDirectory(AppStoreContract):
    """The contract."""

    def store(self, apps, tmp_path):
        return AppDirectory(apps)


def test_twins():
    """The same id twice is a mistake."""
    with pytest.raises(ConfigError, match=r"two apps have the id '1'"):
        AppDirectory([SHOP, SHOP.__class__("1", "other", "secret")])
