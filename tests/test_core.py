"""The core with an upstream of its own: nothing in it knows Layer, and proofs agree with brute force."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import product
from typing import Any, ClassVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import History, InputError, PolicyError
from remediate.compiling import compile_policy
from remediate.deciding import Decider
from remediate.decision import Cause, Decision, Evidence, Flow, NextSteps, NoOp, Owner, Retry, Scope, headline
from remediate.observation import WITNESS, Observation, OpenEnum, bucketed, is_bool, is_member, member, shape_of
from remediate.policy import (
    Anomaly,
    AsIf,
    Condition,
    EscalateThen,
    Invariant,
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
from remediate.proving import proven


class Light(OpenEnum):
    RED = "red"
    GREEN = "green"


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Band(StrEnum):
    LOW = "low"
    HIGH = "high"


@attrs.frozen(kw_only=True)
class Toy(Observation):
    """An observation with an axis of every sort, two witnesses, and a field that decides nothing."""

    kind: ClassVar[str] = "toy"
    systems: ClassVar[tuple[str, ...]] = ("well",)

    light: Light | None = attrs.field(default=None, converter=lambda v: member(Light, v), validator=is_member(Light))
    size: Size | None = attrs.field(default=None, converter=lambda v: member(Size, v), validator=is_member(Size))
    is_on: bool | None = attrs.field(default=None, validator=is_bool)
    load: int | None = attrs.field(
        default=None, metadata=bucketed(Band, lambda load: None if load < 0 else Band.LOW if load < 50 else Band.HIGH)
    )
    seen: str | None = attrs.field(default=None, metadata=WITNESS)
    heard: str | None = attrs.field(default=None, metadata=WITNESS)
    note: str = "carried along"
    retry_after_s: float | None = None

    @property
    def repeats(self) -> str:
        return "poke"


SHAPE = shape_of(Toy)
ESCALATE = EscalateThen(escalate=Owner.SUPPORT, scope=Scope.CONNECTION)
STEPS = NextSteps(support="Look.", engineering="Mend.")
TRY = Schedule(
    first_s=10,
    factor=2,
    ceiling_s=40,
    attempts=3,
    within_s=600,
    spent=Spent(then=ESCALATE, because="b", next_steps=STEPS),
)


def rule(name: str, then: Any = ESCALATE, **when: Sequence[str | bool]) -> Rule:
    conditions = {field: Condition(tuple(values)) for field, values in when.items()}
    return Rule(name=name, when=conditions, then=then, because="b", evidence=Evidence.NONE, next_steps=STEPS)


def policy(*rules: Rule, **more: Any) -> Policy:
    section = {key: more.pop(key) for key in ("anomalies", "invariants", "repair") if key in more}
    return Policy(
        name="toy",
        upstream="toy",
        revision="1",
        summary="s",
        look_again_s=LookAgain(reauth=60, escalate=60),
        retry_after=RetryAfter(longest_s=100, then=ESCALATE, because="b", next_steps=STEPS),
        sections={"toy": Section(rules=rules, **section)},
        **({"schedules": {}} | more),
    )


def decider(*rules: Rule, **more: Any) -> Decider:
    return Decider(proven(policy(*rules, **more), {"toy": SHAPE}), "toy")


def test_the_axes_are_read_off_the_class() -> None:
    assert {axis.name: axis.values for axis in SHAPE.space.axes} == {
        "light": ("red", "green", "absent", "unrecognised"),
        "size": ("small", "large", "absent"),
        "is_on": ("true", "false", "absent"),
        "load": ("low", "high", "absent"),
    }
    assert SHAPE.witnesses == ("seen", "heard")


def test_an_observation_becomes_its_axis_values() -> None:
    assert SHAPE.tokens(Toy()) == ("absent",) * 4
    assert SHAPE.tokens(Toy(light="red", size="large", is_on=False, load=50)) == ("red", "large", "false", "high")
    assert SHAPE.tokens(Toy(light="mauve", size=Size.SMALL, is_on=True, load=-1)) == (
        *("unrecognised", "small", "true"),
        "absent",
    )


def test_only_text_makes_a_member_of_an_open_vocabulary() -> None:
    with pytest.raises(ValueError, match="3 is not a valid Light"):
        Light(3)  # type: ignore[arg-type]  # no text


@pytest.mark.parametrize(("field", "value"), [("size", "huge"), ("size", 3), ("light", 3), ("is_on", "yes")])
def test_a_value_of_another_type_is_refused(field: str, value: object) -> None:
    with pytest.raises(InputError) as refused:
        Toy(**{field: value})  # type: ignore[arg-type]  # of another type
    assert refused.value.field == field


conditions = st.fixed_dictionaries(
    {},
    optional={
        "light": st.sets(st.sampled_from(["red", "green", "absent", "unrecognised"]), min_size=1, max_size=3),
        "size": st.sets(st.sampled_from(["small", "large", "absent"]), min_size=1, max_size=2),
        "is_on": st.sets(st.sampled_from([True, False, "absent"]), min_size=1, max_size=2),
        "load": st.sets(st.sampled_from(["low", "high", "absent"]), min_size=1, max_size=2),
    },
)


def asks(when: dict[str, Any], point: tuple[str, ...]) -> bool:
    """Whether conditions hold at a combination, by looking."""
    here = dict(zip(("light", "size", "is_on", "load"), point, strict=True))
    return all(here[field] in {str(v).lower() for v in values} for field, values in when.items())


@given(st.lists(conditions, max_size=6))
def test_random_rules_compile_as_brute_force_says(whens: list[dict[str, Any]]) -> None:
    causes = list(Cause)
    rules = [rule(f"r{i}", NoOpThen(no_op=causes[i], look_again_s=1), **when) for i, when in enumerate(whens)]
    space = list(product(*(axis.values for axis in SHAPE.space.axes)))
    owners = {p: next((i for i, when in enumerate(whens) if asks(when, p)), None) for p in space}
    total = None not in owners.values()
    dead = [i for i in range(len(whens)) if i not in owners.values()]
    dead_values = [
        (i, field, value)
        for i, when in enumerate(whens)
        for field, values in when.items()
        for value in values
        if i not in dead and not any(o == i and asks({field: [value]}, p) for p, o in owners.items())
    ]
    try:
        section = compile_policy(policy(*rules), {"toy": SHAPE}).sections["toy"]
    except PolicyError as refused:
        said = "\n".join(refused.problems)
        assert ("no rule answers" in said) is not total
        assert [f'rule "r{i}" is dead' in said for i in range(len(rules))] == [i in dead for i in range(len(rules))]
        for i, field, value in dead_values:
            assert f'rule "r{i}": when.{field}: `{str(value).lower()}` is dead' in said
        assert not total or dead or dead_values
        return
    assert total
    assert not dead
    assert not dead_values
    for point, owner in owners.items():
        assert section.region_of(SHAPE.space.point(point)).rule.name == f"r{owner}"
    assert sum(section.combinations.values()) == len(space)


def test_witnesses_only_choose_between_anomalies() -> None:
    made = decider(
        rule("all"),
        anomalies=(
            Anomaly(name="both", when={"seen": Condition(("present",)), "heard": Condition(("present",))}),
            Anomaly(name="silent", when={"heard": Condition(("absent",)), "is_on": Condition((True,))}),
            Anomaly(name="odd", when={"light": Condition(("unrecognised",))}),
            Anomaly(name="odd", when={"light": Condition(("red",))}),
        ),
    )
    assert made.decide(Toy()).anomalies == ()
    assert made.decide(Toy(seen="x", heard="y")).anomalies == ("both",)
    assert made.decide(Toy(is_on=True)).anomalies == ("silent",)
    assert made.decide(Toy(is_on=True, seen="x", heard="", light="mauve")).anomalies == ("both", "odd")
    assert made.decide(Toy(light="red")).anomalies == ("odd",)


def test_a_rule_may_not_ask_for_a_witness() -> None:
    with pytest.raises(PolicyError, match="only an anomaly may ask for it"):
        decider(rule("x", seen=["present"]), rule("all"))


def test_a_spent_schedule_can_answer_as_if() -> None:
    spent = Spent(then=AsIf(as_if={"is_on": Condition((False,))}), because="tried")
    made = decider(
        rule("on", RetryThen(retry="try"), is_on=[True]),
        rule("small", NoOpThen(no_op=Cause.GONE), size=["small"]),
        rule("else"),
        schedules={"try": attrs.evolve(TRY, spent=spent)},
    )
    for size, said in (("small", "no_op gone"), ("large", "escalate support connection")):
        assert headline(made.decide(Toy(is_on=True, size=size), None, "k")) == "retry try"
        spent_decision = made.decide(Toy(is_on=True, size=size), History(attempts=3), "k")
        assert headline(spent_decision) == said
        assert (spent_decision.rule, spent_decision.because) == ("on", "tried")


def test_sections_and_groups_are_checked_against_the_observations() -> None:
    toy = policy(rule("all"))
    with pytest.raises(PolicyError, match="the section `toy` is missing"):
        proven(attrs.evolve(toy, sections={}), {"toy": SHAPE})
    with pytest.raises(PolicyError, match="unknown key `tow` .did you mean `toy`"):
        proven(attrs.evolve(toy, sections={"tow": toy.sections["toy"]}), {"toy": SHAPE})
    with pytest.raises(PolicyError, match="groups.light.warm: unknown value `rod` .did you mean `red`"):
        proven(attrs.evolve(toy, groups={"light": {"warm": ("rod",)}}), {"toy": SHAPE})


def test_a_group_and_present_stand_for_their_values() -> None:
    made = decider(
        rule("warm", NoOpThen(no_op=Cause.GONE), light=["warm"]),
        rule("lit", NoOpThen(no_op=Cause.ARCHIVED), light=["present"]),
        rule("dark"),
        groups={"light": {"warm": ("red",)}},
    )
    said = [headline(made.decide(Toy(light=light))) for light in ("red", "green", "mauve", None)]
    assert said == ["no_op gone", "no_op archived", "no_op archived", "escalate support connection"]


def test_limits_that_nobody_uses_and_repairs_that_nobody_needs_are_refused() -> None:
    with pytest.raises(PolicyError, match="schedules.try: no rule uses it"):
        decider(rule("all"), schedules={"try": TRY})
    with pytest.raises(PolicyError, match='rule "all": is repairable, but the section says no `repair`'):
        decider(attrs.evolve(rule("all"), repairable=True))
    with pytest.raises(PolicyError, match="repair: no rule is repairable"):
        decider(rule("all"), repair=Repair(schedule="try", because="b"), schedules={"try": TRY})


def test_what_follows_too_long_a_pause_may_not_wait() -> None:
    toy = policy(rule("all", RetryThen(retry="try")), schedules={"try": TRY})
    late = attrs.evolve(toy.retry_after, then=RetryThen(retry="try"))
    with pytest.raises(PolicyError, match="retry_after: what is answered instead of going on must not wait"):
        proven(attrs.evolve(toy, retry_after=late), {"toy": SHAPE})
    silent = attrs.evolve(toy.retry_after, next_steps=NextSteps())
    with pytest.raises(PolicyError, match="after too long a Retry-After: next_steps.support is missing"):
        proven(attrs.evolve(toy, retry_after=silent), {"toy": SHAPE})


def test_a_repair_is_proven_with_too_long_a_retry_after() -> None:
    reauth = attrs.evolve(rule("all", ReauthThen(reauth=Flow.REAUTHORIZE, system="well")), repairable=True)
    once = Schedule(first_s=10, factor=1, ceiling_s=10, attempts=1)
    steps = NextSteps(customer="Sign in.")
    toy = policy(
        attrs.evolve(reauth, next_steps=steps),
        schedules={"once": once},
        repair=Repair(schedule="once", because="b"),
        invariants=(Invariant(name="i", when={}, never=Condition(("escalate",))),),
    )
    with pytest.raises(PolicyError, match='"all" once repaired, after too long a Retry-After, which answers escalate'):
        proven(toy, {"toy": SHAPE})
    silent = attrs.evolve(toy.retry_after, next_steps=NextSteps())
    with pytest.raises(PolicyError, match="after too long a Retry-After: next_steps.support is missing"):
        proven(attrs.evolve(toy, retry_after=silent), {"toy": SHAPE})


def test_problems_come_in_the_same_order_every_time() -> None:
    rules = [rule(name, RetryThen(retry="nope")) for name in "abcdef"]
    with pytest.raises(PolicyError) as refused:
        decider(*rules)
    assert [problem.split('"')[1] for problem in refused.value.problems] == list("abcdef")


def test_an_invariant_speaks_of_every_answer_of_a_region() -> None:
    def held(only: str, **more: Any) -> bool:
        invariant = Invariant(name="i", when={"is_on": Condition((True,))}, only=Condition((only,)), **more)
        rules = (rule("on", RetryThen(retry="try"), is_on=[True]), rule("off"))
        try:
            decider(*rules, schedules={"try": TRY}, invariants=(invariant,))
        except PolicyError as refused:
            assert all(text in str(refused) for text in ('rule "on"', "past its limit", "is_on=true"))
            return False
        return True

    assert not held("retry")


def test_a_no_op_can_be_timed_by_a_schedule() -> None:
    made = decider(rule("all", NoOpThen(no_op=Cause.UNCONFIRMED, look_again="try")), schedules={"try": TRY})
    decision: Decision = made.decide(Toy(), History(attempts=1), "k")
    assert isinstance(decision, NoOp)
    assert decision.look_again_s is not None
    assert 5 <= decision.look_again_s <= 20
    assert decision.anomalies == ()
    assert headline(made.decide(Toy(retry_after_s=101), None, "k")) == "escalate support connection"


def test_a_retry_of_something_else_than_a_sync_never_allows_one() -> None:
    made = decider(rule("all", RetryThen(retry="try")), schedules={"try": TRY})
    decision = made.decide(Toy(), History(since_attempt_s=99), "k")
    assert isinstance(decision, Retry)
    assert (decision.repeats, decision.delay_s, decision.may_sync) == ("poke", 0.0, False)
