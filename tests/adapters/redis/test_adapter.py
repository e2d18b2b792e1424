"""The adapter on a Redis in memory: what becomes of the connections, the lease and the bus when things go wrong."""

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as RefusedError
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.contracts.adapter import Hearing
from tests.doubles import now
from tests.redis_doubles import SILENCE, FakeRedis, encoded
from txpusher.adapters.redis.adapter import RedisAdapter
from txpusher.adapters.redis.bus import LINGER
from txpusher.adapters.redis.scripts import CLAIM, GOODBYE, HEARTBEAT, JOIN, REAP, RELEASE
from txpusher.adapters.redis.url import Target
from txpusher.core.running import start
from txpusher.errors import ServiceUnavailable, Unanswered
from txpusher.interfaces import Envelope, Left
from txpusher.model import Counts, PresenceMember, Receipt

NODE = "node-one"
BEAT = HEARTBEAT.hash.encode()
TOPIC = b"p:bus:1:1:news"
ENVELOPE = Envelope("1", "news", [(b"frame", None)])


class Started:
    """A node with its Redis and what it was told."""

    def __init__(self, **target):
        self.redis = FakeRedis()
        self.clock = Clock()
        self.hearing = Hearing()
        wanted = {"prefix": "p", "heartbeat": 5, "lease": 15, "timeout": 3} | target
        self.adapter = RedisAdapter(
            Target(**wanted), self.redis, self.clock, lambda: NODE, lambda: 1.0
        )

    def start(self):
        """Start it."""
        return start(self.adapter.start(self.hearing))

    def pass_time(self, seconds):
        """Let time pass in small steps."""
        for _ in range(int(seconds * 4)):
            self.clock.advance(0.25)

    @property
    def problem(self):
        """What is wrong with it."""
        return self.adapter.health().detail

    def beats(self):
        """Give the signs of life that were sent on the connection there is."""
        return [c for c in self.redis.sent(b"EVALSHA") if c[0] == BEAT]


@pytest.fixture
def node():
    node = Started()
    yield node
    node.redis.replies = {}
    start(node.adapter.stop())
    node.pass_time(5)
    assert not node.clock.getDelayedCalls()
    assert node.redis.peers == []


# -- starting


def test_start(node):
    """It starts at once where Redis is there: registered, subscribed, proved."""
    assert node.start() is None
    assert node.adapter.health() == (True, "")
    assert len(node.redis.peers) == 2
    assert node.hearing.returns == [False]
    assert node.redis.sent(b"SUBSCRIBE") == [[b"p:probe:node-one"]]
    assert len(node.beats()) == 1


def test_start_without_redis(node):
    """Where Redis is away it starts all the same after a while, says what is wrong, and joins later."""
    node.redis.refusal = RefusedError("no")
    waiting = node.start()
    node.clock.advance(2)
    assert waiting.called is False
    node.clock.advance(1)
    assert waiting.called
    assert node.problem.startswith("Redis is away: ")
    node.redis.refusal = None
    node.pass_time(3)
    assert node.adapter.health().ok


def test_logging_in():
    """User, password and database are sent first, on both connections but for the database."""
    node = Started(user="me", password="hidden", db=2)
    node.start()
    commands, bus = node.redis.peers
    assert commands.commands[:2] == [[b"AUTH", b"me", b"hidden"], [b"SELECT", b"2"]]
    assert bus.commands[0] == [b"AUTH", b"me", b"hidden"]
    now(node.adapter.stop())


@pytest.mark.parametrize(
    ("command", "answer", "problem"),
    [
        (b"AUTH", "WRONGPASS invalid: hidden", "Redis answered WRONGPASS"),
        (b"SELECT", "LOADING Redis is loading", "Redis answered LOADING"),
        (b"SELECT", "MOVED 1 10.0.0.1", "Redis Cluster is not supported (Redis answered MOVED)"),
    ],
)
def test_refused_at_the_door(command, answer, problem):
    """What Redis refuses is said in one word, and tried again for ever: it may be over in a while."""
    node = Started(password="hidden", db=1)
    node.redis.replies = {command: Exception(answer)}
    with capturedLogs() as logs:
        node.start()
        node.pass_time(10)
    assert node.problem == f"Redis is away: {problem}"
    assert "hidden" not in str(logs)
    node.redis.replies = {}
    node.pass_time(8)
    assert node.adapter.health().ok
    now(node.adapter.stop())


