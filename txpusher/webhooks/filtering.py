"""Which events a target wants: by their kind and by the name of their channel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from txpusher.model import WebhookTarget


class Filter:
    """The filter of one target; all of its parts have to hold.

    Args:
        target: whose it is. Its pattern was checked when it was read.
    """

    def __init__(self, target: WebhookTarget) -> None:
        self._kinds = frozenset(target.event_types)
        self._prefix = target.channel_prefix
        self._suffix = target.channel_suffix
        self._search = re.compile(target.channel_pattern).search if target.channel_pattern else None

    def wants(self, kind: str, channel: str) -> bool:
        """Tell whether events of this kind are sent for this channel."""
        return (
            kind in self._kinds
            and channel.startswith(self._prefix)
            and channel.endswith(self._suffix)
            and (self._search is None or self._search(channel) is not None)
        )
