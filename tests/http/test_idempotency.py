"""Publishing with idempotency keys, by both ways in: once, however often it is sent."""

import json

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from tests.doubles import FailingAdapter, LateAdapter, limited, now
from tests.wire_doubles import Api, event, publish
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.errors import ServiceUnavailable
from txpusher.http.idempotency import fingerprint
from txpusher.model import App, Event
from txpusher.protocol.api import Publication

BATCH = "/apps/1/batch_events"
KEY = {"X-Idempotency-Key": "k"}


def subscriber(api, *channels, app=None):
    client = api.node.connect(*([app] if app else []))
    for channel in channels or ("news",):
        client.subscribe(channel)
    client.wire.clear()
    return client


def item(**fields):
    return json.loads(event(**fields))


def batch(*items, **more):
    return publish(json.dumps({"batch": items}).encode(), BATCH, **more)


def data(client):
    return [message["data"] for message in client.wire.take()]


# One event


@pytest.mark.parametrize(
    "again",
    [
        publish(event(idempotency_key="k")),
        publish(event(), headers=KEY),
        publish(event(idempotency_key="k"), headers={"X-Idempotency-Key": ""}),
    ],
    ids=["field", "header", "both"],
)
def test_a_publish_that_is_sent_again(way, again):
    """It is delivered once and answered alike, wherever the key is written; the field wins."""
    api = Api()
    client = subscriber(api)
    for _ in range(3):
        response = way.ask(api, again)
        assert (response.status, response.body) == (200, b"{}")
    assert way.ask(api, publish(event(idempotency_key="k"))).status == 200
    assert data(client) == ["hello"]


def test_the_answer_is_that_of_the_first(way):
    """What was counted for the first answer is answered again, though it is another number now."""
    api = Api()
    client = subscriber(api)
    request = publish(event(info="subscription_count", idempotency_key="k"))
    first = way.ask(api, request)
    subscriber(api)
    assert way.ask(api, request).contract() == first.contract()
    assert first.json == {"channels": {"news": {"subscription_count": 1}}}
    assert data(client) == ["hello"]


@pytest.mark.parametrize(
    "change",
    [
        *({"data": "other"}, {"name": "other"}, {"channel": "other"}, {"socket_id": "1.2"}),
        *({"info": "user_count"}, {"channels": ["news", "other"]}),
    ],
)
def test_another_event_with_the_same_key(way, change):
    """A key that was used for something else is refused by name, and nothing is published."""
    api = Api()
    client = subscriber(api, "news", "other")
    way.ask(api, publish(event(idempotency_key="k")))
    client.wire.clear()
    response = way.ask(api, publish(event(idempotency_key="k", **change)))
    assert response.status == 400
    assert response.error.startswith("idempotency_key 'k' was used")
    assert not client.wire


def test_the_same_event_written_otherwise(way):
    """Order of members and white space are nobody's concern."""
    api = Api()
    client = subscriber(api)
    fields = item(idempotency_key="k")
    way.ask(api, publish(json.dumps(fields).encode()))
    other = json.dumps(dict(reversed(fields.items())), indent=2).encode()
    assert way.ask(api, publish(other)).status == 200
    assert data(client) == ["hello"]


def test_other_keys_are_other_events(way):
    """The same event with another key, or with none, is published again."""
    api = Api()
    client = subscriber(api)
    for key in ("k", "l", None, None, "K"):
        way.ask(api, publish(event(idempotency_key=key)))
    assert len(client.wire) == 5


def test_keys_of_apps_are_apart(way):
    """The same key of another app is another one."""
    other = App("2", "key2", "secret2")
    api = Api(App("1", "key", "secret"), other)
    client = subscriber(api, app=other)
    way.ask(api, publish(event(idempotency_key="k", data="first")))
    path = "/apps/2/events"
    assert way.ask(api, publish(event(idempotency_key="k"), path, app=other)).status == 200
    assert data(client) == ["hello"]


def test_a_key_is_remembered_for_a_time(way):
    """After idempotency_ttl seconds the same publish is a new one."""
    app = limited(idempotency_ttl=10)
    api = Api(app)
    client = subscriber(api, app=app)
    for pause in (0, 9.9, 0.1):
        api.clock.advance(pause)
        way.ask(api, publish(event(idempotency_key="k")))
    assert data(client) == ["hello", "hello"]


