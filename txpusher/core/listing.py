"""Members that a client has read on a list, and news of them that is still on its way.

A list is the roster's answer, and the news is brought by the bus: whichever is first, nobody is on the list and comes
after that, and nobody goes who is not on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from txpusher.core.holding import OVERTAKEN_FOR, Since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from txpusher.core.channel import Channel
    from txpusher.core.connection import Connection
    from txpusher.interfaces import Clock
    from txpusher.model import PresenceMember


def since_list(connection: Connection, members: Sequence[PresenceMember]) -> Since:
    """Make what sends to a connection only what a list of members does not know already."""
    return Since(connection.wire.send, [member.user_id for member in members])


def leave_out(
    channel: Channel,
    connections: Iterable[tuple[Connection, Since]],
    clock: Clock,
) -> None:
    """Let connections be sent only what is new to them, until nothing that is older can come any more.

    Args:
        channel: the presence channel.
        connections: each with what sends to it.
        clock: tells when that is.
    """
    replaced = [(connection, since.send) for connection, since in connections]
    for connection, send in replaced:
        channel.replace(connection, send)
    clock.callLater(OVERTAKEN_FOR, _send_everything, channel, replaced)


def _send_everything(
    channel: Channel, replaced: Iterable[tuple[Connection, Callable[[bytes], None]]]
) -> None:
    for connection, send in replaced:
        # There may have been another list since then, or another subscription.
        if channel.subscribers.get(connection) == send:
            channel.replace(connection, connection.wire.send)
