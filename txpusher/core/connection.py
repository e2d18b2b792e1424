"""One client's conversation, strictly in order.

A message is handled when the one before it is done, also when the roster answers late; what arrives meanwhile waits,
and the socket is not read until it has been handled. A bug in handling one message ends this connection and no other.
There is one way out for every reason, `Connection.lost`, and it walks this connection's own subscriptions only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from txpusher.core import conversation
from txpusher.core.limits import TokenBucket
from txpusher.core.occurrences import MessageDropped, MessageReceived, MessageSent
from txpusher.core.running import start
from txpusher.core.subscribing import leave_all
from txpusher.core.users import sign_out
from txpusher.errors import ConnectionEnded, InternalError, InvalidMessage, PusherError
from txpusher.protocol import codec

if TYPE_CHECKING:
    from txpusher.core.channel import Channel
    from txpusher.core.registry import ChannelRegistry
    from txpusher.interfaces import Wire
    from txpusher.model import App, PresenceMember, User

_log = Logger()


class Connection:
    """A client that was established.

    Args:
        app: the app it belongs to.
        socket_id: its id.
        wire: its socket.
        registry: where it subscribes.

    Attributes:
        subscriptions: the channels it is on, with its member where they are presence channels.
        user: who is signed in on it, if anybody.
        watching: the channels that tell it of the users that this user watches.
        last_seen: when the client was last heard, in the clock's seconds.
        asked_at: when it was last pinged, or None.
        check_at: the second of its next check; `Liveness` keeps it.
    """

    __slots__ = (
        "__weakref__",
        "_bucket",
        "_busy",
        "_inbox",
        "_left",
        "app",
        "asked_at",
        "check_at",
        "closed",
        "last_seen",
        "registry",
        "socket_id",
        "subscriptions",
        "user",
        "watching",
        "wire",
    )

    def __init__(self, app: App, socket_id: str, wire: Wire, registry: ChannelRegistry) -> None:
        self.app = app
        self.socket_id = socket_id
        self.wire = wire
        self.registry = registry
        self.subscriptions: dict[str, tuple[Channel, PresenceMember | None]] = {}
        self.user: User | None = None
        self.watching: tuple[Channel, ...] = ()
        self.closed = False
        self.last_seen = registry.clock.seconds()
        self.asked_at: float | None = None
        self.check_at = 0
        self._busy = False
        self._left = False
        self._inbox: deque[Coroutine[Any, Any, None]] | None = None
        self._bucket: TokenBucket | None = None

    def received(self, payload: bytes) -> None:
        """Handle a text message, now or when the ones before it are done."""
        if not self.closed:
            self.registry.tell(MessageReceived(self.app.id, len(payload)))
            self._do(self._handle(payload))

    def received_binary(self) -> None:
        """Answer a binary message: the protocol has none."""
        self.refuse(InvalidMessage("Binary messages are not supported"))

    def send(self, frame: bytes) -> None:
        """Send a frame to this client alone."""
        if not self.closed:
            self.wire.send(frame)
            self.registry.tell(MessageSent(self.app.id, len(frame)))

    def refuse(self, problem: PusherError, channel: str | None = None) -> None:
        """Tell the client that a message was refused, and count it; the connection stays."""
        self.registry.tell(MessageDropped(self.app.id, problem.reason))
        self.send(codec.error(problem, channel))

    def end(self, problem: ConnectionEnded) -> None:
        """Tell the client why, close the socket with the same code, and leave everything."""
        if not self.closed:
            self.send(codec.error(problem))
            self.wire.close(problem.code, problem.message)
            self.lost()

    def gone(self) -> None:
        """Send nothing more: the client has gone. `lost` has to follow, and does the rest."""
        if not self.closed:
            self.closed = True
            self.registry.forget(self)

    def lost(self) -> None:
        """Leave everything: the socket is gone or going. Safe to call again."""
        self.gone()
        if not self._left:
            self._left = True
            self.registry.leaving.begin()
            self._do(self._leave())

    def app_changed(self, app: App) -> None:
        """Go on under other settings of the app."""
        if app.limits.max_client_events_per_second != self.app.limits.max_client_events_per_second:
            self._bucket = None
        self.app = app

    def may_send_client_event(self) -> bool:
        """Take a token for a client event; False when this second's are used up."""
        rate = self.app.limits.max_client_events_per_second
        if rate is None:
            return True
        now = self.registry.clock.seconds()
        if self._bucket is None:
            self._bucket = TokenBucket(rate, now)
        return self._bucket.take(now)

    async def _leave(self) -> None:
        try:
            await leave_all(self)
            await sign_out(self)
        except Exception:  # noqa: BLE001 - the socket is gone: there is nothing left to end
            _log.failure(
                "{socket_id} of app {app_id} could not be signed out",
                app_id=self.app.id,
                socket_id=self.socket_id,
            )
        finally:
            self.registry.leaving.end()

    async def _handle(self, payload: bytes) -> None:
        if self.closed:
            return
        try:
            message = codec.decode(payload)
            await conversation.answer(self, message)
        except PusherError as problem:
            self.refuse(problem)

    def _do(self, task: Coroutine[Any, Any, None]) -> None:
        if self._busy:
            self._wait(task)
        else:
            self._busy = True
            self._work(task)

    def _wait(self, task: Coroutine[Any, Any, None]) -> None:
        if self._inbox is None:
            self._inbox = deque()
            # A socket that closes is read on: the client's answer ends it.
            if not self.closed:
                self.wire.pause()
        self._inbox.append(task)

    def _work(self, task: Coroutine[Any, Any, None] | None) -> None:
        # A loop, as thousands of messages may wait and each would nest in the one before it.
        while task is not None:
            try:
                unfinished = start(task)
            except Exception:  # noqa: BLE001 - a bug must end this connection only
                self._failed(Failure())
            else:
                if unfinished is not None:
                    unfinished.addBoth(self._work_on)
                    return
            task = self._next()
        self._busy = False

    def _work_on(self, result: object) -> None:
        if isinstance(result, Failure):
            self._failed(result)
        self._work(self._next())

    def _next(self) -> Coroutine[Any, Any, None] | None:
        if self._inbox is None:
            return None
        task = self._inbox.popleft()
        if not self._inbox:
            self._inbox = None
            self.wire.resume()
        return task

    def _failed(self, failure: Failure) -> None:
        _log.failure(
            "Bug while handling a message of {socket_id} of app {app_id}; it is disconnected",
            failure,
            app_id=self.app.id,
            socket_id=self.socket_id,
        )
        self.registry.tell(MessageDropped(self.app.id, InternalError.reason))
        self.end(InternalError())
