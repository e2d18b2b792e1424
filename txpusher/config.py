"""Everything the server can be told, in one frozen value; each field says what it is, and everything else follows.

The command line, the environment, the file and the help text are made from the fields of `Config` (see `SETTINGS`), so
a new setting is one new field. `txpusher.loading` fills a `Config` from these sources; applications write
``Config(listen=("tcp:8080",), app_list=(App(...),))``, which is validated all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, TypeVar, get_type_hints

from txpusher.app_settings import read_apps
from txpusher.errors import ConfigError
from txpusher.loopback import is_local
from txpusher.model import PUSHER_LIMITS, App, Limits
from txpusher.settings import COMMAS, Processes, read

T = TypeVar("T")

DEMO_APP = App(
    id="app-id",
    key="app-key",
    secret="app-secret",  # noqa: S106 - known to everybody, and refused where strangers can come
    client_events=True,
    subscription_count=True,
    watchlist_events=True,
    # Many a load test lets one connection speak for a hundred; a first try should not end in 4301.
    limits=Limits(max_client_events_per_second=None),
)
"""What is served while no app is configured: everything is on, and client events have no rate limit."""

_PATH_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_METRIC_NAME = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)?")
_ENDPOINT = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*:.+")


def _setting(
    default: T,
    text: str,
    *,
    name: str = "",
    option: str = "",
    least: float | None = None,
    separator: str = COMMAS,
    shown: bool = True,
) -> T:
    """Describe a field: its help text, its name where it differs, its smallest number, its lists as one text.

    What may have a password in it is not shown when the configuration is.
    """
    facts = {"text": text, "name": name, "option": option, "least": least, "separator": separator}
    return field(default=default, metadata=facts, repr=shown)


@dataclass(frozen=True, slots=True)
class Config:
    """How one server is set up. Sizes are bytes and durations seconds; None is "no limit", or "off".

    Raises:
        ConfigError: a value is impossible; ``setting`` is the name of its field, or ``app`` for ``app_list``.
    """

    listen: tuple[str, ...] = _setting(
        ("tcp:6001:interface=127.0.0.1",),
        "endpoint for clients and API callers, as a Twisted endpoint string",
        separator=r"[;\n]",  # endpoint strings are full of everything else
    )
    metrics: str | None = _setting(
        "tcp:9601:interface=127.0.0.1", "endpoint of the metrics page, or none"
    )
    app_list: tuple[App, ...] = _setting((), "an app as ID:KEY:SECRET", name="app")
    apps: str | None = _setting(
        None, "URL of the app store, such as file:///etc/txpusher/apps.toml", shown=False
    )
    adapter: str = _setting("memory://", "URL of what connects the nodes of a cluster", shown=False)
    workers: Processes = _setting(  # noqa: RUF009 - as for all others
        1, "processes that serve the same addresses; auto is one for each core", least=1
    )
    adapter_required: bool = _setting(
        default=False,
        text="answer 503 to publishes while the other nodes cannot be reached, instead of delivering on this one alone",
    )
    profile: str | None = _setting(
        None, "whose limits apps have unless they say otherwise: pusher for Pusher's own, or none"
    )
    path_prefix: str = _setting("", "what stands before /app and /apps in every path, such as /ws")
    activity_timeout: int = _setting(
        120, "seconds of silence after which a client is pinged", least=1
    )
    pong_timeout: int = _setting(30, "seconds a pinged client has to answer", least=1)
    handshake_timeout: int = _setting(
        10, "seconds a new connection has to send its first request", least=1
    )
    drain: float = _setting(
        10, "seconds over which clients are sent away when the server stops", least=0
    )
    max_connections: int | None = _setting(
        None, "WebSocket connections this process takes", least=1
    )
    max_message_size: int = _setting(64 * 1024, "bytes of one message of a client", least=1)
    max_request_size: int = _setting(
        2 * 1024 * 1024, "bytes of the body of an HTTP request", least=1
    )
    max_backlog: int = _setting(
        1024 * 1024, "bytes that may wait for a client before it is cut off", least=1
    )
    compression: bool = _setting(
        default=False, text="compress messages to and from clients that offer permessage-deflate"
    )
    max_connects_per_minute: int | None = _setting(
        None, "WebSocket connections a minute that one IP address may open", least=1
    )
    max_api_calls_per_minute: int | None = _setting(
        None, "HTTP API calls a minute that one IP address may make", least=1
    )
    shared_limits: bool = _setting(
        default=False,
        text="count rates over all nodes together, which asks the adapter for each call that has a limit",
    )
    trusted_hops: int = _setting(
        0, "proxies in front that append to X-Forwarded-For; 0 believes no header", least=0
    )
    watchlist_delay: float = _setting(
        0, "seconds a user may be away before watchers are told offline", least=0
    )
    webhook_delay: float = _setting(
        3, "seconds somebody may be away before channel_vacated or member_removed is sent", least=0
    )
    webhook_batch_window: float = _setting(
        0,
        "seconds for which webhook events are collected into one request; 0 sends each alone",
        least=0,
    )
    webhook_batch_size: int = _setting(100, "events of one webhook request at most", least=1)
    webhook_queue: int = _setting(10_000, "webhook events that may wait for one receiver", least=1)
    metrics_prefix: str = _setting("txpusher_", "what the names of all metrics begin with")
    cors_origins: tuple[str, ...] = _setting(
        ("*",), "origin whose pages may call the HTTP API", option="cors-origin"
    )
    strict_handshake: bool = _setting(
        default=False,
        text="refuse clients without protocol (4008) or with a malformed version (4006)",
    )
    only_pusher_error: bool = _setting(
        default=False,
        text="tell refused subscriptions and sign-ins by pusher:error only, as Pusher does",
    )
    allow_reserved_events: bool = _setting(
        default=False, text="let the HTTP API publish pusher: and pusher_internal: events"
    )
    eager_send: bool = _setting(
        default=True, text="do not send at once, but leave all sending to Twisted's buffers"
    )
    insecure_demo: bool = _setting(
        default=False, text="serve the demo app's well-known secret to everybody"
    )

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            # Apps are read last: their defaults are settings, too.
            if setting.kind != tuple[App, ...]:
                self._set(setting.field, setting.read(getattr(self, setting.field), name))
        if self.profile not in {None, "pusher"}:
            raise ConfigError("profile", f"expected pusher or none, not {self.profile!r}")
        self._set("app_list", read_apps(self.app_list, "app", self.default_limits))
        self._set("path_prefix", _normal_prefix(self.path_prefix))
        if not _METRIC_NAME.fullmatch(self.metrics_prefix):
            raise ConfigError(
                "metrics_prefix",
                f"expected letters, digits, _ and : only, not {self.metrics_prefix!r}",
            )
        self._check_endpoints()
        if self.workers > 1 and self.adapter.startswith("memory://"):
            raise ConfigError(
                "workers",
                f"{self.workers} processes need something that connects them, and memory:// does not; add an adapter "
                "that does, such as --adapter redis://127.0.0.1, or run one process",
            )
        if self.apps is not None and self.app_list:
            raise ConfigError(
                "apps", "the apps are listed one by one already (app); expected one or the other"
            )
        self.refuse_demo_secret(self.served_apps())

    def _set(self, field: str, value: object) -> None:
        object.__setattr__(self, field, value)

    @property
    def default_limits(self) -> Limits:
        """The limits of apps that are written without them; `App` objects bring their own."""
        return PUSHER_LIMITS if self.profile == "pusher" else Limits()

    def _check_endpoints(self) -> None:
        if not self.listen:
            raise ConfigError("listen", "expected at least one endpoint, such as tcp:6001")
        for name, endpoints in (("listen", self.listen), ("metrics", (self.metrics,))):
            for endpoint in endpoints:
                if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
                    raise ConfigError(
                        name, f"expected an endpoint such as tcp:6001, not {endpoint!r}"
                    )

    @property
    def demo(self) -> bool:
        """Whether the demo app is served, as nobody configured another one."""
        return not self.app_list and self.apps is None

    def served_apps(self) -> tuple[App, ...]:
        """Give the apps that are known without asking the store of ``apps``, the demo app included."""
        return (self._demo_app(),) if self.demo else self.app_list

    def _demo_app(self) -> App:
        rate = DEMO_APP.limits.max_client_events_per_second
        limits = replace(self.default_limits, max_client_events_per_second=rate)
        return replace(DEMO_APP, limits=limits)

    def refuse_demo_secret(self, apps: Iterable[App]) -> None:
        """Refuse to serve strangers an app whose secret everybody knows.

        Args:
            apps: apps that will be served; those of a store are known later than the rest.

        Raises:
            ConfigError: one has the demo app's secret, a listener is public and ``insecure_demo`` is not set.
        """
        public = next((endpoint for endpoint in self.listen if not is_local(endpoint)), None)
        if (
            public is None
            or self.insecure_demo
            or all(app.secret != DEMO_APP.secret for app in apps)
        ):
            return
        raise ConfigError(
            "listen",
            f"others can reach {public}, and everybody knows the secret of the demo app; configure an app of your own "
            "(--app or --apps), listen on 127.0.0.1 only, or give --insecure-demo",
        )


def _normal_prefix(written: str) -> str:
    prefix = "/" + written.strip("/") if written.strip("/") else ""
    if not _PATH_PREFIX.fullmatch(prefix):
        raise ConfigError("path_prefix", f"expected a path such as /ws, not {written!r}")
    if prefix.split("/")[1:2] in (["app"], ["apps"]):
        raise ConfigError("path_prefix", f"{prefix} could not be told from the paths below it")
    return prefix


class Setting(NamedTuple):
    """What is known about one field of `Config`.

    Args:
        field: the name of the field.
        kind: its type.
        default: its default.
        text: what it is, for the help text; for a switch, what happens when it is turned from its default.
        option: the command line's option, without the dashes; a switch that is on has one that turns it off.
        least: the smallest number.
        separator: a pattern; what separates the members of a list in an environment variable.
    """

    field: str
    kind: Any
    default: Any
    text: str
    option: str
    least: float | None
    separator: str

    def read(self, value: object, where: str) -> Any:
        """Turn what was written at ``where`` into a value for the field, or raise ConfigError."""
        return read(value, self.kind, where, least=self.least, separator=self.separator)


def _settings() -> dict[str, Setting]:
    kinds, settings = get_type_hints(Config, include_extras=True), {}
    for item in fields(Config):
        facts = dict(item.metadata)
        name = facts.pop("name") or item.name
        option = facts.pop("option") or name.replace("_", "-")
        negated = "no-" if item.default is True else ""
        settings[name] = Setting(
            item.name, kinds[item.name], item.default, option=negated + option, **facts
        )
    return settings


SETTINGS: dict[str, Setting] = _settings()
"""The settings by their names in files and, in capitals after ``TXPUSHER_``, in the environment."""
