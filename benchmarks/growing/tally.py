"""What the metrics page has to say of a load that counts what it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from growing.people import Caller, Person

NEVER = (
    "connections_refused_total",
    "messages_dropped_total",
    *("compression_agreed_total", "compressions_total"),
    *("compression_input_bytes_total", "compression_output_bytes_total"),
    *("webhooks_sent_total", "webhooks_failed_total", "webhooks_retried_total"),
    *("webhooks_dropped_total", "webhook_queue_length", "webhook_seconds_count"),
    *("adapter_commands_total", "adapter_reconnects_total", "adapter_reaped_nodes_total"),
    "apps_reloads_total",
)
"""Counters of what does not happen there."""


class Tally:
    """Counts what is over; what is still there is asked for.

    Args:
        callers: all who call the HTTP API; others may come.

    Attributes:
        rounds: how often something went out to a channel, by its type, where that is known.
    """

    def __init__(self, callers: Sequence[Caller]) -> None:
        self._callers = callers
        self._gone: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()
        self.rounds: Counter[str] = Counter()

    def left(self, person: Person, subscriptions: Mapping[str, int]) -> None:
        """Count somebody who has gone, with so many subscriptions of each type of channel."""
        self._gone.update(_counted(person))
        self._ended.update(subscriptions)

    def expected(
        self,
        there: Sequence[Person],
        channels: Mapping[str, int],
        subscriptions: Mapping[str, int],
    ) -> dict[str, int]:
        """Give the numbers by their names on the page; all have to have read everything.

        Args:
            there: who is connected now.
            channels: how many are occupied now, by their type.
            subscriptions: how many there are now, by the type of the channel.
        """
        altogether = self._gone.copy()
        for person in there:
            altogether.update(_counted(person))
        made = self._ended + Counter(subscriptions)
        return {
            "connected": len(there),
            "new_connections_total": altogether["connections"],
            "new_disconnections_total": self._gone["connections"],
            "ws_messages_received_total": altogether["sent"],
            "ws_messages_sent_total": altogether["messages"],
            "socket_received_bytes": altogether["sent_size"],
            "socket_transmitted_bytes": altogether["size"],
            "subscriptions": sum(subscriptions.values()),
            **_each("active_channels", channels),
            **_each("channel_subscriptions_total", made),
            **_each("channel_unsubscriptions_total", {kind: self._ended[kind] for kind in made}),
            **_each("delivery_seconds_count", self.rounds),
            **self._calls(),
            **dict.fromkeys(NEVER, 0),
        }

    def _calls(self) -> dict[str, int]:
        calls = sum(caller.calls for caller in self._callers)
        return {
            "http_calls_received_total": calls,
            "http_responses_total": calls,
            "http_responses_total.200": calls,
            "http_received_bytes": sum(caller.sent_size for caller in self._callers),
            "http_transmitted_bytes": sum(caller.size for caller in self._callers),
        }


def _counted(person: Person) -> dict[str, int]:
    return {
        "connections": 1,
        "messages": person.messages,
        "size": person.size,
        "sent": person.sent,
        "sent_size": person.sent_size,
    }


def _each(name: str, numbers: Mapping[str, int]) -> dict[str, int]:
    return {f"{name}.{kind}": number for kind, number in numbers.items()}
