"""What clients say, as values."""

from typing import get_args

import pytest

from txpusher.protocol import messages
from txpusher.protocol.messages import (
    ClientEvent,
    ClientMessage,
    Ignored,
    Ping,
    Signin,
    Subscribe,
    Unsubscribe,
)


def test_every_message_is_in_the_union():
    """Whoever handles each type of the union handles everything that a client can say."""
    defined = {
        value
        for value in vars(messages).values()
        if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")
    }
    assert set(get_args(ClientMessage)) == defined


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (Ping(), {}),
        (
            Subscribe("c"),
            {"channel": "c", "auth": None, "channel_data": None, "problem": None},
        ),
        (
            Subscribe("c", "a", "d", "p"),
            {"channel": "c", "auth": "a", "channel_data": "d", "problem": "p"},
        ),
        (Unsubscribe("c"), {"channel": "c"}),
        (Signin("a", "d"), {"auth": "a", "user_data": "d", "problem": None}),
        (Signin(problem="p"), {"auth": "", "user_data": "", "problem": "p"}),
        (ClientEvent("e", "c", "d"), {"event": "e", "channel": "c", "data": "d"}),
        (Ignored("e"), {"event": "e"}),
    ],
)
def test_fields(message, fields):
    """Fields have the names they have on the wire, and what may be left out is None."""
    assert message._asdict() == fields


def test_messages_do_not_change():
    """What a client said stays what it said."""
    with pytest.raises(AttributeError):
        Subscribe("private-x", "auth").channel = "private-y"