def test_keys_that_are_not_remembered(way):
    """Without a time keys are still checked, and every publish is a new one."""
    app = limited(idempotency_ttl=None)
    api = Api(app)
    client = subscriber(api, app=app)
    for _ in range(2):
        way.ask(api, publish(event(idempotency_key="k")))
        way.ask(api, batch(item(idempotency_key="k"), headers=KEY))
    assert len(client.wire) == 4
    assert way.ask(api, publish(event(idempotency_key=""))).status == 400


@pytest.mark.parametrize("path", ["/apps/1/events", BATCH])
@pytest.mark.parametrize("key", ["", "x" * 129])
def test_a_wrong_header(way, path, key):
    """A header that is no key is refused by its name, on either endpoint."""
    body = event() if path != BATCH else json.dumps({"batch": [item()]}).encode()
    api = Api()
    client = subscriber(api)
    response = way.ask(api, publish(body, path, headers={"X-Idempotency-Key": key}))
    assert response.status == 400
    assert response.error.startswith("X-Idempotency-Key ")
    assert not client.wire
    fine = publish(body, path, headers={"X-Idempotency-Key": "x" * 128})
    assert way.ask(api, fine).status == 200


# Failures


def test_a_refused_publish_does_not_use_up_its_key(way):
    """After a 400 or a 429 the key is as good as new."""
    app = limited(max_backend_events_per_second=1)
    api = Api(app)
    client = subscriber(api, app=app)
    assert way.ask(api, publish(event(name="", idempotency_key="k"))).status == 400
    assert way.ask(api, publish(event(idempotency_key="j"))).status == 200
    client.wire.clear()
    request = publish(event(data="x", idempotency_key="k"))
    assert way.ask(api, request).status == 429
    assert not client.wire
    api.clock.advance(1)
    assert way.ask(api, request).status == 200
    assert data(client) == ["x"]


def test_an_answer_from_memory_costs_nothing(way):
    """What is not published is not subject to the app's limit."""
    api = Api(limited(max_backend_events_per_second=1))
    request = publish(event(idempotency_key="k"))
    answers = [way.ask(api, request) for _ in range(4)]
    assert [answer.status for answer in answers] == [200] * 4
    limits = [answer.headers.get("x-ratelimit-limit") for answer in answers]
    assert limits == ["1", None, None, None]


def test_a_failed_publish_gives_its_key_back(way):
    """When publishing fails, the same may be tried again."""
    adapter = FailingAdapter(MemoryAdapter(Hub(Clock())), "publish")
    api = Api(adapter=adapter)
    client = subscriber(api)
    request = publish(event(idempotency_key="k"))
    with capturedLogs():
        assert way.ask(api, request).status == 500
    client.wire.clear()
    adapter.failing.clear()
    assert way.ask(api, request).status == 200
    assert data(client) == ["hello"]


def away(api, *names):
    """Let these methods of the receipts say that they are away."""

    async def method(*args):
        raise ServiceUnavailable("Redis is away")

    for name in names:
        setattr(api.node.adapter.receipts, name, method)


def test_without_receipts_nothing_with_a_key_is_published(way):
    """What remembers keys is away: 503, and nothing is delivered; publishes without a key go on."""
    api = Api()
    client = subscriber(api)
    away(api, "claim")
    with capturedLogs():
        for request in (publish(event(idempotency_key="k")), batch(item(), headers=KEY)):
            response = way.ask(api, request)
            assert (response.status, response.error) == (503, "Redis is away")
    assert not client.wire
    assert way.ask(api, publish(event())).status == 200


def test_receipts_that_go_away_meanwhile(way):
    """A publish that was delivered is answered so, though its receipt could not be kept; that is logged."""
    api = Api()
    client = subscriber(api)
    away(api, "settle")
    with capturedLogs() as logs:
        assert way.ask(api, publish(event(idempotency_key="k"))).status == 200
    assert data(client) == ["hello"]
    assert [log["log_level"] for log in logs] == [LogLevel.warn]


