"""One client's conversation: strictly in order, also when answers come late, and with one way out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs

from tests.doubles import APP, FailingAdapter, InstantClock, LateAdapter, Node, data, limited, now
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.occurrences import (
    ChannelOccupied,
    ChannelVacated,
    ConnectionLost,
    MemberAdded,
    MemberRemoved,
    MessageDropped,
    MessageReceived,
    MessageSent,
    Subscribed,
    Unsubscribed,
)
from txpusher.errors import PongNotReceived, ShuttingDown


def late_node(*late):
    clock = InstantClock()
    adapter = LateAdapter(MemoryAdapter(Hub(clock)), late)
    return Node(adapter, clock), adapter


# What is said


def test_messages_are_counted_by_size():
    """Each message that comes and each answer that goes is told with its bytes."""
    node = Node()
    client = node.connect()
    node.told.clear()
    client.wire.writes.clear()
    client.connection.received(b'{"event":"pusher:ping"}')
    assert node.told == [MessageReceived("1", 23), MessageSent("1", len(client.wire.writes[0]))]


@pytest.mark.parametrize(
    "text",
    [
        b"not json",
        b"[1]",
        b"7",
        b"{}",
        b'{"event":1}',
        b'{"event":"pusher:subscribe"}',
        b"\xff",
        b"",
    ],
)
def test_nonsense_is_answered_and_the_connection_stays(text):
    """A message nobody understands is answered by pusher:error and counted; the next one is handled."""
    node = Node()
    client = node.connect()
    client.connection.received(text)
    client.say("pusher:ping")
    assert client.wire.names() == ["error", "pong"]
    assert client.wire[0]["data"]["code"] is None
    assert isinstance(client.wire[0]["data"]["message"], str)
    assert node.told.of(MessageDropped) == [MessageDropped("1", "invalid_message")]
    assert client.wire.closed is None


def test_a_binary_message_is_refused():
    """The protocol has no binary messages: one is answered and the connection stays."""
    node = Node()
    client = node.connect()
    client.connection.received_binary()
    assert client.wire[0]["data"] == {"code": None, "message": "Binary messages are not supported"}
    assert client.wire.closed is None


def test_a_connection_that_is_ended_hears_why():
    """The client gets pusher:error and a closing frame with the same code, and then nothing."""
    node = Node()
    client = node.connect()
    client.subscribe("news")
    client.wire.clear()
    client.connection.end(PongNotReceived())
    client.connection.end(ShuttingDown())
    node.event("headline", "news")
    client.connection.send(b"\x81\x02{}")
    client.connection.received(b'{"event":"pusher:ping"}')
    assert client.wire == [
        {"event": "pusher:error", "data": {"code": 4201, "message": "Pong reply not received"}}
    ]
    assert client.wire.closed == (4201, "Pong reply not received")
    assert client.wire.too_late == []
    assert node.channels() == {}


def test_being_lost_twice_is_being_lost_once():
    """However often the end is reported, everything is left and told once."""
    node = Node()
    client = node.connect()
    client.sign_in("ann")
    client.subscribe("presence-room", "ann")
    for _ in range(3):
        client.leave()
    assert len(node.told.of(ConnectionLost)) == 1
    assert len(node.told.of(MemberRemoved)) == len(node.told.of(ChannelVacated)) == 1
    assert node.channels() == {}
    assert node.registry.connections() == []


# A bug


@pytest.mark.parametrize("late", [False, True])
def test_a_bug_ends_its_own_connection_only(late):
    """When handling a message raises, now or later, that client is told 4100 and others go on."""
    clock = InstantClock()
    memory = MemoryAdapter(Hub(clock))
    adapter = LateAdapter(memory, {"join"}) if late else FailingAdapter(memory)
    node = Node(adapter, clock)
    client, other = node.connect(), node.connect()
    other.subscribe("weather")
    if late:
        adapter.answer("join")
    with capturedLogs() as logs:
        if late:
            client.subscribe("news")
            client.say("pusher:ping")
            adapter.fail("join")
        else:
            adapter.failing.add("join")
            client.subscribe("news")
    assert client.wire.closed == (4100, "Internal error, please reconnect")
    assert client.wire == [
        {
            "event": "pusher:error",
            "data": {"code": 4100, "message": "Internal error, please reconnect"},
        }
    ]
    assert client.wire.too_late == []
    assert node.told.of(MessageDropped) == [MessageDropped("1", "internal_error")]
    assert [(log["log_level"], log["socket_id"]) for log in logs] == [
        (LogLevel.critical, client.socket_id)
    ]
    assert list(node.channels()) == ["weather"]
    node.event("sun", "weather")
    assert other.wire.names() == ["subscription_succeeded", "sun"]
    assert [c.socket_id for c in node.registry.connections()] == [other.socket_id]


# Late answers


def test_messages_wait_for_the_one_before_them():
    """While the roster is late nothing else of this client is handled or read; then all is, in order."""
    node, adapter = late_node("join")
    client, other = node.connect(), node.connect()
    client.subscribe("news")
    assert not client.wire.paused
    client.say("pusher:ping")
    client.unsubscribe("news")
    client.subscribe("weather")
    client.say("nonsense")
    assert client.wire.paused
    assert client.wire == []
    other.say("pusher:ping")
    assert other.wire.names() == ["pong"]
    adapter.answer("join")
    assert client.wire.names() == ["subscription_succeeded", "pong"]
    assert client.wire.paused
    assert list(node.channels()) == ["weather"]
    adapter.answer("join")
    assert [m.get("channel") for m in client.wire] == ["news", None, "weather"]
    assert not client.wire.paused
    assert client.wire.pauses == 1


def test_the_wire_is_read_again_before_the_last_message_waits():
    """A message that came alone does not keep the wire paused once it is being handled."""
    node, adapter = late_node("join")
    client = node.connect()
    client.subscribe("a")
    client.subscribe("b")
    assert client.wire.paused
    adapter.answer("join")
    assert not client.wire.paused
    client.subscribe("c")
    assert client.wire.paused
    adapter.answer("join", "join")
    assert client.wire.names() == ["subscription_succeeded"] * 3
    assert not client.wire.paused


def test_thousands_of_messages_may_wait():
    """One read may bring thousands of messages behind a late one; all are handled, in order."""
    node, adapter = late_node("join")
    client = node.connect(limited(max_client_events_per_second=None))
    client.subscribe("private-a")
    for i in range(5000):
        client.say("pusher:subscribe" if i % 2 else "pusher:ping", {"channel": f"no good {i}"})
    with capturedLogs() as logs:
        adapter.answer("join")
    assert not logs
    assert client.wire.closed is None
    assert (
        client.wire.names()
        == ["subscription_succeeded"] + ["pong", "subscription_error", "error"] * 2500
    )
    assert [m["channel"] for m in client.wire.named("subscription_error")] == [
        f"no good {i}" for i in range(1, 5000, 2)
    ]


def test_a_late_bug_drops_what_waits():
    """Messages behind one that fails are dropped with their connection."""
    node, adapter = late_node("join")
    client = node.connect()
    client.subscribe("news")
    for _ in range(3):
        client.say("pusher:ping")
        client.subscribe("weather")
    with capturedLogs():
        adapter.fail("join")
    assert client.wire.names() == ["error"]
    assert adapter.questions == []
    assert node.channels() == {}
    assert not client.wire.paused


def test_a_client_lost_while_its_subscription_waits_leaves_no_trace():
    """When the roster answers after the client has gone, the subscription is taken back, with all its facts."""
    node, adapter = late_node()
    client, watcher = node.connect(), node.connect()
    watcher.subscribe("presence-room", "bob")
    adapter.answer_all()
    node.told.clear()
    client.subscribe("presence-room", "ann")
    client.leave()
    assert node.told.of(ConnectionLost) == [ConnectionLost("1", client.socket_id)]
    adapter.answer_all()
    assert client.wire == []
    adapter.late = {"nothing"}
    assert node.counts("presence-room") == (1, 1)
    assert watcher.wire.names() == ["subscription_succeeded", "member_added", "member_removed"]
    facts = node.told.of(
        Subscribed, MemberAdded, MemberRemoved, Unsubscribed, ChannelOccupied, ChannelVacated
    )
    assert [type(fact) for fact in facts] == [Subscribed, MemberAdded, Unsubscribed, MemberRemoved]
    watcher.leave()
    adapter.answer_all()
    assert node.channels() == {}


def test_a_client_lost_alone_on_its_channel_vacates_it():
    """Occupied and vacated are both told when the only subscriber went before the answer came."""
    node, adapter = late_node()
    client = node.connect()
    client.subscribe("cache-news")
    client.subscribe("never")
    client.leave()
    adapter.answer_all()
    assert client.wire == []
    assert node.told.of(ChannelOccupied, ChannelVacated) == [
        ChannelOccupied("1", "cache-news"),
        ChannelVacated("1", "cache-news"),
    ]
    assert node.channels() == {}


def test_a_join_that_fails_after_the_client_has_gone():
    """Nothing is kept when the roster fails for somebody who is not there any more."""
    node, adapter = late_node("join")
    client = node.connect()
    client.subscribe("news")
    client.leave()
    with capturedLogs() as logs:
        adapter.fail("join")
    assert len(logs) == 1
    assert client.wire.closed is None
    assert node.channels() == {}


def test_a_closing_socket_is_not_paused():
    """A client that is ended while an answer is late is read on: its own closing frame is awaited."""
    node, adapter = late_node("join")
    client = node.connect()
    client.subscribe("news")
    client.connection.end(ShuttingDown())
    assert not client.wire.paused
    adapter.answer("join")
    assert client.wire.names() == ["error"]
    assert client.wire.too_late == []
    assert node.channels() == {}


def test_nothing_is_sent_to_the_lost_while_the_roster_is_late():
    """Events stop with the connection, although leaving its channels takes a while."""
    node, adapter = late_node("leave")
    client = node.connect()
    client.sign_in("ann")
    for name in ("news", "weather"):
        client.subscribe(name)
    client.connection.end(ShuttingDown())
    for name in ("#server-to-user-ann", "news", "weather"):
        node.event("e", name)
    assert client.wire.too_late == []
    adapter.answer("leave", "leave", "leave")
    assert node.channels() == {}


def test_a_client_lost_while_signing_in_is_not_reached():
    """Who is gone before the sign-in is through is not reached as that user, nor kept."""
    node, adapter = late_node("watch")
    client = node.connect()
    client.sign_in("ann")
    client.leave()
    adapter.answer("watch")
    assert client.wire == []
    assert node.channels() == {}


def test_a_sign_in_that_fails_ends_the_connection():
    """When the bus cannot watch for the user the client comes back in a second; nothing is kept."""
    node, adapter = late_node("watch")
    client = node.connect()
    client.sign_in("ann")
    with capturedLogs():
        adapter.fail("watch")
    assert client.wire.closed == (4100, "Internal error, please reconnect")
    assert node.channels() == {}


def test_a_second_subscriber_waits_for_the_bus_too():
    """Nobody is told to be subscribed before what other nodes publish arrives here."""
    node, adapter = late_node("watch")
    first, second = node.connect(), node.connect()
    first.subscribe("news")
    second.subscribe("news")
    assert second.wire == []
    adapter.answer_all()
    assert first.wire.names() == second.wire.names() == ["subscription_succeeded"]
    third = node.connect()
    third.subscribe("news")
    assert third.wire.names() == ["subscription_succeeded"]


def test_the_members_are_right_although_the_others_hear_late():
    """Who leaves while the newcomer is announced to the other nodes is not on the newcomer's list for ever."""
    node, adapter = late_node("publish")
    ann, bob = node.connect(), node.connect()
    bob.subscribe("presence-room", "bob")
    adapter.answer("publish")
    ann.subscribe("presence-room", "ann")
    bob.leave()
    adapter.answer_all()
    assert ann.members("presence-room").keys() == {"ann", "bob"}
    assert ann.wire.names() == ["subscription_succeeded", "member_removed"]
    assert data(ann.wire[-1]) == {"user_id": "bob"}


