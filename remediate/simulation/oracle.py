"""The best that could be done: an orchestrator that knows when upstream is well, and keeps it just busy.

It is the measure of time until a fleet is well again, and no strategy: nobody can know what it knows.
"""

from __future__ import annotations

from heapq import heappop, heappush
from random import Random

from remediate.simulation.loop import Loop
from remediate.simulation.measuring import Meter
from remediate.simulation.people import People
from remediate.simulation.scenario import Wrong
from remediate.simulation.world import Connection, World

__all__ = ["Oracle"]

_AGAIN_S = 1.0


class Oracle:
    """Starts the longest overdue whenever upstream can run one more and would not fail it."""

    def __init__(self, world: World, people: People, meter: Meter, loop: Loop, seed: int) -> None:
        self.world, self.meter, self.loop = world, meter, loop
        self._luck = Random(f"{seed}/orchestrator")
        self._due: list[tuple[float, int]] = []
        self._aside: dict[str, list[tuple[float, int]]] = {}
        self._waits = False
        world.on_end = self._pump
        every_s = world.scenario.every_s
        for connection in world.connections:
            loop.at(self._luck.random() * every_s, self._becomes_due, connection)

    def _becomes_due(self, connection: Connection) -> None:
        every_s = self.world.scenario.every_s
        self.loop.at(self.loop.now_s + every_s * (0.98 + 0.04 * self._luck.random()), self._becomes_due, connection)
        self.meter.due(connection)
        heappush(self._due, (self.loop.now_s, connection.index))
        self._pump(connection)

    def _pump(self, _: object) -> None:
        while self._due and self.world.backlog_s == 0:
            due_s, index = heappop(self._due)
            connection = self.world.connections[index]
            if connection.succeeded_s >= due_s:
                continue
            if connection.is_syncing or self._would_fail(connection):
                self._aside.setdefault(connection.tenant, []).append((due_s, index))
            else:
                self.world.sync(connection)
        if (self._due or self._aside) and not self._waits:
            self._waits = True
            self.loop.at(self.loop.now_s + _AGAIN_S, self._again)

    def _again(self, _: object) -> None:
        """Those of a tenant that was not well are looked at again together."""
        self._waits = False
        for tenant, rows in list(self._aside.items()):
            if not self._would_fail(self.world.connections[rows[0][1]]):
                for row in self._aside.pop(tenant):
                    heappush(self._due, row)
        self._pump(None)

    def _would_fail(self, connection: Connection) -> bool:
        now_s = self.loop.now_s
        for one in self.world.active:
            if one.fault.wrong in (Wrong.FAILURE, Wrong.AUTHORISATION):
                if one.fault.share >= 1 and one.takes(connection, now_s):
                    return True
            elif one.fault.wrong == Wrong.LIMIT and not one.would_admit(connection, self.world):
                return True
        return False