def test_only_a_master_will_do():
    """Right after a failover a Sentinel may still name a server that is a replica by now."""
    node = Started(master="mymaster")
    node.redis.replies = {b"ROLE": [b"slave", b"10.0.0.1"]}
    node.start()
    assert node.problem == "Redis is away: this Redis is not the master"
    node.redis.replies = {b"ROLE": [b"master", 0, []]}
    node.pass_time(8)
    assert node.adapter.health().ok
    now(node.adapter.stop())


# -- asking


def test_while_redis_is_away(node):
    """Nothing waits for a Redis that is away."""
    node.redis.refusal = RefusedError("no")
    node.start()
    adapter = node.adapter
    for question in (
        adapter.roster.join("1", "news", "1.1"),
        adapter.roster.counts("1", ["news"]),
        adapter.bus.publish(ENVELOPE),
        adapter.quotas.set("1", 1),
        adapter.last_events.put("1", "cache-x", "e", "1", 1),
        adapter.receipts.settle("1", "k", Receipt(b""), 1),
    ):
        with pytest.raises(ServiceUnavailable, match="away"):
            now(question)
    now(adapter.bus.watch("1", "news"))
    now(adapter.bus.unwatch("1", "weather"))


def test_scripts_are_sent_once(node):
    """Redis is given all scripts at the start, and knows them by their hashes from then on."""
    node.start()
    assert [b"LOAD", JOIN.text.encode()] in node.redis.sent(b"SCRIPT")
    node.redis.replies = {JOIN.hash.encode(): [1, 1, 0, 1, 0, []]}
    assert now(node.adapter.roster.join("1", "news", "1.1")).first_in_channel
    command = node.redis.sent(b"EVALSHA")[-1]
    assert command[:6] == [JOIN.hash.encode(), b"0", b"p:", b"1:1:news", NODE.encode(), b"1.1"]


def test_scripts_that_are_gone(node):
    """Somebody made Redis forget them: nothing is sent again behind what followed it, all begins anew."""
    node.start()
    node.redis.replies = {JOIN.hash.encode(): Exception("NOSCRIPT no")}
    with pytest.raises(ServiceUnavailable, match="NOSCRIPT"):
        now(node.adapter.roster.join("1", "news", "1.1"))
    assert node.problem == "Redis is away: Redis answered NOSCRIPT"
    node.pass_time(1)
    assert node.adapter.health().ok
    assert node.hearing.returns == [False, False]
    assert [b"LOAD", JOIN.text.encode()] in node.redis.sent(b"SCRIPT")


def test_a_full_redis(node):
    """A Redis that takes nothing any more is an outage that says why, and ends when it takes something."""
    node.start()
    node.redis.replies = {JOIN.hash.encode(): Exception("OOM command not allowed: secrets")}
    with pytest.raises(ServiceUnavailable) as caught:
        now(node.adapter.roster.join("1", "news", "1.1"))
    assert caught.value.message == node.problem == "Redis answered OOM"
    assert not isinstance(caught.value, Unanswered)
    node.redis.replies = {}
    now(node.adapter.receipts.settle("1", "k", Receipt(b""), 1))
    assert node.adapter.health().ok


def test_a_redis_that_has_become_a_replica(node):
    """It is left, as another one is the master."""
    node.start()
    node.redis.replies = {b"SET": Exception("READONLY no")}
    with pytest.raises(ServiceUnavailable, match="READONLY"):
        now(node.adapter.receipts.settle("1", "k", Receipt(b""), 1))
    assert node.problem == "Redis is away: Redis answered READONLY"
    node.redis.replies = {}
    node.pass_time(1)
    assert node.adapter.health().ok


def test_no_answer(node):
    """A question that was sent and not answered ends with the connection; nobody knows what became of it."""
    node.start()
    node.redis.replies = {JOIN.hash.encode(): SILENCE}
    outcome = []
    start(node.adapter.roster.join("1", "news", "1.1")).addErrback(outcome.append)
    node.pass_time(3)
    assert outcome == []
    node.pass_time(1)
    assert outcome[0].type is Unanswered
    node.pass_time(1)
    assert node.adapter.health().ok
    assert node.adapter.figures().reconnects == 1


