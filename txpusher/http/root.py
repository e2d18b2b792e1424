"""The HTTP API as Klein routes. This list is the product's contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest
from werkzeug.exceptions import MethodNotAllowed as WrongMethod
from werkzeug.exceptions import NotFound as NoRoute
from werkzeug.routing import BaseConverter

from txpusher import errors
from txpusher.http.exchange import Answer

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from twisted.python.failure import Failure

    from txpusher.http.calls import Calls, SignedEndpoint
    from txpusher.http.channels import Channels
    from txpusher.http.events import Events
    from txpusher.http.exchange import Cors
    from txpusher.http.health import Health
    from txpusher.http.requests import ApiHttpRequest
    from txpusher.http.users import Users


class _UserId(BaseConverter):
    """Takes any text: unlike a path, an id may begin with a slash, as ``/api/users/7`` does, and have line ends."""

    regex = "(?s:.+)"
    part_isolating = False


class Root:
    """The routes.

    Args:
        calls: runs every call.
        events, channels, users, health: the endpoints.
        cors: says which web pages may read answers.
    """

    app = Klein()
    # Else //up would be redirected, and no API answers by redirecting.
    app.url_map.merge_slashes = False
    app.url_map.converters["user_id"] = _UserId

    def __init__(
        self,
        calls: Calls,
        events: Events,
        channels: Channels,
        users: Users,
        health: Health,
        cors: Cors,
    ) -> None:
        self.calls = calls
        self.events = events
        self.channels = channels
        self.users = users
        self.health = health
        self.cors = cors

    @app.route("/apps/<app_id>/events", methods=["POST"])
    def _publish(self, request: IRequest, app_id: str) -> Deferred[bytes]:
        return self._signed(request, app_id, self.events.publish)

    @app.route("/apps/<app_id>/batch_events", methods=["POST"])
    def _publish_batch(self, request: IRequest, app_id: str) -> Deferred[bytes]:
        return self._signed(request, app_id, self.events.publish_batch)

    @app.route("/apps/<app_id>/channels", methods=["GET"])
    def _channels(self, request: IRequest, app_id: str) -> Deferred[bytes]:
        return self._signed(request, app_id, self.channels.list_all)

    @app.route("/apps/<app_id>/channels/<channel>", methods=["GET"])
    def _channel(self, request: IRequest, app_id: str, channel: str) -> Deferred[bytes]:
        return self._signed(
            request, app_id, lambda app, call: self.channels.show(app, call, channel)
        )

    @app.route("/apps/<app_id>/channels/<channel>/users", methods=["GET"])
    def _channel_users(self, request: IRequest, app_id: str, channel: str) -> Deferred[bytes]:
        return self._signed(
            request, app_id, lambda app, call: self.channels.users(app, call, channel)
        )

    @app.route("/apps/<app_id>/users/<user_id:user_id>/terminate_connections", methods=["POST"])
    def _terminate(self, request: IRequest, app_id: str, user_id: str) -> Deferred[bytes]:
        return self._signed(
            request, app_id, lambda app, call: self.users.terminate(app, call, user_id)
        )

    # The path that pusher-http-python sends: it forgets /apps/{id}.
    @app.route("/users/<user_id:user_id>/terminate_connections", methods=["POST"])
    def _terminate_by_key(self, request: IRequest, user_id: str) -> Deferred[bytes]:
        return self._signed(
            request, None, lambda app, call: self.users.terminate(app, call, user_id)
        )

    @app.route("/up", methods=["GET"])
    def _up(self, request: IRequest) -> Deferred[bytes]:
        return self._open(request, self.health.up)

    @app.route("/up/<app_id>", methods=["GET"])
    def _app_up(self, request: IRequest, app_id: str) -> Deferred[bytes]:
        return self._open(request, lambda: self.health.app_up(app_id))

    @app.route("/usage", methods=["GET"])
    def _usage(self, request: IRequest) -> Deferred[bytes]:
        return self._open(request, self.health.usage)

    @app.route("/app/<key>", methods=["GET"])
    def _socket(self, request: IRequest, key: str) -> Deferred[bytes]:
        return self._refused(request, errors.UpgradeRequired("Open this path as a WebSocket"))

    @app.handle_errors(NoRoute)
    def _no_route(self, request: IRequest, failure: Failure) -> Deferred[bytes]:
        path = _adapted(request).path.decode("latin-1")
        hint = (
            "; is a proxy's path prefix missing (option --path-prefix)?"
            if "/apps/" in path[1:]
            else ""
        )
        return self._refused(request, errors.NotFound(f"There is nothing at {path}{hint}"))

    @app.handle_errors(WrongMethod)
    def _wrong_method(self, request: IRequest, failure: Failure) -> Deferred[bytes]:
        allowed = sorted({*getattr(failure.value, "valid_methods", ()), "OPTIONS"})
        method = _adapted(request).api_request().method
        message = f"This path does not take {method}, only {', '.join(allowed)}"
        return self._refused(
            request, errors.MethodNotAllowed(message, {"Allow": ", ".join(allowed)})
        )

    def _signed(
        self, request: IRequest, app_id: str | None, endpoint: SignedEndpoint
    ) -> Deferred[bytes]:
        return self._answer(
            request, self.calls.signed(app_id, _adapted(request).api_request(), endpoint)
        )

    def _open(self, request: IRequest, endpoint: Any) -> Deferred[bytes]:
        return self._answer(request, self.calls.open(_adapted(request).api_request(), endpoint))

    def _refused(self, request: IRequest, error: errors.ApiError) -> Deferred[bytes]:
        return self._answer(request, self.calls.refused(_adapted(request).api_request(), error))

    def _answer(self, request: IRequest, call: Coroutine[Any, Any, Answer]) -> Deferred[bytes]:
        # Klein cancels what it waits for when the client goes; a publish must not stop half-way.
        waiting: Deferred[bytes] = Deferred()
        answered = Deferred.fromCoroutine(call)
        answered.addCallback(_adapted(request).describe, self.cors)
        answered.addBoth(lambda body: None if waiting.called else waiting.callback(body))
        return waiting


def _adapted(request: Any) -> ApiHttpRequest:
    """Name the type of the requests that our site makes."""
    adapted: ApiHttpRequest = request
    return adapted
