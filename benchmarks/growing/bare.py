"""A process that does nothing but send: what the kernel takes for a delivery, asked in the same language."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from growing.clients import Reader
from growing.meter import Meter
from messages import LOOPBACK

FRAME = bytes(160)  # about as long as an event with 100 bytes of data


class Bare:
    """The process.

    Args:
        core: where it runs.

    Attributes:
        meter: what it spends.
    """

    def __init__(self, core: int) -> None:
        self._pipe, there = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=_serve, args=(there, core))
        self.process.start()
        self.meter = Meter(self._pipe.recv(), self.process.pid)

    def connect(self, count: int) -> list[Reader]:
        """Connect more readers."""
        readers = []
        for _ in range(count):
            readers.append(Reader(self.meter.port))
            self._pipe.send("accept")
        return readers

    def send(self) -> None:
        """Have it send to all of them."""
        self._pipe.send("send")

    def forget(self) -> None:
        """Have it close all connections."""
        self._pipe.send("forget")


@contextmanager
def bare(core: int) -> Iterator[Bare]:
    """Run one."""
    running = Bare(core)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.join()


def _serve(pipe: Connection, core: int) -> None:
    os.sched_setaffinity(0, {core})
    sockets: list[socket.socket] = []
    with socket.create_server((LOOPBACK, 0)) as listener:
        pipe.send(listener.getsockname()[1])
        while True:
            what = pipe.recv()
            if what == "accept":
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setblocking(False)
                sockets.append(connection)
            elif what == "send":
                for connection in sockets:
                    connection.send(FRAME)
            else:
                sockets.clear()
