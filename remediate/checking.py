"""What can be said of a policy without looking at combinations: its names, bounds and conditions.

Knows the policy and the shapes of its upstream's observations; yields a sentence a problem.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final

from remediate.decision import NO_KEY, NextSteps
from remediate.errors import did_you_mean
from remediate.fleet.parameters import problems
from remediate.history import Bounds
from remediate.observation import ABSENT, PRESENT, Shape
from remediate.policy import (
    AsIf,
    Cadence,
    Condition,
    NoOpThen,
    Policy,
    ReauthThen,
    RetryThen,
    Rule,
    Schedule,
    Section,
    Spent,
    Then,
    When,
)
from remediate.regions import Axis, Box, Space

__all__ = ["bound_problems", "box_of", "is_timed", "name_problems", "witnessed"]

_SHORTEST_S: Final = 0.1
"""No first wait is shorter: it is the resolution of waits."""
_SOONEST_S: Final = 1.0
"""Nothing is looked at again sooner."""
_TRUTH = {True: "true", False: "false"}

Groups = Mapping[str, Mapping[str, tuple[str, ...]]]


def witnessed(shape: Shape) -> Space:
    """The axes of a shape, and after them its witnesses, each present or absent."""
    return Space((*shape.space.axes, *(Axis(name, (PRESENT, ABSENT)) for name in shape.witnesses)))


def name_problems(policy: Policy, shapes: Mapping[str, Shape]) -> Iterator[str]:
    """Every name in a policy that stands for nothing, twice, or for something that is not there."""
    for kind in policy.sections:
        if kind not in shapes:
            yield f"unknown key `{kind}`{did_you_mean(kind, shapes)}"
    for kind in shapes:
        if kind not in policy.sections:
            yield f"the section `{kind}` is missing"
    yield from _group_problems(policy, shapes)
    for kind, section in policy.sections.items():
        if kind in shapes:
            yield from (f"{kind} {what}" for what in _section_problems(policy, section, shapes[kind]))
    used: set[str] = set()
    for place, name in _schedule_uses(policy):
        used.add(name)
        if name not in policy.schedules:
            yield f"{place}: unknown schedule `{name}`{did_you_mean(name, policy.schedules)}"
    for kind, section in policy.sections.items():
        if kind in shapes:
            yield from _system_problems(kind, policy, section, shapes[kind])
        for rule in section.rules:
            if rule.limit is not None:
                used.add(rule.limit)
                yield from _limit_problems(policy, f'{kind} rule "{rule.name}"', rule)
    for table, names in (("schedules", policy.schedules), ("limits", policy.limits)):
        for name in names:
            if name not in used:
                yield f"{table}.{name}: no rule uses it"


def _section_problems(policy: Policy, section: Section, shape: Shape) -> Iterator[str]:
    whens = [(f'rule "{rule.name}": when', rule.when, shape.space) for rule in section.rules]
    whens += [(f'invariant "{one.name}": when', one.when, shape.space) for one in section.invariants]
    whens += [(f'anomaly "{one.name}": when', one.when, witnessed(shape)) for one in section.anomalies]
    limits = {rule.outcome.schedule or rule.limit for rule in section.rules}
    for table, named in (("schedules", policy.schedules), ("limits", policy.limits)):
        for name, one in named.items():
            if name in limits and one.spent is not None and isinstance(one.spent.then, AsIf):
                whens.append((f"{table}.{name}: as_if", one.spent.then.as_if, shape.space))
    for place, when, space in whens:
        yield from (f"{place}.{what}" for what in _when_problems(space, when, policy.groups, shape))
    for entry, names in (
        ("rule", [rule.name for rule in section.rules]),
        ("invariant", [invariant.name for invariant in section.invariants]),
    ):
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f'{entry} "{name}": there are two of this name'
    yield from _anomaly_problems(section)
    repairable = [rule.name for rule in section.rules if rule.repairable]
    if repairable and section.repair is None:
        yield f'rule "{repairable[0]}": is repairable, but the section says no `repair`'
    if section.repair is not None and not repairable:
        yield "repair: no rule is repairable"


def _anomaly_problems(section: Section) -> Iterator[str]:
    for position, anomaly in enumerate(section.anomalies):
        if anomaly.name == NO_KEY:
            yield f'anomaly "{NO_KEY}": the name is kept for a retry without a key'
        if not anomaly.when:
            yield f'anomaly "{anomaly.name}": it always holds'
        if anomaly in section.anomalies[:position]:
            yield f'anomaly "{anomaly.name}": it stands there twice'


def _limit_problems(policy: Policy, place: str, rule: Rule) -> Iterator[str]:
    if rule.limit not in policy.limits:
        yield f"{place}: unknown limit `{rule.limit}`{did_you_mean(str(rule.limit), policy.limits)}"
    if rule.outcome.schedule is not None:
        yield f"{place}: limit: a rule carries one limit, and its schedule is one already"


def _system_problems(kind: str, policy: Policy, section: Section, shape: Shape) -> Iterator[str]:
    known = shape.cls.systems
    for rule in section.rules:
        name = rule.outcome.schedule or rule.limit or ""
        limit = policy.schedules.get(name) or policy.limits.get(name)
        spent = None if limit is None else limit.spent
        for then in (rule.then, None if spent is None else spent.then):
            if isinstance(then, ReauthThen) and then.system not in known:
                hint = did_you_mean(then.system, known)
                yield f'{kind} rule "{rule.name}": then.system: unknown system `{then.system}`{hint}'


def _schedule_uses(policy: Policy) -> Iterator[tuple[str, str]]:
    for kind, section in policy.sections.items():
        for rule in section.rules:
            if rule.outcome.schedule is not None:
                yield f'{kind} rule "{rule.name}"', rule.outcome.schedule
        if section.repair is not None:
            yield f"{kind}.repair", section.repair.schedule


def _group_problems(policy: Policy, shapes: Mapping[str, Shape]) -> Iterator[str]:
    axes = {axis.name: axis for shape in shapes.values() for axis in shape.space.axes}
    used: dict[str, set[str | bool]] = {field: set() for field in policy.groups}
    for section in policy.sections.values():
        rules, anomalies, invariants = section.rules, section.anomalies, section.invariants
        for when in [one.when for one in rules] + [one.when for one in anomalies] + [one.when for one in invariants]:
            for field, condition in when.items():
                used.setdefault(field, set()).update(condition.values)
    for field, groups in policy.groups.items():
        if field not in axes:
            yield f"groups.{field}: unknown field{did_you_mean(field, axes)}"
            continue
        known = axes[field].values
        for name, values in groups.items():
            if name in (*known, PRESENT):
                yield f"groups.{field}.{name}: a value of the field has this name already"
            if not values:
                yield f"groups.{field}.{name}: an empty group matches nothing"
            if len(set(values)) < len(values):
                yield f"groups.{field}.{name}: a value is listed twice"
            if name not in used[field]:
                yield f"groups.{field}.{name}: no condition uses it"
            for value in values:
                if value not in known:
                    yield f"groups.{field}.{name}: unknown value `{value}`{did_you_mean(value, known)}"


def bound_problems(policy: Policy) -> Iterator[str]:
    """Every bound in a policy that is missing, upside down, or leads on without an end."""
    for name, schedule in policy.schedules.items():
        yield from (f"schedules.{name}: {what}" for what in _schedule_problems(schedule))
    for name, limit in policy.limits.items():
        if limit.bounds == Bounds():
            yield f"limits.{name}: has no bound: one of `attempts`, `failing_for_s`, `syncing_for_s` is needed"
        if 0.0 in (limit.failing_for_s, limit.syncing_for_s):
            yield f"limits.{name}: a bound of 0 is passed before anything happens"
        yield from _spent_problems(f"limits.{name}.spent", limit.spent)
    for kind, section in policy.sections.items():
        for rule in section.rules:
            used = rule.outcome.schedule
            if used is not None and used in policy.schedules:
                yield from _endless_problems(f'{kind} rule "{rule.name}"', used, policy.schedules[used])
        if section.repair is not None and section.repair.schedule in policy.schedules:
            name = section.repair.schedule
            yield from (f"schedules.{name}: {what}" for what in _repair_problems(policy.schedules[name]))
    yield from (f"retry_after: {what}" for what in _ending_problems(policy.retry_after.then))
    yield from (f"episode.{what}" for what in _cadence_problems(policy.episode))
    yield from (f"fleet.{what}" for what in problems(policy.fleet))
    for name, seconds in _look_agains(policy):
        if seconds < _SOONEST_S:
            yield f"{name}: expected {_SOONEST_S:g} s or more"


def _cadence_problems(cadence: Cadence) -> Iterator[str]:
    for name in ("settling_s", "poll_s", "look_again_s"):
        if getattr(cadence, name) < _SOONEST_S:
            yield f"{name}: expected {_SOONEST_S:g} s or more"
    moments = (0.0, *cadence.reminders_s)
    if any(later <= sooner for sooner, later in pairwise(moments)):
        yield "reminders_s: expected rising numbers above 0"
    if cadence.escalate_after_s <= moments[-1]:
        yield "escalate_after_s: expected a number beyond the last reminder"


def _look_agains(policy: Policy) -> Iterator[tuple[str, float]]:
    """Every number that says when to look again, with its place."""
    yield "look_again_s.reauth", policy.look_again_s.reauth
    yield "look_again_s.escalate", policy.look_again_s.escalate
    thens: list[tuple[str, Then | AsIf]] = [
        (f'{kind} rule "{rule.name}"', rule.then) for kind, section in policy.sections.items() for rule in section.rules
    ]
    thens += [(f"schedules.{name}.spent", one.spent.then) for name, one in policy.schedules.items() if one.spent]
    thens += [(f"limits.{name}.spent", one.spent.then) for name, one in policy.limits.items()]
    for place, then in [*thens, ("retry_after", policy.retry_after.then)]:
        if isinstance(then, NoOpThen) and then.look_again_s is not None:
            yield f"{place}: look_again_s", then.look_again_s


def _schedule_problems(schedule: Schedule) -> Iterator[str]:
    if schedule.first_s < _SHORTEST_S:
        yield f"first_s: expected {_SHORTEST_S:g} s or more"
    if schedule.factor < 1:
        yield "factor: expected a number from 1"
    if schedule.first_s > schedule.ceiling_s:
        yield f"first_s: {schedule.first_s:g} is above ceiling_s, {schedule.ceiling_s:g}"
    if schedule.floor_s > schedule.first_s:
        yield f"floor_s: {schedule.floor_s:g} is above first_s, {schedule.first_s:g}"
    if schedule.within_s is not None and schedule.within_s <= 0:
        yield "within_s: expected more than 0"
    if schedule.spent is not None:
        yield from _spent_problems("spent", schedule.spent)


def _spent_problems(place: str, spent: Spent) -> Iterator[str]:
    if not isinstance(spent.then, AsIf):
        yield from (f"{place}: {what}" for what in _ending_problems(spent.then))
        return
    if spent.next_steps != NextSteps():
        yield f"{place}: next_steps: with `as_if` they are those of the answer that it leads to"
    for field, condition in spent.then.as_if.items():
        if len(condition.values) > 1:
            yield f"{place}: as_if.{field}: expected one value"


def _ending_problems(then: Then) -> Iterator[str]:
    """What is answered instead of waiting on may neither wait nor start anything."""
    if is_timed(then):
        yield "what is answered instead of going on must not wait or retry again"
    if isinstance(then, NoOpThen) and then.no_op.may_sync:
        yield f"what is answered instead of going on must not allow a sync, as `{then.no_op}` does"


def _repair_problems(schedule: Schedule) -> Iterator[str]:
    if schedule.attempts > 1 and schedule.within_s is None:
        yield "a repair that allows more than one attempt needs a bound in time, `within_s`"


def _endless_problems(place: str, name: str, schedule: Schedule) -> Iterator[str]:
    if schedule.within_s is None:
        yield f"{place}: schedules.{name} has no bound in time: `within_s` is missing"
    if schedule.spent is None:
        yield f"{place}: schedules.{name} says nothing for when it is used up: `spent` is missing"


def is_timed(then: Then) -> bool:
    return isinstance(then, RetryThen) or (isinstance(then, NoOpThen) and then.look_again is not None)


# Conditions: what a `when` says, as a box.


def box_of(space: Space, when: When, groups: Groups) -> Box:
    """The box of some conditions that :func:`name_problems` found nothing wrong with."""
    return space.box({field: _values(space.axes[space.index(field)], when[field], groups) for field in when})


def _values(axis: Axis, condition: Condition, groups: Groups) -> Iterator[str]:
    for value in condition.values:
        if isinstance(value, bool):
            yield _TRUTH[value]
        elif value in axis.values:
            yield value
        elif value == PRESENT:
            yield from (known for known in axis.values if known != ABSENT)
        else:
            yield from groups[axis.name][value]


def _when_problems(space: Space, when: When, groups: Groups, shape: Shape) -> Iterator[str]:
    axes = {axis.name: axis for axis in space.axes}
    for field, condition in when.items():
        if field in axes:
            for what in _condition_problems(axes[field], condition, groups.get(field, {})):
                yield f"{field}: {what}"
        elif field in shape.witnesses:
            yield f"{field}: only an anomaly may ask for it"
        else:
            yield f"{field}: unknown field{did_you_mean(field, axes)}"


def _condition_problems(axis: Axis, condition: Condition, groups: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    is_boolean = "true" in axis.values
    for value in condition.values:
        if isinstance(value, bool):
            if not is_boolean:
                yield "expected a string, got a boolean"
        elif is_boolean and value not in (ABSENT, PRESENT):
            yield f"expected true, false or `{ABSENT}`, got `{value}`"
        elif value not in axis.values and value not in groups and value != PRESENT:
            yield f"unknown value `{value}`{did_you_mean(value, [*axis.values, *groups, PRESENT])}"
            return
    if PRESENT in condition.values and len(condition.values) > 1:
        yield f"`{PRESENT}` stands alone"
        return
    meant = [one for value in condition.values for one in groups.get(str(value), (str(value),))]
    if len(set(meant)) < len(meant):
        yield f"`{next(one for one in meant if meant.count(one) > 1)}` is listed twice"
    if len(set(meant)) == len(axis.values):
        yield "names every value, which is to say nothing: leave the field out"
