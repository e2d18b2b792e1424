"""Limits on calls, by both ways in: of an app and of an IP address, what is refused, and what the headers say."""

import json
from dataclasses import replace

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.task import Clock

from tests.doubles import APP, limited, now
from tests.wire_doubles import Api, event, http, publish, signed
from txpusher.core.limits import Standing
from txpusher.core.occurrences import ApiCalled
from txpusher.errors import ServiceUnavailable, TooManyRequests
from txpusher.http.exchange import EMPTY, Answer
from txpusher.http.rate_limits import RateLimits, with_rate_headers
from txpusher.model import App

BATCH = "/apps/1/batch_events"
HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after")


def ipv4(host):
    return IPv4Address("TCP", host, 4321)


def rates(response):
    """Give limit, remaining, reset and retry-after; None when it says nothing about limits."""
    given = [response.headers[name] for name in HEADERS if name in response.headers]
    assert len(given) in {0, 4}
    return tuple(map(int, given)) or None


def batch(*events):
    return publish(json.dumps({"batch": [json.loads(item) for item in events]}).encode(), BATCH)


# Of an app


def test_publishes_have_a_limit(way):
    """As many channels a second as the app may reach; the next is 429, is not published, and passes when told."""
    app = limited(max_backend_events_per_second=2)
    api = Api(app)
    client = api.node.connect(app)
    client.subscribe("news")
    client.wire.clear()
    connection = way.connect(api)
    answers = [connection.ask(publish(event())) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [rates(answer) for answer in answers] == [(2, 1, 1, 0), (2, 0, 1, 1), (2, 0, 1, 1)]
    assert "max_backend_events_per_second" in answers[2].error
    assert len(client.wire) == 2
    api.clock.advance(0.5)
    assert connection.ask(publish(event())).status == 200
    assert len(client.wire) == 3


def test_a_publish_costs_its_channels(way):
    """Each channel of an event counts once, those that are named twice too."""
    api = Api(limited(max_backend_events_per_second=5))
    body = event(channel=None, channels=["a", "b", "c", "a"])
    assert rates(way.ask(api, publish(body))) == (5, 2, 1, 1)
    answer = way.ask(api, publish(body))
    assert (answer.status, rates(answer)) == (429, (5, 2, 1, 1))
    assert way.ask(api, publish(event(channels=["a", "b"]))).status == 200


def test_a_batch_costs_the_sum(way):
    """Each event of a batch counts; a batch that is refused is refused as a whole."""
    app = limited(max_backend_events_per_second=5)
    api = Api(app)
    client = api.node.connect(app)
    client.subscribe("news")
    client.wire.clear()
    assert rates(way.ask(api, batch(*[event()] * 3))) == (5, 2, 1, 1)
    assert way.ask(api, batch(*[event()] * 3)).status == 429
    assert len(client.wire) == 3
    assert rates(way.ask(api, batch(*[event(info="subscription_count")] * 2))) == (5, 0, 1, 1)
    assert rates(way.ask(api, batch())) is None


def test_more_than_a_whole_second_is_not_refused_for_ever(way):
    """A publish to more channels than the limit passes when nothing was used, and has to be paid for."""
    api = Api(limited(max_backend_events_per_second=2))
    body = event(channel=None, channels=["a", "b", "c", "d", "e"])
    assert rates(way.ask(api, publish(body))) == (2, 0, 3, 3)
    api.clock.advance(1.9)
    answer = way.ask(api, publish(event()))
    assert (answer.status, rates(answer)) == (429, (2, 0, 1, 1))
    api.clock.advance(0.1)
    assert way.ask(api, publish(event())).status == 200


def test_what_is_not_valid_costs_nothing(way):
    """A request that is refused for another reason uses nothing of the app's up and says nothing about limits."""
    api = Api(limited(max_backend_events_per_second=1, max_read_requests_per_second=1))
    bad = signed("POST", "/apps/1/events", event(), auth_signature="bad")
    for request, status in (
        (publish(event(name="")), 400),
        (publish(event(data="x" * 200_000)), 413),
        (http("POST", bad, event()), 401),
    ):
        answer = way.ask(api, request)
        assert (answer.status, rates(answer)) == (status, None)
    assert api.get("/apps/1/channels", {"info": "user_count"}).status == 400
    assert rates(way.ask(api, publish(event()))) == (1, 0, 1, 1)
    assert rates(api.get("/apps/1/channels")) == (1, 0, 1, 1)


@pytest.mark.parametrize("path", ["", "/presence-x", "/presence-x/users"])
def test_questions_have_a_limit(path):
    """Every question costs one; publishes are another matter, and terminating connections costs nothing."""
    api = Api(limited(max_read_requests_per_second=2, max_backend_events_per_second=1))
    path = f"/apps/1/channels{path}"
    answers = [api.get(path) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [rates(answer) for answer in answers] == [(2, 1, 1, 0), (2, 0, 1, 1), (2, 0, 1, 1)]
    assert "max_read_requests_per_second" in answers[2].error
    assert api.klein().ask(publish(event())).status == 200
    for _ in range(5):
        answer = api.post("/apps/1/users/ann/terminate_connections")
        assert (answer.status, rates(answer)) == (200, None)
    api.clock.advance(0.5)
    assert api.get(path).status == 200


def test_apps_do_not_pay_for_each_other(way):
    """What one app uses up another one still has, and one without a limit is told of none."""
    first, second = (
        App(n, f"key{n}", f"secret{n}", limits=replace(APP.limits, **limits))
        for n, limits in (
            ("1", {"max_backend_events_per_second": 1}),
            ("2", {"max_backend_events_per_second": 2}),
        )
    )
    free = App("3", "key3", "secret3")
    api = Api(first, second, free)

    def statuses(app):
        path = f"/apps/{app.id}/events"
        return [way.ask(api, publish(event(), path, app=app)).status for _ in range(3)]

    assert statuses(first) == [200, 429, 429]
    assert statuses(second) == [200, 200, 429]
    assert statuses(free) == [200, 200, 200]
    assert rates(way.ask(api, publish(event(), "/apps/3/events", app=free))) is None


def test_a_changed_limit_counts_at_once(way):
    """An app that is another one now has its new limit from the next call on, without a new burst."""
    api = Api(limited(max_backend_events_per_second=1))
    assert [way.ask(api, publish(event())).status for _ in range(2)] == [200, 429]

    async def by_id(app_id):
        return limited(max_backend_events_per_second=10)

    api.apps.by_id = by_id
    assert way.ask(api, publish(event())).status == 429
    api.clock.advance(0.2)
    assert [way.ask(api, publish(event())).status for _ in range(3)] == [200, 200, 429]


def test_what_is_told_of_a_refused_call(way):
    """A refused call is counted with its app and its status."""
    api = Api(limited(max_backend_events_per_second=1))
    way.ask(api, publish(event()))
    answer = way.ask(api, publish(event()))
    assert api.told.of(ApiCalled)[1] == ApiCalled("1", 429, len(event()), len(answer.body))


# Of an IP address


def test_addresses_have_a_limit(way):
    """As many calls a minute as an address may make, and others are not concerned."""
    api = Api(max_calls=2)
    connection = way.connect(api)
    answers = [connection.ask(publish(event())) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [rates(answer) for answer in answers] == [(2, 1, 30, 0), (2, 0, 60, 30), (2, 0, 60, 30)]
    assert "--max-api-calls-per-minute" in answers[2].error
    api.peer = ipv4("203.0.113.8")
    assert way.ask(api, publish(event())).status == 200
    api.clock.advance(30)
    assert connection.ask(publish(event())).status == 200


def test_guessing_is_limited_before_the_signature(way):
    """Calls that are not signed count, and are refused before anybody looks at their signature."""
    api = Api(max_calls=2)
    bad = http("POST", signed("POST", "/apps/1/events", event(), auth_signature="bad"), event())
    answers = [way.ask(api, bad) for _ in range(3)]
    assert [answer.status for answer in answers] == [401, 401, 429]
    assert [rates(answer)[1] for answer in answers] == [1, 0, 0]
    assert api.told.of(ApiCalled)[-1].app_id == ""


def test_what_counts_as_a_call():
    """Everything signed does, on the Python SDK's own path as well; what anybody may ask does not."""
    api = Api(max_calls=3)
    sdk = "/users/ann/terminate_connections"
    answers = [api.get("/apps/1/channels"), api.post("/apps/1" + sdk), api.post(sdk)]
    assert [(answer.status, rates(answer)[1]) for answer in answers] == [
        (200, 2),
        (200, 1),
        (200, 0),
    ]
    assert api.post(sdk).status == 429
    for path in ("/up", "/up/1", "/usage"):
        answer = api.klein().ask(http("GET", path))
        assert (answer.status, rates(answer)) == (200, None)


def test_networks_count_as_one_address(way):
    """All addresses of one IPv6 network are one, and an IPv4 address is itself when it comes mapped into IPv6."""
    api = Api(max_calls=1)
    statuses = []
    for peer in (
        *(
            IPv6Address("TCP", host, 1)
            for host in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
        ),
        *(IPv6Address("TCP", "::ffff:203.0.113.7", 1), ipv4("203.0.113.7")),
    ):
        api.peer = peer
        statuses.append(way.ask(api, publish(event())).status)
    assert statuses == [200, 429, 200, 200, 429]


def test_unix_sockets_have_no_address(way):
    """Calls by a UNIX socket have no limit, and are told of none."""
    api = Api(max_calls=1)
    api.peer = UNIXAddress("/run/x")
    for _ in range(3):
        answer = way.ask(api, publish(event()))
        assert (answer.status, rates(answer)) == (200, None)


def forwarded(*values):
    """Write a publish with these headers, one line each."""
    lines = "".join(f"X-Forwarded-For: {value}\r\n" for value in values).encode()
    return publish(event()).replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n", 1)


def test_a_forged_header_is_not_believed(way):
    """Without trusted proxies nobody is somebody else for having written a header."""
    api = Api(max_calls=1)
    hosts = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
    assert [way.ask(api, forwarded(host)).status for host in hosts] == [200, 429, 429]


def test_a_trusted_proxy_is_believed(way):
    """The address that the proxy appended counts, whatever the client wrote before it, in one line or in several."""
    api = Api(max_calls=1, trusted_hops=1)
    requests = [
        *(forwarded("203.0.113.1"), forwarded("203.0.113.2")),
        *(forwarded("203.0.113.9, 203.0.113.1"), forwarded("203.0.113.9", "203.0.113.2")),
    ]
    assert [way.ask(api, request).status for request in requests] == [200, 200, 429, 429]


def test_two_trusted_proxies(way):
    """With several proxies the address that the outermost of them saw counts."""
    api = Api(max_calls=1, trusted_hops=2)
    requests = [
        *(forwarded("203.0.113.1, 10.0.0.1"), forwarded("203.0.113.2", "10.0.0.1")),
        *(forwarded("203.0.113.9", "203.0.113.1, 10.0.0.1"), forwarded("203.0.113.2")),
    ]
    assert [way.ask(api, request).status for request in requests] == [200, 200, 429, 429]


# Of both


def test_the_limit_that_is_used_up_further_is_told(way):
    """With two limits an answer is about the one of which less is left; one that refuses speaks for itself."""
    api = Api(limited(max_backend_events_per_second=4), max_calls=100)
    assert rates(way.ask(api, publish(event()))) == (4, 3, 1, 0)
    assert way.ask(api, publish(event(channels=["a", "b", "c"]))).status == 200
    assert rates(way.ask(api, publish(event()))) == (4, 0, 1, 1)
    api = Api(limited(max_backend_events_per_second=100), max_calls=2)
    assert rates(way.ask(api, publish(event()))) == (2, 1, 30, 0)
    assert rates(way.ask(api, publish(event()))) == (2, 0, 60, 30)
    answer = way.ask(api, publish(event()))
    assert (answer.status, rates(answer)) == (429, (2, 0, 60, 30))


def test_the_answers_of_both_ways_are_the_same():
    """Nobody can tell from what is said about limits by which way a request came in."""
    contracts = []
    for name in ("fast_lane", "klein"):
        api = Api(limited(max_backend_events_per_second=3), max_calls=7, origins=("https://a.b",))
        requests = [publish(event(), headers={"Origin": "https://a.b"}), publish(event(name=None))]
        requests += [publish(event(info="subscription_count")), batch(event(), event())]
        contracts.append([api.by(name).ask(request).contract() for request in requests * 3])
    assert contracts[0] == contracts[1]


def test_pages_may_read_the_headers(way):
    """Pages that may read an answer may read what it says about limits."""
    headers = {"Origin": "https://example.com"}
    answer = way.ask(Api(max_calls=1), publish(event(), headers=headers))
    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert set(exposed) == set(HEADERS)


# The limits by themselves


def test_an_answer_without_limits_is_the_same_object():
    """What is subject to no limit is not touched."""
    assert with_rate_headers(EMPTY, None) is EMPTY


def test_an_answer_of_an_address():
    """An answer about the address alone says so."""
    answer = with_rate_headers(Answer(401, b"", (("X", "y"),)), Standing(True, 5, 4, 12, 0))
    assert answer.headers == (
        ("X", "y"),
        ("X-RateLimit-Limit", "5"),
        ("X-RateLimit-Remaining", "4"),
        ("X-RateLimit-Reset", "12"),
        ("Retry-After", "0"),
    )


def test_nobody_has_a_limit_by_default():
    """Without settings nothing is counted."""
    limits = RateLimits(Clock())
    for standing in (limits.call("203.0.113.7"), limits.publish(APP, 1000), limits.read(APP)):
        assert now(standing) is None


def test_who_is_refused_is_told_by_an_error():
    """The error names the limit and has the headers."""
    limits = RateLimits(Clock(), 1)
    assert now(limits.call("203.0.113.7")) == Standing(True, 1, 0, 60, 60)
    with pytest.raises(TooManyRequests) as caught:
        now(limits.call("203.0.113.7"))
    assert caught.value.headers["Retry-After"] == "60"
    assert "203.0.113.7" not in caught.value.message


class SharedBuckets:
    """A limiter whose buckets several servers take from."""

    def __init__(self):
        self.asked, self.is_away = [], False

    async def take(self, owner, capacity, seconds, cost):
        if self.is_away:
            raise ServiceUnavailable("Redis is away")
        self.asked.append((owner, capacity, seconds, cost))
        left = capacity - sum(spent for name, _, _, spent in self.asked if name == owner)
        return left >= 0, max(left, 0)


def test_all_nodes_together():
    """With a limiter that nodes share, what one has let through counts on the other as well."""
    buckets, app = SharedBuckets(), limited(max_backend_events_per_second=3)
    here, there = (RateLimits(Clock(), 10, buckets) for _ in range(2))
    assert now(here.publish(app, 2)) == Standing(True, 3, 1, 1, 1)
    with pytest.raises(TooManyRequests):
        now(there.publish(app, 2))
    assert now(here.call("203.0.113.7")).remaining == 9
    assert now(there.call("203.0.113.7")).remaining == 8
    now(there.read(limited(max_read_requests_per_second=5)))
    assert [asked[:3] for asked in buckets.asked] == [
        *[("publishes:1", 3, 1)] * 2,
        *[("calls:203.0.113.7", 10, 60)] * 2,
        ("reads:1", 5, 1),
    ]


def test_each_by_itself_while_the_others_are_away():
    """While the limiter is away a node counts by itself."""
    buckets, app = SharedBuckets(), limited(max_backend_events_per_second=1)
    buckets.is_away = True
    limits = RateLimits(Clock(), None, buckets)
    assert now(limits.publish(app, 1)).passed
    with pytest.raises(TooManyRequests):
        now(limits.publish(app, 1))
    assert buckets.asked == []
