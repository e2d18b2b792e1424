"""What is answered to each kind of client message; one function each.

Source: "Pusher docs: Channels protocol". Whatever a client does wrong is a `PusherError` here; failed subscriptions are
told twice, as ``pusher:subscription_error`` on the channel, which pusher-js and Laravel Echo bind to, and as
``pusher:error``, as Pusher does. So are failed sign-ins, as ``pusher:signin_error``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from txpusher.core import subscribing, users, watchlists
from txpusher.core.authorization import authorized
from txpusher.core.occurrences import ClientEventSent
from txpusher.errors import (
    ClientEventRateEnded,
    ClientEventRateExceeded,
    ClientEventRefused,
    ClientEventsDisabled,
    InvalidChannel,
    InvalidChannelData,
    SigninRefused,
    SubscriptionRefused,
    WatchlistTooLong,
)
from txpusher.model import PresenceMember, User
from txpusher.protocol import codec, identities, signatures
from txpusher.protocol.messages import (
    ClientEvent,
    ClientMessage,
    Ignored,
    Ping,
    Signin,
    Subscribe,
    Unsubscribe,
)
from txpusher.protocol.names import Kind, channel_problem, kind_of, user_channel

if TYPE_CHECKING:
    from txpusher.core.connection import Connection


async def answer(connection: Connection, message: ClientMessage) -> None:
    """Do what the message asks for.

    Raises:
        PusherError: the message is refused and the client has not been told yet.
    """
    await _ANSWERS[type(message)](connection, message)


async def _ping(connection: Connection, _: Ping) -> None:
    connection.send(codec.PONG)


async def _ignore(connection: Connection, message: Ignored) -> None:
    """Pongs were noted when they arrived; unknown events are not an error in the protocol."""


async def _subscribe(connection: Connection, message: Subscribe) -> None:
    try:
        kind = kind_of(message.channel)
        if kind is Kind.USER:
            _check_own_user_channel(connection, message.channel)
            connection.send(codec.subscription_succeeded(message.channel))
            return
        member = _authorized(connection, message, kind)
        await subscribing.subscribe(connection, message.channel, kind, member)
    except SubscriptionRefused as problem:
        if not connection.registry.options.only_pusher_error:
            connection.send(codec.subscription_error(problem, message.channel))
        connection.refuse(problem, message.channel)


def _check_own_user_channel(connection: Connection, channel: str) -> None:
    if connection.user is None or user_channel(connection.user.id) != channel:
        raise SubscriptionRefused(f"Not signed in as the user of {channel}")


def _authorized(connection: Connection, message: Subscribe, kind: Kind) -> PresenceMember | None:
    app = connection.app
    problem = channel_problem(message.channel, app.limits.max_channel_name_length)
    if problem:
        raise InvalidChannel(problem)
    if message.problem:
        raise SubscriptionRefused(message.problem)
    if kind.is_public:
        return None
    text = signatures.channel_text(connection.socket_id, message.channel, message.channel_data)
    problem = signatures.authorization_problem(message.auth, app.key, app.secret, text)
    if problem:
        raise SubscriptionRefused(problem)
    return _member(connection, message) if kind.is_presence else None


def _member(connection: Connection, message: Subscribe) -> PresenceMember:
    if message.channel_data:
        return identities.presence_member(message.channel_data, connection.app.limits)
    if connection.user is None:
        raise InvalidChannelData(
            "channel_data is missing, and nobody is signed in on this connection"
        )
    return PresenceMember(connection.user.id, connection.user.info)


async def _unsubscribe(connection: Connection, message: Unsubscribe) -> None:
    await subscribing.unsubscribe(connection, message.channel)


async def _sign_in(connection: Connection, message: Signin) -> None:
    try:
        user = _proved_user(connection, message)
    except SigninRefused as problem:
        if not connection.registry.options.only_pusher_error:
            connection.send(codec.signin_error(problem))
        connection.refuse(problem)
        return
    await users.sign_in(connection, user)
    authorized(connection)
    connection.send(codec.signin_success(message.user_data))
    if connection.app.watchlist_events:
        await _watch(connection, user)


def _proved_user(connection: Connection, message: Signin) -> User:
    app = connection.app
    if not app.user_authentication:
        raise SigninRefused(
            "User authentication is not enabled for this app (app setting user_authentication)"
        )
    if message.problem:
        raise SigninRefused(message.problem)
    text = signatures.user_text(connection.socket_id, message.user_data)
    problem = signatures.authorization_problem(message.auth, app.key, app.secret, text)
    if problem:
        raise SigninRefused(problem)
    user = identities.signed_in_user(message.user_data, app.limits, watchlist=app.watchlist_events)
    if connection.user is not None and connection.user.id != user.id:
        raise SigninRefused("Connection is already signed in as another user")
    return user


async def _watch(connection: Connection, user: User) -> None:
    limit = connection.app.limits.max_watchlist_size
    if len(user.watchlist) > limit:
        connection.refuse(
            WatchlistTooLong(
                f"Only the first {limit} users are watched (setting max_watchlist_size)"
            )
        )
    await watchlists.watch(connection, user.watchlist[:limit])


async def _relay(connection: Connection, message: ClientEvent) -> None:
    try:
        member = _checked_sender(connection, message)
    except ClientEventRefused as problem:
        _refuse_client_event(connection, problem, message.channel)
        return
    user_id = None if member is None else member.user_id
    frame = codec.channel_event(message.event, message.channel, message.data, user_id)
    app_id, socket_id = connection.app.id, connection.socket_id
    connection.registry.tell(
        ClientEventSent(app_id, message.channel, message.event, message.data, socket_id, user_id)
    )
    await connection.registry.broadcast(app_id, message.channel, frame, excluded=connection)


def _refuse_client_event(connection: Connection, problem: ClientEventRefused, channel: str) -> None:
    connection.refuse(problem, channel)
    if isinstance(problem, ClientEventRateExceeded) and connection.app.terminate_on_limit:
        connection.end(ClientEventRateEnded())


def _checked_sender(connection: Connection, message: ClientEvent) -> PresenceMember | None:
    app = connection.app
    if not app.client_events:
        raise ClientEventsDisabled
    if not kind_of(message.channel).takes_client_events:
        raise ClientEventRefused(
            "Client event rejected - only supported on private and presence channels"
        )
    subscription = connection.subscriptions.get(message.channel)
    if subscription is None:
        raise ClientEventRefused(f"Client event rejected - not subscribed to {message.channel}")
    if len(message.event) > app.limits.max_event_name_length:
        limit = app.limits.max_event_name_length
        raise ClientEventRefused(
            f"Client event rejected - name is longer than {limit} characters (setting max_event_name_length)"
        )
    if (
        len(message.data) > app.limits.max_event_size
        or len(message.data.encode()) > app.limits.max_event_size
    ):
        limit = app.limits.max_event_size
        raise ClientEventRefused(
            f"Client event rejected - data is larger than {limit} bytes (setting max_event_size)"
        )
    if not connection.may_send_client_event():
        raise ClientEventRateExceeded
    return subscription[1]


_ANSWERS: dict[type, Callable[[Connection, Any], Awaitable[None]]] = {
    Ping: _ping,
    Ignored: _ignore,
    Subscribe: _subscribe,
    Unsubscribe: _unsubscribe,
    Signin: _sign_in,
    ClientEvent: _relay,
}
