"""A toy upstream, small enough to try every combination, and policies for it that are made up at random."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

import attrs
from hypothesis import strategies as st

from remediate.checking import box_of
from remediate.compiling import CompiledPolicy, compile_policy
from remediate.decision import Cause, Evidence, Flow, NextSteps, Owner, Scope
from remediate.observation import WITNESS, Observation, OpenEnum, shape_of
from remediate.policy import (
    Anomaly,
    Cadence,
    Condition,
    EscalateThen,
    Limit,
    LookAgain,
    NoOpThen,
    Policy,
    ReauthThen,
    Repair,
    RetryAfter,
    RetryThen,
    Rule,
    Schedule,
    Section,
    Spent,
)
from remediate.regions import partition


class Colour(OpenEnum):
    RED = "red"
    BLUE = "blue"


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


@attrs.frozen(kw_only=True)
class Toy(Observation):
    """Four colours, three sizes, lit or not; and a mark of which only the presence counts."""

    kind: ClassVar[str] = "toy"
    systems: ClassVar[tuple[str, ...]] = ("shop",)

    colour: Colour | None = attrs.field(default=None, converter=attrs.converters.optional(Colour))
    size: Size | None = attrs.field(default=None, converter=attrs.converters.optional(Size))
    lit: bool | None = None
    mark: str | None = attrs.field(default=None, metadata=WITNESS)
    retry_after_s: float | None = None

    @property
    def repeats(self) -> str:
        return "sync"


SHAPES = {"toy": shape_of(Toy)}
SPACE = SHAPES["toy"].space

ASKS = EscalateThen(escalate=Owner.SUPPORT, scope=Scope.CONNECTION)
ENDS: tuple[Any, ...] = (
    ASKS,
    EscalateThen(escalate=Owner.PROVIDER, scope=Scope.INTEGRATION),
    ReauthThen(reauth=Flow.REAUTHORIZE, system="shop"),
    NoOpThen(no_op=Cause.HEALTHY, look_again_s=60.0),
    NoOpThen(no_op=Cause.HEALTHY, look_again_s=90.0),
)
_words = st.sampled_from(["one", "another"])
_steps = st.sampled_from([NextSteps(support="look"), NextSteps(support="look", provider="mend")])
_spent = st.builds(Spent, then=st.sampled_from(ENDS[:3]), because=_words, next_steps=_steps)
_schedules = st.builds(
    Schedule,
    first_s=st.sampled_from([10.0, 20.0]),
    factor=st.sampled_from([1.0, 2.0, 4.0]),
    ceiling_s=st.sampled_from([20.0, 40.0, 80.0]),
    attempts=st.sampled_from([1, 2, 3]),
    floor_s=st.sampled_from([1.0, 5.0]),
    within_s=st.sampled_from([100.0, 200.0]),
    spent=_spent,
)
_limits = st.builds(Limit, spent=_spent, attempts=st.sampled_from([None, 2]), failing_for_s=st.just(100.0))


def _conditions(name: str) -> st.SearchStrategy[Condition]:
    values = next(axis for axis in SPACE.axes if axis.name == name).values
    spelt = [{"true": True, "false": False}.get(value, value) for value in values]
    return st.lists(st.sampled_from(spelt), min_size=1, max_size=len(values) - 1, unique=True).map(
        lambda chosen: Condition(tuple(chosen))
    )


_whens = st.fixed_dictionaries({}, optional={axis.name: _conditions(axis.name) for axis in SPACE.axes})


@st.composite
def _rules(draw: st.DrawFn, number: int, *, last: bool) -> Rule:
    then = draw(st.sampled_from([*ENDS, RetryThen(retry="one"), RetryThen(retry="two")]))
    return Rule(
        name=f"rule {number}",
        when={} if last else draw(_whens),
        then=then,
        because=draw(_words),
        evidence=draw(st.sampled_from([Evidence.NONE, Evidence.UPSTREAM])),
        next_steps=draw(_steps),
        limit="bound" if not isinstance(then, RetryThen) and draw(st.booleans()) else None,
        repairable=draw(st.booleans()),
    )


def alive(rules: list[Rule]) -> tuple[Rule, ...]:
    """The rules without those that are dead, and without their dead values: they answer the same."""
    taken, _ = partition(SPACE.full, [box_of(SPACE, rule.when, {}) for rule in rules])
    kept = []
    for rule, boxes in zip(rules, taken, strict=True):
        when = {}
        for i, axis in enumerate(SPACE.axes):
            mask = 0
            for box in boxes:
                mask |= box[i]
            if axis.name in rule.when:
                named = axis.named(mask)
                if named != axis.values:
                    spelt = tuple({"true": True, "false": False}.get(value, value) for value in named)
                    when[axis.name] = Condition(spelt)
        if boxes:
            kept.append(attrs.evolve(rule, when=when))
    return tuple(kept)


def policy_of(
    rules: list[Rule],
    schedules: dict[str, Schedule],
    limit: Limit,
    *,
    anomalies: tuple[Anomaly, ...] = (),
    longest_s: float = 600.0,
    too_long: str = "too long",
    look_again: LookAgain | None = None,
) -> Policy:
    """A policy of these rules, with no more than they use."""
    kept = alive(rules)
    used = {rule.outcome.schedule for rule in kept} | ({"mend"} if any(rule.repairable for rule in kept) else set())
    return Policy(
        name="toy",
        upstream="toy",
        revision="1",
        summary="a toy",
        look_again_s=look_again or LookAgain(reauth=300.0, escalate=300.0),
        retry_after=RetryAfter(longest_s=longest_s, then=ASKS, because=too_long, next_steps=NextSteps(support="x")),
        schedules={name: one for name, one in schedules.items() if name in used},
        limits={"bound": limit} if any(rule.limit for rule in kept) else {},
        sections={
            "toy": Section(
                rules=kept,
                anomalies=anomalies,
                repair=Repair(schedule="mend", because="mended") if "mend" in used else None,
            )
        },
        episode=Cadence(),
    )


MEND = Schedule(first_s=10.0, factor=1.0, ceiling_s=10.0, attempts=1, floor_s=1.0)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A policy that compiles."""
    many = draw(st.integers(0, 4))
    rules = [draw(_rules(number, last=number == many)) for number in range(many + 1)]
    schedules = {"one": draw(_schedules), "two": draw(_schedules), "mend": MEND}
    anomaly = st.builds(Anomaly, name=st.sampled_from(["odd", "strange"]), when=_whens.filter(bool))
    return policy_of(
        rules,
        schedules,
        draw(_limits),
        anomalies=tuple(draw(st.lists(anomaly, max_size=2, unique_by=repr))),
        longest_s=draw(st.sampled_from([600.0, 700.0])),
        too_long=draw(_words),
        look_again=LookAgain(reauth=draw(st.sampled_from([300.0, 400.0])), escalate=300.0),
    )


def compiled(policy: Policy) -> CompiledPolicy:
    return compile_policy(policy, SHAPES)
