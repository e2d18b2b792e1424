"""Who may connect, in which order it is decided, and what is said about it."""

from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.doubles import InstantClock, LateAdapter, Node, now
from txpusher import errors
from txpusher.adapters.memory import Hub, MemoryAdapter
from txpusher.apps.memory import MemoryApps
from txpusher.core.admission import LOGGED_ORIGINS, Admission
from txpusher.core.occurrences import ConnectionRefused
from txpusher.core.running import start
from txpusher.model import App, Limits
from txpusher.protocol.handshakes import Handshake

APP = App("1", "key", "secret")
GOOD = Handshake(key="key", protocol="7", version="8.4.0", origin=None, secure=False)


class Apps:
    """An app store with one app."""

    def __init__(self, app):
        self.app = app

    async def by_key(self, key):
        return self.app if key == self.app.key else None


def admission(app=APP, node=None, **options):
    node = node or Node()
    return Admission(Apps(app), node.registry, **options), node


def refused(app, handshake=GOOD, *, closing=False, node=None, **options):
    """Give the error that turned a client away; check that it was told with its reason."""
    checks, node = admission(app, node, **options)
    checks.closing = closing
    with pytest.raises(errors.ConnectionEnded) as caught:
        now(checks.admit(handshake))
    (told,) = node.told.take(ConnectionRefused)
    assert told.reason == caught.value.reason
    return type(caught.value), told.app_id


@pytest.mark.parametrize("protocol", ["5", "6", "7", None])
def test_a_client_is_admitted(protocol):
    """A known key, and a protocol we speak or none, are enough."""
    checks, node = admission()
    assert now(checks.admit(GOOD._replace(protocol=protocol))) is APP
    assert not node.told


# Each refusal: the app, the handshake, the server, and the error. Further down comes what is checked later; each is
# tested together with all those below it.
DISABLED = replace(APP, enabled=False)
TLS = replace(APP, tls_only=True)
ORIGINS = replace(APP, allowed_origins=("example.com",))
QUOTA = replace(APP, limits=Limits(max_connections=0))
WORST = replace(
    DISABLED, tls_only=True, allowed_origins=("example.com",), limits=Limits(max_connections=0)
)
REFUSALS = [
    (
        APP,
        {"key": None, "protocol": "1"},
        {"closing": True, "max_connections": 0},
        errors.ShuttingDown,
        "",
    ),
    (APP, {"key": None, "protocol": "1"}, {"max_connections": 0}, errors.PathNotFound, ""),
    (APP, {"key": "x", "protocol": "1"}, {"max_connections": 0}, errors.UnsupportedProtocol, ""),
    (APP, {"key": "x", "protocol": None, "version": "x"}, {"strict": True}, errors.NoProtocol, ""),
    (APP, {"key": "x", "version": "x"}, {"strict": True}, errors.InvalidVersion, ""),
    (
        WORST,
        {"key": "x", "origin": "http://evil.org"},
        {"max_connections": 0},
        errors.UnknownApp,
        "",
    ),
    (WORST, {"origin": "http://evil.org"}, {"max_connections": 0}, errors.AppDisabled, "1"),
    (
        replace(WORST, enabled=True),
        {"origin": "http://evil.org"},
        {"max_connections": 0},
        errors.TlsRequired,
        "1",
    ),
    (
        replace(WORST, enabled=True),
        {"origin": "http://evil.org", "secure": True},
        {"max_connections": 0},
        errors.OriginNotAllowed,
        "1",
    ),
    (
        replace(WORST, enabled=True),
        {"origin": "http://example.com", "secure": True},
        {"max_connections": 0},
        errors.OverCapacity,
        "1",
    ),
    (
        replace(WORST, enabled=True),
        {"origin": "http://example.com", "secure": True},
        {},
        errors.OverQuota,
        "1",
    ),
]


@pytest.mark.parametrize(
    ("app", "handshake", "options", "error", "app_id"),
    REFUSALS,
    ids=[row[3].__name__ for row in REFUSALS],
)
def test_the_first_thing_wrong_is_what_is_told(app, handshake, options, error, app_id):
    """Of several reasons against a client the earliest in the order of the checks is told and counted."""
    assert refused(app, GOOD._replace(**handshake), **options) == (error, app_id)


