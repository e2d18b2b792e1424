"""Connections to the receivers of webhooks: kept for the next request, quiet, and with a bound on what they read.

They are kept shorter than receivers keep them: gunicorn closes after two seconds of silence, Node and uvicorn after
five, and a POST that meets the closing fails.

twisted.web reads the head of an answer without a bound; here its bytes are counted until it is complete, with all the
informational answers (103 and the like) that may come before it. And it keeps every connection whose answer does not
say exactly ``close``, so that the next request of all fails where a receiver speaks HTTP/1.0 or writes ``Close``.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger, LogPublisher
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol, HTTPClientParser
from twisted.web.client import HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.iweb import IResponse
from zope.interface import implementer

IDLE_TIME = 1
"""Seconds that a connection is kept without a request."""
IDLE_CONNECTIONS = 20
"""Connections to one host that are kept."""
MOST_OF_HEAD = 64 * 1024
"""Bytes of an answer until its head is complete; a longer one ends the connection."""

_SILENCE = Logger(observer=LogPublisher())

T = TypeVar("T")


class HeadTooLong(Exception):
    """A receiver's answer goes on and its head is not complete."""


class _Connection(HTTP11ClientProtocol):
    """One connection; requests go by it one after the other."""

    transport: Any
    _currentRequest: Any
    _room = MOST_OF_HEAD
    _in_head = False

    def request(self, request: Any) -> Deferred[IResponse]:
        """Send a request, and wait for the head of its answer.

        Returns:
            A Deferred that fails, among other things, with `ResponseFailed` because of `HeadTooLong`.
        """
        self._room, self._in_head = MOST_OF_HEAD, True
        answer = super().request(request)
        if self._parser is not None:
            # The bound of twisted.web on a line is below that on the head, and does not say why it closes.
            self._parser.MAX_LENGTH = MOST_OF_HEAD
            # It logs every informational answer, and not whose it is.
            self._parser._log = _SILENCE  # noqa: SLF001 - there is no other way to
        return answer.addBoth(self._head_is_over)

    def dataReceived(self, bytes: bytes) -> None:  # noqa: A002
        super().dataReceived(bytes)
        if self._in_head:
            self._room -= len(bytes)
            if self._room < 0:
                self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(Failure(HeadTooLong()) if self._room < 0 else reason)

    def _head_is_over(self, result: T) -> T:
        self._in_head = False
        return result

    def _finishResponse(self, rest: bytes) -> None:
        if self._parser is not None and not _is_kept(self._parser):
            self._currentRequest.persistent = False
        super()._finishResponse(rest)


def _is_kept(answer: HTTPClientParser) -> bool:
    """Tell whether a receiver keeps the connection after this answer.

    Source: RFC 9112, section 9.3.
    """
    written = answer.connHeaders.getRawHeaders(b"Connection", [])
    words = {word.strip().lower() for line in written for word in line.split(b",")}
    is_old = answer.response.version < (b"HTTP", 1, 1)
    return b"close" not in words and (b"keep-alive" in words or not is_old)


class _Factory(_HTTP11ClientFactory):
    def buildProtocol(self, addr: IAddress | None) -> HTTP11ClientProtocol:
        return _Connection(self._quiescentCallback)


class Pool(HTTPConnectionPool):
    """Makes connections, and keeps those that are idle.

    Args:
        reactor: tells the time.
    """

    _factory = _Factory
    maxPersistentPerHost = IDLE_CONNECTIONS
    cachedConnectionTimeout = IDLE_TIME

    def getConnection(self, key: Hashable, endpoint: Any) -> Deferred[Any]:
        """Give a connection that was kept, or a new one."""
        return super().getConnection(key, _Quietly(endpoint))


@implementer(IStreamClientEndpoint)
class _Quietly:
    """Connects without the two lines in the log that Twisted writes for every connection."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        protocolFactory.noisy = False
        connecting: Deferred[Any] = self._endpoint.connect(protocolFactory)
        return connecting
