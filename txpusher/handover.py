"""Handing a connection from one protocol to another, without a wrapper that stays in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol
    from twisted.internet.protocol import Protocol


def hand_over(old: Protocol, new: IProtocol, data: bytes) -> None:
    """Let ``new`` have the transport of ``old``, and the bytes that were read already.

    A socket calls its ``protocol``, a TLS or PROXY protocol wrapper its ``wrappedProtocol``.
    """
    transport: Any = old.transport
    for attribute in ("protocol", "wrappedProtocol"):
        if getattr(transport, attribute, None) is old:
            setattr(transport, attribute, new)
            break
    else:
        # Some other transport, which only knows the old one.
        _stand_in(old, new)
    new.makeConnection(transport)
    if data:
        new.dataReceived(data)


def _stand_in(old: Any, new: Any) -> None:
    # Looked up at each call, as the new one may hand over, too.
    old.dataReceived = lambda data: new.dataReceived(data)  # noqa: PLW0108
    old.connectionLost = lambda reason: new.connectionLost(reason)  # noqa: PLW0108
