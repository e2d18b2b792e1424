"""The routes: what is at which path, and what is answered where nothing is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel, capturedLogs

from tests.doubles import LateAdapter
from tests.wire_doubles import Api, event, http, publish, signed
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.occurrences import ApiCalled
from txpusher.http.exchange import Cors

GETS = [
    "/apps/1/channels",
    "/apps/1/channels/presence-a",
    "/apps/1/channels/presence-a/users",
    "/up",
    "/up/1",
    "/usage",
]
POSTS = [
    "/apps/1/events",
    "/apps/1/batch_events",
    "/apps/1/users/ann/terminate_connections",
    "/users/ann/terminate_connections",
]
BODIES = {"/apps/1/events": event(), "/apps/1/batch_events": b'{"batch":[]}'}


def get(api, path, method="GET", headers=None):
    return api.klein().ask(http(method, path, headers=headers))


# Every route


@pytest.mark.parametrize("path", GETS)
def test_questions(path):
    """Everything that is asked by GET is answered."""
    response = get(Api(), signed("GET", path))
    assert response.status == 200
    assert response.body


@pytest.mark.parametrize("path", POSTS)
def test_commands(path):
    """Everything that is commanded by POST is done, by way of Klein, too."""
    response = Api().post(path, BODIES.get(path, b"{}"))
    assert (response.status, response.body) == (200, b"{}")


@pytest.mark.parametrize("path", [*GETS, *POSTS])
@pytest.mark.parametrize("written", ["/ws", ""])
def test_all_paths_below_a_prefix(path, written):
    """With --path-prefix every path is served below the prefix, and without it, as proxies may strip it."""
    api = Api(path_prefix="/ws")
    if path in GETS:
        response = get(api, signed("GET", written + path))
    else:
        response = api.post(written + path, BODIES.get(path, b"{}"))
    assert response.status == 200


@pytest.mark.parametrize("path", GETS[:3] + POSTS)
def test_apps_are_for_those_who_sign(path):
    """Nothing about an app is answered without a signature."""
    response = get(Api(), path, "GET" if path in GETS else "POST")
    assert response.status == (404 if path.startswith("/users") else 401)
    assert response.error


@pytest.mark.parametrize("path", GETS)
def test_head_is_get_without_a_body(path):
    """HEAD is answered with the headers of GET, and signed as HEAD."""
    api = Api()
    head, full = get(api, signed("HEAD", path), "HEAD"), get(api, signed("GET", path))
    assert (head.status, head.body) == (200, b"")
    without = {"date", "content-length"}
    assert {k: v for k, v in head.headers.items() if k not in without} == {
        k: v for k, v in full.headers.items() if k not in without
    }
    assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize("path", [*GETS, *POSTS, "/nowhere", "*", "/up/%ff"])
def test_options_needs_no_signature(path):
    """A browser may ask for any path what it may do there; by default everybody may."""
    response = get(Api(), path, "OPTIONS", {"Origin": "https://example.com"})
    assert (response.status, response.body) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
    assert "content-length" not in response.headers


def test_options_with_configured_origins():
    """With configured origins, only these are told that they may."""
    api = Api(origins=("https://example.com",))
    allowed = get(api, "/up", "OPTIONS", {"Origin": "https://example.com"})
    assert allowed.headers["access-control-allow-origin"] == "https://example.com"
    assert allowed.headers["vary"] == "Origin"
    refused = get(api, "/up", "OPTIONS", {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("path", ["/up", "/nowhere", "/apps/1/channels"])
def test_pages_may_read_all_answers(path):
    """Errors can be read by the same pages as everything else."""
    for origins, expected in ((("*",), "*"), (("https://example.com",), "https://example.com")):
        response = get(Api(origins=origins), path, headers={"Origin": "https://example.com"})
        assert response.headers["access-control-allow-origin"] == expected


# Where nothing is


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nowhere",
        "/up/",
        "/up/1/2",
        "/metrics",
        "/apps",
        "/apps/1",
        "/apps/1/",
        "/apps//channels",
        "/apps/1/channels/",
        "/apps/1/events/",
        "/apps/1/connections",
        "/apps/1/channels/a/b",
        "/apps/1/users//terminate_connections",
        "/app",
        "/app/",
        "/%61pps/1/nowhere",
        "nowhere",
    ],
)
def test_nothing_is_there(path):
    """Any other path is answered 404 in JSON, and never redirected."""
    response = get(Api(), path)
    assert (response.status, response.error) == (404, f"There is nothing at {path}")


@pytest.mark.parametrize("path", ["/ws/apps/1/channels", "/a/b/apps/1/events"])
def test_a_prefix_that_nobody_configured(path):
    """A path that looks as if a prefix was not configured is answered with a hint."""
    assert "--path-prefix" in get(Api(), path).error
    assert "--path-prefix" not in get(Api(), "/apps/1/nothing").error


def test_where_websockets_are():
    """Who comes to a WebSocket's path without one is told."""
    response = get(Api(), "/app/key")
    assert response.status == 426
    assert "WebSocket" in response.error


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        *[(path, "DELETE", "GET, HEAD, OPTIONS") for path in GETS],
        *[(path, "POST", "GET, HEAD, OPTIONS") for path in GETS],
        *[(path, "GET", "OPTIONS, POST") for path in POSTS],
        *[(path, "HEAD", "OPTIONS, POST") for path in POSTS],
        *[(path, "PUT", "OPTIONS, POST") for path in POSTS],
        ("/app/key", "POST", "GET, HEAD, OPTIONS"),
    ],
)
def test_the_wrong_method(path, method, allowed):
    """A path that does not take a method says which it takes."""
    response = get(Api(), path, method)
    assert response.status == 405
    assert response.headers["allow"] == allowed
    if method != "HEAD":
        assert response.error == f"This path does not take {method}, only {allowed}"


