"""Publishing over HTTP, by both ways in: what subscribers get, what callers are answered, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel, capturedLogs

from tests.doubles import APP, AwayAdapter, FailingAdapter, limited
from tests.wire_doubles import Api, event, http, publish, signed
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.occurrences import ApiCalled
from txpusher.core.registry import Options
from txpusher.errors import ServiceUnavailable

BATCH = "/apps/1/batch_events"


def subscriber(api, *channels, app=APP):
    client = api.node.connect(app)
    for channel in channels:
        client.subscribe(channel, *(["ann"] if channel.startswith("presence-") else []))
    client.wire.clear()
    return client


def batch(*events):
    return json.dumps({"batch": events}).encode()


def item(**fields):
    return json.loads(event(**fields))


# One event


def test_an_event_reaches_the_subscribers(way):
    """What is published arrives, and the caller is answered with an empty object."""
    api = Api()
    client = subscriber(api, "news")
    response = way.ask(api, publish(event()))
    assert (response.status, response.body) == (200, b"{}")
    assert response.headers["content-type"] == "application/json"
    assert client.wire == [{"event": "greeting", "channel": "news", "data": "hello"}]


def test_both_ways_give_the_same_answer():
    """Status, headers and body do not tell by which way in a request came."""
    bad = signed("POST", "/apps/1/events", event(), auth_signature="bad")
    requests = [
        publish(event()),
        publish(event(info="subscription_count")),
        publish(event(name=None)),
        publish(b"no JSON"),
        publish(b""),
        publish(batch(item(), item(info="subscription_count")), BATCH),
        publish(batch(item(channel=None)), BATCH),
        publish(event(), "/apps/2/events"),
        http("POST", bad, event()),
        http("POST", "/apps/1/events?", event()),
        http("POST", "/apps/1/events", event()),
        publish(event(), headers={"Origin": "https://example.com"}),
        publish(event(), headers={"Origin": "https://evil.example"}),
        publish(event(), headers={"Origin": "\xff"}),
        publish(event(), headers={"Connection": "close"}),
        publish(event(), headers={"X-Original-URI": "/\xff"}),
    ]
    for request in requests:
        for origins in (("*",), ("https://example.com",)):
            fast, slow = (
                api.by(way).ask(request)
                for way, api in (
                    ("fast_lane", Api(origins=origins)),
                    ("klein", Api(origins=origins)),
                )
            )
            assert fast.contract() == slow.contract()
            assert fast.headers["date"].endswith(" GMT")
            assert slow.headers["date"].endswith(" GMT")


@given(
    body=st.one_of(
        st.binary(), st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps)
    )
)
def test_both_ways_judge_any_body_alike(body):
    """Whatever somebody sends, it is answered, and by both ways the same."""
    body = body.encode() if isinstance(body, str) else body
    for path in ("/apps/1/events", BATCH):
        fast, slow = (Api().by(way).ask(publish(body, path)) for way in ("fast_lane", "klein"))
        assert fast.contract() == slow.contract()
        assert fast.status == 400
        assert fast.error


def test_several_channels_each_get_the_event(way):
    """An event for three channels arrives on each of them under its own name."""
    api = Api()
    client = subscriber(api, "a", "b", "c")
    way.ask(api, publish(event(channel=None, channels=["a", "b", "c"])))
    assert [message["channel"] for message in client.wire] == ["a", "b", "c"]


def test_a_channel_that_is_named_twice_gets_the_event_once(way):
    """Duplicates in the list of channels do not make duplicates of the event."""
    api = Api()
    client = subscriber(api, "a")
    way.ask(api, publish(event(channel=None, channels=["a", "a"])))
    assert len(client.wire) == 1


def test_channels_win_over_channel(way):
    """Where both fields are there, the list counts; an empty list does not."""
    api = Api()
    client = subscriber(api, "a", "b")
    way.ask(api, publish(event(channel="a", channels=["b"])))
    way.ask(api, publish(event(channel="a", channels=[])))
    assert [message["channel"] for message in client.wire] == ["b", "a"]


def test_the_sender_can_be_left_out(way):
    """The connection whose socket_id is given does not get the event, everybody else does."""
    api = Api()
    sender, other = subscriber(api, "news"), subscriber(api, "news")
    way.ask(api, publish(event(socket_id=sender.socket_id)))
    assert (len(sender.wire), len(other.wire)) == (0, 1)


def test_an_unknown_socket_id_leaves_nobody_out(way):
    """A socket_id that is gone, or that another app's connection has, excludes nobody."""
    api = Api()
    client = subscriber(api, "news")
    assert way.ask(api, publish(event(socket_id="9.9"))).status == 200
    assert len(client.wire) == 1


