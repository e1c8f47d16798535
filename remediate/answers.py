"""All that a policy answers at one place, in a form in which what answers alike is equal.

Knows proven regions, and no observation. The names of rules and schedules are no part of it: two
policies that are written differently, and do the same at the same times in the same words, are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from remediate.compiling import CompiledPolicy, CompiledSection, Region
from remediate.decision import Evidence, NextSteps
from remediate.history import Bounds
from remediate.policy import EscalateThen, Outcome, Policy, ReauthThen, RetryThen, Schedule

__all__ = ["Answer", "Answers", "Waits", "answers_of"]

_BOUNDS: Final = tuple(field.name for field in attrs.fields(Bounds))


@attrs.frozen(kw_only=True)
class Waits:
    """The waits of a schedule as far as they can be told apart.

    Attributes:
        schedule: its name, which does not count.
        floor_s: no wait is below it, seconds.
        first_s: the bound of the first wait, seconds.
        second_s: that of the second; that of the first where there is no second.
        factor: growth from then on; 1 where the second has reached the last.
        last_s: the bound of the last wait, seconds.
        longest_s: no Retry-After beyond it is waited for, seconds.
    """

    schedule: str = attrs.field(eq=False)
    floor_s: float
    first_s: float
    second_s: float
    factor: float
    last_s: float
    longest_s: float

    @classmethod
    def of(cls, name: str, schedule: Schedule, longest_s: float) -> Waits:
        """The waits of a schedule, in so many attempts as it has."""
        bound_s = schedule.backoff.bound_s
        second_s, last_s = bound_s(min(2, schedule.attempts)), bound_s(schedule.attempts)
        return cls(
            schedule=name,
            floor_s=schedule.floor_s,
            first_s=bound_s(1),
            second_s=second_s,
            factor=1.0 if second_s == last_s else schedule.factor,
            last_s=last_s,
            longest_s=longest_s,
        )


@attrs.frozen(kw_only=True)
class Answer:
    """One answer.

    Attributes:
        said: the action and its details, without the schedule's name.
        waits: the waits before it; None: there are none.
        look_again_s: when to look again, seconds; None: never, or after the wait.
        because: why.
        next_steps: the words for each party.
    """

    said: str
    waits: Waits | None
    look_again_s: float | None
    because: str
    next_steps: NextSteps

    @property
    def headline(self) -> str:
        """The answer in a few words, as :func:`remediate.decision.headline` has them."""
        return self.said if self.waits is None or self.said != "retry" else f"retry {self.waits.schedule}"


@attrs.frozen(kw_only=True)
class Answers:
    """All that is answered at one place, whatever the history and the Retry-After.

    Attributes:
        within: until a limit is passed.
        past: once it is; None: nothing is counted, or it would be the same.
        bounds: that limit; None as before.
        repaired: after somebody has mended the connection; None: the same as before it.
        repaired_bounds: when a repair is used up; None as before.
        too_long: after too long a Retry-After; None: no answer waits.
        evidence: what it says of upstream.
    """

    within: Answer
    past: Answer | None
    bounds: Bounds | None
    repaired: Answer | None
    repaired_bounds: Bounds | None
    too_long: Answer | None
    evidence: Evidence

    def parts(self) -> Iterator[tuple[str, Answer | None]]:
        """Each answer, with when it is given; the first has no word for that."""
        yield "", self.within
        yield "then", self.past
        yield "once repaired", self.repaired
        yield "after too long a Retry-After", self.too_long


def answers_of(compiled: CompiledPolicy, section: CompiledSection, region: Region) -> Answers:
    """All that is answered in a region."""
    policy = compiled.policy
    within = _answer(policy, region.within)
    past = None if region.spent is None else _answer(policy, region.spent)
    bounds = region.bounds
    if past == within:
        past = None
    if past is None:
        bounds = None
    repair = section.section.repair if region.rule.repairable else None
    repaired_bounds = None if repair is None else policy.schedules[repair.schedule].bounds
    if repair is None or repaired_bounds is None or not _can_be_repaired(region, repaired_bounds):
        repaired = repaired_bounds = None
    else:
        repaired = _answer(policy, repair.outcome)
    is_timed = within.waits is not None or repaired is not None
    return Answers(
        within=within,
        past=past,
        bounds=bounds,
        repaired=repaired,
        repaired_bounds=repaired_bounds,
        too_long=_answer(policy, policy.retry_after.outcome) if is_timed else None,
        evidence=region.rule.evidence,
    )


def _can_be_repaired(region: Region, repaired: Bounds) -> bool:
    """Whether a person is asked while a repair is not used up: from the start, or past a limit that comes sooner."""
    if region.within.asks_a_person:
        return True
    if region.spent is None or not region.spent.asks_a_person or region.bounds is None:
        return False
    both = [(getattr(region.bounds, name), getattr(repaired, name)) for name in _BOUNDS]
    return any(limit is not None and (used_up is None or limit < used_up) for limit, used_up in both)


def _answer(policy: Policy, outcome: Outcome) -> Answer:
    name, look_again_s = outcome.schedule, None
    match outcome.then:
        case RetryThen():
            said = "retry"
        case ReauthThen(reauth=flow, system=system):
            said, look_again_s = f"reauth {flow} {system}", policy.look_again_s.reauth
        case EscalateThen(escalate=owner, scope=scope):
            said, look_again_s = f"escalate {owner} {scope}", policy.look_again_s.escalate
        case nothing:
            said, look_again_s = f"no_op {nothing.no_op}", nothing.look_again_s
    return Answer(
        said=said,
        waits=None if name is None else Waits.of(name, policy.schedules[name], policy.retry_after.longest_s),
        look_again_s=look_again_s,
        because=outcome.because,
        next_steps=outcome.next_steps,
    )
