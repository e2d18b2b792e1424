"""How other servers spell the settings of apps, so that their configuration files can be read as they are.

soketi writes camel case, reads Pascal case as well, and has snake case in its SQL tables; sockudo writes snake case.
Sizes are kilobytes of 1024 bytes there, and bytes here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from txpusher.errors import ConfigError

_LARGE = 10**18  # and neither "inf" nor "nan" is smaller
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


# What is no number that can be counted with is left to whoever reads the setting, and says so. That one takes numbers
# that are text, so they are translated as well: "100" kilobytes would be 100 bytes.


def _kilobytes(value: Any) -> Any:
    number = _number(value)
    return value if number is None else round(number * 1024)


def _milliseconds(value: Any) -> Any:
    number = _number(value)
    return value if number is None else number / 1000


def _number(value: Any) -> float | None:
    """Give a number, which soketi also takes as text."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and abs(value) < _LARGE else None


def _same(value: Any) -> Any:
    return value


Spellings = Mapping[str, tuple[str, Callable[[Any], Any]]]
"""Names of others in snake case, each with our name and what makes our value of theirs."""

APP_SPELLINGS: Spellings = {
    "app_id": ("id", _same),
    "app_key": ("key", _same),
    "app_secret": ("secret", _same),
    "enable_client_messages": ("client_events", _same),
    "enable_user_authentication": ("user_authentication", _same),
    "enable_watchlist_events": ("watchlist_events", _same),
    "max_backend_events_per_sec": ("max_backend_events_per_second", _same),
    "max_client_events_per_sec": ("max_client_events_per_second", _same),
    "max_read_req_per_sec": ("max_read_requests_per_second", _same),
    "max_presence_members_per_channel": ("max_presence_members", _same),
    "max_presence_member_size_in_kb": ("max_presence_member_size", _kilobytes),
    "max_event_channels_at_once": ("max_channels_per_event", _same),
    "max_event_payload_in_kb": ("max_event_size", _kilobytes),
    "max_event_batch_size": ("max_batch_size", _same),
}

WEBHOOK_SPELLINGS: Spellings = {
    "channel_name_starts_with": ("channel_prefix", _same),
    "channel_name_ends_with": ("channel_suffix", _same),
    "request_timeout_ms": ("timeout", _milliseconds),
}


def in_our_words(
    table: Mapping[str, Any], spellings: Spellings, where: str
) -> dict[str, tuple[str, Any]]:
    """Give the settings of a table by our names, each with its name as it was written.

    What is null there counts as not written.

    Args:
        table: as it was read.
        spellings: the names of others.
        where: the table, for errors.

    Raises:
        ConfigError: one setting is written twice, under two names.
    """
    found: dict[str, tuple[str, Any]] = {}
    for written, value in table.items():
        if value is None:
            continue
        name = _snake(str(written))
        ours, translate = spellings.get(name, (name, _same))
        if ours in found:
            raise ConfigError(f"{where}: {written}", f"is {found[ours][0]} under another name")
        found[ours] = (str(written), translate(value))
    return found


def our_name(written: str, spellings: Spellings) -> str:
    """Give our name of a setting that was written in any spelling; it need not exist."""
    name = _snake(written)
    return spellings.get(name, (name, _same))[0]


def _snake(written: str) -> str:
    return _HUMP.sub("_", written).lower().replace("-", "_")