def test_a_channel_is_kept_for_a_subscription_under_way():
    """The last subscriber may leave while another one waits for the roster, who then hears everything."""
    node, adapter = late_node("join")
    first, second = node.connect(), node.connect()
    first.subscribe("news")
    adapter.answer("join")
    second.subscribe("news")
    first.leave()
    adapter.answer("join")
    node.event("headline", "news")
    assert second.wire.names() == ["subscription_succeeded", "headline"]


def test_a_channel_that_is_left_and_joined_at_once():
    """Leaving and coming back is one after the other however late the answers are."""
    node, adapter = late_node()
    client = node.connect()
    for _ in range(3):
        client.subscribe("news")
        client.unsubscribe("news")
    client.subscribe("news")
    adapter.answer_all()
    assert client.wire.names() == ["subscription_succeeded"] * 4
    adapter.late = {"nothing"}
    assert node.counts("news") == (1, 0)
    node.event("headline", "news")
    assert client.wire.names()[4:] == ["headline"]
    facts = [type(f) for f in node.told.of(ChannelOccupied, ChannelVacated)]
    assert facts == [ChannelOccupied, ChannelVacated] * 3 + [ChannelOccupied]


STEPS = st.sampled_from(["subscribe", "unsubscribe", "ping", "happen", "answer", "answer", "lose"])


