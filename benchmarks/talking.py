"""One run of client events: the clients of a channel send to each other in turn."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence

from exchange import Run
from listening import Listening
from messages import DATA_SIZE, PRIVATE, check, client_frame

IN_FLIGHT = 4  # events that are under way at the same time


def talk(clients: Sequence[socket.socket], events: int) -> Run:
    """Let the clients send so many events, each to all others, and read them."""
    data = "x" * DATA_SIZE
    event = client_frame(f'{{"event":"client-e","channel":"{PRIVATE}","data":"{data}"}}')
    listening, others = Listening(clients, 1, events, timed=False), len(clients) - 1
    cpu, begin, poll, sent = time.process_time(), time.monotonic(), select.epoll(), 0
    for client in clients:
        poll.register(client, select.EPOLLIN)
    while (arrived := listening.deliveries()) < events * others:
        while sent < min(events, arrived // others + IN_FLIGHT):
            clients[sent % len(clients)].sendall(event)
            sent += 1
        for fd, _ in poll.poll(1):
            listening.deliver(listening.watched[fd])
        check(begin, f"{events * others} deliveries, but {arrived}")
    return Run(begin, time.monotonic(), time.process_time() - cpu, [])
