"""The metrics listener, over a transport in memory."""

from io import StringIO

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from txpusher.metrics import page

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# What Prometheus 3 sends.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


class Three(Collector):
    """Counts to three."""

    def collect(self):
        """Give the one family."""
        return [CounterMetricFamily("calls_total", "Calls", value=3)]


@pytest.fixture
def clock():
    """Make a clock."""
    return Clock()


@pytest.fixture
def connection(clock):
    """Open a connection to a site that shows one counter."""
    registry = CollectorRegistry()
    registry.register(Three())
    protocol = page.site(registry, clock).buildProtocol(None)
    transport = StringTransportWithDisconnection()
    transport.protocol = protocol
    protocol.makeConnection(transport)
    return transport


def ask(connection, path, method="GET", accept=None):
    """Ask, and give the status, the headers and the body."""
    connection.clear()
    accepting = f"Accept: {accept}\r\n" if accept else ""
    connection.protocol.dataReceived(
        f"{method} {path} HTTP/1.1\r\nHost: x\r\n{accepting}\r\n".encode()
    )
    head, _, body = connection.value().decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, body


def test_plain_text(connection):
    """Without an Accept header the page is in the format that all scrapers know."""
    status, headers, body = ask(connection, "/metrics")
    assert (status, headers["content-type"]) == (200, PLAIN)
    assert int(headers["content-length"]) == len(body)
    assert body == "# HELP calls_total Calls\n# TYPE calls_total counter\ncalls_total 3.0\n"


@pytest.mark.parametrize("accept", ["application/openmetrics-text", PROMETHEUS])
def test_openmetrics(connection, accept):
    """Who asks for OpenMetrics gets it."""
    status, headers, body = ask(connection, "/metrics", accept=accept)
    assert status == 200
    assert headers["content-type"].startswith(OPENMETRICS)
    assert body == "# HELP calls Calls\n# TYPE calls counter\ncalls_total 3.0\n# EOF\n"


@pytest.mark.parametrize("accept", ["text/plain; version=x", "text/html,*/*;q=0.1", ";;=,", "é"])
def test_odd_accept_headers(connection, accept):
    """Who asks for what there is not, or cannot be understood, gets the plain format."""
    status, headers, _ = ask(connection, "/metrics", accept=accept)
    assert (status, headers["content-type"]) == (200, PLAIN)


def test_head(connection):
    """HEAD gets the headers of GET and no body, on a connection that lives on."""
    _, expected, body = ask(connection, "/metrics")
    status, headers, nothing = ask(connection, "/metrics", "HEAD")
    assert (status, nothing) == (200, "")
    assert headers["content-length"] == str(len(body))
    assert headers.keys() == expected.keys()


def test_query(connection):
    """A query changes nothing."""
    assert ask(connection, "/metrics?x=1")[2].endswith("calls_total 3.0\n")


def test_root_points_to_the_page(connection):
    """Whoever opens the port in a browser is told where to go."""
    status, headers, body = ask(connection, "/")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert "/metrics" in body


@pytest.mark.parametrize("path", ["/metrics/", "/metrics/x", "/up", "/favicon.ico", "//"])
def test_other_paths(connection, path):
    """All other paths are 404, in text."""
    status, headers, body = ask(connection, path)
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert "/metrics" in body


def test_other_methods(connection):
    """The page can only be read."""
    for method in ("POST", "BREW"):
        status, headers, body = ask(connection, "/metrics", method)
        assert (status, headers["allow"]) == (405, "get, head")
        assert "GET" in body


@pytest.mark.parametrize("path", ["/metrics", "/", "/x"])
def test_nobody_is_told_what_serves_it(connection, path):
    """No answer names the library or its version."""
    assert "server" not in ask(connection, path)[1]


def test_idle_connections_end(clock, connection):
    """A scraper may stay connected between scrapes, and one that does not come back is not waited for."""
    ask(connection, "/metrics")
    clock.advance(60)
    assert connection.connected
    clock.advance(page.IDLE_TIMEOUT)
    assert not connection.connected


def test_no_log_lines(connection):
    """A scrape does not write to the access log."""
    connection.protocol.site.logFile = log = StringIO()
    ask(connection, "/metrics")
    assert not log.getvalue()


# Numbers that come from elsewhere


@pytest.fixture
def gathering(clock):
    """Open a connection to a site that waits for its numbers, and give what it waits for as well."""

    def gather():
        waiting.append(Deferred())
        return waiting[-1]

    waiting, registry = [], CollectorRegistry()
    registry.register(Three())
    protocol = page.site(registry, clock, gather).buildProtocol(None)
    transport = StringTransportWithDisconnection()
    transport.protocol = protocol
    protocol.makeConnection(transport)
    return transport, waiting


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_gathering(gathering, method):
    """The page is shown when the numbers have come, and not before."""
    connection, waiting = gathering
    connection.protocol.dataReceived(f"{method} /metrics HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert connection.value() == b""
    waiting[0].callback(None)
    head, _, body = connection.value().decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert body.endswith("calls_total 3.0\n") == (method == "GET")
    assert connection.connected


def test_a_scraper_that_does_not_wait(gathering):
    """Who has left gets no page."""
    connection, waiting = gathering
    connection.protocol.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.loseConnection()
    waiting[0].callback(None)
    assert connection.value() == b""