@pytest.mark.parametrize(
    ("data", "arrives"),
    [
        ("", ""),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (7, "7"),
        (False, "false"),
        ("\U0001f600 </script> \x00 \u2028", "\U0001f600 </script> \x00 \u2028"),
    ],
)
def test_data_arrives_as_text(way, data, arrives):
    """Strings arrive unchanged, whatever is in them; other JSON arrives as its compact text."""
    api = Api()
    client = subscriber(api, "news")
    assert way.ask(api, publish(event(data=data))).status == 200
    assert client.wire[0]["data"] == arrives


def test_a_user_can_be_sent_events(way):
    """The channel of a signed-in user is reached like any other."""
    api = Api()
    client = api.node.connect()
    client.sign_in("ann")
    client.wire.clear()
    assert way.ask(api, publish(event(channel="#server-to-user-ann"))).status == 200
    assert client.wire[0]["channel"] == "#server-to-user-ann"


def test_a_cache_channel_remembers_the_event(way):
    """Who subscribes to a cache channel later is sent its last event."""
    api = Api()
    way.ask(api, publish(event(channel="cache-news")))
    client = api.node.connect()
    client.subscribe("cache-news")
    assert client.wire[-1]["data"] == "hello"


def test_no_content_type_is_needed(way):
    """Any body is taken for JSON, whatever the Content-Type says."""
    for headers in (
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ):
        assert way.ask(Api(), publish(event(), headers=headers)).status == 200


def test_publishing_again_and_again_on_one_connection(way):
    """A connection is kept alive: a hundred publishes go over one."""
    api = Api()
    client, connection = subscriber(api, "news"), way.connect(api)
    for number in range(100):
        assert connection.ask(publish(event(data=str(number)))).status == 200
    assert [message["data"] for message in client.wire] == [str(n) for n in range(100)]
    assert not connection.disconnecting


# Answers with counts


def test_counts_of_the_channels(way):
    """With info, each channel's counts are answered where they apply; 0 where nobody is."""
    api = Api()
    subscriber(api, "presence-room", "news")
    subscriber(api, "presence-room")
    channels = ["presence-room", "news", "vacant"]
    body = event(channel=None, channels=channels, info="subscription_count,user_count,nonsense")
    assert way.ask(api, publish(body)).json == {
        "channels": {
            "presence-room": {"user_count": 1, "subscription_count": 2},
            "news": {"subscription_count": 1},
            "vacant": {"subscription_count": 0},
        }
    }


def test_counts_that_do_not_apply_are_left_out(way):
    """A public channel has no user_count: it is answered with nothing, not refused."""
    response = way.ask(Api(), publish(event(info="user_count")))
    assert (response.status, response.json) == (200, {"channels": {"news": {}}})


def test_an_empty_info_asks_for_nothing(way):
    """An empty info is as good as none."""
    assert way.ask(Api(), publish(event(info=""))).body == b"{}"


# Batches