def test_every_refusal_has_its_own_code():
    """The client can tell the reasons apart by their close codes."""
    codes = [error.code for *_, error, _ in REFUSALS]
    assert codes == [4200, 4005, 4007, 4008, 4006, 4001, 4003, 4000, 4009, 4100, 4004]


def test_connecting_too_often():
    """An address that connects more often than it may is refused, and may again when its time has come."""
    node = Node()
    checks, _ = admission(node=node, max_connects_per_minute=2)
    client, other = (GOOD._replace(address=address) for address in ("203.0.113.7", "203.0.113.8"))
    for _ in range(2):
        assert now(checks.admit(client)) is APP
    for _ in range(5):
        with pytest.raises(errors.ConnectRateExceeded):
            now(checks.admit(client))
    assert now(checks.admit(other)) is APP
    node.clock.advance(29)
    with pytest.raises(errors.ConnectRateExceeded):
        now(checks.admit(client))
    node.clock.advance(1)
    # None of those refused cost anything.
    assert now(checks.admit(client)) is APP


def test_connecting_too_often_is_told():
    """It is counted by its reason, and the client comes back after a while (4100)."""
    checks, node = admission(max_connects_per_minute=1)
    now(checks.admit(GOOD._replace(address="203.0.113.7")))
    with pytest.raises(errors.ConnectRateExceeded) as caught:
        now(checks.admit(GOOD._replace(address="203.0.113.7")))
    assert caught.value.code == 4100
    assert node.told == [ConnectionRefused("", "connect_rate")]


def test_guessing_keys_is_limited():
    """Attempts with unknown keys and wrong paths count, and are refused before anything is looked up."""
    checks, _ = admission(max_connects_per_minute=2)
    stranger = GOOD._replace(key="x", address="203.0.113.7")
    for handshake, error in (
        (stranger, errors.UnknownApp),
        (stranger._replace(key=None), errors.PathNotFound),
        (stranger, errors.ConnectRateExceeded),
        (stranger._replace(key=None), errors.ConnectRateExceeded),
    ):
        with pytest.raises(error):
            now(checks.admit(handshake))
    checks.closing = True
    with pytest.raises(errors.ShuttingDown):
        now(checks.admit(stranger))


def test_clients_without_an_address():
    """Clients of a UNIX socket have no limit."""
    checks, _ = admission(max_connects_per_minute=1)
    for _ in range(5):
        assert now(checks.admit(GOOD)) is APP


def test_a_refused_origin_is_logged_once():
    """A page that tries again and again is counted each time, and logged the first time for each app."""
    node = Node()
    checks, _ = admission(ORIGINS, node)
    others = Admission(Apps(replace(ORIGINS, id="2")), node.registry)
    with capturedLogs() as logs:
        for origin in ("https://evil.org", "https://evil.com", "https://evil.org", None):
            with pytest.raises(errors.OriginNotAllowed):
                now(checks.admit(GOOD._replace(origin=origin)))
        with pytest.raises(errors.OriginNotAllowed):
            now(others.admit(GOOD._replace(origin="https://evil.org")))
    assert [(log["origin"], log["app_id"]) for log in logs] == [
        ("https://evil.org", "1"),
        ("https://evil.com", "1"),
        ("(none)", "1"),
        ("https://evil.org", "2"),
    ]
    assert len(node.told.of(ConnectionRefused)) == 5


def test_refused_origins_fill_neither_the_log_nor_the_memory():
    """Made-up origins are cut, and logged up to a number; the rest is counted."""
    checks, node = admission(ORIGINS)
    with capturedLogs() as logs:
        for number in range(LOGGED_ORIGINS + 5):
            with pytest.raises(errors.OriginNotAllowed):
                now(checks.admit(GOOD._replace(origin=f"https://{number}." + "x" * 10_000)))
    *each, last = logs
    assert len(each) == LOGGED_ORIGINS
    assert {len(log["origin"]) for log in each} == {200}
    assert last["count"] == LOGGED_ORIGINS
    assert len(node.told.of(ConnectionRefused)) == LOGGED_ORIGINS + 5


