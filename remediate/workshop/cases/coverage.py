"""Which of a policy's answers some observations touch, and which none does.

Knows proven regions and nothing of files or expectations. What is counted is a region once for every
answer that it can give: within its limit, past it, once repaired, and where upstream asks for too long
a pause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from math import inf

import attrs

from remediate.compiling import CompiledSection, Region
from remediate.engine import Engine
from remediate.history import NO_HISTORY
from remediate.policy import Outcome, Policy
from remediate.regions import intersect
from remediate.upstreams import Record

__all__ = ["Coverage", "Target", "When", "coverage_of", "targets", "touched"]


class When(StrEnum):
    """When a region gives an answer."""

    WITHIN = "within its limit"
    PAST = "past its limit"
    REPAIRED = "once repaired"
    TOO_LONG = "after too long a Retry-After"


@attrs.frozen
class Target:
    """One answer of a region.

    Attributes:
        region: its number in the section, from 0.
        when: when it is given.
    """

    region: int
    when: When


@attrs.frozen(kw_only=True)
class Coverage:
    """What is touched of one section.

    Attributes:
        section: the section.
        targets: all that can be touched, in the order of the regions.
        touched: those that are.
    """

    section: CompiledSection
    targets: tuple[Target, ...]
    touched: frozenset[Target]

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule, in order."""
        return tuple(rule.name for rule in self.section.section.rules)

    @property
    def untouched_rules(self) -> tuple[str, ...]:
        """The rules of which no answer is touched, in order."""
        seen = {self.section.regions[target.region].rule.name for target in self.touched}
        return tuple(name for name in self.rules if name not in seen)

    @property
    def untouched(self) -> tuple[Target, ...]:
        """The answers that are not touched, in order."""
        return tuple(target for target in self.targets if target not in self.touched)

    @property
    def regions(self) -> int:
        """How many regions are touched in some answer."""
        return len({target.region for target in self.touched})


def coverage_of(engine: Engine, records: Iterable[Record]) -> dict[str, Coverage]:
    """What some records touch of each section of an engine's policy."""
    found: dict[str, set[Target]] = {kind: set() for kind in engine.deciders}
    for record in records:
        found[record.observation.kind].add(touched(engine, record))
    return {
        kind: Coverage(section=decider.section, targets=tuple(targets(decider.section)), touched=frozenset(found[kind]))
        for kind, decider in engine.deciders.items()
    }


def targets(section: CompiledSection) -> Iterator[Target]:
    """All that can be touched of a section."""
    for number, region in enumerate(section.regions):
        yield Target(number, When.WITHIN)
        if region.spent is not None:
            yield Target(number, When.PAST)
        if section.section.repair is not None and region.rule.repairable and _asks(region):
            yield Target(number, When.REPAIRED)
        if region.within.schedule is not None:
            yield Target(number, When.TOO_LONG)


def _asks(region: Region) -> bool:
    return any(outcome.asks_a_person for _, outcome in region.outcomes())


def touched(engine: Engine, record: Record) -> Target:
    """The answer that a record gets, as the engine chooses it.

    A resuming sync that too long a Retry-After holds back is no answer of `targets`.
    """
    section = engine.deciders[record.observation.kind].section
    point = section.shape.space.point(section.shape.tokens(record.observation))
    number = next(i for i, one in enumerate(section.regions) if intersect(one.box, point) is not None)
    region, is_too_long = section.regions[number], _is_too_long(engine.policy, record)
    outcome, when = region.within, When.WITHIN
    if region.spent is not None and region.bounds is not None and region.bounds.passed(record.history or NO_HISTORY):
        outcome, when = region.spent, When.PAST
    elif outcome.schedule is not None and is_too_long:
        outcome, when = engine.policy.retry_after.outcome, When.TOO_LONG
    if _is_resumed(engine.policy, section, region, outcome, record):
        when = When.TOO_LONG if is_too_long else When.REPAIRED
    return Target(number, when)


def _is_too_long(policy: Policy, record: Record) -> bool:
    asked = record.observation.retry_after_s
    return asked is not None and policy.retry_after.longest_s < asked < inf


def _is_resumed(policy: Policy, section: CompiledSection, region: Region, outcome: Outcome, record: Record) -> bool:
    repair, history = section.section.repair, record.history or NO_HISTORY
    if repair is None or not region.rule.repairable or not history.repaired or not outcome.asks_a_person:
        return False
    return not policy.schedules[repair.schedule].bounds.passed(history)