def test_a_failure_is_told_though_its_key_cannot_be_given_back(way):
    """The caller learns why the publish failed, not what came after it."""
    api = Api(limited(max_backend_events_per_second=1))
    away(api, "release")
    way.ask(api, publish(event()))
    with capturedLogs() as logs:
        assert way.ask(api, publish(event(idempotency_key="k"))).status == 429
    assert [log["log_level"] for log in logs] == [LogLevel.warn]


# Under way


def late(*names):
    adapter = LateAdapter(MemoryAdapter(Hub(Clock())), names)
    return Api(adapter=adapter), adapter


def test_the_same_key_while_the_first_is_under_way(way):
    """The second waits for the first, and is answered as that was; one delivery."""
    api, adapter = late("publish")
    client = subscriber(api)
    request = publish(event(idempotency_key="k"))
    first, second = way.connect(api), way.connect(api)
    first.receive(request)
    second.receive(request)
    assert first.value() == second.value() == b""
    adapter.answer("publish")
    assert [answer.status for answer in first.responses()] == [200]
    assert second.value() == b""
    api.clock.advance(0.05)
    assert [answer.status for answer in second.responses()] == [200]
    assert data(client) == ["hello"]


def test_the_first_takes_too_long(way):
    """After six more questions, 50 ms apart, the second is told to come back in a second."""
    api, adapter = late("publish")
    client = subscriber(api)
    request = publish(event(idempotency_key="k"))
    first, second = way.connect(api), way.connect(api)
    first.receive(request)
    second.receive(request)
    for _ in range(5):
        api.clock.advance(0.05)
    assert second.value() == b""
    with capturedLogs():
        api.clock.advance(0.05)
    (answer,) = second.responses()
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "idempotency_key" in answer.error
    adapter.answer("publish")
    assert [answer.status for answer in first.responses()] == [200]
    assert second.ask(request).status == 200
    assert data(client) == ["hello"]


def test_the_first_fails_while_the_second_waits(way):
    """The key that the first gives back is the second's, which publishes then."""
    api, adapter = late("publish")
    client = subscriber(api)
    request = publish(event(idempotency_key="k"))
    first, second = way.connect(api), way.connect(api)
    first.receive(request)
    second.receive(request)
    client.wire.clear()
    with capturedLogs():
        adapter.fail("publish")
    assert [answer.status for answer in first.responses()] == [500]
    api.clock.advance(0.05)
    adapter.answer("publish")
    assert [answer.status for answer in second.responses()] == [200]
    assert data(client) == ["hello"]


def test_two_batches_do_not_wait_for_each_other(way):
    """Two batches with the same keys in another order take them in one order, so the second waits for the first."""
    api, adapter = late("publish", "claim")
    client = subscriber(api)
    a, b = item(data="a", idempotency_key="a"), item(data="b", idempotency_key="b")
    first, second = way.connect(api), way.connect(api)
    first.receive(batch(a, b))
    second.receive(batch(b, a))
    adapter.answer("claim", "claim")
    api.clock.advance(0.05)
    adapter.late = ["none"]
    adapter.answer_all()
    api.clock.advance(0.05)
    for connection in (first, second):
        assert [answer.status for answer in connection.responses()] == [200]
    assert sorted(data(client)) == ["a", "b"]


# Batches


def test_a_batch_that_is_sent_again(way):
    """The header's key covers the whole batch."""
    api = Api()
    client = subscriber(api)
    request = batch(item(data="1"), item(data="2", info="subscription_count"), headers=KEY)
    first = way.ask(api, request)
    assert first.json == {"batch": [{}, {"subscription_count": 1}]}
    subscriber(api)
    assert way.ask(api, request).contract() == first.contract()
    assert data(client) == ["1", "2"]
    response = way.ask(api, batch(item(data="1"), headers=KEY))
    assert response.status == 400
    assert "'k'" in response.error
    assert not client.wire


def test_an_item_that_was_published_before(way):
    """An item's key makes that item skip; the others are published, and its entry is empty."""
    api = Api()
    client = subscriber(api)
    count = {"info": "subscription_count"}
    seen = item(data="1", idempotency_key="a", **count)
    assert way.ask(api, batch(seen)).json == {"batch": [{"subscription_count": 1}]}
    client.wire.clear()
    response = way.ask(api, batch(item(data="0", **count), seen, item(data="2", **count)))
    assert response.json == {"batch": [{"subscription_count": 1}, {}, {"subscription_count": 1}]}
    assert data(client) == ["0", "2"]
    assert way.ask(api, batch(seen)).json == {"batch": [{}]}
    assert not client.wire