def test_who_stood_still_blames_nobody(node):
    """After this process has stood still the answers are still to be read."""
    node.start()
    node.redis.replies = {JOIN.hash.encode(): SILENCE}
    start(node.adapter.roster.join("1", "news", "1.1")).addErrback(lambda _: None)
    node.clock.advance(60)
    assert node.adapter.figures().reconnects == 0
    node.clock.advance(1)
    assert node.adapter.figures().reconnects > 0


def test_publishes_that_are_lost_are_counted(node):
    """What was under way when the connection ended, but for messages to oneself."""
    node.start()
    node.redis.replies = {b"PUBLISH": SILENCE}
    node.adapter.bus.prove()
    now(node.adapter.bus.publish(ENVELOPE))
    node.redis.hang_up()
    assert node.hearing.drops == [("1", "bus_away")]


def test_commands_are_counted(node):
    """Over all connections that were made."""
    node.start()
    before = node.adapter.figures().commands
    now(node.adapter.bus.publish(ENVELOPE))
    assert node.adapter.figures().commands == before + 1
    node.redis.hang_up()
    assert node.adapter.figures().commands == before + 1
    node.pass_time(1)
    assert node.adapter.figures().commands > before + 1


# -- keys of publishes


def released(node):
    """Give the keys that were released, with what had to be in them."""
    return [c[2:] for c in node.redis.sent(b"EVALSHA") if c[0] == RELEASE.hash.encode()]


@pytest.mark.parametrize("name", ["claim", "release"])
def test_a_key_that_could_not_be_given_back(node, name):
    """It is given back as soon as Redis is there again, unless somebody else has it by then."""
    node.start()
    receipts = node.adapter.receipts
    claims = []
    node.redis.replies = {CLAIM.hash.encode(): lambda c: claims.append(c[3:5])}
    if name == "claim":
        node.redis.replies[CLAIM.hash.encode()] = lambda c: claims.append(c[3:5]) or SILENCE
        outcome = []
        start(receipts.claim("1", "event:k", b"print", 60)).addErrback(outcome.append)
        node.redis.hang_up()
        assert outcome[0].type is Unanswered
    else:
        assert now(receipts.claim("1", "event:k", b"print", 60)) is None
        node.redis.hang_up()
        with pytest.raises(ServiceUnavailable):
            now(receipts.release("1", "event:k"))
    node.redis.refusal = RefusedError("no")
    node.pass_time(6)
    node.redis.refusal = None
    node.pass_time(3)
    assert released(node) == claims
    node.pass_time(6)
    assert released(node) == claims


def test_a_receipt_that_could_not_be_kept(node):
    """It is kept as soon as Redis is there again: who sends again is answered, and nothing is published twice."""
    node.start()
    receipts, receipt = node.adapter.receipts, Receipt(b"print", b"{}")
    node.redis.replies = {CLAIM.hash.encode(): lambda _: None}
    now(receipts.claim("1", "event:k", b"print", 60))
    node.redis.hang_up()
    node.redis.refusal = RefusedError("no")
    with pytest.raises(ServiceUnavailable):
        now(receipts.settle("1", "event:k", receipt, 60))
    node.pass_time(6)
    node.redis.refusal = None
    node.pass_time(3)
    (kept,) = node.redis.sent(b"SET")
    assert kept[:-1] == [b"p:receipt:1:1:event:k", b"5:print+{}", b"EX"]
    assert 51 <= int(kept[-1]) <= 54  # of the 60 seconds it was away for some
    node.pass_time(6)
    assert node.redis.sent(b"SET") == [kept]
    assert released(node) == []


def test_a_receipt_that_could_not_be_kept_in_time(node):
    """After an outage that has lasted longer than the receipt would have, it is not kept: the key may be another's."""
    node.start()
    receipts = node.adapter.receipts
    node.redis.replies = {CLAIM.hash.encode(): lambda _: None}
    now(receipts.claim("1", "event:k", b"print", 60))
    node.redis.hang_up()
    node.redis.refusal = RefusedError("no")
    with pytest.raises(ServiceUnavailable):
        now(receipts.settle("1", "event:k", Receipt(b"print", b"{}"), 60))
    node.pass_time(60)
    node.redis.refusal = None
    node.pass_time(6)
    assert node.redis.sent(b"SET") == []


