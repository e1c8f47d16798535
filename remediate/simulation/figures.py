"""What came of a run, in a dozen numbers; and of several runs, their medians and extremes.

Knows runs that are over. What the numbers look like in a table is another's word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from statistics import median
from typing import Any, Final

import attrs

from remediate.simulation.incidents import Incident, incidents
from remediate.simulation.measuring import Meter
from remediate.simulation.running import Run

__all__ = ["AFTER_S", "NEVER", "SHARE", "Figures", "compared", "figures", "plain", "summed_up"]

SHARE: Final = 0.95
"""The share of connections that has to be well again, and of syncs that are no later than the lateness told."""
AFTER_S: Final = 7200.0
"""For so long after an incident its failed calls and its peak are counted, unless another begins."""
NEVER: Final = "never"
"""What stands in JSON for a time that did not come."""


@attrs.frozen(kw_only=True)
class Figures:
    """What came of a run. Where it had several incidents: the worst of them, or the sum of what is counted.

    Attributes:
        recovered_s: how long after the incident's end 95 % of the connections that were overdue then
            were well again, seconds; inf: never; None: there was no incident.
        to_oracle: that, as a multiple of the oracle's, which knows when upstream is well; None: it is not compared,
            or the oracle had nothing to do.
        failed: calls and syncs that failed by a fault or were refused, in the incident and two hours after;
            without one, in all.
        peak: the most syncs that were triggered within a minute in those two hours, as a multiple of what
            upstream can run in one; without an incident, in all.
        late_s: how late 95 % of the syncs due in the incident were at most, seconds; of the tenants that it was
            not about, where there are such; without an incident, of all.
        told: how often customers were told that they have to act, in all; as is all that follows.
        told_in_vain: how often of those it was not theirs to act.
        tickets: tickets opened.
        called_in_vain: those of them for what heals by itself.
        overlaps: syncs triggered while one ran already.
    """

    recovered_s: float | None
    to_oracle: float | None = None
    failed: int
    peak: float
    late_s: float
    told: int
    told_in_vain: int
    tickets: int
    called_in_vain: int
    overlaps: int


def figures(run: Run) -> Figures:
    """Take the figures of a run."""
    meter, people = run.meter, run.people
    found = incidents(run.world.planned)
    spans = _spans(found, run.scenario.lasts_s)
    return Figures(
        recovered_s=max((_recovered_s(meter, one) for one in found), default=None),
        failed=sum(meter.failed(span.begins_s, span.ends_s) for span in spans),
        peak=max(meter.peak(span.calm_s, span.ends_s) for span in spans),
        late_s=max(_late_s(run, span) for span in spans),
        told=len(people.told),
        told_in_vain=people.told_in_vain,
        tickets=people.tickets,
        called_in_vain=people.asked_in_vain,
        overlaps=run.world.overlaps,
    )


@attrs.frozen
class _Span:
    """What is looked at: an incident and its aftermath, or a whole run."""

    incident: Incident | None
    ends_s: float

    @property
    def begins_s(self) -> float:
        return self.incident.begins_s if self.incident else 0.0

    @property
    def calm_s(self) -> float:
        """Since when nothing is wrong any more."""
        return self.incident.ends_s if self.incident else 0.0


def _spans(found: Sequence[Incident], lasts_s: float) -> list[_Span]:
    ends_s = [*(one.begins_s for one in found[1:]), lasts_s]
    spans = [_Span(one, min(one.ends_s + AFTER_S, end_s)) for one, end_s in zip(found, ends_s, strict=False)]
    return spans or [_Span(None, lasts_s)]


def _recovered_s(meter: Meter, incident: Incident) -> float:
    tenants = None if incident.tenants is None else set(incident.tenants)
    return meter.recovered_s(SHARE, incident.begins_s, incident.ends_s, tenants)


def _late_s(run: Run, span: _Span) -> float:
    if span.incident is None:
        return run.meter.lateness_s(SHARE, 0.0, run.scenario.lasts_s)
    tenants = None if span.incident.tenants is None else set(span.incident.tenants)
    return run.meter.lateness_s(SHARE, span.incident.begins_s, span.incident.ends_s, tenants)


def compared(ours: Figures, oracle: Figures | None) -> Figures:
    """The figures beside the oracle's of the same scenario and seed; None: it has not run."""
    best_s = None if oracle is None else oracle.recovered_s
    if not best_s or best_s == inf or ours.recovered_s is None:
        return ours
    return attrs.evolve(ours, to_oracle=ours.recovered_s / best_s)


_SUMS: Final[dict[str, Callable[[Sequence[float]], float]]] = {"median": median, "least": min, "most": max}


def summed_up(runs: Sequence[Figures]) -> dict[str, dict[str, float | None]]:
    """The ``median``, the ``least`` and the ``most`` of every figure; None where no run has it."""
    found: dict[str, dict[str, float | None]] = {}
    for name, sum_up in _SUMS.items():
        found[name] = {}
        for field in attrs.fields(Figures):
            values = [value for one in runs if (value := getattr(one, field.name)) is not None]
            found[name][field.name] = sum_up(values) if values else None
    return found


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Figures as JSON has them: three decimals, and `"never"` for a time that did not come."""
    return {name: NEVER if value == inf else _short(value) for name, value in values.items()}


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value == int(value) else round(value, 3)
    return value
