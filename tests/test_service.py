"""The whole server in memory: what starts, what is served where, and in which order it stops."""

import json
import time
from dataclasses import replace

import pytest
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure

from tests.doubles import now
from tests.socket_doubles import Reactor, connected
from tests.wire_doubles import HttpClient, SocketClient, event, http, publish
from txpusher import __version__
from txpusher.config import DEMO_APP, Config
from txpusher.errors import BadRequest, ConfigError, Forbidden, NotFound, PayloadTooLarge
from txpusher.interfaces import CountTold, Health
from txpusher.model import App, Counts, Event, Limits, PresenceMember, WebhookTarget
from txpusher.service import LEAVING_TIME, PusherService
from txpusher.transport import BufferingTCPServer, EagerTCPServer

APP = App("1", "key", "secret", limits=Limits(max_event_size=10))
UP = http("GET", "/up")
METRICS = http("GET", "/metrics")


@pytest.fixture(autouse=True)
def open_files(monkeypatch):
    """The limits of the process that runs the tests stay as they are."""
    monkeypatch.setattr("txpusher.service.raise_open_files", lambda: 1050)


class Server:
    """A service on a reactor of its own.

    Args:
        settings: of its `Config`.
    """

    def __init__(self, **settings):
        self.reactor = Reactor()
        self.config = Config(**{"app_list": (APP,), **settings})
        self.service = PusherService(self.config, self.reactor)

    def start(self):
        self.service.privilegedStartService()
        self.service.startService()
        return self

    def protocol(self, number=0):
        return self.reactor.ports[number].factory.buildProtocol(None)

    def http(self, number=0):
        return HttpClient(self.protocol(number))

    def socket(self, path="/app/key?protocol=7"):
        return SocketClient(self.protocol(), path)

    def publish(self, headers=None, **fields):
        now = str(int(time.time()))
        return publish(event(**fields), app=APP, auth_timestamp=now, headers=headers)

    def metric(self, line):
        """Give the value of a sample on the metrics page, or None."""
        page = self.http(1).ask(METRICS).body.decode()
        values = [
            text.removeprefix(line) for text in page.splitlines() if text.startswith(line + " ")
        ]
        return float(values[0]) if values else None


def ended(deferred):
    """Give the failure of a Deferred that has to have failed."""
    failures = []
    deferred.addErrback(failures.append)
    return failures[0].value


def closed(socket):
    """Give the code that a client was closed with."""
    return socket.frames()[-1].code


# Starting


def test_everything_is_served():
    """A started server takes WebSockets, publishes and questions on one port, and shows its metrics on another."""
    server = Server().start()
    assert server.service.addresses() == ["127.0.0.1:6001"]
    socket = server.socket()
    socket.say("pusher:subscribe", {"channel": "news"})
    socket.take()
    assert server.http().ask(server.publish()).status == 200
    server.reactor.advance(0)
    assert socket.messages()[0]["data"] == "hello"
    assert server.http().ask(UP).body == b"OK"
    assert server.metric('txpusher_connected{app_id="1",port="6001"}') == 1
    assert server.http(0).ask(METRICS).status == 404


def test_ports_are_bound_once_and_early():
    """The ports are bound while the process may still bind any; starting does not bind them again."""
    server = Server()
    server.service.privilegedStartService()
    assert len(server.reactor.ports) == 2
    server.service.startService()
    assert len(server.reactor.ports) == 2


def test_a_start_without_privileges():
    """An application may start the service alone, too."""
    server = Server()
    server.service.startService()
    assert len(server.reactor.ports) == 2


def test_an_address_that_is_taken():
    """An address that cannot be listened on is an error while the privileges are still there."""
    server = Server()
    server.reactor.taken[6001] = CannotListenError("127.0.0.1", 6001, OSError("taken"))
    with pytest.raises(ConfigError, match=r"^--listen: tcp:6001.*taken"):
        server.service.privilegedStartService()