def test_claims_are_told_apart(node):
    """No two claims write the same, and a key is not released by who has not claimed it, or has settled it."""
    node.start()
    claims = []
    node.redis.replies = {CLAIM.hash.encode(): lambda c: claims.append(c[4])}
    receipts = node.adapter.receipts
    for _ in range(2):
        now(receipts.claim("1", "event:k", b"print", 60))
    assert claims[0] != claims[1]
    now(receipts.settle("1", "event:k", Receipt(b"print", b"{}"), 60))
    now(receipts.release("1", "event:k"))
    assert released(node) == []


# -- the bus


def test_one_command_per_publish(node):
    """However many nodes there are."""
    node.start()
    now(node.adapter.bus.publish(ENVELOPE))
    published = [c for c in node.redis.sent(b"PUBLISH") if c[0] == TOPIC]
    assert len(published) == 1


def test_in_the_name_of_a_dead_node(node):
    """What is said for another node comes back, and the other one ignores it, should it live."""
    node.start()
    now(node.adapter.bus.watch("1", "news"))
    now(node.adapter.bus.publish(ENVELOPE))
    assert node.hearing.received == []
    now(node.adapter.bus.publish(ENVELOPE._replace(sender="node-two")))
    assert node.hearing.received == [ENVELOPE]


def test_everything_is_subscribed_to_again(node):
    """In few commands, however much it is; and what is watched while Redis is away is not forgotten."""
    node.start()
    for i in range(1200):
        now(node.adapter.bus.watch("1", f"c{i}"))
    node.redis.hang_up()
    now(node.adapter.bus.watch("1", "news"))
    now(node.adapter.bus.unwatch("1", "c7"))
    node.pass_time(1)
    commands = node.redis.sent(b"SUBSCRIBE")
    assert [len(topics) for topics in commands] == [500, 500, 201]
    assert TOPIC in commands[2]
    assert node.adapter.health().ok


def test_reloads_do_not_flap(node):
    """A channel that is watched again at once is subscribed to once, and one that is not is dropped after a while."""
    node.start()
    bus = node.adapter.bus
    for _ in range(3):
        now(bus.watch("1", "news"))
        now(bus.unwatch("1", "news"))
    now(bus.watch("1", "news"))
    now(bus.watch("1", "weather"))
    now(bus.unwatch("1", "weather"))
    node.clock.advance(LINGER)
    assert len(node.redis.sent(b"SUBSCRIBE")) == 3
    assert node.redis.sent(b"UNSUBSCRIBE") == [[b"p:bus:1:1:weather"]]
    now(bus.unwatch("1", "news"))
    now(bus.watch("1", "news"))
    node.clock.advance(LINGER)
    assert len(node.redis.sent(b"UNSUBSCRIBE")) == 1


def test_what_comes_after_the_unwatching_is_ignored(node):
    """While the topic lingers nobody hears it."""
    node.start()
    now(node.adapter.bus.watch("1", "news"))
    now(node.adapter.bus.unwatch("1", "news"))
    now(node.adapter.bus.publish(ENVELOPE._replace(sender="node-two")))
    assert node.hearing.received == []
    node.redis.hang_up()
    node.clock.advance(LINGER)


def test_watching_waits_for_the_confirmation(node):
    """Whoever subscribes a client knows that nothing is missed from then on; those who come meanwhile wait, too."""
    node.start()
    node.redis.replies = {b"SUBSCRIBE": SILENCE}
    waiting = [start(node.adapter.bus.watch("1", "news")) for _ in range(2)]
    assert not any(one.called for one in waiting)
    node.redis.peers[1].say(encoded([b"subscribe", TOPIC, 2]))
    assert all(one.called for one in waiting)
    assert len(node.redis.sent(b"SUBSCRIBE")) == 2


def test_a_confirmation_that_does_not_come(node):
    """The connection is of no use then; whoever waited goes on, and everything is asked for anew."""
    node.start()
    node.redis.replies = {b"SUBSCRIBE": SILENCE}
    waiting = start(node.adapter.bus.watch("1", "news"))
    node.redis.replies = {}
    node.pass_time(4)
    assert waiting.called
    node.pass_time(1)
    assert TOPIC in node.redis.peers[-1].topics
    assert node.adapter.health().ok


