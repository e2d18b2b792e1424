"""The lease of this node, and the end of those whose lease is over.

A node gives a sign of life every few seconds. Redis' clock alone decides whose lease is over, and Redis gives every
entry of a dead node to one survivor only, so that what follows from it is told once, however many survivors look.
A time in which no node could give a sign ends no lease: whoever is back first would bury all the others.

The answer to a sign of life also says what became of this node meanwhile. It has to write its entries anew when the
connection was lost, when it was taken for dead, and when Redis has forgotten everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from txpusher.adapters.redis.commands import names
from txpusher.adapters.redis.scripts import GOODBYE, HEARTBEAT, REAP
from txpusher.errors import ServiceUnavailable
from txpusher.interfaces import Left
from txpusher.model import Counts, PresenceMember

if TYPE_CHECKING:
    from txpusher.adapters.redis.commands import Commands
    from txpusher.interfaces import Node

_log = Logger()

AT_ONCE = 100
"""Entries of a dead node that one script takes away, so that Redis is not held up."""
_MORE, _FINISHED = 0, 1


class Lease:
    """Keeps this node alive in the eyes of the others, and buries them.

    Args:
        commands: asks Redis.
        node_id: of this node.
        seconds: that the lease holds.
        silence: seconds within which some node is heard as long as Redis can be reached.
        name: makes a name for what is in Redis, which no other state of it has had.

    Attributes:
        node: hears what departed, and when it has to write itself anew; it is set before the first beat.
        held: whether the last sign of life was taken, and everything of this node is in Redis.
        reaped: dead nodes whose last entry was taken away here.
    """

    node: Node

    def __init__(
        self,
        commands: Commands,
        node_id: bytes,
        seconds: float,
        silence: float,
        name: Callable[[], str],
    ) -> None:
        self.held = False
        self.reaped = 0
        self._commands = commands
        self._id = node_id
        self._seconds = seconds
        self._silence = silence
        self._name = name
        self._generation: bytes | None = None
        self._doing: set[str] = set()
        self._dead: set[bytes] = set()
        # How often something of a dead node was asked for, and the name of what was told last of each.
        self._given = 0
        self._told: dict[bytes, bytes] = {}
        # Whether everything has to be written anew; and whether Redis has forgotten it without telling anybody.
        self._owing = False
        self._forgotten = False

    def lost(self) -> None:
        """Note that the connection was made anew: nobody knows what has arrived of what was sent before."""
        self.held = False
        self._owing = True

    async def beat(self) -> None:
        """Give a sign of life, and do what follows from the answer; what cannot be done now is done at the next.

        The work may take longer than the lease of a node that does nothing else: the signs go on meanwhile.
        """
        if await self._done("beat", self._renew):
            await self._done("work", self._work)

    async def _done(self, what: str, do: Callable[[], Awaitable[None]]) -> bool:
        """Do something, unless it is being done; give whether it was done well."""
        if what in self._doing:
            return False
        self._doing.add(what)
        try:
            await do()
        except ServiceUnavailable:
            self.held = False
        except Exception:  # noqa: BLE001 - the next beat has to come in any case
            self.held = False
            _log.failure("Bug while keeping the lease")
        else:
            return True
        finally:
            self._doing.discard(what)
        return False

    async def leave(self) -> None:
        """Give the lease up; what is left of this node is for the others to reap."""
        await self._commands.run(GOODBYE, self._id)

    async def _renew(self) -> None:
        known, generation, dead = await self._commands.run(
            HEARTBEAT,
            self._id,
            int(self._seconds * 1000),
            int(self._silence * 1000),
            self._name(),
        )
        first, changed = self._generation is None, self._generation != generation
        self._generation = generation
        if first or changed or not known:
            self._owing = True
        if changed and not first:
            _log.warn("Redis has lost what it knew; everything of this node is written anew")
            self._forgotten = True
            # See lua/outbox.lua.
            settling = self._commands.prefix + b"hook:settling"
            await self._commands.call("SET", settling, 1, "PX", int(self._seconds * 1000))
        elif not known and not first:
            _log.warn("This node was taken for dead; everything of it is written anew")
        self._dead.update(dead)
        self._dead.discard(self._id)

    async def _work(self) -> None:
        await self._write_anew()
        self.held = not self._owing
        while self._dead:
            node_id = next(iter(self._dead))
            await self._reap(node_id)
            self._dead.discard(node_id)

    async def _write_anew(self) -> None:
        while self._owing:
            forgotten, self._forgotten, self._owing = self._forgotten, False, False
            try:
                await self.node.returned(forgotten=forgotten, settling=self._seconds)
            except BaseException:
                self._owing, self._forgotten = True, self._forgotten or forgotten
                raise

    async def _reap(self, node_id: bytes) -> None:
        state, total = _MORE, 0
        while state == _MORE:
            self._given += 1
            told = self._told.get(node_id, b"")
            state, name, gone = await self._commands.run(
                REAP, node_id, AT_ONCE, self._id, self._given, told
            )
            for place, last, sockets, users, is_user, user_id, info in gone:
                user = PresenceMember(user_id.decode(), info.decode()) if is_user else None
                left = Left(bool(last), user, Counts(sockets, users))
                await self.node.departed(*names(place), left, node_id.decode())
            self._told[node_id] = name
            total += len(gone)
        self._told.pop(node_id, None)
        if state == _FINISHED:
            self.reaped += 1
            _log.warn("Node {id} is dead; {count} entries ended", id=node_id.decode(), count=total)