@given(st.lists(STEPS, max_size=12))
def test_every_order_of_answers(steps):
    """In whichever order answers, messages and the end come: order is kept and nothing is left behind."""
    node, adapter = late_node()
    client = node.connect()
    said = []
    for step in steps:
        if step == "subscribe":
            said.append(f"c{len(said)}")
            client.subscribe(said[-1])
        elif step == "unsubscribe" and said and said[-1]:
            client.unsubscribe(said[-1])
        elif step == "ping" and "lose" not in steps:
            said.append(None)
            client.say("pusher:ping")
        elif step == "happen" and adapter.questions:
            adapter.questions[0].happen()
        elif step == "answer" and adapter.questions:
            adapter.questions.pop(0).answer()
        elif step == "lose":
            client.leave()
    adapter.answer_all()
    heard = [m.get("channel") for m in client.wire]
    if "lose" not in steps:
        assert heard == said
    assert said[: len(heard)] == heard
    client.leave()
    adapter.answer_all()
    assert node.channels() == {}
    assert now(node.adapter.roster._real.channels(APP.id)) == {}
    assert len(node.told.of(ChannelOccupied)) == len(node.told.of(ChannelVacated))
    assert client.wire.too_late == []


def test_a_client_that_has_gone():
    """It is sent nothing more and not counted from then on; it leaves when it is lost, and all that is told once."""
    node = Node()
    client, other = node.connect(), node.connect()
    for one in (client, other):
        one.subscribe("news")
    node.told.clear()
    client.wire.writes.clear()
    client.connection.gone()
    client.connection.gone()
    node.event("e", "news")
    client.connection.received(b'{"event":"pusher:ping"}')
    assert client.wire.writes == []
    assert node.registry.connections() == [other.connection]
    assert node.told.of(Unsubscribed) == []
    client.connection.lost()
    client.connection.lost()
    assert len(node.told.of(ConnectionLost)) == len(node.told.of(Unsubscribed)) == 1


