"""A policy to an answer for every region of its upstream's observations.

Knows no file format and no upstream: it is handed a policy and the shapes of the observations.
Regions are disjoint boxes that cover everything, each with one rule; what is proven of the
regions is what is served, for the engine answers from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import attrs

from remediate.checking import bound_problems, box_of, is_timed, name_problems, witnessed
from remediate.errors import PolicyError
from remediate.history import Bounds
from remediate.observation import PRESENT, Shape
from remediate.policy import AsIf, Limit, Outcome, Policy, Rule, Schedule, Section
from remediate.regions import Box, Space, intersect, merge, partition, size

__all__ = ["CompiledPolicy", "CompiledSection", "Region", "compile_policy", "described"]


@attrs.frozen(kw_only=True)
class Region:
    """Combinations that one rule answers alike.

    Attributes:
        box: the combinations.
        rule: the rule that decides.
        limit: the name of the limit or schedule whose bounds count; None: nothing is counted.
        bounds: those bounds.
        within: the answer until they are passed.
        spent: the answer once they are; None where nothing is counted.
    """

    box: Box
    rule: Rule
    limit: str | None
    bounds: Bounds | None
    within: Outcome
    spent: Outcome | None

    def outcomes(self) -> Iterator[tuple[str, Outcome]]:
        """Each answer of the region, with when it is given."""
        yield "within its limit", self.within
        if self.spent is not None:
            yield "past its limit", self.spent


@attrs.frozen(kw_only=True, slots=False)
class CompiledSection:
    """The answers to one kind of observation.

    Attributes:
        kind: the section's name.
        regions: disjoint, and together everything, in the order of their rules.
        anomalies: a name and a box over the axes and the witnesses, each.
        invariants: the box that each of the section's invariants speaks of, in their order.
    """

    kind: str
    shape: Shape
    section: Section
    regions: tuple[Region, ...]
    anomalies: tuple[tuple[str, Box], ...]
    invariants: tuple[Box, ...]

    def region_of(self, point: Box) -> Region:
        """The region that a combination lies in."""
        return next(region for region in self.regions if intersect(region.box, point) is not None)

    @cached_property
    def combinations(self) -> dict[str, int]:
        """How many combinations each rule decides, in the order of the rules."""
        counts = {rule.name: 0 for rule in self.section.rules}
        for region in self.regions:
            counts[region.rule.name] += size(region.box)
        return counts


@attrs.frozen(kw_only=True)
class CompiledPolicy:
    """A policy with an answer for everything, by kind of observation."""

    policy: Policy
    sections: Mapping[str, CompiledSection]


def compile_policy(policy: Policy, shapes: Mapping[str, Shape]) -> CompiledPolicy:
    """Check a policy against its upstream's observations, and find its regions.

    Args:
        policy: as read.
        shapes: what the upstream's observations are, by kind.

    Raises:
        PolicyError: a name is unknown, a bound is missing or upside down, a combination has no
            answer, or a rule or a value can't decide anything. It names every such place, with a
            combination.
    """
    problems = [*name_problems(policy, shapes), *bound_problems(policy)]
    if problems:
        raise PolicyError(policy.source, problems)
    sections = {}
    for kind, section in policy.sections.items():
        sections[kind], found = _compiled(policy, kind, section, shapes[kind])
        problems += [f"{kind} {what}" for what in found]
    if problems:
        raise PolicyError(policy.source, problems)
    return CompiledPolicy(policy=policy, sections=sections)


def described(space: Space, box: Box) -> str:
    """One combination of a box, in words."""
    return ", ".join(f"{name}={value}" for name, value in space.sample(box).items())


def _compiled(policy: Policy, kind: str, section: Section, shape: Shape) -> tuple[CompiledSection, list[str]]:
    space, groups = shape.space, policy.groups
    claims = [box_of(space, rule.when, groups) for rule in section.rules]
    taken, left = partition(space.full, claims)
    taken = [merge(boxes) for boxes in taken]
    problems = [f"no rule answers {described(space, gap)}" for gap in left[:1]]
    for position, boxes in enumerate(taken):
        problems += _dead_problems(space, section.rules, claims, position, boxes)
    regions: list[Region] = []
    for rule, boxes in zip(section.rules, taken, strict=True):
        for region in _regions(policy, shape, section, rule, boxes, taken):
            regions.append(region)
            if region.spent is not None and is_timed(region.spent.then):
                at = described(space, region.box)
                problems.append(f'rule "{rule.name}": schedules.{region.limit}: as_if leads to a retry at {at}')
    return (
        CompiledSection(
            kind=kind,
            shape=shape,
            section=section,
            regions=tuple(regions),
            anomalies=tuple((one.name, box_of(witnessed(shape), one.when, groups)) for one in section.anomalies),
            invariants=tuple(box_of(space, invariant.when, groups) for invariant in section.invariants),
        ),
        problems,
    )


def _dead_problems(
    space: Space, rules: Sequence[Rule], claims: Sequence[Box], position: int, boxes: Sequence[Box]
) -> Iterator[str]:
    """Whether a rule is dead, or a value that it names. `present` names no value."""
    rule, claim = rules[position], claims[position]
    if not boxes:
        yield f'rule "{rule.name}" is dead: {_taker(space, rules, claims[:position], claim)}'
        return
    for i, axis in enumerate(space.axes):
        if axis.name in rule.when and PRESENT not in rule.when[axis.name].values:
            alive = 0
            for box in boxes:
                alive |= box[i]
            for value in axis.named(claim[i] & ~alive):
                narrowed = (*claim[:i], axis.mask([value]), *claim[i + 1 :])
                taker = _taker(space, rules, claims[:position], narrowed)
                yield f'rule "{rule.name}": when.{axis.name}: `{value}` is dead: {taker}'


def _taker(space: Space, rules: Sequence[Rule], earlier: Sequence[Box], box: Box) -> str:
    """Which earlier rule takes most of a box, and where."""
    taken = [(rule.name, both) for rule, claim in zip(rules, earlier, strict=False) if (both := intersect(box, claim))]
    name, most = max(taken, key=lambda one: size(one[1]))
    return f'"{name}" comes before it, for instance at {described(space, most)}'


def _regions(
    policy: Policy, shape: Shape, section: Section, rule: Rule, boxes: Sequence[Box], taken: Sequence[Sequence[Box]]
) -> Iterator[Region]:
    name = rule.outcome.schedule or rule.limit
    limit: Schedule | Limit | None = None
    if name is not None:
        limit = policy.schedules[name] if rule.outcome.schedule else policy.limits[name]
    for box in boxes:
        for piece, spent in _spent(policy, shape, section, limit, box, taken):
            yield Region(
                box=piece,
                rule=rule,
                limit=name,
                bounds=None if limit is None else limit.bounds,
                within=rule.outcome,
                spent=spent,
            )


def _spent(
    policy: Policy,
    shape: Shape,
    section: Section,
    limit: Schedule | Limit | None,
    box: Box,
    taken: Sequence[Sequence[Box]],
) -> Iterator[tuple[Box, Outcome | None]]:
    """Pieces of a box, each with the answer that follows the limit there."""
    spent = None if limit is None else limit.spent
    if spent is None:
        yield box, None
    elif not isinstance(spent.then, AsIf):
        yield box, Outcome(then=spent.then, because=spent.because, next_steps=spent.next_steps)
    else:
        fields = spent.then.as_if
        target = box_of(shape.space, fields, policy.groups)
        is_set = [axis.name in fields for axis in shape.space.axes]
        moved = tuple(there if changed else here for there, here, changed in zip(target, box, is_set, strict=True))
        for other, claimed in zip(section.rules, taken, strict=True):
            for shared in filter(None, (intersect(moved, one) for one in claimed)):
                piece = tuple(
                    here if changed else there for here, there, changed in zip(box, shared, is_set, strict=True)
                )
                yield piece, Outcome(then=other.then, because=spent.because, next_steps=other.next_steps)