def test_a_part_of_an_application():
    """An application may parent the service and start and stop it with everything else."""
    server, application = Server(), MultiService()
    server.service.setServiceParent(application)
    application.privilegedStartService()
    application.startService()
    assert server.http().ask(UP).status == 200
    stopping = application.stopService()
    server.reactor.advance(60)
    assert stopping.called
    assert application.getServiceNamed("txpusher") is server.service


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"adapter": "nonsense://"}, "--adapter"),
        ({"apps": "nonsense://", "app_list": ()}, "--apps"),
        ({"listen": ("tcp:x",)}, "--listen"),
        ({"metrics": "tcp:x"}, "--metrics"),
    ],
)
def test_a_wrong_setting(settings, option):
    """A setting that cannot be used is refused with the option it came by."""
    with pytest.raises(ConfigError) as caught:
        Server(**settings)
    assert caught.value.setting == option


def test_apps_of_a_store(tmp_path):
    """Apps may come from a file; they are known to the metrics before anybody connects."""
    path = tmp_path / "apps.toml"
    path.write_text('[[app]]\nid = "7"\nkey = "seven"\nsecret = "s"\n')
    server = Server(app_list=(), apps=f"file://{path}").start()
    assert server.socket("/app/seven").answer.startswith("HTTP/1.1 101")
    assert server.metric('txpusher_connected{app_id="7",port="6001"}') == 1


def test_a_store_with_the_secret_that_everybody_knows(tmp_path):
    """An app with the demo app's secret is not served to strangers, wherever it comes from."""
    path = tmp_path / "apps.toml"
    path.write_text(f'[[app]]\nid = "7"\nkey = "seven"\nsecret = "{DEMO_APP.secret}"\n')
    with pytest.raises(ConfigError):
        Server(app_list=(), apps=f"file://{path}", listen=("tcp:6001",))


def started_logs(**settings):
    server = Server(**settings)
    with capturedLogs() as logs:
        server.start()
    return [
        (log["log_level"], log["log_format"].format(**log))
        for log in logs
        if "txpusher.service" in log["log_namespace"]
    ]


def test_one_line_at_the_start():
    """The start is logged in one line that says what listens where, and how many may come."""
    ((level, text),) = started_logs(listen=("tcp:6001:interface=127.0.0.1", "unix:/run/x.sock"))
    assert level == LogLevel.info
    assert text == (
        f"txpusher {__version__} listens on 127.0.0.1:6001, unix:/run/x.sock, metrics on 127.0.0.1:9601; 1 apps, "
        "adapter memory; 1050 open files (RLIMIT_NOFILE) allow about 1000 connections"
    )


def test_no_metrics(monkeypatch):
    """Metrics may be off; and few open files allow nobody."""
    monkeypatch.setattr("txpusher.service.raise_open_files", lambda: 20)
    ((_, text),) = started_logs(metrics=None)
    assert "metrics on none;" in text
    assert text.endswith("allow about 0 connections")


def test_the_demo_app():
    """Without any app, the demo app is served, and a warning says so."""
    (level, text), _ = started_logs(app_list=())
    assert level == LogLevel.warn
    assert "app-id" in text
    assert "app-secret" not in text
    server = Server(app_list=()).start()
    assert server.socket("/app/app-key").messages()[0]["event"] == "pusher:connection_established"


@pytest.mark.parametrize(("eager", "kind"), [(True, EagerTCPServer), (False, BufferingTCPServer)])
def test_how_connections_send(eager, kind):
    """Clients' connections are ours, in the way that was asked for; the metrics' are not."""
    server = Server(eager_send=eager).start()
    assert server.reactor.ports[0].transport is kind
    assert server.reactor.ports[1].transport not in {EagerTCPServer, BufferingTCPServer}


@pytest.mark.parametrize("on", [True, False])
def test_compression(on):
    """Clients that offer compression are answered as the setting says, and counted."""
    server = Server(compression=on).start()
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    client = SocketClient(server.protocol(), headers=offer)
    assert ("permessage-deflate" in client.answer) == on
    assert server.metric('txpusher_compression_agreed_total{port="6001"}') == on