def test_a_foreign_origin_is_logged():
    """The operator can read which origin was refused for which app, to put it into the setting."""
    with capturedLogs() as logs:
        refused(ORIGINS, GOOD._replace(origin="https://evil.org"))
    assert [(log["origin"], log["app_id"]) for log in logs] == [("https://evil.org", "1")]
    with capturedLogs() as logs:
        refused(ORIGINS, GOOD._replace(origin="https://\xe9vil.org\x1bc\x85"))
    assert [log["origin"] for log in logs] == ["https://\xe9vil.org" + r"\x1bc\x85"]
    with capturedLogs():
        assert refused(ORIGINS)[0] is errors.OriginNotAllowed


def test_a_tls_only_app_takes_tls():
    """A secure connection to an app for TLS only is admitted."""
    checks, _ = admission(TLS)
    assert now(checks.admit(GOOD._replace(secure=True))) is TLS


def test_the_quota_counts_the_apps_connections():
    """An app takes as many connections as it may have, and another one when one has gone."""
    node = Node()
    app = replace(APP, limits=Limits(max_connections=1))
    checks, _ = admission(app, node)
    other = node.connect(App("2", "other", "secret"))
    assert now(checks.admit(GOOD)) is app
    client = node.connect(app)
    assert refused(app, node=node)[0] is errors.OverQuota
    client.leave()
    assert now(checks.admit(GOOD)) is app
    assert not other.connection.closed


def test_the_node_counts_all_connections():
    """A full server refuses clients of every app."""
    node = Node()
    checks, _ = admission(APP, node, max_connections=2)
    node.connect(App("2", "other", "secret"))
    assert now(checks.admit(GOOD)) is APP
    client = node.connect()
    assert refused(APP, node=node, max_connections=2)[0] is errors.OverCapacity
    client.leave()
    assert now(checks.admit(GOOD)) is APP


def test_a_late_app_store_is_awaited():
    """The answer of an app store that needs time decides when it comes."""
    checks, node = admission()
    found = Deferred()

    async def by_key(key):
        return await found

    checks._apps.by_key = by_key
    admitted = Deferred.fromCoroutine(checks.admit(GOOD))
    assert not admitted.called
    found.callback(None)
    outcome = []
    admitted.addErrback(lambda failure: outcome.append(failure.type))
    assert outcome == [errors.UnknownApp]
    assert node.told.of(ConnectionRefused) == [ConnectionRefused("", "unknown_app")]


def test_an_app_store_that_is_away():
    """While the app cannot be looked up, the client is asked to come back in a second; it is no bug."""
    checks, node = admission()

    async def away(key):
        raise errors.ServiceUnavailable("no database")

    checks._apps.by_key = away
    with pytest.raises(errors.AppsUnavailable) as caught:
        now(checks.admit(GOOD))
    assert caught.value.code == 4100
    assert node.told == [ConnectionRefused("", "apps_unavailable")]


def test_an_app_that_is_gone_when_the_store_answers():
    """A late answer does not revive an app that the store has told is gone."""
    node = Node()
    node.connect(APP)
    looking = Deferred()

    class LateApps(MemoryApps):
        async def by_key(self, key):
            await looking
            return APP

    admitted = Deferred.fromCoroutine(
        Admission(LateApps([APP]), node.registry).admit(
            Handshake("key", "7", None, None, secure=False)
        )
    )
    node.registry.app_changed("1", None)
    looking.callback(None)
    with pytest.raises(errors.UnknownApp):
        admitted.result.raiseException()
    admitted.addErrback(lambda _: None)


def test_an_app_that_changes_while_the_other_nodes_are_asked():
    """Whoever waits for a place gets in under the settings that hold by then, or not at all."""
    limited = replace(APP, limits=Limits(max_connections=5))
    node = Node(LateAdapter(MemoryAdapter(Hub(InstantClock())), ["set"]))
    node.connect(limited)
    checks, _ = admission(limited, node)
    changes = (replace(limited, client_events=True), replace(limited, enabled=False), None)
    outcomes = []
    for change in changes:
        start(checks.admit(GOOD)).addBoth(outcomes.append)
        node.registry.app_changed("1", change)
        node.adapter.answer("set")
        node.registry.app_changed("1", limited)
    assert outcomes[0] == changes[0]
    assert [outcome.type for outcome in outcomes[1:]] == [errors.AppDisabled, errors.UnknownApp]
