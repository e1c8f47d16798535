"""One observation, its history and its key to one decision: pure, total, and fast.

Knows proven regions and nothing of files, upstreams, clocks or randomness. Cells are a bounded
cache over combinations of axis values, filled from the regions as they are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import product
from math import inf
from operator import attrgetter
from typing import Any, Final

import attrs

from remediate.compiling import CompiledPolicy, CompiledSection, Region
from remediate.decision import NO_KEY, SYNC, Decision, Escalate, NoOp, Reauth, Retry
from remediate.history import NO_HISTORY, Bounds, History
from remediate.observation import ABSENT, PRESENT, Observation
from remediate.policy import EscalateThen, Outcome, Policy, ReauthThen, RetryThen
from remediate.regions import Box, intersect
from remediate.schedule import Backoff, draw

__all__ = ["Decider"]

_MOST_CELLS: Final = 16_384
_LONGEST_KEPT: Final = 64
_new: Final = object.__new__


class Decider:
    """Decides about one kind of observation under one policy."""

    __slots__ = ("_by_tokens", "_cells", "_coordinates", "policy", "section")

    def __init__(self, compiled: CompiledPolicy, kind: str) -> None:
        self.section: CompiledSection = compiled.sections[kind]
        self.policy = compiled.policy
        self._coordinates = self.section.shape.coordinates
        self._cells: dict[Hashable, _Cell] = {}
        self._by_tokens: dict[tuple[str, ...], _Cell] = {}

    def decide(self, observation: Observation, history: History | None = None, key: str | None = None) -> Decision:
        """The decision; see :meth:`remediate.engine.Engine.decide`."""
        cell = self._cells.get(self._coordinates(observation)) or self._filled(observation)
        while cell.witness is not None:
            cell = cell.absent if cell.witness(observation) is None else cell.present
        if history is None:
            if cell.first is not None:
                return cell.first
            if key is None and observation.retry_after_s is None:
                return cell.unkeyed
            return cell.within.decide(NO_HISTORY, key, observation.retry_after_s)
        if cell.always is not None:
            return cell.always
        if (
            history.attempts < cell.attempts
            and history.failing_for_s < cell.failing_for_s
            and history.syncing_for_s < cell.syncing_for_s
            and not history.repaired
        ):
            return cell.first or cell.within.decide(history, key, observation.retry_after_s)
        return cell.decide(history, key, observation.retry_after_s)

    def decide_at(self, point: Box, like: Observation, history: History, key: str | None) -> Decision:
        """The decision about another combination, with all else as in an observation."""
        cell = _Making(self.policy, self.section, point, like.repeats).cell(())
        while cell.witness is not None:
            cell = cell.absent if cell.witness(like) is None else cell.present
        return cell.decide(history, key, like.retry_after_s)

    def _filled(self, observation: Observation) -> _Cell:
        """The cell of a combination that is not in the table yet. Long unpublished strings never are."""
        shape = self.section.shape
        tokens = shape.tokens(observation)
        if max(len(self._cells), len(self._by_tokens)) >= _MOST_CELLS:
            self._cells.clear()
            self._by_tokens.clear()
        cell = self._by_tokens.get(tokens)
        if cell is None:
            making = _Making(self.policy, self.section, shape.space.point(tokens), observation.repeats)
            cell = self._by_tokens[tokens] = making.cell(())
        raw = [getattr(observation, axis.name) for axis in shape.space.axes]
        if all(not isinstance(value, str) or len(value) <= _LONGEST_KEPT for value in raw):
            self._cells[self._coordinates(observation)] = cell
        return cell


class _Timed:
    """An answer whose wait comes from a schedule: what is the same each time, and the arithmetic."""

    __slots__ = ("_cls", "_longest_s", "_retries", "_syncs", "_template", "_too_long", "_unkeyed", "_wait_s")

    def __init__(self, template: Retry | NoOp, backoff: Backoff, longest_s: float, too_long: Decision) -> None:
        self._cls: type[Any] = type(template)
        self._template = dict(vars(template))
        self._wait_s, self._longest_s, self._too_long = backoff.wait_s, longest_s, too_long
        self._retries = isinstance(template, Retry)
        self._unkeyed = tuple(sorted({*template.anomalies, NO_KEY}))
        self._syncs = isinstance(template, Retry) and template.repeats == SYNC

    def decide(self, history: History, key: str | None, retry_after_s: float | None) -> Decision:
        asked = 0.0
        if retry_after_s is not None and 0 < retry_after_s < inf:
            if retry_after_s > self._longest_s:
                return self._too_long
            asked = retry_after_s
        attempt = history.attempts + 1
        delay, ceiling = self._wait_s(attempt, draw(key, attempt), asked)
        if history.since_attempt_s:
            left = delay - history.since_attempt_s
            in_ms = int(left * 1000 + 0.999) / 1000 if left > 0 else 0.0  # never too early
            delay = in_ms if in_ms < ceiling else ceiling
        # A frozen class is filled through its dict: its constructor would cost more than all of the above.
        decision: Decision = _new(self._cls)
        fields = decision.__dict__
        fields |= self._template
        fields["look_again_s"] = delay
        if self._retries:
            fields["attempt"] = attempt
            fields["delay_s"] = delay
            fields["ceiling_s"] = ceiling
            if not delay:
                fields["may_sync"] = self._syncs
            if key is None:
                fields["anomalies"] = self._unkeyed
        return decision


class _Fixed:
    """An answer that is the same each time."""

    __slots__ = ("decision",)

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def decide(self, history: History, key: str | None, retry_after_s: float | None) -> Decision:
        return self.decision


_Answer = _Fixed | _Timed


@attrs.frozen
class _Until:
    """Another answer, once or until some bounds are passed."""

    bounds: Bounds
    answer: _Answer


class _Cell:
    """The answers to one combination; or, where a witness matters, the two cells to choose from.

    Answers that can be given without looking at all arguments stand ready: `first` without a
    history, `unkeyed` without a history, a key and a Retry-After, `always` whatever they are. Below
    all three bounds no limit is passed; they stand here so that the hot path need not ask.
    """

    __slots__ = (
        "absent",
        "always",
        "attempts",
        "failing_for_s",
        "first",
        "past",
        "present",
        "repaired",
        "syncing_for_s",
        "unkeyed",
        "within",
        "witness",
    )

    def __init__(self, within: _Answer, past: _Until | None = None, repaired: _Until | None = None) -> None:
        self.within, self.past, self.repaired = within, past, repaired
        self.first = within.decision if isinstance(within, _Fixed) else None
        bounds = Bounds() if past is None else past.bounds
        self.attempts: float = inf if bounds.attempts is None else bounds.attempts
        self.failing_for_s = inf if bounds.failing_for_s is None else bounds.failing_for_s
        self.syncing_for_s = inf if bounds.syncing_for_s is None else bounds.syncing_for_s
        self.always = self.first if past is None and repaired is None else None
        self.unkeyed = within.decide(NO_HISTORY, None, None)
        self.witness: Callable[[Observation], object] | None = None
        self.present = self.absent = self

    def decide(self, history: History, key: str | None, retry_after_s: float | None) -> Decision:
        past, repaired = self.past, self.repaired
        answer = past.answer if past is not None and past.bounds.passed(history) else self.within
        decision = answer.decide(history, key, retry_after_s)
        if (
            history.repaired
            and repaired is not None
            and isinstance(decision, Reauth | Escalate)
            and not repaired.bounds.passed(history)
        ):
            return repaired.answer.decide(history, key, retry_after_s)
        return decision


@attrs.frozen
class _Making:
    """What a cell is made from."""

    policy: Policy
    section: CompiledSection
    point: Box
    repeats: str

    def cell(self, seen: tuple[str, ...]) -> _Cell:
        """The cell where the first witnesses are seen so: `present` or `absent`, in their order."""
        witnesses = self.section.shape.witnesses
        if len(seen) == len(witnesses):
            return self._answered(self._anomalies(seen))
        present, absent = self.cell((*seen, PRESENT)), self.cell((*seen, ABSENT))
        if self._anomalies_from((*seen, PRESENT)) == self._anomalies_from((*seen, ABSENT)):
            return present
        split = _Cell(present.within)
        split.present, split.absent = present, absent
        split.witness = attrgetter(witnesses[len(seen)])
        return split

    def _anomalies_from(self, seen: tuple[str, ...]) -> list[tuple[str, ...]]:
        unseen = len(self.section.shape.witnesses) - len(seen)
        return [self._anomalies((*seen, *rest)) for rest in product((PRESENT, ABSENT), repeat=unseen)]

    def _anomalies(self, seen: tuple[str, ...]) -> tuple[str, ...]:
        masks = (1 if one == PRESENT else 2 for one in seen)
        point = (*self.point, *masks)
        return tuple(sorted({name for name, box in self.section.anomalies if intersect(box, point) is not None}))

    def _answered(self, anomalies: tuple[str, ...]) -> _Cell:
        region = self.section.region_of(self.point)
        past = repaired = None
        if region.spent is not None and region.bounds is not None:
            past = _Until(region.bounds, self._answer(region, region.spent, anomalies))
        repair = self.section.section.repair
        if region.rule.repairable and repair is not None:
            bounds = self.policy.schedules[repair.schedule].bounds
            repaired = _Until(bounds, self._answer(region, repair.outcome, anomalies))
        return _Cell(self._answer(region, region.within, anomalies), past, repaired)

    def _answer(self, region: Region, outcome: Outcome, anomalies: tuple[str, ...]) -> _Answer:
        decision = self._decision(region, outcome, anomalies)
        if outcome.schedule is None or not isinstance(decision, Retry | NoOp):
            return _Fixed(decision)
        too_long = self.policy.retry_after
        return _Timed(
            decision,
            self.policy.schedules[outcome.schedule].backoff,
            too_long.longest_s,
            self._decision(region, too_long.outcome, anomalies),
        )

    def _decision(self, region: Region, outcome: Outcome, anomalies: tuple[str, ...]) -> Decision:
        """The decision of an outcome; what only a schedule can say is still zero."""
        look_again = self.policy.look_again_s
        said: dict[str, Any] = {
            "may_sync": False,
            "look_again_s": None,
            "evidence": region.rule.evidence,
            "anomalies": anomalies,
            "rule": region.rule.name,
            "because": outcome.because,
            "next_steps": outcome.next_steps,
            "policy": self.policy.stamp,
        }
        match outcome.then:
            case RetryThen(retry=schedule):
                made = {"schedule": schedule, "repeats": self.repeats, "attempt": 0, "delay_s": 0.0, "ceiling_s": 0.0}
                return Retry(**(said | made))
            case ReauthThen(reauth=flow, system=system):
                return Reauth(**(said | {"flow": flow, "system": system, "look_again_s": look_again.reauth}))
            case EscalateThen(escalate=owner, scope=scope):
                return Escalate(**(said | {"owner": owner, "scope": scope, "look_again_s": look_again.escalate}))
            case then:
                nothing = {"cause": then.no_op, "may_sync": then.no_op.may_sync, "look_again_s": then.look_again_s}
                return NoOp(**(said | nothing))
