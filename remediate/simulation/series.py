"""A run minute by minute: what was triggered, what upstream could run, how many connections were overdue.

Knows runs that are over, and nothing of how they are drawn.
"""

from __future__ import annotations

from itertools import accumulate
from math import ceil, inf

import attrs

from remediate.simulation.incidents import incidents
from remediate.simulation.running import Run
from remediate.simulation.scenario import Fault, Scenario, Wrong
from remediate.simulation.world import Active

__all__ = ["MINUTE_S", "Series", "series"]

MINUTE_S = 60.0


@attrs.frozen(kw_only=True)
class Series:
    """One number for each minute of a run, from its beginning.

    Attributes:
        load: syncs that upstream was asked for and took up.
        capacity: syncs that upstream can run, as far as that is limited for everyone.
        overdue: connections whose sync was due and not done at the minute's end.
        incidents: when each incident began and ended, seconds.
    """

    load: tuple[int, ...]
    capacity: tuple[float, ...]
    overdue: tuple[int, ...]
    incidents: tuple[tuple[float, float], ...]


def series(run: Run) -> Series:
    """Take the series of a run."""
    minutes = ceil(run.scenario.lasts_s / MINUTE_S)
    return Series(
        load=_load(run, minutes),
        capacity=tuple(_capacity(run, (minute + 0.5) * MINUTE_S) for minute in range(minutes)),
        overdue=_overdue(run, minutes),
        incidents=tuple((one.begins_s, one.ends_s) for one in incidents(run.world.planned)),
    )


def _load(run: Run, minutes: int) -> tuple[int, ...]:
    counted = [0] * minutes
    for at_s in run.world.triggered:
        counted[min(minutes - 1, int(at_s // MINUTE_S))] += 1
    return tuple(counted)


def _capacity(run: Run, at_s: float) -> float:
    """Syncs a minute. What is limited for some tenants, or now and then, is passed over."""
    scenario = run.scenario
    calm = MINUTE_S * scenario.capacity / scenario.sync_s
    able, limit = calm, inf
    for active in run.world.planned:
        fault = active.fault
        if not _takes_all(active, at_s):
            continue
        if fault.wrong == Wrong.CAPACITY:
            able *= _left(scenario, fault)
        elif fault.wrong == Wrong.SLOWNESS:
            able /= active.slowness(at_s)
        elif fault.wrong == Wrong.LIMIT:
            limit = min(limit, fault.per_minute * calm)
    return min(able, limit)


def _left(scenario: Scenario, fault: Fault) -> float:
    """The share of what upstream can run that is left: whole syncs at once, and one at least."""
    whole = max(1, round(scenario.capacity))
    return max(1, whole - round(whole * (1 - fault.factor))) / whole


def _takes_all(active: Active, at_s: float) -> bool:
    fault = active.fault
    is_on = active.begins_s <= at_s < active.ends_s
    return is_on and active.tenants is None and not fault.per_tenant and fault.up_s == 0


def _overdue(run: Run, minutes: int) -> tuple[int, ...]:
    """A connection is counted once, however many of its syncs are due: they are done together."""
    first_due_s: dict[tuple[int, float], float] = {}
    for one in run.meter.served:
        known = (one.connection.index, one.done_s)
        first_due_s[known] = min(one.due_s, first_due_s.get(known, inf))
    changes = [0] * (minutes + 1)
    for (_, done_s), due_s in first_due_s.items():
        changes[min(minutes, int(due_s // MINUTE_S))] += 1
        if done_s < minutes * MINUTE_S:
            changes[int(done_s // MINUTE_S)] -= 1
    return tuple(accumulate(changes[:minutes]))