def test_items_cost_what_is_published(way):
    """Items that skip cost the app nothing."""
    api = Api(limited(max_backend_events_per_second=3))
    items = [item(data=str(n), idempotency_key=str(n)) for n in range(3)]
    assert way.ask(api, batch(*items[:2])).headers["x-ratelimit-remaining"] == "1"
    assert way.ask(api, batch(*items)).headers["x-ratelimit-remaining"] == "0"
    response = way.ask(api, batch(*items))
    assert (response.status, response.headers.get("x-ratelimit-limit")) == (200, None)


def test_a_key_twice_in_one_batch(way):
    """The second item of the same key skips when it is the same event, and spoils the batch when it is not."""
    api = Api()
    client = subscriber(api)
    twin = item(data="1", idempotency_key="a", info="subscription_count")
    response = way.ask(api, batch(twin, twin))
    assert response.json == {"batch": [{"subscription_count": 1}, {}]}
    assert data(client) == ["1"]
    other = item(data="2", idempotency_key="b")
    response = way.ask(api, batch(other, {**other, "data": "3"}))
    assert response.status == 400
    assert "'b'" in response.error
    assert not client.wire
    assert way.ask(api, batch(other)).status == 200
    assert data(client) == ["2"]


def test_a_bad_item_gives_the_keys_of_the_others_back(way):
    """When one item's key was used for something else nothing is published, and the other keys stay free."""
    api = Api()
    client = subscriber(api)
    way.ask(api, batch(item(data="z", idempotency_key="z")))
    client.wire.clear()
    fine = item(data="a", idempotency_key="a")
    assert way.ask(api, batch(fine, item(data="x", idempotency_key="z"))).status == 400
    assert not client.wire
    assert way.ask(api, batch(fine)).status == 200
    assert data(client) == ["a"]


def test_keys_of_events_batches_and_items_are_apart(way):
    """The same key may stand for an event, a batch and an item."""
    api = Api()
    client = subscriber(api)
    requests = [
        publish(event(data="event", idempotency_key="k")),
        batch(item(data="batch"), headers=KEY),
        batch(item(data="item", idempotency_key="k")),
    ]
    for request in requests * 2:
        assert way.ask(api, request).status == 200
    assert data(client) == ["event", "batch", "item"]


def test_a_batch_with_both_kinds_of_keys(way):
    """A batch's own key is asked first; its items' keys hold for other batches, too."""
    api = Api()
    client = subscriber(api)
    seen = item(data="1", idempotency_key="a")
    for _ in range(2):
        assert way.ask(api, batch(seen, headers=KEY)).status == 200
    assert way.ask(api, batch(seen, item(data="2"))).status == 200
    assert data(client) == ["1", "2"]


# Fingerprints


def test_a_fingerprint_is_short_and_tells_everything_apart():
    """What is published is not remembered itself, and no two things look alike."""
    publications = [
        Publication(Event(name, channels, text, socket), info)
        for name in ("a", "ab")
        for channels in (("c",), ("c", "d"), ("cd",))
        for text in ("", "x")
        for socket in (None, "1.2")
        for info in (frozenset(), frozenset({"user_count"}))
    ]
    prints = {fingerprint([publication]) for publication in publications}
    assert len(prints) == len(publications)
    assert {len(print_) for print_ in prints} == {32}
    two = publications[:2]
    assert fingerprint(two) != fingerprint(reversed(two))
    assert fingerprint([two[0]._replace(key="k")]) == fingerprint([two[0]])


def test_receipts_are_kept_by_the_adapter():
    """What is remembered is the answer, under a name that tells the kind of key."""
    api = Api()
    api.fast_lane().ask(publish(event(idempotency_key="k")))
    usual = fingerprint([Publication(Event("greeting", ("news",), "hello"), frozenset())])
    receipt = now(api.node.adapter.receipts.claim("1", "event:k", usual, 120))
    assert (receipt.fingerprint, receipt.answer) == (usual, b"{}")
