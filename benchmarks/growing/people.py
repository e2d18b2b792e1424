"""Clients and callers of the HTTP API that count what they send and get."""

from __future__ import annotations

import json

from growing.clients import Client, Publisher
from messages import get


class Person(Client):
    """One who counts, and who can be asked for a sign of life.

    Attributes:
        messages: that came so far.
        size: bytes of their frames.
        sent: messages of its own.
        sent_size: bytes of their texts.
    """

    def __init__(self, port: int) -> None:
        self.messages = self.size = self.sent = self.sent_size = 0
        self._rest = b""
        self._upgraded = False
        super().__init__(port)

    def receive(self) -> bytes:
        """Read, and count whole frames."""
        data = super().receive()
        rest = self._rest + data
        if not self._upgraded:
            head, self._upgraded, frames = rest.partition(b"\r\n\r\n")
            rest = frames if self._upgraded else head
        if self._upgraded:
            count, end = _frames(rest)
            self.messages, self.size, rest = self.messages + count, self.size + end, rest[end:]
        self._rest = rest
        return data

    def write(self, text: bytes) -> None:
        """Send the text of a message, and count it."""
        self.sent, self.sent_size = self.sent + 1, self.sent_size + len(text)
        super().write(text)

    def answer(self) -> None:
        """Wait for a sign of life of the server, and so for everything that was sent before it."""
        self.send("pusher:ping", {})
        self.wait_for(b"pusher:pong")


class Guest(Person):
    """One who comes and goes.

    Args:
        port: of the server.
        number: of the guest; two after each other are two tabs of one user.
        rooms: presence channels to choose from.
        halls: public channels to choose from.

    Attributes:
        number: as above.
        room: the presence channel.
        user_id: whose tab it is.
        halls: the public channels.
    """

    def __init__(self, port: int, number: int, rooms: list[str], halls: list[str]) -> None:
        super().__init__(port)
        self.number = number
        self.user_id = f"user-{number // 2}"
        self.room = rooms[number // 2 % len(rooms)]
        self.halls = [halls[(number + n * n) % len(halls)] for n in (1, 2, 3)]
        self.greeted()
        self.subscribe(self.halls)
        self.join(self.room, self.user_id)

    def go(self, *, politely: bool) -> None:
        """Leave the room and say goodbye, or just end."""
        if politely:
            self.send("pusher:unsubscribe", {"channel": self.room})
            self.socket.sendall(b"\x88\x80" + bytes(4))
        self.close()


class Caller(Publisher):
    """One who counts the calls of the HTTP API.

    Attributes:
        calls: that were answered.
        sent_size: bytes of the bodies of their requests.
        size: bytes of the bodies of their answers.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.calls = self.sent_size = self.size = 0

    def call(self, request: bytes) -> bytes:
        """Send a request, and give the body of the answer; see `Publisher.call`."""
        body = super().call(request)
        self.calls += 1
        self.sent_size += len(request.partition(b"\r\n\r\n")[2])
        self.size += len(body)
        return body

    def members(self) -> dict[str, int]:
        """Ask how many users each presence channel has."""
        answer = self.call(get("channels", "filter_by_prefix=presence-&info=user_count"))
        channels = json.loads(answer)["channels"]
        return {name: channel["user_count"] for name, channel in channels.items()}


def _frames(data: bytes) -> tuple[int, int]:
    """Count whole frames of less than 64 KB, and give where the last one ends."""
    count = end = 0
    while len(data) >= end + 4:
        length = data[end + 1]
        begin = end + 2
        if length == 126:
            begin, length = end + 4, int.from_bytes(data[end + 2 : end + 4], "big")
        if len(data) < begin + length:
            break
        count, end = count + 1, begin + length
    return count, end