def test_an_adapter_that_does_not_start():
    """An adapter that cannot connect, at once or later, is logged, and the server serves whom it can."""
    for late in (False, True):
        server, waiting = Server(), Deferred()

        async def fail(receive, *, late=late, waiting=waiting):
            if late:
                await waiting
            raise ConnectionError

        server.service._adapter.start = fail
        with capturedLogs() as logs:
            server.start()
            waiting.callback(None)
        failures = [log for log in logs if log["log_level"] == LogLevel.critical]
        assert [log["what"] for log in failures] == ["The adapter did not start"]
        assert failures[0]["log_failure"].check(ConnectionError)
        assert server.http().ask(UP).status == 200


# Several processes


def test_one_service_is_one_process():
    """A service does not pretend to be several."""
    with pytest.raises(ConfigError, match=r"^--workers: a service is one process"):
        Server(workers=2, adapter="redis://here")


def test_sockets_of_others():
    """What listens for it may be something else than the reactor."""
    reactor, listener = Reactor(), Reactor()
    PusherService(Config(), reactor, listener=listener).privilegedStartService()
    assert [port.host.port for port in listener.ports] == [6001]
    assert [port.host.port for port in reactor.ports] == [9601]


def test_troubles_of_the_group():
    """Troubles of the processes beside it show in its health, and not in what it says of its own parts."""
    reactor = Reactor()
    config = Config(app_list=(APP,))
    service = PusherService(config, reactor, group=lambda: Health(ok=False))
    service.privilegedStartService()
    server = HttpClient(reactor.ports[0].factory.buildProtocol(None))
    assert server.ask(UP).body == b"DEGRADED"
    assert service.health().ok


def test_metrics_without_a_page():
    """Who serves it can have its metrics without HTTP."""
    families = {family.name for family in Server().start().service.metrics()}
    assert "txpusher_connected" in families


# Apps that change

SEVEN = '[[app]]\nid = "7"\nkey = "seven"\nsecret = "s"\n'
EIGHT = '[[app]]\nid = "8"\nkey = "eight"\nsecret = "s"\n'


@pytest.fixture
def stored(tmp_path):
    """A server with the apps of a file."""
    path = tmp_path / "apps.toml"
    path.write_text(SEVEN)
    server = Server(app_list=(), apps=f"file://{path}").start()
    server.path = path
    return server


def test_a_change_of_the_apps(stored):
    """A change of the store reaches clients, callers and metrics, without a restart."""
    client = stored.socket("/app/seven")
    client.take()
    stored.path.write_text(EIGHT)
    stored.reactor.pump([1, 1])
    assert closed(client) == 4001
    assert stored.socket("/app/eight").messages()[0]["event"] == "pusher:connection_established"
    assert stored.metric('txpusher_apps_known{port="6001"}') == 1
    assert stored.metric('txpusher_connected{app_id="8",port="6001"}') == 1
    assert stored.metric('txpusher_apps_reloads_total{outcome="ok",port="6001"}') == 1


def test_apps_that_cannot_be_read(stored):
    """While the new apps are wrong the old ones are served, and whoever asks is told."""
    stored.path.write_text(SEVEN + "oops")
    reload = stored.service.reload()
    assert reload.called
    assert stored.http().ask(UP).body == b"DEGRADED"
    assert stored.metric('txpusher_app_store_ok{port="6001"}') == 0
    assert stored.metric('txpusher_apps_reloads_total{outcome="failed",port="6001"}') == 1
    assert stored.socket("/app/seven").messages()[0]["event"] == "pusher:connection_established"


def test_the_well_known_secret_comes_late(tmp_path):
    """Also later on, no app with the demo app's secret is served to strangers."""
    path = tmp_path / "apps.toml"
    path.write_text(SEVEN)
    server = Server(app_list=(), apps=f"file://{path}", listen=("tcp:6001",)).start()
    path.write_text(SEVEN + EIGHT.replace('"s"', f'"{DEMO_APP.secret}"'))
    server.service.reload()
    assert closed(server.socket("/app/eight")) == 4001


def test_nothing_to_reload():
    """Apps of the command line do not change, and a reload says so."""
    with capturedLogs() as logs:
        assert Server().start().service.reload().called
    assert logs[-1]["log_format"] == "There is nothing to reload: these apps do not change"


# Settings that reach their places


