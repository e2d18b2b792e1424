"""The load: subscribers and publishers of one process, in one loop over their sockets.

Python is slower than the kernel, so little is done for each delivery. All events of a run have the same length, so the
bytes that came tell how many there were, and no frame is taken apart. `exchange` has the loop, `talking` that of client
events.

`start_load` starts such a process and gives an object whose methods run in it.
"""

from __future__ import annotations

import os
import resource
import select
import socket
import time
from multiprocessing.managers import BaseManager
from typing import Any

from exchange import Exchange, Plan, Run
from messages import FIRST, HANDSHAKE, SOCKET_ID, channel, check, dial, subscription
from placing import Cores
from talking import talk

IN_FLIGHT = 200  # connects that are under way at the same time
PING, PONG = b"\x89\x00", b"\x8a\x80" + bytes(4)  # of WebSocket; the server's, and a client's


class Load:
    """Subscribers, and publishers for the time of a run."""

    def __init__(self) -> None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._subscribers: list[socket.socket] = []

    def subscribe(
        self,
        port: int,
        count: int,
        per_channel: int = 0,
        *,
        start: int = 0,
        name: str = "",
        tls: bool = False,
    ) -> float:
        """Connect clients, each subscribed to one channel, and keep them.

        Args:
            port: of the server.
            count: how many.
            per_channel: clients of each channel; 0 puts all of them into ``bench-0``.
            start: how many clients other loads have put into channels before these.
            name: the channel of all of them, in place of the others.
            tls: the port speaks TLS.

        Returns:
            Seconds from the first connect to the last confirmation.
        """
        begin, poll, under_way = time.monotonic(), select.epoll(), dict[int, Newcomer]()
        numbers = iter(range(start, start + count))
        while True:
            while len(under_way) < IN_FLIGHT and (number := next(numbers, None)) is not None:
                place = FIRST + number // per_channel if per_channel else 0
                newcomer = Newcomer(dial(port, tls=tls), name or channel(place))
                under_way[newcomer.socket.fileno()] = newcomer
                poll.register(newcomer.socket, select.EPOLLIN)
            if not under_way:
                return time.monotonic() - begin
            for fd, _ in poll.poll(1):
                if under_way[fd].subscribed():
                    poll.unregister(fd)
                    self._subscribers.append(under_way.pop(fd).socket)
            check(begin, f"{count} subscriptions")

    def run(self, port: int, plan: Plan) -> Run:
        """Publish and listen; see `Plan`."""
        publishers = [dial(port) for _ in range(plan.publishers)]
        try:
            return Exchange(plan, publishers, self._subscribers).run()
        finally:
            for publisher in publishers:
                publisher.close()

    def talk(self, events: int) -> Run:
        """Let the clients send client events to each other."""
        return talk(self._subscribers, events)

    def rest(self, seconds: float) -> None:
        """Do nothing but answer pings."""
        end, poll = time.monotonic() + seconds, select.epoll()
        clients = {client.fileno(): client for client in self._subscribers}
        for client in self._subscribers:
            poll.register(client, select.EPOLLIN)
        while (left := end - time.monotonic()) > 0:
            for fd, _ in poll.poll(left):
                if clients[fd].recv(4096) != PING:
                    raise RuntimeError("a silent client got something else than a ping")
                clients[fd].sendall(PONG)

    def hang_up(self) -> None:
        """End all clients."""
        for client in self._subscribers:
            client.close()
        self._subscribers.clear()


class Newcomer:
    """A client until it is subscribed.

    Args:
        connection: to the server.
        name: the channel.
    """

    def __init__(self, connection: socket.socket, name: str) -> None:
        self.socket = connection
        self._channel = name
        self._greeted = False
        connection.sendall(HANDSHAKE)

    def subscribed(self) -> bool:
        """Read what has come, and tell whether this is the end."""
        answer = self.socket.recv(4096)
        if not answer or b"pusher:error" in answer:
            raise RuntimeError(f"a client was refused: {answer!r}")
        if not self._greeted and (greeting := SOCKET_ID.search(answer)):
            self._greeted = True
            self.socket.sendall(subscription(self._channel, greeting[1].decode()))
        return b"subscription_succeeded" in answer


class _LoadProcess(BaseManager):
    """One process."""


_LoadProcess.register("Load", Load)


def start_load(cores: Cores) -> Any:
    """Start a process with a `Load`, and give what runs its methods there. It ends with this one."""
    manager = _LoadProcess()
    manager.start(os.sched_setaffinity, (0, cores))
    load = manager.Load()  # type: ignore[attr-defined]
    load.manager = manager  # whose end is the end of the process
    return load
