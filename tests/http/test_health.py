"""Is this server well? What load balancers ask."""

import pytest

from tests.wire_doubles import Api, http
from txpusher.core.occurrences import ApiCalled
from txpusher.errors import ServiceUnavailable
from txpusher.interfaces import Health
from txpusher.model import App

OFF = App("2", "key2", "secret2", enabled=False)
ON = App("1", "key", "secret")


def ask(api, path="/up"):
    response = api.klein().ask(http("GET", path))
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-health-check"] == response.body.decode()
    return response.status, response.body.decode()


@pytest.mark.parametrize("path", ["/up", "/up/1"])
def test_all_is_well(path):
    """A server with an app is well, and nobody has to sign the question."""
    assert ask(Api(ON, OFF), path) == (200, "OK")


@pytest.mark.parametrize("path", ["/up", "/up/1"])
def test_something_is_away(path):
    """While the adapter has troubles, the server still serves and says so."""
    api = Api()
    api.checks[:] = [lambda: Health(ok=False, detail="Redis is away")]
    assert ask(api, path) == (200, "DEGRADED")


def test_an_app_that_cannot_be_looked_up():
    """While the app store is away nobody knows about an app that is not remembered."""
    api = Api()

    async def away(app_id):
        raise ServiceUnavailable("no database")

    api.apps.by_id = away
    assert ask(api, "/up/9") == (503, "ERROR")
    api.admission.closing = True
    assert ask(api, "/up/9") == (503, "DRAINING")


def test_any_part_may_be_away():
    """One part that has troubles among others that have none is enough."""
    api = Api()
    api.checks[:] = [Health, lambda: Health(ok=False, detail="a queue fills"), Health]
    assert ask(api) == (200, "DEGRADED")


def test_nobody_can_be_served():
    """Without an enabled app, no client should be sent here."""
    assert ask(Api(OFF)) == (503, "ERROR")


def test_a_disabled_app():
    """A switched-off app is not served, another one is."""
    api = Api(ON, OFF)
    assert ask(api, "/up/2") == (503, "ERROR")
    assert ask(api, "/up/1") == (200, "OK")


def test_an_unknown_app():
    """There is nothing to say about an app that does not exist."""
    assert ask(Api(), "/up/9") == (404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/up", "/up/1"])
def test_the_server_stops(path):
    """A server that is stopping sends new clients elsewhere, whatever else is the matter."""
    api = Api(OFF, ON)
    api.admission.closing = True
    api.checks[:] = [lambda: Health(ok=False)]
    assert ask(api, path) == (503, "DRAINING")


def test_a_stopping_server_does_not_know_more_apps():
    """An unknown app is unknown also while the server stops."""
    api = Api()
    api.admission.closing = True
    assert ask(api, "/up/9") == (404, "NOT_FOUND")


def test_memory():
    """/usage tells the memory of the host or its cgroup, in bytes that add up."""
    response = Api().klein().ask(http("GET", "/usage"))
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    memory = response.json["memory"]
    assert memory.keys() == {"free", "used", "total", "percent"}
    assert memory["free"] + memory["used"] == memory["total"]
    assert memory["percent"] == pytest.approx(100 * memory["used"] / max(memory["total"], 1))


def test_questions_are_told():
    """Unsigned calls are told without an app."""
    api = Api()
    ask(api)
    assert api.told.of(ApiCalled) == [ApiCalled("", 200, 0, 2)]
