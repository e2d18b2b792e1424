"""``GET /metrics``, on a listener of its own: what is scraped should not be as public as what clients talk to.

Not `prometheus_client.twisted.MetricsResource`: that renders in a thread pool, where the registry would read numbers
that the reactor's thread is changing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import choose_encoder
from twisted.internet.defer import Deferred
from twisted.web.http import NOT_ALLOWED, NOT_FOUND
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry
    from twisted.web.server import Request

    from txpusher.interfaces import Clock

IDLE_TIMEOUT = 120
"""Seconds; above the minute between two scrapes that is Prometheus's default, so that its connection lives on."""


def site(
    registry: CollectorRegistry, clock: Clock, gather: Callable[[], Awaitable[None]] | None = None
) -> Site:
    """Make the site of the metrics listener.

    Args:
        registry: is shown at ``/metrics``.
        clock: ends idle connections.
        gather: is awaited before the registry is shown, where numbers come from elsewhere; must not fail.
    """
    page = MetricsPage(registry) if gather is None else GatheredPage(registry, gather)
    return _QuietSite(
        _Pages(page),
        reactor=clock,
        timeout=IDLE_TIMEOUT,
        parsePOSTFormSubmission=False,
    )


class MetricsPage(Resource):
    """Shows a registry, in the format that the ``Accept`` header asks for.

    Args:
        registry: what to show.
    """

    isLeaf = True

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:
        """Collect and show everything; HEAD comes here, too."""
        encode, content_type = _encoder(request.getHeader("accept") or "")
        return _answer(request, content_type, encode(self._registry))


class GatheredPage(MetricsPage):
    """Shows a registry after its numbers have come.

    Args:
        registry: what to show.
        gather: is awaited before.
    """

    def __init__(self, registry: CollectorRegistry, gather: Callable[[], Awaitable[None]]) -> None:
        super().__init__(registry)
        self._gather = gather

    def render_GET(self, request: Request) -> Any:
        """Begin to gather; the page follows."""
        left: list[object] = []
        request.notifyFinish().addErrback(left.append)

        async def show() -> None:
            await self._gather()
            if not left:
                request.write(super(GatheredPage, self).render_GET(request))
                request.finish()

        Deferred.fromCoroutine(show())
        return NOT_DONE_YET


class _Text(Resource):
    """Says something short."""

    def __init__(self, text: str, status: int = 200) -> None:
        super().__init__()
        self._text = text
        self._status = status

    def render_GET(self, request: Request) -> bytes:
        request.setResponseCode(self._status)
        return _answer(request, "text/plain; charset=utf-8", self._text.encode())


class _Pages(Resource):
    """All paths of the listener."""

    isLeaf = True

    def __init__(self, metrics: MetricsPage) -> None:
        super().__init__()
        index = _Text("The metrics of txpusher are at /metrics\n")
        self._pages: dict[bytes, MetricsPage | _Text] = {b"/metrics": metrics, b"/": index}
        self._missing = _Text("There is nothing here; metrics are at /metrics\n", NOT_FOUND)
        self._wrong_method = _Text("Metrics can only be read: use GET or HEAD\n", NOT_ALLOWED)

    def render(self, request: Request) -> Any:
        # twisted.web would tell its name and version.
        request.responseHeaders.removeHeader(b"server")
        if request.method not in {b"GET", b"HEAD"}:
            request.setHeader("Allow", "GET, HEAD")
            return self._wrong_method.render_GET(request)
        return self._pages.get(request.path, self._missing).render_GET(request)


class _QuietSite(Site):
    def log(self, request: Any) -> None:
        """Write no line per scrape."""


def _encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """Choose the format; the older text format where the header cannot be understood."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # prometheus_client compares "version=x" with a number
        return choose_encoder("")


def _answer(request: Request, content_type: str, body: bytes) -> bytes:
    request.setHeader("Content-Type", content_type)
    request.setHeader("Content-Length", str(len(body)))
    # twisted.web logs a body that comes with HEAD.
    return b"" if request.method == b"HEAD" else body
