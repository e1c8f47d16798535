"""What an audit finds: counts of what was done and of what of it was wasted, with examples.

Knows numbers and words, and nothing of how they are come by.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from heapq import heappush, heappushpop
from typing import Final

import attrs

from remediate.workshop.tallying import Side

__all__ = ["Audit", "Finding", "Instance", "Outage"]

_INSTANCES: Final = 5
_WORST: Final = 10


class Finding(StrEnum):
    """What of a log was wasted or went wrong.

    ``futile``: a sync that could not have succeeded, for what was wrong needs a person.
    ``overlapping``: a sync that ran into another. ``hammering``: a sync of a connection whose upstream
    was known to be down, and still was, before the policy would have tried it again.
    ``told_again``: somebody was told a second time before a reminder was due. ``needless``: a customer
    was told of what is not theirs. ``never_told``: nobody told a customer who alone could act.
    ``waited``: an attempt was made later than after the policy's longest wait, or never.
    """

    FUTILE = "futile"
    OVERLAPPING = "overlapping"
    HAMMERING = "hammering"
    TOLD_AGAIN = "told_again"
    NEEDLESS = "needless"
    NEVER_TOLD = "never_told"
    WAITED = "waited"


@attrs.frozen(kw_only=True)
class Instance:
    """One case of a finding.

    Attributes:
        at_s: when, seconds since the epoch.
        why: in a few words.
    """

    key: str
    at_s: float
    why: str


@attrs.frozen(kw_only=True)
class Outage:
    """A time in which upstream failed for many.

    Attributes:
        from_s: when, seconds since the epoch.
        until_s: its end; None: the log ends before it.
        most: the most connections that it failed for at once.
        syncs: how many were triggered meanwhile.
    """

    from_s: float
    until_s: float | None
    most: int
    syncs: int


@attrs.define(kw_only=True)
class Audit:
    """What became of a log.

    Attributes:
        lines: how many were read.
        others: how many of them tell of other events, by their word.
        repeated: how many tell the same as another of the same moment; they count once.
        connections: how many the rest are about.
        from_s: the first moment, seconds since the epoch; None: there is none.
        until_s: the last.
        syncs: how many were triggered.
        succeeded: how many of them were followed by a success.
        passing: how many failed in a way that passes.
        unknown: of how many no outcome is told.
        refused: those that were refused at once, but for overlapping ones, by what is answered to that.
        counts: how often each finding was made.
        reasons: the futile ones by what is answered to how they ended.
        foreseen: how many futile ones were triggered although the status before already told.
        waited_s: how long attempts that were due were not made, seconds together; of each until the
            policy would no longer have made it.
        untold_s: how long customers who had to act were not told, seconds together.
        told: how often somebody was told; None: the log tells of none.
        outages: times in which upstream failed for many.
        allowed: how many of the syncs the policy would have let start at that moment.
        instead: what it would have answered at the others, in a few words; `not yet due` of a wait.
        planned: what it would have done on the statuses of the log.
        instances: the first few of each finding.
        worst: the connections of most waste: how much, and whose.
        bad: lines that can't be read.
    """

    lines: int = 0
    others: Counter[str] = attrs.field(factory=Counter)
    repeated: int = 0
    connections: int = 0
    from_s: float | None = None
    until_s: float | None = None
    syncs: int = 0
    succeeded: int = 0
    passing: int = 0
    unknown: int = 0
    refused: Counter[str] = attrs.field(factory=Counter)
    counts: Counter[Finding] = attrs.field(factory=Counter)
    reasons: Counter[str] = attrs.field(factory=Counter)
    foreseen: int = 0
    waited_s: float = 0.0
    untold_s: float = 0.0
    told: int | None = None
    outages: list[Outage] = attrs.field(factory=list)
    allowed: int = 0
    instead: Counter[str] = attrs.field(factory=Counter)
    planned: Side = attrs.field(factory=Side)
    instances: dict[Finding, list[Instance]] = attrs.field(factory=dict)
    worst: list[tuple[int, str]] = attrs.field(factory=list)
    bad: int = 0

    def found(self, finding: Finding, key: str, at_s: float, why: str) -> None:
        """Count a finding, and keep it where it is one of the first."""
        self.counts[finding] += 1
        kept = self.instances.setdefault(finding, [])
        if len(kept) < _INSTANCES:
            kept.append(Instance(key=key, at_s=at_s, why=why))

    def ranked(self, waste: int, key: str) -> None:
        """Keep a connection where it is one of the worst; the heap's least comes first."""
        if not waste:
            return
        if len(self.worst) < _WORST:
            heappush(self.worst, (waste, key))
        else:
            heappushpop(self.worst, (waste, key))
