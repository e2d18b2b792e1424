"""What is served after a table was read."""

from dataclasses import replace

from tests.contracts.app_store import NEWS, SHOP
from txpusher.errors import ConfigError
from txpusher.sql.merging import merge
from txpusher.sql.rows import Row


def fine(apps):
    """Let any apps be served."""


def row(app):
    return Row(app.id, app)


OLD = {"1": SHOP, "news": NEWS}


def test_good_rows():
    """All are served, and nothing else."""
    new = replace(SHOP, enabled=False)
    assert merge([row(new)], OLD, fine) == ([new], {})


def test_a_bad_row():
    """Its app goes on as it was, and so do the others; one that never was is not there."""
    rows = [Row("1", None, "wrong"), row(NEWS), Row("7", None, "wrong, too")]
    assert merge(rows, OLD, fine) == ([NEWS, SHOP], {"1": "wrong", "7": "wrong, too"})


def test_twins():
    """The first of two rows with the same id or key counts."""
    twins = [replace(SHOP, key="other"), replace(NEWS, key="shop-key")]
    apps, problems = merge([row(SHOP), *map(row, twins)], OLD, fine)
    assert apps == [SHOP, NEWS]
    assert problems == {
        "1": "app '1': id: another row has the same one",
        "news": "app 'news': key: another app has the same one",
    }


def test_a_key_that_went_to_another_app():
    """An app whose row is wrong does not go on when its key is another one's by now."""
    heir = replace(NEWS, key="shop-key")
    assert merge([Row("1", None, "wrong"), row(heir)], OLD, fine).apps == [heir]


def test_keys_that_were_swapped():
    """Two apps may exchange their keys."""
    swapped = [replace(SHOP, key=NEWS.key), replace(NEWS, key=SHOP.key)]
    assert merge(map(row, swapped), OLD, fine) == (swapped, {})


def test_apps_that_may_not_be_served():
    """Apps that are other ones now are checked, each by itself."""
    checked = []

    def check(apps):
        checked.extend(apps)
        if apps[0].secret == "well known":
            raise ConfigError("listen", "not this one")

    known = replace(NEWS, secret="well known")
    apps, problems = merge([row(SHOP), row(known)], OLD, check)
    assert apps == [SHOP, NEWS]
    assert problems == {"news": "app 'news': listen: not this one"}
    assert checked == [known]
