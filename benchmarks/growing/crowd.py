"""The load of the soak.

Listeners and hosts stay, guests come and go. A guest is asked for a sign of life before it goes, and nobody else goes
until the host of its room has heard of it: so every message that the server has sent was read by somebody, and was
counted. `tally` makes of it what the metrics page has to say.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import count

from growing.people import Caller, Guest, Person
from growing.tally import Tally

LISTENERS, GUESTS = 300, 100
STAGE = "private-stage"
ROOMS = [f"presence-room-{number}" for number in range(20)]
HALLS = [f"hall-{number}" for number in range(50)]


class Crowd:
    """All clients of one server, and all who call its API.

    Attributes:
        published: events that all listeners got, or get.
        rooms: of each presence channel, the tabs of each user.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = count()
        self._publisher = Caller(port)
        self._callers = [self._publisher]
        self._tally = Tally(self._callers)
        self.published = 0
        self.rooms: dict[str, Counter[str]] = {room: Counter({"host": 1}) for room in ROOMS}
        self._listeners = [self._listener() for _ in range(LISTENERS)]
        self._hosts = {room: self._host(room) for room in ROOMS}
        self._guests: deque[Guest] = deque()

    def _listener(self) -> Person:
        listener = Person(self._port)
        listener.greeted()
        listener.enter(STAGE)
        return listener

    def _host(self, room: str) -> Person:
        host = Person(self._port)
        host.greeted()
        host.join(room, "host")
        return host

    def _there(self) -> Iterator[Person]:
        yield from self._listeners
        yield from self._hosts.values()
        yield from self._guests

    # What happens

    def publish(self) -> None:
        """Publish to the listeners; what comes while some are served goes out joined, so nobody knows how often."""
        self._publisher.publish(STAGE)
        self.published += 1

    def churn(self) -> None:
        """Let one come, publish where it is, and let the oldest go when there are enough."""
        guest = Guest(self._port, next(self._numbers), ROOMS, HALLS)
        self._guests.append(guest)
        users = self.rooms[guest.room]
        users[guest.user_id] += 1
        for channel in (guest.halls[0], guest.room):
            self._publisher.publish(channel)
        is_told = users[guest.user_id] == 1
        self._tally.rounds.update(public=1, presence=1 + is_told)
        if len(self._guests) > GUESTS:
            self._let_go()

    def read(self) -> None:
        """Read what has come, so that nobody is too slow."""
        for person in self._there():
            person.drain()

    def settle(self) -> None:
        """Wait until everybody has read everything."""
        for person in self._there():
            person.answer()

    def leave(self) -> None:
        """Let everybody go."""
        while self._guests:
            self._let_go()
        self.settle()
        for listener in self._listeners:
            listener.close()
            self._tally.left(listener, {"private": 1})
        for host in self._hosts.values():
            host.close()
            self._tally.left(host, {"presence": 1})
        self._listeners.clear()
        self._hosts.clear()
        self.rooms.clear()

    def _let_go(self) -> None:
        guest = self._guests.popleft()
        guest.answer()
        # In turns, and in turns with the first and with the last tab of a user.
        guest.go(politely=(guest.number + guest.number // 2) % 2 == 0)
        self._tally.left(guest, {"public": len(guest.halls), "presence": 1})
        users = self.rooms[guest.room]
        users[guest.user_id] -= 1
        if not users[guest.user_id]:
            del users[guest.user_id]
            self._hosts[guest.room].wait_for(b"member_removed")
            self._tally.rounds.update(presence=1)

    # What is expected, and what is so

    def expected(self) -> dict[str, int]:
        """Give what the metrics page has to say now, by the names there; all have to have read everything.

        Raises:
            RuntimeError: a listener has missed an event, or got one twice.
        """
        for listener in self._listeners:
            # A greeting and a confirmation; later an answer for each sign of life.
            expected = 2 + self.published + listener.sent - 1
            if listener.messages != expected:
                raise RuntimeError(f"a listener has {listener.messages} messages, not {expected}")
        halls = Counter(hall for guest in self._guests for hall in guest.halls)
        channels = {
            "private": int(bool(self._listeners)),
            "public": len(halls),
            "presence": len(self.rooms),
        }
        subscriptions = {
            "private": len(self._listeners),
            "public": halls.total(),
            "presence": len(self._hosts) + len(self._guests),
        }
        return self._tally.expected(list(self._there()), channels, subscriptions)

    def members(self) -> dict[str, int]:
        """Give how many users each presence channel has to have."""
        return {room: len(users) for room, users in self.rooms.items()}

    def ask(self) -> dict[str, int]:
        """Give how many users each presence channel has, by the HTTP API."""
        # Not by the publisher's connection, which would take the long way from then on.
        asker = Caller(self._port)
        self._callers.append(asker)
        members = asker.members()
        asker.close()
        return members
