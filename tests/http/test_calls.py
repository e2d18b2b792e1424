"""One call: whatever happens in it, it is answered and told."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from tests.doubles import APP, RecordingObserver, now
from tests.wire_doubles import NOW, signed
from txpusher.apps.memory import MemoryApps
from txpusher.core.occurrences import ApiCalled
from txpusher.errors import BadRequest, ServiceUnavailable
from txpusher.http.authentication import Authenticator
from txpusher.http.calls import Calls
from txpusher.http.exchange import EMPTY, Answer, ApiRequest, json_answer
from txpusher.http.rate_limits import RateLimits


@pytest.fixture
def told():
    """What is told."""
    return RecordingObserver()


@pytest.fixture
def calls(told):
    """Calls of one app."""
    apps = MemoryApps([APP])
    return Calls(Authenticator(apps, lambda: NOW), apps, RateLimits(Clock()), told)


def request(method="GET", path="/apps/1/x", body=b""):
    path, _, query = signed(method, path, body).partition("?")
    return ApiRequest(method, path, query, body, {})


def test_a_signed_call(calls, told):
    """The endpoint gets the app that signed, and its answer is given and told."""

    async def endpoint(app, asked):
        return json_answer([app.id, asked.method])

    assert now(calls.signed("1", request(), endpoint)) == Answer(200, b'["1","GET"]')
    assert told == [ApiCalled("1", 200, 0, 11)]


def test_a_call_without_a_signature_does_not_reach_its_endpoint(calls, told):
    """Who may not call is answered before anything is done."""

    async def endpoint(app, asked):
        raise AssertionError

    answer = now(calls.signed("1", ApiRequest("GET", "/apps/1/x", "", b"", {}), endpoint))
    assert answer.status == 401
    assert told == [ApiCalled("", 401, 0, len(answer.body))]


@pytest.mark.parametrize("app_id", ["1", None])
def test_the_app_is_in_the_path_or_found_by_its_key(calls, app_id):
    """A path may leave the app to auth_key."""

    async def endpoint(app, asked):
        return json_answer(app.id)

    assert now(calls.signed(app_id, request(), endpoint)).body == b'"1"'


def test_an_error_of_the_endpoint_is_its_answer(calls, told):
    """What an endpoint refuses is answered with the error's status, text and headers, and told with its app."""

    async def endpoint(app, asked):
        raise BadRequest("not so", {"X-Why": "because"})

    answer = now(calls.signed("1", request("POST", body=b"12"), endpoint))
    assert answer == Answer(400, b'{"error":"not so","code":400}', (("X-Why", "because"),))
    assert told == [ApiCalled("1", 400, 2, len(answer.body))]


def test_a_bug_is_answered_without_details(calls, told):
    """A bug is logged with its traceback, and the caller is told nothing of it."""

    async def endpoint(app, asked):
        raise ValueError("secret")

    async def open_endpoint():
        raise ValueError("secret")

    for call in (calls.signed("1", request(), endpoint), calls.open(request(), open_endpoint)):
        with capturedLogs() as logs:
            answer = now(call)
        assert answer == Answer(500, b'{"error":"Internal server error","code":500}')
        assert [log["log_level"] for log in logs] == [LogLevel.critical]
        assert logs[0]["log_failure"].check(ValueError)
    assert [call.status for call in told] == [500, 500]


def test_what_is_away_is_no_line_per_request(calls, told):
    """Whatever is away has logged it once; strangers cannot fill the log, and the answers are counted."""

    async def endpoint():
        raise ServiceUnavailable("Redis is away")

    with capturedLogs() as logs:
        answer = now(calls.open(request(), endpoint))
    assert answer.status == 503
    assert logs == []
    assert [call.status for call in told] == [503]


def test_an_open_call(calls, told):
    """A call that anybody may make is answered and told without an app."""

    async def endpoint():
        return EMPTY

    assert now(calls.open(request("GET", "/up"), endpoint)) is EMPTY
    assert told == [ApiCalled("", 200, 0, 2)]


def test_a_refused_call(calls, told):
    """A request that leads nowhere is answered by its error and told."""
    answer = now(calls.refused(request(), BadRequest("no")))
    assert answer.status == 400
    assert told == [ApiCalled("", 400, 0, len(answer.body))]


def test_a_late_call_is_told_when_it_is_answered(calls, told):
    """A call that has to wait is told at its end."""
    waiting = Deferred()

    async def endpoint(app, asked):
        await waiting
        return EMPTY

    answers = []
    Deferred.fromCoroutine(calls.signed("1", request(), endpoint)).addCallback(answers.append)
    assert (answers, told) == ([], [])
    waiting.callback(None)
    assert answers == [EMPTY]
    assert told == [ApiCalled("1", 200, 0, 2)]
