"""twisted.web, trimmed for the API: bodies bounded while they arrive, JSON for every error, no forms, no log lines.

twisted.web itself takes bodies of any size and writes large and chunked ones to disk before anybody may refuse them.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import NO_CONTENT, HTTPChannel, datetimeToString
from twisted.web.server import Request, Site

from txpusher.core.occurrences import ApiCalled
from txpusher.errors import ApiError, BadRequest, HeadTooLarge, PayloadTooLarge
from txpusher.http.authentication import ORIGINAL_PATH_HEADERS, PREFIX_HEADER
from txpusher.http.exchange import Answer, ApiRequest, Cors, error_answer, response_bytes
from txpusher.http.idempotency import HEADER as IDEMPOTENCY_HEADER
from txpusher.protocol.handshakes import without_prefix

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.web.resource import IResource

    from txpusher.core.occurrences import Occurrence
    from txpusher.idle import Closing
    from txpusher.transport import AddressOf

FORWARDED_HEADER = "x-forwarded-for"
READ_HEADERS = (
    "origin",
    IDEMPOTENCY_HEADER,
    FORWARDED_HEADER,
    PREFIX_HEADER,
    *ORIGINAL_PATH_HEADERS,
)
LINGER = 2.0
"""Seconds a refused client may go on sending, so that it reads the answer before the connection ends."""


class ApiHttpRequest(Request):
    """One request on its way to Klein."""

    defaultContentType = None
    content: BytesIO
    channel: ApiChannel
    site: ApiSite

    def gotLength(self, length: int | None) -> None:
        """Refuse a body that is announced to be too large; buffer others in memory."""
        self.content = BytesIO()
        if length is not None and length > self.channel.site.max_request_size:
            self._too_large()

    def handleContentChunk(self, data: bytes) -> None:
        """Refuse a body that gets too large, as chunked ones may."""
        self.content.write(data)
        if self.content.tell() > self.channel.site.max_request_size:
            self._too_large()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Note the request line, and leave the query and forms unparsed."""
        if self.channel.refused:
            return
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, self.query = path.partition(b"?")
        self.args = {}
        self.process()

    def process(self) -> None:
        """Find the resource by the path below the prefix, and let it answer."""
        self.site = self.channel.site
        self.setHeader(b"Date", datetimeToString())
        if self.method == b"OPTIONS":
            self.answer(self.site.cors.preflight())
            return
        self.prepath = []
        path = without_prefix(self.path.decode("latin-1"), self.site.path_prefix).encode("latin-1")
        self.postpath = [unquote_to_bytes(segment) for segment in path[1:].split(b"/")]
        if not _is_utf8(b"/".join(self.postpath)):
            self.answer(error_answer(BadRequest("The path is not UTF-8")))
            return
        try:
            self.render(self.site.resource)
        except Exception:  # noqa: BLE001 - a bug must not end the connection without an answer
            self.processingFailed(Failure())

    def getRequestHostname(self) -> bytes:
        """Keep the Host header from Klein, which needs none and fails on those that are no host names."""
        return b"localhost"

    def api_request(self) -> ApiRequest:
        """Give the request as the API sees it."""
        self.content.seek(0)
        # Twisted refuses most of what is not ASCII, but not all.
        path, query = self.path.decode(errors="replace"), self.query.decode(errors="replace")
        headers = {
            name: value for name in READ_HEADERS if (value := self._header(name)) is not None
        }
        address_of = self.channel.site.address_of
        return ApiRequest(
            self.method.decode("latin-1"),
            path,
            query,
            self.content.read(),
            headers,
            address_of and address_of(self.channel, headers.get(FORWARDED_HEADER, "")),
        )

    def describe(self, answer: Answer, cors: Cors) -> bytes:
        """Set the status and headers of an answer, and give its body."""
        self.setResponseCode(answer.status)
        if answer.status != NO_CONTENT:
            self.setHeader("Content-Type", answer.content_type)
            self.setHeader("Content-Length", str(len(answer.body)))
        for name, value in (*cors.headers(self._header("origin")), *answer.headers):
            self.setHeader(name.encode(), value.encode("latin-1"))
        return answer.body

    def answer(self, answer: Answer) -> None:
        """Answer without Klein."""
        self.write(self.describe(answer, self.channel.site.cors))
        self.finish()

    def processingFailed(self, reason: Any) -> None:
        """Answer a bug in JSON, and log it."""
        self._log.failure("Bug while answering {uri}", reason, uri=self.uri)
        if not self._disconnected and not self.finished:
            self.answer(error_answer(ApiError("Internal server error")))

    def _header(self, name: str) -> str | None:
        # Twisted would decode it as UTF-8 and raise where it is not, and would give the last one of several.
        values = self.requestHeaders.getRawHeaders(name.encode())
        return None if values is None else b", ".join(values).decode("latin-1")

    def _too_large(self) -> None:
        limit = self.channel.site.max_request_size
        error = PayloadTooLarge(
            f"The body is larger than {limit} bytes (option --max-request-size)"
        )
        self.channel.refuse(error_answer(error))


