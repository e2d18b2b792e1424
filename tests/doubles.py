"""Stand-ins for the world around the core: sockets, observers, clients, and adapters that are slow or broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Coroutine, Iterator
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.core.clustering import ClusterNode
from txpusher.core.liveness import Liveness
from txpusher.core.registry import ChannelRegistry, Options
from txpusher.errors import ServiceUnavailable
from txpusher.interfaces import AppStore, Health
from txpusher.model import App, Event, Limits
from txpusher.protocol import signatures
from txpusher.protocol.activity import Timeouts

T = TypeVar("T")

APP = App("1", "key", "secret", client_events=True)


def now(task: Coroutine[Any, Any, T]) -> T:
    """Give what a coroutine returns that must not have to wait."""
    outcome: list[Any] = []
    Deferred.fromCoroutine(task).addBoth(outcome.append)
    assert outcome, "it waits for something"
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    result: T = outcome[0]
    return result


class InstantClock(Clock):
    """A clock on which every turn of the reactor ends at once: what is due now is called without waiting."""

    def callLater(self, delay: float, callable: Any, *args: object, **kw: object) -> Any:  # noqa: A002
        """Call at once, or later as usual."""
        later = super().callLater(delay, callable, *args, **kw)
        if delay == 0:
            later.cancel()
            callable(*args, **kw)
            # It is over, and may be cancelled as one that is not.
            return SimpleNamespace(cancel=lambda: None)
        return later


def turn(clock: Clock) -> None:
    """Let a reactor turn once: what is called for the next turn meanwhile waits for it, unlike in ``advance(0)``."""
    for call in [call for call in clock.getDelayedCalls() if call.getTime() <= clock.seconds()]:
        clock.calls.remove(call)
        call.called = 1
        call.func(*call.args, **call.kw)


def messages(frames: bytes) -> Iterator[dict[str, Any]]:
    """Read WebSocket text frames as a server sends them: final and not masked."""
    while frames:
        assert frames[0] == 0x81, frames[:20]
        size, begin = frames[1], 2
        if size >= 126:
            begin = 4 if size == 126 else 10
            size = int.from_bytes(frames[2:begin])
        payload, frames = frames[begin : begin + size], frames[begin + size :]
        assert len(payload) == size, "half a frame"
        yield json.loads(payload)


def data(message: dict[str, Any]) -> Any:
    """Give the ``data`` of a message, which is JSON text inside a JSON string."""
    assert isinstance(message["data"], str), message
    return json.loads(message["data"])


class Wire(list[dict[str, Any]]):
    """A socket: the list of the messages its client has read.

    Attributes:
        writes: the bytes of each write.
        pings: how often the client was asked for a sign of life.
        closed: the code and the reason it was closed with.
        too_late: what was sent after that; it is never right.
        paused: whether it is read.
        pauses: how often reading was stopped.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.pings = 0
        self.closed: tuple[int, str] | None = None
        self.too_late: list[dict[str, Any]] = []
        self.paused = False
        self.pauses = 0

    def send(self, frames: bytes) -> None:
        """Read one write."""
        self.writes.append(frames)
        (self if self.closed is None else self.too_late).extend(messages(frames))

    def ping(self) -> None:
        """Count a ping."""
        self.pings += 1

    def close(self, code: int, reason: str) -> None:
        """Be closed, once."""
        assert self.closed is None, "closed again"
        self.closed = (code, reason)

    def pause(self) -> None:
        """Be read no longer."""
        assert not self.paused, "paused again"
        self.paused = True
        self.pauses += 1

    def resume(self) -> None:
        """Be read again."""
        self.paused = False

    def names(self) -> list[str]:
        """Give the names of all messages, without the prefixes that are Pusher's own."""
        return [m["event"].removeprefix("pusher_internal:").removeprefix("pusher:") for m in self]

    def named(self, name: str) -> list[dict[str, Any]]:
        """Give the messages of this name, with or without Pusher's prefixes."""
        return [m for own, m in zip(self.names(), self, strict=True) if name in {own, m["event"]}]

    def take(self) -> list[dict[str, Any]]:
        """Give all messages and forget them."""
        taken = list(self)
        self.clear()
        return taken


class RecordingObserver(list[Any]):
    """A `txpusher.interfaces.Observer` that remembers all it is told."""

    def __call__(self, occurrence: tuple[object, ...]) -> None:
        """Remember it."""
        self.append(occurrence)

    def of(self, *kinds: type) -> list[Any]:
        """Give the occurrences of these kinds."""
        return [occurrence for occurrence in self if isinstance(occurrence, kinds)]

    def take(self, *kinds: type) -> list[Any]:
        """Give the occurrences of these kinds and forget everything."""
        taken = self.of(*kinds)
        self.clear()
        return taken


