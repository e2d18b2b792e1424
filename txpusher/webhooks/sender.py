"""Sends webhook requests; this and `connections` are the only files that know twisted.web's HTTP client.

Certificates are verified against the system's authorities, or those in the file that the variable SSL_CERT_FILE names.
Redirects are not followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from OpenSSL.SSL import Error as TLSError
from service_identity import VerificationError
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import TimeoutError as NoAnswer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    HostnameCachingHTTPSPolicy,
    RequestTransmissionFailed,
    ResponseFailed,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from txpusher.webhooks.connections import HeadTooLong, Pool
from txpusher.webhooks.resolving import ResolvingReactor, ThreadedResolver, TooManyLookups

if TYPE_CHECKING:
    from twisted.internet.interfaces import IConsumer, ITransport
    from twisted.web.iweb import IAgent, IResponse

    from txpusher.webhooks.request import Request

MOST_OF_ANSWER = 64 * 1024
"""Bytes of an answer's body that are read for the sake of the connection; a longer one ends it."""
_WORDS: dict[type[Exception], str] = {
    NoAnswer: "no answer in time",
    HeadTooLong: "the head of its answer is too long",
    TooManyLookups: "too many hosts are being looked up",
    VerificationError: "TLS: its certificate is for another host",
}


class Sender:
    """Makes HTTP requests.

    Args:
        reactor: connects, takes the answers of name servers from threads, and tells the time.
        agent: sends; by default one as the module says.
    """

    def __init__(self, reactor: Any, agent: IAgent | None = None) -> None:
        self._clock = reactor
        self._pool = Pool(reactor)
        # Reading all the authorities takes milliseconds; it is done once for a host, not for every connection.
        policy = HostnameCachingHTTPSPolicy(BrowserLikePolicyForHTTPS())
        resolving = ResolvingReactor(reactor, ThreadedResolver(reactor))
        self._agent = agent or Agent(resolving, policy, pool=self._pool)

    async def send(self, request: Request) -> str | None:
        """Send a request and wait for the status; the answer's body is read and thrown away.

        Returns:
            None when it was answered 2xx, else what was wrong, without anything secret.
        """
        give_up = self._clock.seconds() + request.timeout
        headers = Headers()
        for name, value in request.headers:
            headers.addRawHeader(name, value)
        try:
            # It may also raise at once, as on some host names.
            asked = self._agent.request(b"POST", _uri(request.url), headers, _Body(request.body))
            asked.addTimeout(request.timeout, self._clock, _no_answer)
            response = await asked
        except Exception as error:  # noqa: BLE001 - whatever it is, the receiver was not told
            return _in_words(error)
        # The status is the answer; what becomes of the body changes nothing.
        await _thrown_away(response, max(0, give_up - self._clock.seconds()), self._clock)
        return None if 200 <= response.code < 300 else f"it answered {response.code}"

    def close(self) -> None:
        """Keep no connection any longer."""
        self._pool.closeCachedConnections()


@implementer(IBodyProducer)
class _Body:
    """Writes a body at once; twisted.web's own producer wants the global reactor."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing is left to pause."""

    resumeProducing = stopProducing = pauseProducing


class _Discard(Protocol):
    """Reads the body of an answer, and closes the connection when it is too long."""

    transport: ITransport

    def __init__(self) -> None:
        self._room = MOST_OF_ANSWER
        self.over: Deferred[None] = Deferred(lambda _: self._close())

    def dataReceived(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.over.called:
            self.over.callback(None)

    def _close(self) -> None:
        self.transport.loseConnection()


async def _thrown_away(response: IResponse, seconds: float, clock: Any) -> None:
    discard = _Discard()
    response.deliverBody(discard)
    discard.over.addTimeout(seconds, clock, lambda *_: None)
    await discard.over


def _uri(url: str) -> bytes:
    # Twisted asks for "?a=b" where an address has a query and no path before it.
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path or "/")).encode()


def _no_answer(result: object, seconds: float) -> Failure:
    return Failure(NoAnswer())


def _in_words(error: BaseException) -> str:
    # The texts of errors may quote what they were about; their classes do not.
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    match error:
        case ResponseFailed() | RequestTransmissionFailed():
            return ", ".join(_in_words(reason.value) for reason in error.reasons)
        case TLSError(args=(list(problems), *_)):
            return "TLS: " + ", ".join(problem[-1] for problem in problems)
        case _:
            return type(error).__name__
