"""The short way for publishes: without twisted.web and Klein, for requests of the usual shape only.

It shares authentication, validation and answers with the routes; only the reading of the request and the writing of the
response differ. A request is usual when it is a POST to one of the two publish endpoints in HTTP/1.1 with a
Content-Length within the limit. At the first one that is not, the connection is handed to twisted.web for good, from
that request's first byte on, so what is unusual is treated in one place.

Measured on one core (signed publishes a second): Klein 3,500, this 43,000.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.web.http import datetimeToString

from txpusher.core.running import start
from txpusher.handover import hand_over
from txpusher.http.exchange import EMPTY, Answer, ApiRequest, response_bytes
from txpusher.http.heads import Headers, read_headers
from txpusher.http.requests import FORWARDED_HEADER
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
_Line = Sequence[bytes]
"""Of the first line of a usual request: path, app id, whether it is for a batch, query."""
_Head = tuple[_Line, Headers, int, int]
"""The first line, what the headers say, and where the body begins and ends."""


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
            rb"POST ((?:%b)?/apps/([\w.~-]+)/(batch_)?events)(?:\?([!-~]*))? HTTP/1\.1\r\n"
            % prefix,
            re.ASCII,
        )
        self._calls = calls
        self._events = events
        self._cors = cors
        self._time = time
        self._date_second = -1
        self._date = ""
        self._usual_response = b""

    def publish(
        self, line: _Line, headers: Headers, body: bytes, address: str | None
    ) -> Awaitable[Answer]:
        """Do what either publish endpoint does."""
        path, app_id, batch, query = line
        request = ApiRequest("POST", path.decode(), query.decode(), body, headers.read, address)
        endpoint = self._events.publish_batch if batch else self._events.publish
        return self._calls.signed(app_id.decode(), request, endpoint)

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
        # Of the request at the beginning of the buffer, once it was read.
        self._head: _Head | None = None

    # From Twisted

    def connectionMade(self) -> None:
        """Bound the answers that wait for the client."""
        self._watch_backlog(MAX_BACKLOG, self.timed_out)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; requests are answered one after the other."""
        if not self._buffer:
            # A request has its whole time from its first byte; a drop now and then does not renew it.
            self._lane.idle.touch(self)
            if not self._busy:
                # Nearly always a request comes whole and alone: then nothing is copied.
                head = self._read_head(data)
                if head is not None and head[-1] == len(data):
                    line, headers, begin, _ = head
                    self._answer(line, headers, data[begin:])
                    return
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

    # Our own

    def _watch_backlog(self, limit: int, call: Callable[[], None] | None) -> None:
        transport = innermost(self.transport)
        transport.max_backlog, transport.on_backlog = limit, call

    def _go_on(self) -> None:
        buffer = self._buffer
        while buffer and not self._busy:
            head = self._head or self._read_head(buffer)
            if head is None:
                if len(buffer) > MAX_HEAD or b"\r\n\r\n" in buffer:
                    self._leave_lane()
                return
            line, headers, begin, end = head
            if len(buffer) < end:
                self._head = head
                return
            body = bytes(buffer[begin:end])
            del buffer[:end]
            self._head = None
            self._answer(line, headers, body)

    def _read_head(self, data: bytes | bytearray) -> _Head | None:
        """Read the head at the beginning of ``data``; None when it is not complete, or not for this lane."""
        end = data.find(b"\r\n\r\n") + 4
        line = self._lane.usual.match(data) if 4 <= end <= MAX_HEAD else None
        headers = read_headers(bytes(data[line.end() : end])) if line else None
        if line is None or headers is None or headers.length > self._lane.max_request_size:
            return None
        return line.groups(b""), headers, end, end + headers.length

    def _leave_lane(self) -> None:
        self._watch_backlog(0, None)
        self._lane.idle.forget(self)
        data = bytes(self._buffer)
        self._buffer.clear()
        hand_over(self, self._lane.slow_lane(), data)

    def _answer(self, line: _Line, headers: Headers, body: bytes) -> None:
        self._busy = True
        unfinished = start(self._publish(line, headers, body))
        if unfinished is not None:
            unfinished.addCallbacks(lambda _: self._resume(), self._broken)

    async def _publish(self, line: _Line, headers: Headers, body: bytes) -> None:
        lane, (read, _, keep_alive) = self._lane, headers
        address_of = lane.address_of
        address = address_of and address_of(self.transport, read.get(FORWARDED_HEADER, ""))
        answer = await lane.publish(line, headers, body, address)
        self.transport.write(lane.response(answer, read.get("origin"), close=not keep_alive))
        if keep_alive:
            self._busy = False
        else:
            lane.closing.close(self.transport)

    def _broken(self, failure: Failure) -> None:
        _log.failure("Bug while answering a publish; its connection ends", failure)
        self.transport.abortConnection()

    def _resume(self) -> None:
        if self.connected and not self._busy:
            self.transport.resumeProducing()
            self._lane.idle.touch(self)
            self._go_on()
