"""The facts are plain values that observers can rely on."""

import inspect
from typing import get_args

import pytest

from txpusher.core import occurrences

ALL = [
    kind
    for _, kind in inspect.getmembers(occurrences, inspect.isclass)
    if kind.__module__ == occurrences.__name__
]
# What is compressed is shared by connections of all apps.
ABOUT_NO_APP = {
    occurrences.AppsReloaded,
    occurrences.CompressionAgreed,
    occurrences.MessagesCompressed,
}


def test_the_union_names_every_fact():
    """Whoever handles an `Occurrence` completely has handled all there are."""
    assert set(get_args(occurrences.Occurrence)) == set(ALL)


@pytest.mark.parametrize("kind", ALL)
def test_every_fact_belongs_to_an_app_and_explains_itself(kind):
    """The app comes first in every fact about one, each is a tuple, and each is documented."""
    assert (kind._fields[:1] == ("app_id",)) != (kind in ABOUT_NO_APP)
    assert issubclass(kind, tuple)
    assert kind.__doc__
    assert not kind.__doc__.startswith(kind.__name__ + "(")
