"""What came of a simulated fleet: how late syncs were, when it was well again, and what it cost upstream.

Knows dues, successes and calls, and nothing of how they came about.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import inf

import attrs

from remediate.simulation.loop import Loop
from remediate.simulation.world import Connection, World

__all__ = ["Meter", "Served"]


@attrs.define
class Served:
    """A due sync: when it was due, and when one had succeeded since; inf: never."""

    connection: Connection
    due_s: float
    done_s: float = inf


class Meter:
    """Counts as it goes.

    Attributes:
        served: every due sync.
    """

    def __init__(self, world: World, loop: Loop) -> None:
        self.world, self.loop = world, loop
        self.served: list[Served] = []
        self._waiting: dict[int, list[Served]] = {}
        world.on_success = self._succeeded

    def due(self, connection: Connection) -> None:
        """A sync is due."""
        one = Served(connection, self.loop.now_s)
        self.served.append(one)
        self._waiting.setdefault(connection.index, []).append(one)

    def _succeeded(self, connection: Connection, now_s: float) -> None:
        for one in self._waiting.pop(connection.index, ()):
            one.done_s = now_s

    def lateness_s(self, share: float, begins_s: float, ends_s: float, tenants: set[str] | None = None) -> float:
        """How late the given share of syncs due then were at most; without those of `tenants`."""
        late = sorted(
            min(one.done_s, self.loop.now_s) - one.due_s
            for one in self.served
            if begins_s <= one.due_s < ends_s and (tenants is None or one.connection.tenant not in tenants)
        )
        return quantile(late, share)

    def recovered_s(self, share: float, begins_s: float, ends_s: float, tenants: set[str] | None = None) -> float:
        """How long after an incident so many of the connections that were due in it were well.

        Those are meant whose sync was due and not done when it ended. inf: never.
        """
        done = sorted(
            one.done_s
            for one in self.served
            if begins_s <= one.due_s < ends_s <= one.done_s
            and one.connection.trouble is None
            and (tenants is None or one.connection.tenant in tenants)
        )
        return quantile(done, share) - ends_s if done else 0.0

    def failed(self, begins_s: float, ends_s: float) -> int:
        """How many calls and syncs failed by a fault."""
        return bisect_left(self.world.failed, ends_s) - bisect_left(self.world.failed, begins_s)

    def peak(self, begins_s: float, ends_s: float) -> float:
        """The most syncs that were triggered within a minute, as a multiple of what upstream can run in one."""
        times = self.world.triggered
        scenario = self.world.scenario
        first, most = bisect_left(times, begins_s), 0
        for last in range(first, bisect_left(times, ends_s)):
            while times[first] <= times[last] - 60:
                first += 1
            most = max(most, last - first + 1)
        return most / (60 * scenario.capacity / scenario.sync_s)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that so large a share of them does not exceed; 0 where there are none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