def test_sizes_and_limits():
    """The limits of the configuration are those of the server."""
    server = Server(
        max_request_size=50, max_message_size=20, max_connections=1, path_prefix="/ws"
    ).start()
    assert server.http().ask(server.publish()).status == 413
    assert server.http().ask(http("GET", "/ws/up")).status == 200
    socket = server.socket("/ws/app/key")
    assert closed(server.socket()) == 4100
    socket.take()
    socket.send(1, b"x" * 21)
    assert closed(socket) == 1009


def test_limits_of_addresses():
    """How often an address may call and connect is what the configuration says, as is who tells the address."""
    server = Server(max_api_calls_per_minute=1, max_connects_per_minute=2, trusted_hops=1).start()
    statuses, codes = [], []
    for host in ("203.0.113.1", "203.0.113.1", "203.0.113.2"):
        headers = {"X-Forwarded-For": f"203.0.113.9, {host}"}
        request = server.publish(data="x", headers=headers)
        statuses.append(server.http().ask(request).status)
        sockets = [SocketClient(server.protocol(), "/app/key", headers) for _ in range(2)]
        codes += [socket.frames()[-1].opcode for socket in sockets]
    assert statuses == [200, 429, 200]
    assert codes == [1, 1, 8, 8, 1, 1]


def test_limits_of_apps_and_idempotency_keys():
    """What an app publishes is limited and remembered over HTTP; publishing in the process is neither."""
    app = replace(APP, limits=Limits(max_backend_events_per_second=2))
    server = Server(app_list=(app,)).start()
    socket = server.socket()
    socket.say("pusher:subscribe", {"channel": "news"})
    socket.take()
    once = server.publish(data="once", idempotency_key="k")
    requests = [once, once, server.publish(data="more"), server.publish(data="less")]
    assert [server.http().ask(each).status for each in requests] == [200, 200, 200, 429]
    for _ in range(3):
        assert server.service.publish("1", Event("e", ("news",), "own")).called
    server.reactor.advance(0)
    assert [message["data"] for message in socket.messages()] == ["once", "more", *["own"] * 3]


def test_strictness_and_reserved_names():
    """The switches of the configuration are those of the server."""
    server = Server(
        strict_handshake=True, allow_reserved_events=True, cors_origins=("https://a.example",)
    ).start()
    assert closed(server.socket("/app/key")) == 4008
    assert server.http().ask(server.publish(name="pusher:x", data="x")).status == 200
    assert "access-control-allow-origin" not in server.http().ask(UP).headers


def test_times():
    """The times of the configuration are those of the server."""
    server = Server(handshake_timeout=3, activity_timeout=5, pong_timeout=2).start()
    silent, client = server.http(), server.socket()
    client.take()
    server.reactor.pump([1] * 4)
    assert silent.disconnected
    server.reactor.pump([1] * 6)
    ping, _, close = client.frames()
    assert ping == (9, b"")
    assert close.code == 4201


# Webhooks

HOOK = "http://127.0.0.1:7000/hook"
HOOKED = App(
    "1", "key", "secret", webhooks=(WebhookTarget(HOOK, ("channel_occupied", "channel_vacated")),)
)


def occupy(server, channel="news"):
    socket = server.socket()
    socket.say("pusher:subscribe", {"channel": channel})
    socket.take()
    return socket


class Hook:
    """The receiver at the other end of the newest connection that the server made.

    Args:
        server: whose connection it is.
    """

    def __init__(self, server):
        (host, port, factory, *_) = server.reactor.tcpClients[-1]
        assert (host, port) == ("127.0.0.1", 7000)
        self.protocol, self.transport = factory.buildProtocol(None), StringTransport()
        self.protocol.makeConnection(self.transport)

    def take(self):
        """Read a request, accept it and give its events."""
        body = self.transport.value().partition(b"\r\n\r\n")[2]
        self.transport.clear()
        self.protocol.dataReceived(b"HTTP/1.1 204 OK\r\n\r\n")
        return [(event["name"], event["channel"]) for event in json.loads(body)["events"]]


