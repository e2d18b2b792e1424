"""The short way for publishes: llhttp instead of twisted.web and Klein, for requests of the usual shape only.

It shares authentication, validation and answers with the routes; only the reading of the request and the writing of the
response differ. A request is usual when it is a POST to one of the two publish endpoints in HTTP/1.1 with a
Content-Length within the limit. At the first one that is not, the connection is handed to twisted.web for good, from
that request's first byte on, so what is unusual is treated in one place.

Measured on one core (signed publishes a second): Klein 3,500, this 30,000.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.web.http import datetimeToString

from txpusher.core.running import start
from txpusher.handover import hand_over
from txpusher.http.exchange import EMPTY, Answer, ApiRequest, response_bytes
from txpusher.http.requests import FORWARDED_HEADER, READ_HEADERS
from txpusher.transport import innermost

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol
    from twisted.python.failure import Failure

    from txpusher.http.calls import Calls
    from txpusher.http.events import Events
    from txpusher.http.exchange import Cors
    from txpusher.idle import Closing, IdleSweep
    from txpusher.transport import AddressOf

_log = Logger()

MAX_HEAD = 16 * 1024
MAX_BACKLOG = 1024 * 1024
"""Bytes of answers that may wait for a client that sends requests and does not read."""
_READ = frozenset(name.encode() for name in READ_HEADERS)
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})


class Lane:
    """What the connections on the fast lane share.

    Args:
        calls, events, cors: as for the routes.
        slow_lane: makes the protocol that takes unusual requests.
        idle: ends connections that do nothing.
        closing: closes connections.
        time: gives the time of day in seconds.
        path_prefix: what may stand before every path.
        max_request_size: bytes of a body.
        address_of: finds out the address of a caller; None when nobody wants to know.
    """

    def __init__(
        self,
        calls: Calls,
        events: Events,
        cors: Cors,
        slow_lane: Callable[[], IProtocol],
        idle: IdleSweep,
        closing: Closing,
        time: Callable[[], float],
        *,
        path_prefix: str = "",
        max_request_size: int = 2 * 1024 * 1024,
        address_of: AddressOf | None = None,
    ) -> None:
        self.slow_lane = slow_lane
        self.idle = idle
        self.closing = closing
        self.max_request_size = max_request_size
        self.address_of = address_of
        prefix = re.escape(path_prefix.encode())
        self.usual = re.compile(
            rb"POST (?:%b)?/apps/([\w.~-]+)/(batch_)?events[? ]" % prefix, re.ASCII
        )
        self._calls = calls
        self._events = events
        self._cors = cors
        self._time = time
        self._date_second = -1
        self._date = ""
        self._usual_response = b""

    async def publish(self, app_id: str, request: ApiRequest, *, batch: bool) -> Answer:
        """Do what either publish endpoint does."""
        endpoint = self._events.publish_batch if batch else self._events.publish
        return await self._calls.signed(app_id, request, endpoint)

    def response(self, answer: Answer, origin: str | None, *, close: bool) -> bytes:
        """Encode a response; what nearly all publishes are answered is encoded once a second."""
        now = int(self._time())
        if now != self._date_second:
            self._date_second, self._date = now, datetimeToString(now).decode()
            self._usual_response = self._encoded(EMPTY, None, close=False)
        if answer is EMPTY and origin is None and not close:
            return self._usual_response
        return self._encoded(answer, origin, close=close)

    def _encoded(self, answer: Answer, origin: str | None, *, close: bool) -> bytes:
        return response_bytes(
            answer, (("Date", self._date), *self._cors.headers(origin)), close=close
        )


class FastLane(Protocol):
    """One connection of a publisher."""

    # Always a stream with a socket below; Twisted's own type says less.
    transport: Any

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._buffer = bytearray()
        self._busy = False
        self._parser = HttpRequestParser(self)
        self._begin()

    def _begin(self) -> None:
        """Expect a request."""
        # Where the body begins, once the head was read.
        self._body_at = 0
        self._app_id = ""
        self._batch = False
        self._url = b""
        # Of the body; -1 while it is not announced.
        self._length = -1
        self._headers: dict[str, str] = {}
        self._unusual = False
        self._keep_alive = True

    # From Twisted

    def connectionMade(self) -> None:
        """Bound the answers that wait for the client."""
        self._watch_backlog(MAX_BACKLOG, self.timed_out)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; requests are answered one after the other."""
        if not self._buffer:
            # A request has its whole time from its first byte; a drop now and then does not renew it.
            self._lane.idle.touch(self)
        self._buffer += data
        if not self._busy:
            self._go_on()
        elif len(self._buffer) > self._lane.max_request_size:
            # What is pipelined meanwhile has to wait, and may not grow without bound.
            self.transport.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the rest."""
        self.connected = 0
        self._watch_backlog(0, None)
        self._lane.idle.forget(self)
        self._buffer.clear()

    def timed_out(self) -> None:
        """End a connection that does nothing."""
        self.transport.abortConnection()

    # From llhttp

    def on_url(self, url: bytes) -> None:
        """Note the request's path and query; it may come in pieces."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note the headers that matter."""
        name = name.lower()
        if name == b"content-length":
            self._length = int(value)
        elif name in _READ:
            key, text = name.decode(), value.decode("latin-1")
            self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text
        elif name in _UNUSUAL:
            self._unusual = True

    def on_headers_complete(self) -> None:
        """Note what llhttp knows only now."""
        self._keep_alive = self._parser.should_keep_alive()

    # Our own

    def _watch_backlog(self, limit: int, call: Callable[[], None] | None) -> None:
        transport = innermost(self.transport)
        transport.max_backlog, transport.on_backlog = limit, call

    def _go_on(self) -> None:
        while self._buffer and not self._busy and (self._body_at or self._read_head()):
            end = self._body_at + self._length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[self._body_at : end])
            del self._buffer[:end]
            if body:
                self._parser.feed_data(body)
            self._answer(body)

    def _read_head(self) -> bool:
        """Read the head at the beginning of the buffer; False when it is not complete, or not for this lane."""
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return len(self._buffer) > MAX_HEAD and self._leave_lane()
        usual = self._lane.usual.match(self._buffer)
        if usual is None or end > MAX_HEAD or not self._is_usual(bytes(self._buffer[:end])):
            return self._leave_lane()
        self._app_id, self._batch, self._body_at = usual[1].decode(), usual[2] is not None, end
        return True

    def _is_usual(self, head: bytes) -> bool:
        try:
            self._parser.feed_data(head)
        except (HttpParserError, HttpParserUpgrade):
            return False
        usual = self._parser.get_http_version() == "1.1" and not self._unusual
        return usual and 0 <= self._length <= self._lane.max_request_size

    def _leave_lane(self) -> bool:
        self._watch_backlog(0, None)
        self._lane.idle.forget(self)
        data = bytes(self._buffer)
        self._buffer.clear()
        hand_over(self, self._lane.slow_lane(), data)
        return False

    def _answer(self, body: bytes) -> None:
        path, _, query = self._url.decode(errors="replace").partition("?")
        address_of, headers = self._lane.address_of, self._headers
        address = address_of and address_of(self.transport, headers.get(FORWARDED_HEADER, ""))
        request = ApiRequest("POST", path, query, body, headers, address)
        call = self._publish(self._app_id, request, batch=self._batch, keep_alive=self._keep_alive)
        self._begin()
        self._busy = True
        unfinished = start(call)
        if unfinished is not None:
            unfinished.addCallbacks(lambda _: self._resume(), self._broken)

    async def _publish(
        self, app_id: str, request: ApiRequest, *, batch: bool, keep_alive: bool
    ) -> None:
        answer = await self._lane.publish(app_id, request, batch=batch)
        origin = request.headers.get("origin")
        self.transport.write(self._lane.response(answer, origin, close=not keep_alive))
        if keep_alive:
            self._busy = False
        else:
            self._lane.closing.close(self.transport)

    def _broken(self, failure: Failure) -> None:
        _log.failure("Bug while answering a publish; its connection ends", failure)
        self.transport.abortConnection()

    def _resume(self) -> None:
        if self.connected and not self._busy:
            self.transport.resumeProducing()
            self._lane.idle.touch(self)
            self._go_on()
