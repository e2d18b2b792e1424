"""Clients that count the messages they get."""

from __future__ import annotations

from growing.clients import Client


class Person(Client):
    """One who counts, and who can be asked for a sign of life.

    Attributes:
        messages: that came so far.
        sent: messages of its own.
    """

    def __init__(self, port: int) -> None:
        self.messages = self.sent = 0
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
            self.messages, rest = self.messages + count, rest[end:]
        self._rest = rest
        return data

    def send(self, event: str, data: dict[str, str]) -> None:
        """Send a message."""
        self.sent += 1
        super().send(event, data)

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
        room: the presence channel.
        user_id: whose tab it is.
        halls: the public channels.
    """

    def __init__(self, port: int, number: int, rooms: list[str], halls: list[str]) -> None:
        super().__init__(port)
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