def test_webhooks():
    """What happens is told to whom the app names, and counted."""
    server = Server(app_list=(HOOKED,)).start()
    occupy(server)
    assert server.reactor.tcpClients == []
    server.reactor.advance(0)
    labels = '{app_id="1",kind="channel_occupied",port="6001"}'
    assert server.metric(f"txpusher_webhook_queue_length{labels}") == 1
    assert Hook(server).take() == [("channel_occupied", "news")]
    assert server.metric(f"txpusher_webhooks_sent_total{labels}") == 1
    assert server.metric(f"txpusher_webhook_queue_length{labels}") == 0


def test_webhook_settings():
    """The settings about webhooks are those of the server."""
    server = Server(
        app_list=(HOOKED,),
        webhook_delay=1,
        webhook_batch_window=2,
        webhook_batch_size=3,
        webhook_queue=5,
    ).start()
    client = occupy(server, "a")
    client.say("pusher:unsubscribe", {"channel": "a"})
    server.reactor.pump([1, 1])
    hook = Hook(server)
    assert hook.take() == [("channel_occupied", "a"), ("channel_vacated", "a")]
    for channel in "bcdefghi":
        client.say("pusher:subscribe", {"channel": channel})
    labels = '{app_id="1",kind="channel_occupied",port="6001",reason="queue_full"}'
    assert server.metric(f"txpusher_webhooks_dropped_total{labels}") == 3
    assert server.http().ask(UP).body == b"DEGRADED"
    server.reactor.advance(0)
    assert hook.take() == [("channel_occupied", channel) for channel in "efg"]


def test_webhooks_of_an_app_that_is_gone(tmp_path):
    """When the file of apps names it no more, what waits for its receivers is dropped and counted."""
    path = tmp_path / "apps.json"
    table = {
        "id": "1",
        "key": "key",
        "secret": "secret",
        "webhooks": [{"url": HOOK, "event_types": ["channel_occupied"]}],
    }
    path.write_text(json.dumps([table]))
    server = Server(app_list=(), apps=path.as_uri()).start()
    client = occupy(server)
    path.write_text(json.dumps([{**table, "id": "2", "key": "other"}]))
    assert server.service.reload().called
    assert client.frames()[-1].code == 4001
    for _ in range(10):
        server.reactor.advance(1)
    labels = '{app_id="1",kind="channel_occupied",port="6001",reason="target_removed"}'
    assert server.metric(f"txpusher_webhooks_dropped_total{labels}") == 1


def test_webhooks_at_the_stop():
    """Before the server ends, it tells that everybody is gone; the rest is stopped after that."""
    server = Server(app_list=(HOOKED,), drain=5).start()
    occupy(server)
    server.reactor.advance(0)
    hook = Hook(server)
    hook.take()
    stopping = server.service.stopService()
    server.reactor.advance(1)
    assert hook.take() == [("channel_vacated", "news")]
    server.reactor.advance(0)
    assert stopping.called
    hook.protocol.connectionLost(Failure(ConnectionDone()))
    assert server.reactor.getDelayedCalls() == []


def test_who_has_gone_has_left_when_the_server_stops():
    """A client that closed just before the stop is ended in it, and its leaving is told."""
    server = Server(app_list=(HOOKED,), drain=0).start()
    client = occupy(server)
    server.reactor.advance(0)
    hook = Hook(server)
    hook.take()
    client.go_away(cleanly=True)
    server.service.stopService()
    server.reactor.advance(0)
    assert hook.take() == [("channel_vacated", "news")]


@pytest.mark.parametrize("answered", [True, False])
def test_the_stop_waits_for_the_last_leaves(answered):
    """What the roster has not taken yet has some seconds more, and then the stop goes on."""
    server = Server(drain=0).start()
    server.socket().go_away()
    server.service.registry.leaving.begin()
    stopping = server.service.stopService()
    server.reactor.pump([0, 0, LEAVING_TIME - 0.1])
    assert not stopping.called
    if answered:
        server.service.registry.leaving.end()
    else:
        server.reactor.advance(0.1)
    server.reactor.pump([0, 0])
    assert stopping.called
    assert server.reactor.getDelayedCalls() == []


@pytest.mark.parametrize(("drain", "seconds"), [(0, 1), (5, 5), (0.5, 1)])
def test_the_time_for_webhooks_at_the_stop(drain, seconds):
    """A receiver that does not answer is waited for as long as the drain may take, and for a second at least."""
    server = Server(app_list=(HOOKED,), drain=drain).start()
    occupy(server).go_away()
    server.reactor.advance(0)
    Hook(server)
    stopping = server.service.stopService()
    server.reactor.advance(seconds - 0.1)
    assert not stopping.called
    server.reactor.pump([0.1, 0])
    assert stopping.called