def test_a_deaf_subscriber(node):
    """A connection that is open and brings nothing is found out by a message to oneself, and replaced."""
    node.start()
    now(node.adapter.bus.watch("1", "news"))
    node.redis.peers[1].topics.clear()
    node.pass_time(8)
    assert node.adapter.figures().reconnects == 0
    node.pass_time(2)
    assert node.adapter.health().ok
    assert TOPIC in node.redis.peers[-1].topics
    assert node.adapter.figures().reconnects == 1


def test_a_proof_that_is_lost_with_the_other_connection(node):
    """A message to oneself that never got to Redis says nothing about the subscriber, which stays."""
    node.start()
    node.redis.replies = {b"PUBLISH": SILENCE}
    node.clock.advance(5)
    node.redis.replies = {}
    commands, bus = node.redis.peers
    commands.hang_up()
    assert not node.adapter.bus.proved
    node.pass_time(9)
    assert bus in node.redis.peers
    assert node.adapter.figures().reconnects == 1
    assert node.adapter.health().ok


def test_a_user_who_may_not_subscribe(node):
    """It is said in the words of Redis, without a traceback, and tried again: the rights may come."""
    node.redis.replies = {
        b"SUBSCRIBE": Exception("NOPERM no access to the channel p:probe:node-one")
    }
    with capturedLogs() as logs:
        node.start()
    assert node.problem == "Redis is away: Redis answered NOPERM"
    assert not [log for log in logs if "log_failure" in log]
    node.redis.replies = {}
    node.pass_time(8)
    assert node.adapter.health().ok


def test_a_user_who_may_not_subscribe_to_all(node):
    """A channel that cannot be heard is no less an outage than all of them, and nobody waits for it."""
    node.start()
    node.redis.replies = {b"SUBSCRIBE": Exception("NOPERM no access to the channel p:bus:1:1:news")}
    assert start(node.adapter.bus.watch("1", "news")) is None
    node.pass_time(1)
    assert node.problem == "Redis is away: Redis answered NOPERM"
    node.redis.replies = {}
    node.pass_time(8)
    assert TOPIC in node.redis.peers[-1].topics
    assert node.adapter.health().ok


def test_an_answer_that_nobody_asked_for(node):
    """Whatever it is that speaks there, it is left."""
    node.start()
    for peer in node.redis.peers[:]:
        peer.say(encoded(1))
    assert node.redis.peers == []
    node.pass_time(1)
    assert node.adapter.health().ok


def test_a_subscriber_alone(node):
    """Without the connection for commands nothing can be proved, and nothing is."""
    node.start()
    node.redis.refusal = RefusedError("no")
    node.redis.peers[0].hang_up()
    node.pass_time(6)
    assert not node.adapter.bus.proved
    assert len(node.redis.peers) == 1
    node.redis.refusal = None
    node.pass_time(8)
    assert node.adapter.health().ok
    assert node.adapter.figures().reconnects == 1


def test_nothing_is_proved_before_it_can_be(node):
    """A message to oneself waits for the subscription to it; a subscription that takes too long is tried again."""
    node.redis.replies = {b"SUBSCRIBE": SILENCE}
    node.start()
    node.adapter.bus.prove()
    assert node.redis.sent(b"PUBLISH") == []
    first = node.redis.peers[1]
    node.redis.replies = {}
    node.pass_time(8)
    assert node.redis.peers[-1] is not first
    assert node.adapter.health().ok


def test_a_subscriber_that_ends_before_it_has_begun(node):
    """It is tried again."""
    node.redis.replies = {b"SUBSCRIBE": SILENCE}
    node.start()
    node.redis.peers[1].hang_up()
    node.redis.replies = {}
    node.pass_time(5)
    assert node.adapter.health().ok


