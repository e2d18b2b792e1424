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
        shared: the file with what it shares with others, if it does.

    Attributes:
        known: all there are.
    """

    known: ClassVar[list[Script]] = []

    def __init__(self, name: str, shared: str = "") -> None:
        names = (shared, name) if shared else (name,)
        self.text = "\n".join((_LUA / f"{part}.lua").read_text(encoding="utf-8") for part in names)
        self.hash = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        self.known.append(self)


JOIN = Script("join", "roster")
LEAVE = Script("leave", "roster")
RESTORE = Script("restore", "roster")
GONE = Script("gone", "roster")
STILL = Script("still", "roster")
OCCUPIED = Script("occupied", "roster")
NUMBER = Script("number", "roster")
DUE_NUMBER = Script("due_number", "roster")
MEMBERS = Script("members", "roster")
REAP = Script("reap", "roster")
HEARTBEAT = Script("heartbeat", "roster")
GOODBYE = Script("goodbye", "roster")
ENTER = Script("enter", "roster")
CLAIM = Script("claim")
RELEASE = Script("release")
LAST_EVENT = Script("last_event")
TAKE = Script("take")
HOOK_TELL = Script("hook_tell", "outbox")
HOOK_PULL = Script("hook_pull", "outbox")
HOOK_BEAT = Script("hook_beat", "outbox")
HOOK_RELEASE = Script("hook_release", "outbox")
HOOK_DROP = Script("hook_drop", "outbox")