# Client events a second


def test_without_a_limit_there_are_always_client_events():
    """An app without a rate lets a client send as much as it likes."""
    node = Node()
    client = node.connect(limited(max_client_events_per_second=None))
    assert all(client.connection.may_send_client_event() for _ in range(1000))


def test_the_rate_is_each_connections_own():
    """The tokens of one connection are not another one's, and come back with time."""
    node = Node()
    app = limited(max_client_events_per_second=2)
    first, second = node.connect(app).connection, node.connect(app).connection
    assert [first.may_send_client_event() for _ in range(3)] == [True, True, False]
    assert second.may_send_client_event()
    node.clock.advance(0.5)
    assert [first.may_send_client_event() for _ in range(2)] == [True, False]


def test_a_message_may_have_data_in_text():
    """Small clients that encode their data twice are understood."""
    node = Node()
    client = node.connect()
    client.say("pusher:subscribe", json.dumps({"channel": "news"}))
    assert client.wire.names() == ["subscription_succeeded"]


def test_a_late_question_is_asked_once():
    """The stand-in for a late adapter does what it is asked once, however often it is told to."""
    _, adapter = late_node()
    asked = Deferred.fromCoroutine(adapter.roster.join("1", "news", "1.1"))
    (question,) = adapter.questions
    question.happen()
    question.answer()
    assert repr(question) == "<join>"
    results = []
    asked.addCallback(results.append)
    assert results[0].first_in_channel
