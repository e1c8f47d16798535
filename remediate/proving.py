"""What must hold of a policy over every combination, within and past its limits.

Knows regions and the rules behind them, and serves as the one door to a policy that is used:
:func:`proven` compiles, proves, and refuses what it can't prove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from remediate.compiling import CompiledPolicy, CompiledSection, Region, compile_policy, described
from remediate.decision import Action, Owner
from remediate.errors import PolicyError, did_you_mean
from remediate.observation import Shape
from remediate.policy import EscalateThen, Invariant, Outcome, Policy, ReauthThen, RetryThen, Then
from remediate.regions import intersect

__all__ = ["action_of", "proven"]

_ACTIONS = tuple(Action)


def proven(policy: Policy, shapes: Mapping[str, Shape]) -> CompiledPolicy:
    """Compile a policy and prove it: totality, no dead rule, bounded retries, words, invariants.

    Args:
        policy: as read.
        shapes: what the upstream's observations are, by kind.

    Raises:
        PolicyError: something does not hold; each problem names the rule and shows a combination.
    """
    compiled = compile_policy(policy, shapes)
    problems = [
        f"{kind} {what}" for kind, section in compiled.sections.items() for what in _section_problems(policy, section)
    ]
    if problems:
        raise PolicyError(policy.source, problems)
    return compiled


def action_of(then: Then) -> Action:
    """The action of an answer."""
    match then:
        case RetryThen():
            return Action.RETRY
        case ReauthThen():
            return Action.REAUTH
        case EscalateThen():
            return Action.ESCALATE
        case _:
            return Action.NO_OP


def _section_problems(policy: Policy, section: CompiledSection) -> Iterator[str]:
    too_long = policy.retry_after.outcome
    unsaid: dict[str, None] = {}
    for region in section.regions:
        for when, outcome in _outcomes(region, too_long):
            owner = _who_acts(outcome.then)
            if owner is not None and outcome.next_steps.of(owner) is None:
                unsaid[f'rule "{region.rule.name}" {when}: next_steps.{owner} is missing, and they must act'] = None
    yield from unsaid
    for invariant, box in zip(section.section.invariants, section.invariants, strict=True):
        place = f'invariant "{invariant.name}"'
        yield from (f"{place}: {what}" for what in _form_problems(invariant))
        shared = [(region, both) for region in section.regions if (both := intersect(region.box, box)) is not None]
        if invariant.unless_repaired and not any(region.rule.repairable for region, _ in shared):
            yield f"{place}: `unless_repaired` exempts nothing: no rule there is repairable"
        for region, both in shared:
            for when, action in _actions(region, too_long, unless_repaired=invariant.unless_repaired):
                if not _allows(invariant, action):
                    at = described(section.shape.space, both)
                    yield f'{place} is broken by rule "{region.rule.name}" {when}, which answers {action} at {at}'


def _outcomes(region: Region, too_long: Outcome, *, unless_repaired: bool = False) -> Iterator[tuple[str, Outcome]]:
    """Each answer of a region but the resuming sync, with when it is given."""
    yield from region.outcomes()
    if region.within.schedule is not None:
        yield "after too long a Retry-After", too_long
    elif _resumes(region) and not unless_repaired:
        yield "once repaired, after too long a Retry-After", too_long


def _resumes(region: Region) -> bool:
    """Whether a repair turns an answer of the region into a resuming sync."""
    return region.rule.repairable and any(outcome.asks_a_person for _, outcome in region.outcomes())


def _actions(region: Region, too_long: Outcome, *, unless_repaired: bool) -> Iterator[tuple[str, Action]]:
    """Every action that a region can answer, with when."""
    for when, outcome in _outcomes(region, too_long, unless_repaired=unless_repaired):
        yield when, action_of(outcome.then)
    if _resumes(region) and not unless_repaired:
        yield "once repaired", Action.RETRY


def _who_acts(then: Then) -> Owner | None:
    match then:
        case ReauthThen():
            return Owner.CUSTOMER
        case EscalateThen(escalate=owner):
            return owner
        case _:
            return None


def _form_problems(invariant: Invariant) -> Iterator[str]:
    said = invariant.never or invariant.only
    if said is None or (invariant.never is not None and invariant.only is not None):
        yield "exactly one of `never` and `only` is needed"
        return
    for value in said.values:
        if value not in _ACTIONS:
            yield f"unknown action `{value}`{did_you_mean(str(value), _ACTIONS)}"
    if invariant.only is not None and set(_ACTIONS) <= set(said.values):
        yield "is vacuous: it allows every action"


def _allows(invariant: Invariant, action: Action) -> bool:
    if invariant.never is not None:
        return action not in invariant.never.values
    return invariant.only is None or action in invariant.only.values
