"""The load of the soak, and a tally of all that the server must have seen.

Listeners and hosts stay, guests come and go. A guest is asked for a sign of life before it goes, and nobody else goes
until the host of its room has heard of it: so every message that the server has sent was read by somebody, and was
counted.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import count

from growing.clients import Publisher
from growing.people import Guest, Person

LISTENERS, GUESTS = 300, 100
ROOMS = [f"presence-room-{number}" for number in range(20)]
HALLS = [f"hall-{number}" for number in range(50)]


class Crowd:
    """All clients of one server.

    Attributes:
        published: events that all listeners got, or get.
        rooms: of each presence channel, the tabs of each user.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = count()
        self._publisher = Publisher(port)
        self._gone: Counter[str] = Counter()
        self.published = 0
        self.rooms: dict[str, Counter[str]] = {room: Counter({"host": 1}) for room in ROOMS}
        self._listeners = [self._listener() for _ in range(LISTENERS)]
        self._hosts = {room: self._host(room) for room in ROOMS}
        self._guests: deque[Guest] = deque()

    def _listener(self) -> Person:
        listener = Person(self._port)
        listener.greeted()
        listener.subscribe(["one"])
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
        """Publish to the listeners."""
        self._publisher.publish("one")
        self.published += 1

    def churn(self) -> None:
        """Let one come, publish where it is, and let the oldest go when there are enough."""
        guest = Guest(self._port, next(self._numbers), ROOMS, HALLS)
        self._guests.append(guest)
        self.rooms[guest.room][guest.user_id] += 1
        for channel in (guest.halls[0], guest.room):
            self._publisher.publish(channel)
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
        for person in self._there():
            person.close()
            self._count(person)
        self._gone["public"] += LISTENERS
        self._gone["presence"] += len(ROOMS)
        self._listeners.clear()
        self._hosts.clear()
        self.rooms.clear()

    def _let_go(self) -> None:
        guest = self._guests.popleft()
        guest.answer()
        guest.go(politely=self._gone["connections"] % 2 == 0)
        self._count(guest)
        self._gone["public"] += len(guest.halls)
        self._gone["presence"] += 1
        users = self.rooms[guest.room]
        users[guest.user_id] -= 1
        if not users[guest.user_id]:
            del users[guest.user_id]
            self._hosts[guest.room].wait_for(b"member_removed")

    def _count(self, person: Person) -> None:
        self._gone.update(connections=1, messages=person.messages, sent=person.sent)

    # What is expected

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
        there, gone = list(self._there()), self._gone
        halls = Counter(hall for guest in self._guests for hall in guest.halls)
        public = len(self._listeners) + halls.total()
        presence = len(self._hosts) + len(self._guests)
        return {
            "connected": len(there),
            "new_connections_total": len(there) + gone["connections"],
            "new_disconnections_total": gone["connections"],
            "subscriptions": public + presence,
            "active_channels.public": len(halls) + bool(self._listeners),
            "active_channels.presence": len(self.rooms),
            "channel_subscriptions_total.public": public + gone["public"],
            "channel_subscriptions_total.presence": presence + gone["presence"],
            "channel_unsubscriptions_total.public": gone["public"],
            "channel_unsubscriptions_total.presence": gone["presence"],
            "ws_messages_received_total": gone["sent"] + sum(p.sent for p in there),
            "ws_messages_sent_total": gone["messages"] + sum(p.messages for p in there),
            "messages_dropped_total": 0,
            "connections_refused_total": 0,
        }

    def members(self) -> dict[str, int]:
        """Give how many users each presence channel has to have."""
        return {room: len(users) for room, users in self.rooms.items()}