# For the application around it


def test_publishing_without_http():
    """An application publishes events in order, from the same process."""
    server = Server().start()
    socket = server.socket()
    socket.say("pusher:subscribe", {"channel": "news"})
    socket.take()
    published = server.service.publish(
        "1", Event("a", ("news",), "1"), Event("b", ("news", "other"), "2")
    )
    assert published.called
    server.reactor.advance(0)
    assert [(m["event"], m["data"]) for m in socket.messages()] == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize(
    ("app_id", "bad", "error"),
    [
        ("9", Event("a", ("news",), ""), NotFound),
        ("1", Event("", ("news",), ""), BadRequest),
        ("1", Event("pusher:x", ("news",), ""), BadRequest),
        ("1", Event("a", ("not valid",), ""), BadRequest),
        ("1", Event("a", ("news",), "x" * 11), PayloadTooLarge),
    ],
)
def test_the_same_rules_hold_for_the_application(app_id, bad, error):
    """An event that breaks a rule fails, and nothing that was to be published with it is."""
    server = Server().start()
    socket = server.socket()
    socket.say("pusher:subscribe", {"channel": "news"})
    socket.take()
    failed = ended(server.service.publish(app_id, Event("a", ("news",), "1"), bad))
    assert isinstance(failed, error)
    assert socket.messages() == []


def test_a_disabled_app_publishes_nothing():
    """An app that is switched off is so for the application around the server, too."""
    off = App("1", "key", "secret", enabled=False)
    failed = ended(Server(app_list=(off,)).start().service.publish("1", Event("a", ("news",), "1")))
    assert isinstance(failed, Forbidden)


def test_questions_of_the_application():
    """An application asks who is there, and sends somebody away."""
    server = Server(app_list=(), listen=("tcp:6001:interface=127.0.0.1",)).start()
    service = server.service
    client = server.socket("/app/app-key")
    client.say("pusher:subscribe", {"channel": "news"})
    client.take()

    async def ask():
        await service._adapter.roster.join("app-id", "presence-a", "9.9", PresenceMember("ann"))
        return (
            await service.channels("app-id"),
            await service.channels("app-id", "presence-"),
            await service.counts("app-id", ["news", "vacant"]),
            await service.members("app-id", "presence-a"),
        )

    news, presence = Counts(1, 0), Counts(1, 1)
    channels, chosen, counts, members = now(ask())
    assert channels == {"news": news, "presence-a": presence}
    assert chosen == {"presence-a": presence}
    assert counts == [news, Counts()]
    assert [member.user_id for member in members] == ["ann"]
    assert service.terminate("app-id", "nobody").called


# Stopping


def test_stopping_in_order():
    """First nobody is let in, then clients are sent away, then the cluster is left, and the metrics go last."""
    server = Server(drain=5).start()
    client, kept, scraper = server.socket(), server.http(), server.http(1)
    client.take()
    kept.ask(UP)
    public, private = server.reactor.ports
    public.late = True
    stopping = server.service.stopService()

    assert not public.connected
    assert kept.ask(UP).body == b"DRAINING"
    assert client.frames() == []
    public.stopped.callback(None)

    assert closed(client) == 4200
    assert closed(server.socket()) == 4200
    assert private.connected
    assert scraper.ask(METRICS).status == 200
    assert not stopping.called

    server.reactor.advance(1)
    assert not private.connected
    assert stopping.called


def test_connections_are_closed_at_last():
    """When the clients had their time, the connections that are still there are closed: API callers', scrapers'."""
    server = Server().start()
    public, private = server.reactor.ports
    caller = connected(EagerTCPServer, reactor=server.reactor, port=public)
    scraper = connected(BufferingTCPServer, reactor=server.reactor, port=private)
    server.socket()
    stopping = server.service.stopService()
    assert not caller.disconnecting
    server.reactor.advance(1)
    assert stopping.called
    assert caller.disconnecting
    assert scraper.disconnecting


