"""A log to its audit: sorted, each connection judged, and the times found in which upstream failed for many.

Knows lines and judges. Memory is bounded by what is spilled to disk, whatever the length of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil
from typing import Final

import attrs

from remediate.decision import Evidence
from remediate.engine import Engine
from remediate.workshop.audit.columns import Event
from remediate.workshop.audit.findings import Audit, Outage
from remediate.workshop.audit.judging import Judge
from remediate.workshop.audit.logs import Line, Other
from remediate.workshop.audit.sorting import Sorter
from remediate.workshop.journals import Fault

__all__ = ["audit"]

_FEWEST: Final = 3
_SHARE: Final = 0.1
"""An outage fails for three connections and a tenth of all, at the least."""
_SYNC: Final = 0
_FAILS: Final = 1
_ANSWERS: Final = -1
_MOST_WORDS: Final = 100


def audit(
    lines: Iterable[Line | Other | Fault], engine: Engine, faults: list[Fault], *, most_faults: int = 20
) -> Audit:
    """Judge a log.

    Args:
        lines: in any order.
        engine: whose policy is the measure.
        faults: lines that can't be read go there, as many as `most_faults`; all are counted.
    """
    found = Audit()
    fleet: set[str] = set()
    with Sorter() as sorter:
        _sort(lines, sorter, found, faults, most_faults)
        if found.until_s is None:
            return found
        for key, events in sorter.by_connection():
            found.connections += 1
            judge = Judge(
                engine=engine,
                audit=found,
                key=key,
                fleet=fleet,
                ends_s=found.until_s,
                tells=found.told is not None,
            )
            judge.judge(_noted(_once(events, found), sorter, engine))
        found.outages += _outages(sorter.notes(), max(_FEWEST, ceil(found.connections * _SHARE)))
    found.worst.sort(key=lambda one: (-one[0], one[1]))
    return found


def _sort(
    lines: Iterable[Line | Other | Fault], sorter: Sorter, found: Audit, faults: list[Fault], most_faults: int
) -> None:
    for line in lines:
        if isinstance(line, Fault):
            found.bad += 1
            faults += [line][: most_faults - len(faults)]
            continue
        found.lines += 1
        if isinstance(line, Other):
            if line.word in found.others or len(found.others) < _MOST_WORDS:
                found.others[line.word] += 1
            continue
        if line.event is Event.TOLD:
            found.told = 0  # the judges count
        found.from_s = line.at_s if found.from_s is None else min(found.from_s, line.at_s)
        found.until_s = line.at_s if found.until_s is None else max(found.until_s, line.at_s)
        sorter.add(line)


def _once(lines: Iterable[Line], found: Audit) -> Iterator[Line]:
    """The lines of a connection, without those that are there already: a log may be shipped twice."""
    now: list[Line] = []
    for line in lines:
        if now and now[0].at_s != line.at_s:
            now = []
        if line in now:
            found.repeated += 1
        else:
            now.append(line)
            yield line


def _noted(lines: Iterable[Line], sorter: Sorter, engine: Engine) -> Iterator[Line]:
    """The lines of a connection; each sync, and each time that upstream begins or ends to fail for it, is noted."""
    fails = False
    for line in lines:
        if line.event is Event.SYNC:
            sorter.note(line.at_s, _SYNC)
        if line.observation is not None:
            evidence = engine.decide(line.observation, key=line.key).evidence
            failing = evidence == Evidence.UPSTREAM if evidence != Evidence.NONE else fails
            if failing != fails:
                fails = failing
                sorter.note(line.at_s, _FAILS if fails else _ANSWERS)
        yield line


def _outages(notes: Iterable[tuple[float, int]], least: int) -> Iterator[Outage]:
    failing = 0
    outage: Outage | None = None
    for at_s, what in notes:
        failing += what
        if outage is None:
            if failing >= least:
                outage = Outage(from_s=at_s, until_s=None, most=failing, syncs=0)
        elif failing < least:
            yield attrs.evolve(outage, until_s=at_s)
            outage = None
        else:
            syncs = outage.syncs + (what == _SYNC)
            outage = attrs.evolve(outage, most=max(outage.most, failing), syncs=syncs)
    if outage is not None:
        yield outage