def test_strangers_on_the_bus(node):
    """What is no envelope is counted, and what the node cannot take does not end the connection."""
    node.start()
    now(node.adapter.bus.watch("1", "news"))
    peer = node.redis.peers[1]
    peer.say(encoded([b"message", TOPIC, b"\x09hello, I am a later version"]))
    assert node.hearing.drops == [("1", "unknown_envelope")]

    def receive(_):
        raise ValueError

    node.hearing.receive = receive
    with capturedLogs() as logs:
        now(node.adapter.bus.publish(ENVELOPE._replace(sender="node-two")))
    assert "Bug while taking" in logs[0]["log_format"]
    assert node.adapter.health().ok


def test_clients_are_told_what_was_missed(node):
    """When either connection was away, and all nodes have had the time to be back."""
    node.start()
    now(node.adapter.bus.watch("1", "news"))
    for i, peer in enumerate(node.redis.peers[:]):
        peer.hang_up()
        node.pass_time(14)
        assert node.hearing.misses == i
        node.pass_time(7)
        assert node.hearing.misses == i + 1
        node.pass_time(30)
        assert node.hearing.misses == i + 1


def test_clients_who_were_there_before_redis(node):
    """Those who came before it was reached for the first time are told as after an outage."""
    node.redis.refusal = RefusedError("no")
    node.start()
    now(node.adapter.bus.watch("1", "news"))
    node.pass_time(5)
    node.redis.refusal = None
    node.pass_time(14)
    assert node.hearing.misses == 0
    node.pass_time(10)
    assert node.hearing.misses == 1


def test_nobody_is_told_where_nobody_is(node):
    """A node without clients has nobody to tell, at the start and after an outage."""
    node.start()
    node.redis.hang_up()
    node.pass_time(40)
    assert node.hearing.misses == 0


@pytest.mark.parametrize("error", [ServiceUnavailable("away"), ValueError("a bug")])
def test_clients_are_told_later(node, error):
    """What could not be told now is told at the next beat, unless it is a bug."""

    async def missed():
        node.hearing.misses += 1
        if node.hearing.misses == 1:
            raise error

    node.hearing.missed = missed
    node.start()
    now(node.adapter.bus.watch("1", "news"))
    node.redis.peers[1].hang_up()
    with capturedLogs() as logs:
        node.pass_time(40)
    bug = isinstance(error, ValueError)
    assert node.hearing.misses == (1 if bug else 2)
    assert bool([log for log in logs if "Bug" in log["log_format"]]) is bug


# -- the lease


def test_signs_of_life(node):
    """One every few seconds, with the length of the lease."""
    node.start()
    node.pass_time(20)
    assert len(node.beats()) == 5
    assert node.beats()[0][2:6] == [b"p:", NODE.encode(), b"15000", b"7500"]
    assert node.hearing.returns == [False]


def test_a_new_connection_writes_everything_anew(node):
    """Nobody knows what has arrived of what was sent before."""
    node.start()
    node.redis.hang_up()
    node.pass_time(1)
    assert node.hearing.returns == [False, False]


def test_not_well_before_everything_is_written(node):
    """After a connection was lost nobody is sent to a node of which the roster may know nothing."""
    node.start()
    written = Deferred()

    async def returned(*, forgotten, settling):
        await written

    node.hearing.returned = returned
    node.redis.hang_up()
    node.pass_time(2)
    assert node.problem == "this node has to be written to Redis yet"
    written.callback(None)
    assert node.adapter.health().ok


def test_taken_for_dead(node):
    """A node that Redis does not know any more writes itself anew, although its connection was never lost."""
    node.start()
    node.redis.replies = {BEAT: [0, b"first", []]}
    node.pass_time(5)
    node.redis.replies = {}
    node.pass_time(10)
    assert node.hearing.returns == [False, False]


def test_a_redis_that_has_forgotten_everything(node):
    """It has another name then, and nobody was told of any end."""
    node.start()
    node.redis.generation = b"second"
    node.redis.hang_up()
    node.pass_time(10)
    assert node.hearing.returns == [False, True]


def test_writing_anew_is_tried_until_it_is_done(node):
    """The node is not well before that."""
    failures = [ServiceUnavailable("away"), ValueError("a bug")]

    async def returned(*, forgotten, settling):
        node.hearing.returns.append(forgotten)
        if failures:
            raise failures.pop(0)

    node.hearing.returned = returned
    node.start()
    assert node.problem == "this node has to be written to Redis yet"
    with capturedLogs() as logs:
        node.pass_time(5)
    assert "Bug while keeping the lease" in str(logs)
    assert not node.adapter.health().ok
    node.pass_time(5)
    assert node.adapter.health().ok
    assert node.hearing.returns == [False] * 3