def test_a_batch_arrives_in_order(way):
    """The events of a batch arrive one after the other."""
    api = Api()
    client = subscriber(api, "a", "b")
    events = [item(channel="a", data="1"), item(channel="b", data="2"), item(channel="a", data="3")]
    response = way.ask(api, publish(batch(*events), BATCH))
    assert (response.status, response.body) == (200, b"{}")
    assert [m["data"] for m in client.wire if m["channel"] == "a"] == ["1", "3"]
    assert [m["data"] for m in client.wire if m["channel"] == "b"] == ["2"]


def test_counts_of_a_batch(way):
    """With any info, a batch is answered by a list as long as itself, empty where nothing was asked."""
    api = Api()
    subscriber(api, "a")
    events = [
        item(channel="a", info="subscription_count"),
        item(channel="b"),
        item(channel="a", info="user_count"),
    ]
    assert way.ask(api, publish(batch(*events), BATCH)).json == {
        "batch": [{"subscription_count": 1}, {}, {}]
    }


def test_the_sender_of_a_batch_can_be_left_out(way):
    """Each event of a batch has its own socket_id."""
    api = Api()
    client = subscriber(api, "a")
    way.ask(
        api,
        publish(
            batch(item(channel="a", socket_id=client.socket_id), item(channel="a", data="2")), BATCH
        ),
    )
    assert [message["data"] for message in client.wire] == ["2"]


def test_an_empty_batch_is_fine(way):
    """A batch without events is answered like any other."""
    assert way.ask(Api(), publish(batch(), BATCH)).body == b"{}"


@pytest.mark.parametrize(
    "body", [{}, {"batch": None}, {"batch": {}}, {"batch": "x"}, {"batch": [1]}, {"batch": [[]]}]
)
def test_a_batch_is_a_list_of_events(way, body):
    """A batch of another shape is refused with a text about it."""
    response = way.ask(Api(), publish(json.dumps(body).encode(), BATCH))
    assert response.status == 400
    assert "batch" in response.error


def test_a_batch_has_a_limit(way):
    """Ten events are a batch, eleven are too many, and none of them is published."""
    api = Api()
    client = subscriber(api, "news")
    assert way.ask(api, publish(batch(*[item()] * 10), BATCH)).status == 200
    client.wire.clear()
    response = way.ask(api, publish(batch(*[item()] * 11), BATCH))
    assert response.status == 400
    assert "max_batch_size" in response.error
    assert not client.wire


def test_one_bad_event_spoils_the_batch(way):
    """Nothing of a batch is published when one of its events is wrong; the answer says which."""
    api = Api()
    client = subscriber(api, "news")
    response = way.ask(api, publish(batch(item(), item(name="")), BATCH))
    assert response.status == 400
    assert response.error.startswith("batch[1]: name")
    assert not client.wire


# Refusals


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": None}, "name is missing"),
        ({"name": ""}, "name must be"),
        ({"name": 7}, "name must be"),
        ({"name": "x" * 201}, "max_event_name_length"),
        ({"name": "pusher:ping"}, "--allow-reserved-events"),
        ({"name": "pusher_internal:x"}, "--allow-reserved-events"),
        ({"data": None}, "data is missing"),
        ({"channel": None}, "channel (or channels) is missing"),
        ({"channels": "news"}, "channels must be a list"),
        ({"channels": [f"c{n}" for n in range(101)]}, "max_channels_per_event"),
        ({"channels": ["news", "not valid"]}, "not valid"),
        ({"channels": ["news", 7]}, "channel must be a string"),
        ({"channel": "x" * 201}, "max_channel_name_length"),
        ({"channel": "#server-to-user-"}, "user id is missing"),
        ({"socket_id": "abc"}, "socket_id"),
        ({"socket_id": 1.5}, "socket_id"),
        ({"info": 7}, "info"),
    ],
)
def test_a_wrong_field_is_named(way, fields, text):
    """A body with a wrong field is answered 400 with a text that names it, and nothing is published."""
    api = Api()
    client = subscriber(api, "news")
    response = way.ask(api, publish(event(**fields)))
    assert response.status == 400
    assert text in response.error
    assert not client.wire


