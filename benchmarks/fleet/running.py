"""One strategy in one scenario with one seed, and what came of it, as numbers.

Knows how a run is looked at, and nothing of how strategies work.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import inf
from random import Random
from typing import Any, Final

import attrs

from benchmarks.fleet.baselines import BASELINES
from benchmarks.fleet.scenarios import Entry, Judged
from remediate.engine import Engine
from remediate.simulation.loop import Loop
from remediate.simulation.measuring import Meter
from remediate.simulation.oracle import Oracle
from remediate.simulation.orchestrating import Governed
from remediate.simulation.people import People
from remediate.simulation.running import Run, simulate
from remediate.simulation.troubles import Trouble
from remediate.simulation.world import Answer, Connection, World

__all__ = ["ORACLE", "OURS", "STRATEGIES", "Outcome", "run", "seeds"]

OURS: Final = "governor"
ORACLE: Final = "oracle"
STRATEGIES: Final = (OURS, *(one.name for one in BASELINES), ORACLE)
_SHARE: Final = 0.95


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of a run.

    Attributes:
        recovered_s: how long after the incident 95 % of those whose sync it had held up were well; inf: never.
        late_s: how late 95 % of the syncs due in it were at most.
        failed: calls and syncs that failed by a fault or for want of room, from its beginning to the end.
        peak: the most syncs triggered in a minute after it, as a multiple of what upstream can run in one.
        told_in_vain: customers told of what was not theirs.
        asked_in_vain: tickets for what heals by itself.
        overlaps: triggers while a sync was running.
        premature: syncs triggered after the customer was told and before they acted.
        duplicates: customers told a second time of the same trouble.
        has_collapsed: whether the 95 % were never well; where lateness is judged, of all whose sync was due in it.
    """

    recovered_s: float
    late_s: float
    failed: int
    peak: float
    told_in_vain: int
    asked_in_vain: int
    overlaps: int
    premature: int
    duplicates: int
    has_collapsed: bool


class _Watch:
    """Sees who is told, and who is synced in spite of it."""

    def __init__(self, world: World, people: People) -> None:
        self.premature = self.duplicates = 0
        self._told: dict[str, Trouble | None] = {}
        self._sync, self._tell = world.sync, people.tell
        world.sync = self.sync  # type: ignore[method-assign]  # whoever looks after the fleet calls it
        people.tell = self.tell  # type: ignore[method-assign]  # the same

    def sync(self, connection: Connection) -> Answer:
        self.premature += self._knows(connection)
        return self._sync(connection)

    def tell(self, connection: Connection) -> None:
        self.duplicates += self._knows(connection)
        self._told[connection.key] = connection.trouble
        self._tell(connection)

    def _knows(self, connection: Connection) -> bool:
        """Whether the customer was told of this very trouble."""
        return connection.trouble is not None and self._told.get(connection.key) is connection.trouble


def run(entry: Entry, strategy: str, seed: int) -> Outcome:
    """Simulate, and look at it."""
    watches: list[_Watch] = []

    def made(world: World, people: People, meter: Meter, loop: Loop, seed: int) -> Any:
        watches.append(_Watch(world, people))
        return _maker(strategy)(world, people, meter, loop, seed)

    return _outcome(entry, simulate(entry.scenario, seed, made), watches[0])


def seeds(number: int, drawn_from: int) -> list[int]:
    """So many seeds, other ones from every number that they are drawn from."""
    return Random(f"fleet {drawn_from}").sample(range(10**9), number)


def _outcome(entry: Entry, over: Run, watch: _Watch) -> Outcome:
    meter, people, end_s = over.meter, over.people, over.scenario.lasts_s
    fault = over.world.planned[0] if over.world.planned else None
    begins_s, ends_s = (fault.begins_s, fault.ends_s) if fault is not None else (0.0, end_s)
    hurt = fault.tenants if fault is not None else None
    recovered_s = meter.recovered_s(_SHARE, begins_s, ends_s, hurt) if fault is not None else 0.0
    has_recovered = recovered_s < inf if entry.judged == Judged.RECOVERY else _done(meter, begins_s, ends_s) >= _SHARE
    return Outcome(
        recovered_s=recovered_s,
        late_s=meter.lateness_s(_SHARE, begins_s, ends_s, hurt if entry.spares else None),
        failed=meter.failed(begins_s, end_s),
        peak=meter.peak(ends_s, end_s),
        told_in_vain=people.told_in_vain,
        asked_in_vain=people.asked_in_vain,
        overlaps=over.world.overlaps,
        premature=watch.premature,
        duplicates=watch.duplicates,
        has_collapsed=not has_recovered,
    )


def _done(meter: Meter, begins_s: float, ends_s: float) -> float:
    """The share of syncs due then that were done at last, among connections without a trouble of their own."""
    due = [one for one in meter.served if begins_s <= one.due_s < ends_s and one.connection.trouble is None]
    return sum(one.done_s < inf for one in due) / len(due) if due else 1.0


def _maker(strategy: str) -> Callable[..., Any]:
    if strategy == OURS:
        return _governed
    if strategy == ORACLE:
        return Oracle
    return next(one for one in BASELINES if one.name == strategy)


def _governed(world: World, people: People, meter: Meter, loop: Loop, seed: int) -> Governed:
    return Governed(world, people, meter, loop, _engine(), seed)


@cache
def _engine() -> Engine:
    return Engine.bundled()