@pytest.mark.parametrize("path", ["/up/%ff", "/apps/%c3/channels", "/apps/1/channels/%e9"])
def test_a_path_that_is_not_utf8(path):
    """A path whose escapes are not UTF-8 is refused."""
    response = get(Api(), path)
    assert (response.status, response.error) == (400, "The path is not UTF-8")


@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=30
    )
)
def test_any_path_is_answered(path):
    """Whatever path somebody asks for, the answer is JSON or a word of health, and never a bug."""
    with capturedLogs() as logs:
        response = get(Api(), "/" + path)
    assert response.status in {200, 400, 401, 404, 426}
    assert not logs


@pytest.mark.parametrize("host", ["a..b", "\xff", "", "x" * 300, "[::1]:6001", "é.example", "a b"])
def test_the_host_header_does_not_matter(host):
    """A server is asked by any name, also by one that is no host name."""
    request = f"GET /up HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1")
    with capturedLogs() as logs:
        assert Api().klein().ask(request).status == 200
    assert not logs


def test_refusals_are_told():
    """What leads nowhere is counted, too, with the bytes it cost."""
    api = Api()
    sizes = [len(get(api, path).body) for path in ("/nowhere", "/app/key")]
    sizes.append(len(get(api, "/up", "PUT").body))
    statuses = [404, 426, 405]
    assert api.told.of(ApiCalled) == [
        ApiCalled("", status, 0, size) for status, size in zip(statuses, sizes, strict=True)
    ]


# Bugs and late answers


class BrokenCors(Cors):
    """Fails for what Klein answers."""

    def headers(self, origin):
        raise ValueError("secret")


def test_a_bug_in_answering():
    """A bug while an answer is written is answered 500 in JSON, too, and logged with its traceback."""
    api = Api()
    api.root.cors = BrokenCors(("*",))
    api.site.resource = api.root.app.resource()
    with capturedLogs() as logs:
        response = get(api, "/up")
    assert (response.status, response.error) == (500, "Internal server error")
    assert [log["log_level"] for log in logs] == [LogLevel.critical]
    assert logs[0]["log_failure"].check(ValueError)


def late_api(*late):
    clock = Api().clock
    adapter = LateAdapter(MemoryAdapter(Hub(clock)), late)
    return Api(adapter=adapter), adapter


def test_a_late_publish_is_answered_when_it_is_done():
    """The answer to a publish waits for it."""
    api, adapter = late_api("publish")
    client = api.klein()
    client.receive(publish(event()))
    assert client.take() == b""
    adapter.answer("publish")
    assert [response.status for response in client.responses()] == [200]


def test_a_late_publish_is_finished_though_nobody_waits_for_it():
    """A publish on two channels is not left half done because its caller went away."""
    api, adapter = late_api("publish")
    client = api.klein()
    client.receive(publish(event(channel=None, channels=["a", "b"])))
    assert adapter.asked() == ["publish"]
    with capturedLogs() as logs:
        client.go_away()
        adapter.answer("publish", "publish")
    assert adapter.asked() == []
    assert client.take() == b""
    assert [call.status for call in api.told.of(ApiCalled)] == [200]
    assert not logs


def test_a_late_failure_that_nobody_waits_for():
    """What fails after its caller went away is logged once, and no second error follows."""
    api, adapter = late_api("publish")
    client = api.klein()
    client.receive(publish(event()))
    client.go_away()
    with capturedLogs() as logs:
        adapter.fail("publish")
    assert [log["log_level"] for log in logs] == [LogLevel.critical]
    assert [call.status for call in api.told.of(ApiCalled)] == [500]


def test_a_bug_in_answering_somebody_who_went_away():
    """A bug that comes to light when the caller is gone is no reason to write to nobody."""
    api, adapter = late_api("publish")
    api.root.cors = BrokenCors(("*",))
    api.site.resource = api.root.app.resource()
    client = api.klein()
    client.receive(publish(event()))
    client.go_away()
    adapter.answer("publish")
    assert client.take() == b""


def test_every_server_has_its_own_routes():
    """Two servers in one process answer for themselves."""
    one, two = Api(), Api()
    two.admission.closing = True
    assert (get(one, "/up").status, get(two, "/up").status) == (200, 503)
