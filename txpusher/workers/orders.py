"""What a worker process is started with, beside the options of the server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Orders:
    """The first argument of a worker process, as JSON; the options of ``twistd txpusher`` follow.

    Args:
        reactor: the module that installs the parent's kind of reactor.
        directory: that in which the options were read, as paths in them may be relative to it.
        worker: the number of its slot, as people count; 0 only tries whether all settings are right, and ends.
        pipe: the descriptor on which it tells its parent something.
        sockets: the descriptors of the sockets it takes over, see `txpusher.workers.sockets`.
        systemd: the names of the sockets that systemd gave, in their order.
    """

    reactor: str
    directory: str
    worker: int = 0
    pipe: int = -1
    sockets: Mapping[str, list[int]] = field(default_factory=dict)
    systemd: Sequence[str] = ()

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Orders:
        """Read what was written by ``str``."""
        return cls(**json.loads(text))