class Node:
    """One server of a cluster, without its ports.

    Args:
        adapter: how it knows the others; alone in memory by default.
        clock: its time.
        options: of its registry.
        timeouts: of its clients.

    Attributes:
        cluster: what its adapter tells.
        told: all that its observers hear.
        apps: those that a store has.
    """

    # Shared, so that no two connections of a cluster have the same socket id.
    _numbers = count(1)

    def __init__(
        self,
        adapter: Any = None,
        clock: Clock | None = None,
        options: Options = Options(),  # noqa: B008 - immutable
        timeouts: Timeouts = Timeouts(120, 30),  # noqa: B008 - the same
    ) -> None:
        self.clock = clock or InstantClock()
        self.adapter = adapter or MemoryAdapter(Hub(self.clock))
        self.told = RecordingObserver()
        self.liveness = Liveness(self.clock, timeouts, lambda: 0.5)
        self.registry = ChannelRegistry(
            self.adapter,
            self.clock,
            self.liveness,
            lambda _: next(self._numbers),
            self.told,
            options,
        )
        self.apps: list[App] = []
        self.cluster = ClusterNode(self.registry, cast("AppStore", self))
        now(self.adapter.start(self.cluster))

    async def by_id(self, app_id: str) -> App | None:
        """Look an app up, as in a store."""
        return next((app for app in self.apps if app.id == app_id), None)

    def connect(self, app: App = APP) -> Client:
        """Connect a client and read its greeting."""
        return Client(self, app)

    def publish(self, *events: Event, app: App = APP) -> None:
        """Publish as the HTTP API does."""
        now(self.registry.publish(app, events))

    def event(self, name: str, channel: str, text: str = "{}", **more: Any) -> None:
        """Publish one event on one channel."""
        app = more.pop("app", APP)
        self.publish(Event(name, (channel,), text, **more), app=app)

    def channels(self, app: App = APP) -> dict[str, Any]:
        """Give the channels that this node keeps."""
        return self.registry.apps[app.id].channels

    def counts(self, channel: str, app: App = APP) -> tuple[int, int]:
        """Give a channel's subscriptions and users in the cluster."""
        (counts,) = now(self.adapter.roster.counts(app.id, [channel]))
        return counts.subscriptions, counts.users


def cluster(size: int, clock: Clock | None = None, **arguments: Any) -> list[Node]:
    """Make nodes on one hub."""
    clock = clock or InstantClock()
    hub = Hub(clock)
    return [Node(MemoryAdapter(hub), clock, **arguments) for _ in range(size)]


