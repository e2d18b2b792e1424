"""The contracts between the server's mind and the world, by behaviour.

The core awaits these and never asks which implementation it has. An answer may come at once or later; an
implementation in memory never suspends, so the single-process path runs without a Deferred.
"""

from txpusher.interfaces.adapter import Adapter, Figures, Node
from txpusher.interfaces.apps import AppStore, ChangingAppStore
from txpusher.interfaces.bus import Bus, CountTold, Envelope
from txpusher.interfaces.health import Check, Health
from txpusher.interfaces.roster import Joined, Left, Restored, Roster
from txpusher.interfaces.surroundings import Call, Clock, Observer, Wire
from txpusher.interfaces.values import LastEvents, Limiter, Quotas, Receipts

__all__ = [
    "Adapter",
    "AppStore",
    "Bus",
    "Call",
    "ChangingAppStore",
    "Check",
    "Clock",
    "CountTold",
    "Envelope",
    "Figures",
    "Health",
    "Joined",
    "LastEvents",
    "Left",
    "Limiter",
    "Node",
    "Observer",
    "Quotas",
    "Receipts",
    "Restored",
    "Roster",
    "Wire",
]
