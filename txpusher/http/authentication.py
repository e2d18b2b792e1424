"""Who may call: the signature of an API request.

The order is that of Pusher's own request authenticator: the app, its key, the version, the timestamp, the body, the
signature. Source: "Pusher docs: HTTP API, authentication".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from txpusher.errors import Forbidden, NotFound, Unauthorized
from txpusher.protocol import signatures
from txpusher.protocol.handshakes import without_prefix

if TYPE_CHECKING:
    from txpusher.http.exchange import ApiRequest
    from txpusher.interfaces import AppStore
    from txpusher.model import App

MAX_USUAL = 512
"""Characters of a path and of a query's beginning that are kept: nobody has to be trusted to fill this memory."""
MAX_CLOCK_DIFFERENCE = 600
"""Seconds a request's timestamp may differ from the server's clock (Pusher docs: auth_timestamp)."""

# How proxies that change paths say what they were asked for.
ORIGINAL_PATH_HEADERS = ("x-original-uri", "x-forwarded-uri", "x-rewrite-url", "x-original-url")
PREFIX_HEADER = "x-forwarded-prefix"

Query = Sequence[tuple[str, str]]


class Authenticator:
    """Checks requests against the apps' secrets.

    Args:
        apps: where apps are found by their id.
        time: gives the time of day in seconds since 1970.
        path_prefix: what a proxy may have put before the path or taken from it.
    """

    def __init__(self, apps: AppStore, time: Callable[[], float], path_prefix: str = "") -> None:
        self._apps = apps
        self._time = time
        self._path_prefix = path_prefix

    async def authenticate(self, app_id: str, request: ApiRequest) -> App:
        """Give the app that signed the request.

        Raises:
            NotFound: there is no such app.
            Forbidden: the app is switched off.
            Unauthorized: the request is not signed as it has to be; the text says which part is wrong.
        """
        app = await self._apps.by_id(app_id)
        if app is None:
            raise NotFound(f"There is no app with the id {app_id!r}")
        if not self._is_signed_as_usual(app, request):
            self._check(app, request)
        if not app.enabled:
            raise Forbidden("This app is disabled")
        return app

    def _is_signed_as_usual(self, app: App, request: ApiRequest) -> bool:
        """Whether the query is just what most SDKs make of this request; if not, the long way tells why.

        Measured: 1.5 microseconds a publish, 3 for the first one of a second; the long way takes 5.
        """
        beginning, _, rest = request.query.partition("&body_md5=")
        if not rest or len(beginning) + len(request.path) > MAX_USUAL:
            return False
        usual = _usual(app.key, app.secret, request.method, request.path, beginning)
        if usual is None or abs(self._time() - usual.timestamp) > MAX_CLOCK_DIFFERENCE:
            return False
        digest = signatures.body_md5(request.body)
        return signatures.same(f"{digest}&auth_signature={usual.sign(digest)}", rest)

    def _check(self, app: App, request: ApiRequest) -> None:
        query = signatures.parse_query(request.query)
        given = dict(query)
        if _required(given, "auth_key") != app.key:
            raise Unauthorized("auth_key is not the key of this app")
        self._check_version_and_time(given)
        _check_body(given, request.body)
        self._check_signature(app, request, query, _required(given, "auth_signature"))

    def _check_version_and_time(self, given: dict[str, str]) -> None:
        if _required(given, "auth_version") != "1.0":
            raise Unauthorized("auth_version must be 1.0")
        timestamp = _required(given, "auth_timestamp")
        if not _is_whole(timestamp):
            raise Unauthorized("auth_timestamp must be a whole number of seconds since 1970")
        now = self._time()
        if abs(now - int(timestamp)) > MAX_CLOCK_DIFFERENCE:
            raise Unauthorized(
                f"Timestamp expired: auth_timestamp {timestamp} is not within {MAX_CLOCK_DIFFERENCE}s "
                f"of the server's time {int(now)}"
            )

    def _check_signature(self, app: App, request: ApiRequest, query: Query, signature: str) -> None:
        def matches(path: str) -> bool:
            text = signatures.request_text(request.method, path, query)
            return signatures.same(signatures.sign(app.secret, text), signature)

        if matches(request.path):
            return
        if self._path_prefix and matches(_other_side_of_proxy(request.path, self._path_prefix)):
            return
        for path in _likely_paths(request):
            if matches(path):
                raise Unauthorized(
                    f"Invalid signature: it was made for the path {path} and the request came as "
                    f"{request.path}; {_why_other(path, request.path)}"
                )
        text = signatures.request_text(request.method, request.path, query)
        raise Unauthorized(
            f'Invalid signature: expected the HMAC SHA256 hex digest of "{text}" with the app\'s secret'
        )


class _Usual(NamedTuple):
    """What the queries of all requests of one second have in common.

    Args:
        timestamp: the second, as it was signed.
        sign: makes the signature of the digest of a body.
    """

    timestamp: int
    sign: Callable[[str], str]


@lru_cache(maxsize=256)
def _usual(key: str, secret: str, method: str, path: str, beginning: str) -> _Usual | None:
    """Read the query up to ``body_md5``; None when it is not what an SDK makes."""
    timestamp = beginning.rpartition("&auth_timestamp=")[2].partition("&")[0]
    if beginning != f"auth_key={key}&auth_timestamp={timestamp}&auth_version=1.0":
        return None
    if not _is_whole(timestamp):
        return None
    text = f"{method}\n{path}\n{beginning}&body_md5="
    return _Usual(int(timestamp), signatures.signer(secret, text))


def _required(given: dict[str, str], name: str) -> str:
    value = given.get(name)
    if not value:
        raise Unauthorized(f"{name} is missing")
    return value


def _check_body(given: dict[str, str], body: bytes) -> None:
    digest = given.get("body_md5")
    if digest is None:
        if body:
            raise Unauthorized("body_md5 is missing")
    elif not signatures.same(signatures.body_md5(body) if body else signatures.EMPTY_MD5, digest):
        raise Unauthorized("body_md5 is not the MD5 of the body")


def _other_side_of_proxy(path: str, prefix: str) -> str:
    other = without_prefix(path, prefix)
    return prefix + path if other == path else other


def _why_other(signed: str, path: str) -> str:
    if unquote(signed) == unquote(path):
        return (
            "percent-encode user ids and channel names before signing, as some SDKs do not, "
            "or keep a proxy in between from decoding them"
        )
    return "a proxy in between changes it (option --path-prefix)"


def _likely_paths(request: ApiRequest) -> Iterator[str]:
    """Paths that the caller may have signed, to say so; none of them lets a request in."""
    path = request.path
    yield from (unquote(path), quote(unquote(path)), path.rstrip("/"), path + "/")
    for name in ORIGINAL_PATH_HEADERS:
        if name in request.headers:
            yield request.headers[name].partition("?")[0]
    if PREFIX_HEADER in request.headers:
        yield request.headers[PREFIX_HEADER].rstrip("/") + path


def _is_whole(number: str) -> bool:
    return number.isdigit() and len(number) < 16 and number.isascii()
