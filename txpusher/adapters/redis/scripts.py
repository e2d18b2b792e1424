"""The Lua scripts, one file each in ``lua/``: what has to happen in Redis as a whole, or not at all."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files
from typing import ClassVar

_LUA = files(__package__) / "lua"


class Script:
    """One script, known to Redis by the hash of its text.

    Args:
        name: of the file.
        shared: whether it needs what the scripts about the roster share.

    Attributes:
        known: all there are.
    """

    known: ClassVar[list[Script]] = []

    def __init__(self, name: str, *, shared: bool = False) -> None:
        names = ("roster", name) if shared else (name,)
        self.text = "\n".join((_LUA / f"{part}.lua").read_text(encoding="utf-8") for part in names)
        self.hash = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        self.known.append(self)


JOIN = Script("join", shared=True)
LEAVE = Script("leave", shared=True)
RESTORE = Script("restore", shared=True)
MEMBERS = Script("members", shared=True)
REAP = Script("reap", shared=True)
HEARTBEAT = Script("heartbeat", shared=True)
GOODBYE = Script("goodbye", shared=True)
ENTER = Script("enter", shared=True)
CLAIM = Script("claim")
RELEASE = Script("release")
LAST_EVENT = Script("last_event")