@pytest.mark.parametrize(
    "body", [b"no JSON", b"[]", b"7", b"null", b'"x"', b"{", b"\xff", b"[" * 5000]
)
def test_a_body_has_to_be_an_object(way, body):
    """What is not a JSON object is answered 400."""
    response = way.ask(Api(), publish(body))
    assert response.status == 400
    assert response.error.startswith("body ")


def test_data_that_cannot_be_written_again_is_refused(way):
    """Data nested too deeply is refused, not a bug."""
    deep = b'{"name":"x","channel":"a","data":' + b"[" * 1000 + b"]" * 1000 + b"}"
    response = way.ask(Api(), publish(deep))
    assert response.status == 400
    assert "data" in response.error


def test_the_size_of_data_is_limited_in_bytes(way):
    """Data may have as many bytes as the app allows; one more is 413, and names the limit and its setting."""
    app = limited(max_event_size=12)
    api = Api(app)
    client = subscriber(api, "news", app=app)
    assert way.ask(api, publish(event(data="é" * 6))).status == 200
    assert len(client.wire) == 1
    response = way.ask(api, publish(event(data="é" * 6 + "x")))
    assert response.status == 413
    assert "12 bytes" in response.error
    assert "max_event_size" in response.error
    assert len(client.wire) == 1
    assert way.ask(api, publish(batch(item(), item(data="x" * 13)), BATCH)).status == 413
    assert len(client.wire) == 1


def test_reserved_names_can_be_allowed(way):
    """An operator may let the HTTP API publish events of the protocol itself."""
    api = Api(allow_reserved=True)
    client = subscriber(api, "news")
    assert way.ask(api, publish(event(name="pusher:x"))).status == 200
    assert client.wire[0]["event"] == "pusher:x"


# What is told


def test_calls_are_told_with_their_sizes(way):
    """Each call is told once, with the app that signed it, its status and the bytes of its bodies."""
    api = Api()
    way.ask(api, publish(event()))
    assert api.told.take(ApiCalled) == [ApiCalled("1", 200, len(event()), 2)]
    response = way.ask(api, publish(b"[]"))
    assert api.told.take(ApiCalled) == [ApiCalled("1", 400, 2, len(response.body))]
    response = way.ask(api, publish(event(), "/apps/2/events"))
    assert api.told.take(ApiCalled) == [ApiCalled("", 404, len(event()), len(response.body))]


def test_a_bug_is_answered_and_logged(way):
    """A bug of ours is answered 500 without details, logged with its traceback, and the connection stays."""
    adapter = FailingAdapter(MemoryAdapter(Hub(Api().clock)), "publish")
    api = Api(adapter=adapter)
    connection = way.connect(api)
    with capturedLogs() as logs:
        response = connection.ask(publish(event()))
    assert (response.status, response.error) == (500, "Internal server error")
    assert [log["log_level"] for log in logs] == [LogLevel.critical]
    adapter.failing.clear()
    assert connection.ask(publish(event())).status == 200


def test_what_is_away_for_now_is_answered_503(way):
    """Where the adapter is required and away, a publish is answered 503, without a traceback."""
    api = Api()

    async def away(envelope):
        raise ServiceUnavailable("Redis is away")

    api.node.adapter.bus.is_alone = lambda: False
    api.node.adapter.bus.publish = away
    api.node.registry.options = Options(adapter_required=True)
    with capturedLogs() as logs:
        response = way.ask(api, publish(event()))
    assert (response.status, response.error) == (503, "Redis is away")
    assert logs == []


def test_counts_that_nobody_knows_are_left_out(way):
    """What was published is not answered by an error, as it would be published again."""
    api = Api(adapter=AwayAdapter(MemoryAdapter(Hub(Api().clock))))
    api.node.adapter.error = ServiceUnavailable("away")
    response = way.ask(api, publish(event(info="subscription_count")))
    assert (response.status, response.json) == (200, {"channels": {"news": {}}})
