"""The incidents of a run: faults that overlap are one. What was within, after, and whom it was about.

Knows when faults began and ended, and nothing of what came of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from remediate.simulation.world import Active

__all__ = ["Incident", "incidents"]


@attrs.frozen(kw_only=True)
class Incident:
    """A time in which something was wrong.

    Attributes:
        begins_s: seconds from the run's beginning.
        ends_s: when all of it was over.
        tenants: whom it was about; None: everyone.
    """

    begins_s: float
    ends_s: float
    tenants: frozenset[str] | None


def incidents(planned: Iterable[Active]) -> tuple[Incident, ...]:
    """The incidents that faults make, in the order of time."""
    found: list[Incident] = []
    for fault in sorted(planned, key=lambda one: one.begins_s):
        tenants = None if fault.tenants is None else frozenset(fault.tenants)
        new = Incident(begins_s=fault.begins_s, ends_s=fault.ends_s, tenants=tenants)
        if found and new.begins_s <= found[-1].ends_s:
            found[-1] = _joined(found[-1], new)
        else:
            found.append(new)
    return tuple(found)


def _joined(one: Incident, other: Incident) -> Incident:
    is_partial = one.tenants is not None and other.tenants is not None
    return Incident(
        begins_s=one.begins_s,
        ends_s=max(one.ends_s, other.ends_s),
        tenants=(one.tenants or frozenset()) | (other.tenants or frozenset()) if is_partial else None,
    )
