"""Why a decision is what it is, and what would change it.

Knows a decider and its regions. The nearest changes are found in the same regions that decide:
a region is as far away as the number of fields that would have to change to get into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import nextafter
from typing import Any, cast

import attrs

from remediate.deciding import Decider
from remediate.decision import Decision, Owner, Retry, acts_next, headline
from remediate.history import NO_HISTORY, History
from remediate.observation import Observation
from remediate.regions import Box

__all__ = ["Change", "Explanation", "explain"]


@attrs.frozen(kw_only=True)
class Change:
    """Input that would change the answer.

    Attributes:
        fields: the values that each of these fields would have to take one of.
        answer: what the answer would be, in a few words.
    """

    fields: Mapping[str, tuple[str, ...]]
    answer: str


@attrs.frozen(kw_only=True)
class Explanation:
    """A decision with its grounds.

    Attributes:
        decision: the decision.
        key: whose connection it is.
        kind: the kind of observation.
        combination: the value of each field as the policy sees it.
        received: an unpublished value as it came, by field.
        when: the conditions of the rule that decided; a field it does not name may have any value.
        limit: the name of the limit or schedule that the rule is bounded by; None: it has none.
        limit_passed: whether the history has passed it.
        history: what happened before.
        retry_after_s: the wait that upstream asked for, seconds; None where it did not.
        changes: the nearest changes of the observation that would change the answer.
        later: the changes of the history or of the Retry-After that would.
        acts_next: who has to act; None: nobody.
    """

    decision: Decision
    key: str | None
    kind: str
    combination: Mapping[str, str]
    received: Mapping[str, str]
    when: Mapping[str, tuple[str, ...]]
    limit: str | None
    limit_passed: bool
    history: History
    retry_after_s: float | None
    changes: tuple[Change, ...]
    later: tuple[Change, ...]
    acts_next: Owner | None


def explain(decider: Decider, observation: Observation, history: History | None, key: str | None) -> Explanation:
    """Explain one decision; see :meth:`remediate.engine.Engine.explain`."""
    section = decider.section
    tokens = section.shape.tokens(observation)
    names = [axis.name for axis in section.shape.space.axes]
    region = section.region_of(section.shape.space.point(tokens))
    decision = decider.decide(observation, history, key)
    past = history or NO_HISTORY
    return Explanation(
        decision=decision,
        key=key,
        kind=section.kind,
        combination=dict(zip(names, tokens, strict=True)),
        received=_received(observation, names, tokens),
        when={
            name: tuple(str(value).lower() if isinstance(value, bool) else value for value in condition.values)
            for name, condition in region.rule.when.items()
        },
        limit=decision.schedule if isinstance(decision, Retry) else region.limit,
        limit_passed=not isinstance(decision, Retry) and region.bounds is not None and region.bounds.passed(past),
        history=past,
        retry_after_s=observation.retry_after_s,
        changes=tuple(_nearest(decider, observation, past, key, headline(decision))),
        later=tuple(_later(decider, observation, past, key)),
        acts_next=acts_next(decision),
    )


def _received(observation: Observation, names: list[str], tokens: tuple[str, ...]) -> dict[str, str]:
    raw = {name: getattr(observation, name) for name in names}
    return {
        name: str(raw[name])
        for name, token in zip(names, tokens, strict=True)
        if isinstance(raw[name], str) and raw[name] != token
    }


def _nearest(
    decider: Decider, observation: Observation, history: History, key: str | None, answer: str
) -> Iterator[Change]:
    """The changes of fewest fields: for one field all values that lead to the same answer together."""
    space = decider.section.shape.space
    point = space.point(decider.section.shape.tokens(observation))
    found: dict[tuple[tuple[int, ...], str, Box], Box] = {}
    nearest = len(point)
    for region in decider.section.regions:
        moved = tuple(i for i, (here, there) in enumerate(zip(point, region.box, strict=True)) if not here & there)
        if not moved or len(moved) > nearest:
            continue
        inside = tuple(here & there or there & -there for here, there in zip(point, region.box, strict=True))
        other = headline(decider.decide_at(inside, observation, history, key))
        if other == answer:
            continue
        if len(moved) < nearest:
            nearest = len(moved)
            found.clear()
        masks = tuple(region.box[i] for i in moved)
        together = (moved, other, () if len(moved) == 1 else masks)
        before = found.get(together, (0,) * len(moved))
        found[together] = tuple(one | more for one, more in zip(before, masks, strict=True))
    for (moved, other, _), masks in sorted(found.items(), key=lambda item: (item[0][0], item[0][1])):
        fields = {space.axes[i].name: space.axes[i].named(mask) for i, mask in zip(moved, masks, strict=True)}
        yield Change(fields=fields, answer=other)


def _later(decider: Decider, observation: Observation, history: History, key: str | None) -> Iterator[Change]:
    """What another history or another Retry-After would change, one thing at a time."""
    answer = headline(decider.decide(observation, history, key))
    for fields, other_history, retry_after_s in _others(decider, observation, history):
        other = attrs.evolve(cast(Any, observation), retry_after_s=retry_after_s)
        said = headline(decider.decide(other, other_history, key))
        if said != answer:
            yield Change(fields={name: (value,) for name, value in fields.items()}, answer=said)


def _others(
    decider: Decider, observation: Observation, history: History
) -> Iterator[tuple[dict[str, str], History, float | None]]:
    space = decider.section.shape.space
    region = decider.section.region_of(space.point(decider.section.shape.tokens(observation)))
    asked, longest = observation.retry_after_s, decider.policy.retry_after.longest_s
    repair = decider.section.section.repair
    bounds = [] if region.bounds is None else [region.bounds]
    if history.repaired and region.rule.repairable and repair is not None:
        bounds.append(decider.policy.schedules[repair.schedule].bounds)
    for name, bound in (item for one in bounds for item in attrs.asdict(one).items()):
        if bound is not None:
            is_below = getattr(history, name) < bound
            nearest = bound if is_below else bound - 1 if isinstance(bound, int) else nextafter(bound, 0.0)
            moved: dict[str, Any] = {name: nearest}
            said = f"{bound:g} or more" if is_below else f"less than {bound:g}"
            yield {f"history.{name}": said}, attrs.evolve(history, **moved), asked
    if history.repaired:
        yield {"history.repaired": "false"}, attrs.evolve(history, repaired=False), asked
    else:
        anew = {"history.repaired": "true", "history.attempts": "0", "history.failing_for_s": "0"}
        counted = {name: value for name, value in anew.items() if value == "true" or getattr(history, name[8:])}
        yield counted, History(repaired=True), asked
    if asked is not None and asked > longest:
        yield {"retry_after_s": f"{longest:g} or less"}, history, longest
    else:
        yield {"retry_after_s": f"more than {longest:g}"}, history, longest + 1