def test_a_beat_that_takes_long(node):
    """The next one waits for it."""
    node.start()
    node.redis.replies = {BEAT: SILENCE}
    node.adapter._beat()
    node.adapter._beat()
    assert len(node.beats()) == 2


def test_a_sign_of_life_that_is_refused(node):
    """It is an outage until the next one is taken."""
    node.start()
    node.redis.replies = {BEAT: Exception("OOM no")}
    node.pass_time(5)
    assert not node.adapter.health().ok
    node.redis.replies = {}
    node.pass_time(5)
    assert node.adapter.health().ok
    assert node.hearing.returns == [False]


def test_signs_go_on_during_long_work(node):
    """Writing everything may take longer than a lease; the node does not die of it, and writes once more if told to."""
    waiting = []

    async def returned(*, forgotten, settling):
        node.hearing.returns.append(forgotten)
        waiting.append(Deferred())
        await waiting[-1]

    node.hearing.returned = returned
    node.start()
    node.pass_time(20)
    assert len(node.beats()) == 5
    assert node.hearing.returns == [False]
    node.redis.replies = {BEAT: [0, b"first", []]}
    node.pass_time(5)
    node.redis.replies = {}
    waiting[0].callback(None)
    assert node.hearing.returns == [False, False]
    assert not node.adapter.health().ok
    waiting[1].callback(None)
    assert node.adapter.health().ok


def test_burying(node):
    """A dead node is taken away in parts, its entries are told one by one, and it is counted once."""
    node.start()
    parts = [
        [
            0,
            b"1",
            [[b"1:1:presence-x", 0, 1, 1, 1, b"ann", b'"A"'], [b"1:1:news", 1, 0, 0, 0, b"", b""]],
        ],
        [0, b"2", [[b"1:1:news", 1, 0, 0, 0, b"", b""]]],
        [1, b"", []],
    ]
    node.redis.replies = {
        BEAT: [1, b"first", [b"node-two", NODE]],
        REAP.hash.encode(): lambda _: parts.pop(0) if parts else [2, b"", []],
    }
    node.pass_time(10)
    ann = PresenceMember("ann", '"A"')
    vacant = ("1", "news", Left(True, None, Counts()), "node-two")
    assert node.hearing.departures == [
        ("1", "presence-x", Left(False, ann, Counts(1, 1)), "node-two"),
        vacant,
        vacant,
    ]
    assert node.adapter.figures().reaped == 1
    reaps = [c for c in node.redis.sent(b"EVALSHA") if c[0] == REAP.hash.encode()]
    assert {tuple(c[2:4]) for c in reaps} == {(b"p:", b"node-two")}
    assert [tuple(c[5:]) for c in reaps][:3] == [
        (NODE.encode(), b"1", b""),
        (NODE.encode(), b"2", b"1"),
        (NODE.encode(), b"3", b"2"),
    ]


# -- stopping


def test_stop(node):
    """A node says goodbye, once."""
    node.start()
    peer = node.redis.peers[0]
    now(node.adapter.stop())
    now(node.adapter.stop())
    assert [c[1:2] for c in peer.commands].count([GOODBYE.hash.encode()]) == 1
    assert node.redis.peers == []


def test_stop_while_redis_says_nothing(node):
    """Nobody waits for its answer for longer than for any other."""
    node.start()
    node.redis.replies = {GOODBYE.hash.encode(): SILENCE}
    stopped = start(node.adapter.stop())
    node.pass_time(3)
    assert not stopped.called
    node.pass_time(1)
    assert stopped.called
    assert node.redis.peers == []


def test_stop_without_redis(node):
    """One that cannot is noticed by the others."""
    node.start()
    now(node.adapter.bus.watch("1", "news"))
    now(node.adapter.bus.unwatch("1", "news"))
    node.redis.refusal = RefusedError("no")
    node.redis.hang_up()
    with capturedLogs() as logs:
        now(node.adapter.stop())
    assert "Could not leave the cluster" in str(logs)