def test_stopping_at_once():
    """With --drain 0 clients are sent away at once and nobody is waited for."""
    server = Server(drain=0).start()
    client = server.socket()
    stopping = server.service.stopService()
    assert closed(client) == 4200
    server.reactor.advance(0)
    assert stopping.called


def test_nothing_goes_on_after_the_stop():
    """A stopped server leaves no timer behind."""
    server = Server(drain=0).start()
    server.service.stopService()
    server.reactor.advance(0)
    assert server.reactor.getDelayedCalls() == []


@pytest.mark.parametrize("late", [False, True])
def test_numbers_that_are_due_at_the_stop(late):
    """A number that is due is told while receivers of webhooks can hear of it; one that comes later is not."""
    server = Server(drain=0).start()
    service, done = server.service, []
    counting, adapter, webhooks = service.registry.counting, service._adapter, service._webhooks
    stop_adapter, stop_webhooks = adapter.stop, webhooks.stop

    async def publish_due_count(app_id, channel, *_):
        done.append((app_id, channel))
        return CountTold(0)

    async def webhooks_stop(seconds):
        done.append("webhooks")
        await stop_webhooks(seconds)

    async def adapter_stop():
        done.append("adapter")
        if late:
            await counting.changed("1", "news", 1000)
        await stop_adapter()

    adapter.bus.publish_due_count = publish_due_count
    adapter.stop, webhooks.stop = adapter_stop, webhooks_stop
    if not late:
        now(counting.changed("1", "news", 1000))
    stopping = service.stopService()
    server.reactor.advance(0)
    assert stopping.called
    assert done == [*([] if late else [("1", "news")]), "webhooks", "adapter"]
    assert server.reactor.getDelayedCalls() == []


@pytest.mark.parametrize("part", ["_adapter", "_served"])
def test_a_part_that_does_not_stop(part):
    """An adapter or an app store that fails to stop is logged, and everything else is stopped."""
    server = Server().start()

    async def fail():
        raise ConnectionError

    getattr(server.service, part).stop = fail
    with capturedLogs() as logs:
        stopping = server.service.stopService()
    assert stopping.called
    assert not any(port.connected for port in server.reactor.ports)
    assert [log["log_level"] for log in logs] == [LogLevel.critical]


def test_starting_again():
    """A stopped server can be started again, and admits clients as before."""
    server = Server(drain=0).start()
    server.service.stopService()
    server.reactor.advance(0)
    server.start()
    assert len(server.reactor.ports) == 4
    public = server.reactor.ports[2].factory
    socket = SocketClient(public.buildProtocol(None))
    assert socket.messages()[0]["event"] == "pusher:connection_established"
    assert HttpClient(public.buildProtocol(None)).ask(UP).body == b"OK"


def test_stopping_what_was_never_started():
    """A service that was never started can be stopped."""
    server = Server()
    assert server.service.stopService().called


def test_two_servers_in_one_process():
    """Two servers do not know each other's clients, nor count them."""
    one, two = Server().start(), Server().start()
    socket = one.socket()
    socket.say("pusher:subscribe", {"channel": "news"})
    socket.take()
    two.service.publish("1", Event("a", ("news",), "1"))
    assert socket.messages() == []
    sample = 'txpusher_connected{app_id="1",port="6001"}'
    assert (one.metric(sample), two.metric(sample)) == (1, 0)


def test_the_port_in_metrics_of_a_unix_socket():
    """A server on a UNIX socket has its path where others have the number of their port."""
    server = Server(listen=("unix:/run/x.sock",)).start()
    assert server.metric('txpusher_connected{app_id="1",port="/run/x.sock"}') == 0


def test_the_label_of_who_was_never_asked():
    """The port that samples are labelled with is known, although nobody asked while the server listened."""
    server = Server(drain=0).start()
    server.socket()
    stopping = server.service.stopService()
    (sample,) = [
        sample
        for family in server.service.metrics()
        for sample in family.samples
        if sample.name == "txpusher_new_connections_total"
    ]
    assert sample.labels == {"app_id": "1", "port": "6001"}
    server.reactor.pump([1] * 10)
    assert stopping.called
