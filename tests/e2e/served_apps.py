"""The apps of the shared server: one of each sort. Ids are digits, as the Python SDK demands."""

from __future__ import annotations

from pathlib import Path

from wire import Credentials

APP = Credentials("1001", "e2e-key", "e2e-secret-of-1001")
PLAIN = Credentials("1002", "plain-key", "e2e-secret-of-1002")
DISABLED = Credentials("1003", "disabled-key", "e2e-secret-of-1003")
QUOTA = Credentials("1004", "quota-key", "e2e-secret-of-1004")
ORIGINS = Credentials("1005", "origins-key", "e2e-secret-of-1005")
TLS_ONLY = Credentials("1006", "tls-key", "e2e-secret-of-1006")
SMALL = Credentials("1007", "small-key", "e2e-secret-of-1007")
AUTHORIZED = Credentials("1008", "authorized-key", "e2e-secret-of-1008")
ALL_APPS = (APP, PLAIN, DISABLED, QUOTA, ORIGINS, TLS_ONLY, SMALL, AUTHORIZED)

SETTINGS = {
    APP: "client_events = true\nsubscription_count = true\nuser_authentication = true\nwatchlist_events = true",
    PLAIN: "client_events = false\nsubscription_count = false\nuser_authentication = false",
    DISABLED: "enabled = false",
    QUOTA: "max_connections = 1",
    ORIGINS: 'allowed_origins = ["https://good.example", "*.sub.example"]',
    TLS_ONLY: "tls_only = true",
    AUTHORIZED: "authorized_connections_only = true\nauthorization_timeout = 1",
    SMALL: (
        "client_events = true\nmax_client_events_per_second = 3\nmax_presence_members = 2\n"
        "max_presence_member_size = 64\nmax_event_size = 100\nmax_channel_name_length = 30\n"
        "max_channels_per_event = 2\nmax_batch_size = 2\ncache_ttl = 1"
    ),
}


def write_apps(directory: Path) -> str:
    """Write the apps above into a file, and give its URL."""
    tables = [
        f'[[app]]\nid = "{app.id}"\nkey = "{app.key}"\nsecret = "{app.secret}"\n{settings}\n'
        for app, settings in SETTINGS.items()
    ]
    path = directory / "apps.toml"
    path.write_text("\n".join(tables))
    return path.as_uri()