class ApiChannel(HTTPChannel):
    """One connection of an API caller.

    Attributes:
        refused: whether it was answered and nothing more is read from it.
    """

    site: ApiSite
    transport: Any
    refused = False

    def refuse(self, answer: Answer) -> None:
        """Answer at once and end the connection, whatever else is on its way."""
        if self.refused:
            return
        self.refused = True
        self.persistent = False
        self.setTimeout(None)
        self.transport.write(response_bytes(answer, self.site.cors.headers(None), close=True))
        self.dataReceived = self.lineReceived = self.rawDataReceived = self._discard  # type: ignore[method-assign]
        self.site.reactor.callLater(LINGER, self.loseConnection)
        self.site.tell(ApiCalled("", answer.status, 0, len(answer.body)))

    def _discard(self, data: bytes) -> None:
        pass

    def connectionMade(self) -> None:
        """Expect a request."""
        self._begun = False
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; a request has its whole time from its first byte, and a drop now and then does not renew it."""
        if not self._begun:
            self._begun = True
            self.resetTimeout()
        LineReceiver.dataReceived(self, data)

    def requestDone(self, request: Any) -> None:
        """Expect the next request."""
        self._begun = False
        super().requestDone(request)

    def loseConnection(self) -> None:
        """Close the connection, for good when the client does not go along."""
        # A connection with a producer is not closed before that says so.
        self.transport.unregisterProducer()
        self.site.closing.close(self.transport)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse an endless line."""
        self._head_too_large()

    def _respondToBadRequestAndDisconnect(self) -> None:
        if (
            self._receivedHeaderSize > self.totalHeadersSize
            or self._receivedHeaderCount > self.maxHeaders
        ):
            self._head_too_large()
        else:
            self.refuse(error_answer(BadRequest("This is not a valid HTTP request")))

    def _head_too_large(self) -> None:
        error = HeadTooLarge(
            f"The request head is larger than {self.totalHeadersSize} bytes "
            f"or has more than {self.maxHeaders} headers"
        )
        self.refuse(error_answer(error))

    def _send100Continue(self) -> None:
        if not self.refused:
            super()._send100Continue()


class ApiSite(Site):
    """Makes the connections of API callers.

    Args:
        resource: the routes.
        reactor: tells the time.
        cors: says which web pages may read answers.
        tell: hears of requests that are refused before they reach the routes.
        closing: closes connections.
        path_prefix: what stands before every path; requests without it are served too, as proxies strip it.
        max_request_size: bytes of a body.
        address_of: finds out the address of a caller; None when nobody wants to know.
    """

    requestFactory = ApiHttpRequest
    displayTracebacks = False

    def __init__(
        self,
        resource: IResource,
        reactor: IReactorTime,
        cors: Cors,
        tell: Callable[[Occurrence], None],
        closing: Closing,
        *,
        path_prefix: str = "",
        max_request_size: int = 2 * 1024 * 1024,
        address_of: AddressOf | None = None,
    ) -> None:
        # Above the 60 to 75 seconds of common proxies, so that it is they who close idle connections.
        super().__init__(resource, reactor=reactor, timeout=90)
        # The generic channel would also offer HTTP/2.
        self.protocol = ApiChannel  # type: ignore[assignment]
        self.cors = cors
        self.tell = tell
        self.closing = closing
        self.path_prefix = path_prefix
        self.max_request_size = max_request_size
        self.address_of = address_of

    def log(self, request: object) -> None:
        """Write no line per request: metrics count them."""


def _is_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True