class Client:
    """A client of the protocol, with signatures as its application's server makes them.

    Attributes:
        connection: its connection, as the core sees it.
        wire: its socket.
    """

    def __init__(self, node: Node, app: App) -> None:
        self.app = app
        self.wire = Wire()
        self.connection = node.registry.connect(app, self.wire)
        (self.greeting,) = self.wire.take()
        self.socket_id: str = data(self.greeting)["socket_id"]

    def say(self, event: str, content: object = None, **more: object) -> None:
        """Send a message."""
        self.connection.received(json.dumps({"event": event, "data": content, **more}).encode())

    def auth(self, text: str) -> str:
        """Sign as the application's server."""
        return f"{self.app.key}:{signatures.sign(self.app.secret, text)}"

    def subscribe(self, channel: str, user_id: object = None, info: object = None) -> None:
        """Subscribe with what this kind of channel needs."""
        fields = {"channel": channel}
        if user_id is not None:
            member = (
                {"user_id": user_id} if info is None else {"user_id": user_id, "user_info": info}
            )
            fields["channel_data"] = json.dumps(member)
        if channel.startswith(("private-", "presence-")):
            text = signatures.channel_text(self.socket_id, channel, fields.get("channel_data"))
            fields["auth"] = self.auth(text)
        self.say("pusher:subscribe", fields)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe."""
        self.say("pusher:unsubscribe", {"channel": channel})

    def sign_in(self, user_id: object, **more: object) -> None:
        """Sign in."""
        user_data = json.dumps({"id": user_id, **more})
        auth = self.auth(signatures.user_text(self.socket_id, user_data))
        self.say("pusher:signin", {"auth": auth, "user_data": user_data})

    def trigger(self, event: str, channel: str, content: object = "") -> None:
        """Send a client event."""
        self.say(event, content, channel=channel)

    def members(self, channel: str) -> dict[str, Any]:
        """Give the members that the last confirmation named."""
        confirmed = [
            m for m in self.wire.named("subscription_succeeded") if m["channel"] == channel
        ]
        presence = data(confirmed[-1])["presence"]
        assert presence["count"] == len(presence["hash"]) == len(presence["ids"])
        assert set(presence["ids"]) == presence["hash"].keys()
        hashed: dict[str, Any] = presence["hash"]
        return hashed

    def leave(self) -> None:
        """Be gone."""
        self.connection.lost()


def limited(**limits: Any) -> App:
    """Make the usual app with other limits."""
    return App("1", "key", "secret", client_events=True, limits=Limits(**limits))


class AdapterAwayError(Exception):
    """What a broken adapter answers."""


class _Part:
    """A bus, roster, last events or receipts whose every method goes by way of ``ask``."""

    def __init__(
        self, real: Any, ask: Callable[[str, Callable[[], Coroutine[Any, Any, Any]]], Any]
    ) -> None:
        self._real = real
        self._ask = ask

    def is_alone(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._real, name)
        return lambda *args, **kwargs: self._ask(name, partial(method, *args, **kwargs))


class _AskedAdapter:
    def __init__(self, real: MemoryAdapter) -> None:
        self.bus: Any = _Part(real.bus, self._ask)
        self.roster: Any = _Part(real.roster, self._ask)
        self.last_events: Any = _Part(real.last_events, self._ask)
        self.receipts: Any = _Part(real.receipts, self._ask)
        self.quotas: Any = _Part(real.quotas, self._ask)
        self.outbox = real.outbox
        self.limiter = real.limiter
        self.start, self.stop = real.start, real.stop
        self.health: Callable[[], Health] = real.health
        self.figures = real.figures

    async def _ask(self, name: str, effect: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        raise NotImplementedError


class Question:
    """Something that a `LateAdapter` was asked and has not answered yet."""

    def __init__(self, name: str, effect: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self.name = name
        self.answered: Deferred[Any] = Deferred()
        self._effect = effect
        self._result: list[Any] = []

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def happen(self) -> None:
        """Do what was asked; the answer is still on its way."""
        if not self._result:
            self._result.append(now(self._effect()))

    def answer(self) -> None:
        """Do what was asked, unless it is done, and let the answer arrive."""
        self.happen()
        self.answered.callback(self._result[0])

    def fail(self) -> None:
        """Let an error arrive instead of an answer."""
        self.answered.errback(AdapterAwayError(self.name))


class LateAdapter(_AskedAdapter):
    """An adapter whose answers come when the test says so.

    Args:
        real: does what is asked.
        late: the names of the methods that answer late; all by default.

    Attributes:
        questions: what was not answered yet, oldest first.
    """

    def __init__(self, real: MemoryAdapter, late: Collection[str] = ()) -> None:
        super().__init__(real)
        self.late = late
        self.questions: list[Question] = []

    async def _ask(self, name: str, effect: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        if self.late and name not in self.late:
            return await effect()
        question = Question(name, effect)
        self.questions.append(question)
        return await question.answered

    def asked(self) -> list[str]:
        """Give the names of what was not answered yet."""
        return [question.name for question in self.questions]

    def answer(self, *names: str) -> None:
        """Answer the oldest questions, which have these names."""
        for name in names:
            question = self.questions.pop(0)
            assert question.name == name, question
            question.answer()

    def fail(self, name: str) -> None:
        """Let the oldest question, which has this name, fail."""
        question = self.questions.pop(0)
        assert question.name == name, question
        question.fail()

    def answer_all(self) -> None:
        """Answer all questions, also those that come up meanwhile."""
        while self.questions:
            self.questions.pop(0).answer()


class AwayAdapter(_AskedAdapter):
    """An adapter that may be away, as one whose server was stopped.

    Attributes:
        error: what it answers then, but to who only notes what to watch; None while it is there.
    """

    def __init__(self, real: MemoryAdapter) -> None:
        super().__init__(real)
        self.error: ServiceUnavailable | None = None
        self.health = lambda: Health(ok=self.error is None, detail="away")

    async def _ask(self, name: str, effect: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        if self.error is not None and name not in {"watch", "unwatch"}:
            raise self.error
        return await effect()


class FailingAdapter(_AskedAdapter):
    """An adapter some of whose methods raise.

    Attributes:
        failing: their names; it may be changed at any time.
    """

    def __init__(self, real: MemoryAdapter, *failing: str) -> None:
        super().__init__(real)
        self.failing = set(failing)

    async def _ask(self, name: str, effect: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        if name in self.failing:
            raise AdapterAwayError(name)
        return await effect()
