"""What differs between two policies: exact, disjoint, in as few regions as can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations, product
from typing import Any

import attrs
from hypothesis import given, settings

from remediate.comparing import ChangedRegion, Comparison, compare
from remediate.compiling import CompiledPolicy
from remediate.deciding import Decider
from remediate.decision import Cause, Decision, Evidence, NextSteps
from remediate.history import History
from remediate.loading import load_policy, parse_policy, policy_path
from remediate.policy import Condition, Limit, NoOpThen, Policy, Repair, RetryThen, Rule, Schedule, Spent
from remediate.proving import proven
from remediate.regions import Box, merge
from remediate.upstreams.layer import UPSTREAM
from tests.toys import ASKS, MEND, SPACE, Toy, alive, compiled, policies, policy_of

SHIPPED = policy_path("layer-quickbooks").read_text()
HISTORIES = [
    History(attempts=attempts, failing_for_s=failing, repaired=repaired)
    for attempts, failing, repaired in product((0, 1, 2, 3), (0.0, 100.0, 200.0), (False, True))
]
SAID = {"rule", "policy", "schedule", "anomalies"}
WORDS = {"because", "next_steps"}


def shipped(text: str = SHIPPED) -> CompiledPolicy:
    return proven(parse_policy(text.encode()), UPSTREAM.shapes)


def points(box: Box) -> Iterator[tuple[str, ...]]:
    return SPACE.points(box)


def toy(point: tuple[str, ...], **more: Any) -> Toy:
    raw = {"absent": None, "true": True, "false": False}
    values = {axis.name: raw.get(token, token) for axis, token in zip(SPACE.axes, point, strict=True)}
    return Toy(**values, **more)


def answered(policy: CompiledPolicy) -> dict[tuple[str, ...], list[Decision]]:
    """All that is decided at each combination."""
    decide = Decider(policy, "toy").decide
    return {
        point: [
            decide(toy(point, retry_after_s=asked_s), history, "a")
            for asked_s in (None, 650.0, 750.0)
            for history in HISTORIES
        ]
        for point in points(SPACE.full)
    }


def said(decisions: list[Decision], *, without: set[str]) -> list[Any]:
    """What decisions say, but for some of it."""
    return [{name: value for name, value in vars(one).items() if name not in without} for one in decisions]


def told(policy: CompiledPolicy) -> set[tuple[str, ...]]:
    """Each anomaly with each combination, and the mark, at which it is told."""
    decide = Decider(policy, "toy").decide
    return {
        (anomaly, *point, "absent" if mark is None else "present")
        for point in points(SPACE.full)
        for mark in (None, "x")
        for anomaly in decide(toy(point, mark=mark), None, "k").anomalies
    }


def cover(regions: Iterable[ChangedRegion]) -> list[tuple[str, ...]]:
    return [point for region in regions for point in points(region.box)]


def no_two_could_be_one(found: Comparison) -> bool:
    groups: dict[Any, list[Box]] = {}
    for region in found.changes:
        groups.setdefault((region.kind, region.facet, region.details), []).append(region.box)
    return all(len(merge(pair)) == 2 for boxes in groups.values() for pair in combinations(boxes, 2))


@given(policies(), policies())
@settings(max_examples=30)
def test_it_agrees_with_trying_everything(old: Policy, new: Policy) -> None:
    one, another = compiled(old), compiled(new)
    found = compare(one, another)
    before, after = answered(one), answered(another)

    def differ(without: set[str]) -> set[tuple[str, ...]]:
        return {at for at in before if said(before[at], without=without) != said(after[at], without=without)}

    changed = cover(found.changes)
    assert len(set(changed)) == len(changed) == sum(region.combinations for region in found.changes)
    assert set(changed) == differ(SAID)
    assert no_two_could_be_one(found)
    assert set(cover([one for one in found.changes if one.facet == "words"])) == differ(SAID) - differ(SAID | WORDS)


@given(policies(), policies())
@settings(max_examples=30)
def test_anomalies_are_compared_with_their_witnesses(old: Policy, new: Policy) -> None:
    one, another = compiled(old), compiled(new)
    lost, gained = told(one) - told(another), told(another) - told(one)
    found: dict[bool, list[tuple[str, ...]]] = {True: [], False: []}
    for region in compare(one, another).anomalies:
        (detail,) = region.details
        marks = region.where.get("mark", ("present", "absent"))
        name = str(detail.old or detail.new)
        found[detail.old is None] += [(name, *point, mark) for point in points(region.box[:-1]) for mark in marks]
    assert sorted(found[False]) == sorted(lost)
    assert sorted(found[True]) == sorted(gained)


def split(rule: Rule) -> Iterator[Rule]:
    """Two rules that answer as this one, each for a part of `lit`, on schedules that are called something else."""
    then = RetryThen(retry=f"the {rule.then.retry}") if isinstance(rule.then, RetryThen) else rule.then
    values = rule.when["lit"].values if "lit" in rule.when else (True, False, "absent")
    for number, part in enumerate((values[:1], values[1:])):
        if part:
            when = {**rule.when, "lit": Condition(part)}
            yield attrs.evolve(rule, name=f"{rule.name}, part {number}", when=when, then=then)


@given(policies())
@settings(max_examples=30)
def test_a_policy_equals_itself_in_other_words(policy: Policy) -> None:
    section = policy.sections["toy"]
    rules = alive([part for rule in section.rules for part in split(rule)])
    schedules = {name if name == "mend" else f"the {name}": one for name, one in policy.schedules.items()}
    other = attrs.evolve(policy, schedules=schedules, sections={"toy": attrs.evolve(section, rules=rules)})
    assert len(rules) >= len(section.rules)
    assert compare(compiled(policy), compiled(other)).is_equal
    assert compare(compiled(policy), compiled(policy)).is_equal


def test_order_that_does_not_matter_is_no_difference() -> None:
    old = load_policy("layer-quickbooks")
    status = old.sections["status"]
    whole = [rule.name for rule in status.rules]
    first, second = whole.index("QuickBooks rejects a record"), whole.index("the books do not allow it now")
    rules = list(status.rules)
    rules[first], rules[second] = rules[second], rules[first]
    new = attrs.evolve(old, sections={**old.sections, "status": attrs.evolve(status, rules=tuple(rules))})
    found = compare(proven(old, UPSTREAM.shapes), proven(new, UPSTREAM.shapes))
    assert found.is_equal
    assert found.combinations == {"status": 1_512, "failure": 456_000}


def test_a_group_written_out_is_no_difference() -> None:
    outage = '["QUICKBOOKS_SERVICE_UNAVAILABLE", "QUICKBOOKS_INTERNAL_SERVER_ERROR"]'
    text = SHIPPED.replace(f"outage = {outage}\n", "").replace('= "outage"', f"= {outage}")
    assert text != SHIPPED
    assert compare(shipped(), shipped(text)).is_equal


def test_numbers_that_wait_alike_are_no_difference() -> None:
    old, new = "first_s = 10\nfactor = 1\nceiling_s = 10\n", "first_s = 10\nfactor = 3\nceiling_s = 99\n"
    assert SHIPPED.count(old) == 1
    assert compare(shipped(), shipped(SHIPPED.replace(old, new))).is_equal  # there is one attempt


def only(found: Comparison) -> ChangedRegion:
    (region,) = found.changes
    return region


def test_an_answer_that_changes_is_told_with_where_and_how() -> None:
    text = SHIPPED.replace('then = { retry = "cautious" }', 'then = { escalate = "support", scope = "connection" }', 1)
    region = only(compare(shipped(), shipped(text)))
    assert region.where == {
        "is_connected": ("true", "absent"),
        "is_syncing": ("false", "absent"),
        "last_sync_status": ("SYNC_FAILURE", "absent", "unrecognised"),
        "sync_failure_reason": ("QUICKBOOKS_GENERAL_SERVICE_FAILURE",),
        "is_retryable_failure": ("true", "absent"),
    }
    assert (region.facet, region.combinations) == ("answer", 24)
    (detail,) = region.details
    assert detail.old == "retry cautious, then escalate support connection"
    assert detail.new == "escalate support connection"
    assert region.old_rules == region.new_rules == ("a general failure",)


def test_limits_and_words_are_told_where_the_answer_stays() -> None:
    text = SHIPPED.replace("[schedules.transient]\nfirst_s = 60", "[schedules.transient]\nfirst_s = 90")
    region = only(compare(shipped(), shipped(text)))
    assert region.facet == "limits"
    assert [(one.what, one.old, one.new) for one in region.details] == [
        ("transient: first_s", 60.0, 90.0),
        ("transient: second_s", 120.0, 180.0),
    ]
    said = "The last sync succeeded."
    region = only(compare(shipped(), shipped(SHIPPED.replace(f'because = "{said}"', 'because = "All is well."'))))
    assert [(one.what, one.old, one.new) for one in region.details] == [("because", said, "All is well.")]
    assert region.facet == "words"


def test_what_a_repair_answers_is_told() -> None:
    """Where a rule is no longer repairable, it is the same as before the repair."""
    name = 'name = "QuickBooks rejects a record"'
    start = SHIPPED.index(name)
    text = SHIPPED[:start] + SHIPPED[start:].replace("repairable = true\n", "", 1)
    (detail,) = only(compare(shipped(), shipped(text))).details
    assert (detail.what, detail.old, detail.new) == ("once repaired", "retry resume", "as before")


def test_the_pace_of_an_episode_is_told() -> None:
    found = compare(shipped(), shipped(SHIPPED.replace("poll_s = 7 ", "poll_s = 20 ")))
    assert [(one.name, one.old, one.new) for one in found.settings] == [("episode.poll_s", 7.0, 20.0)]
    assert not found.changes
    assert not found.is_equal


def test_the_eager_variant_differs_where_the_flag_contradicts_a_definite_reason() -> None:
    found = compare(shipped(), proven(load_policy("layer-quickbooks-eager"), UPSTREAM.shapes))
    assert not found.anomalies
    assert not found.settings
    assert {region.where["sync_failure_reason"] for region in found.changes} == {
        (f"QUICKBOOKS_{name}",)
        for name in ("VALIDATION_ERROR", "INVALID_REQUEST_STATE", "BAD_REQUEST", "CONFIGURATION_ERROR")
    }
    for region in found.changes:
        assert region.where["is_retryable_failure"] == ("true",)
        (detail,) = region.details
        assert detail.new == f"retry probe, then {detail.old}"


LOOKS = NoOpThen(no_op=Cause.HEALTHY, look_again_s=60.0)


def alone(rule_says: dict[str, Any] | None = None, **policy_says: Any) -> CompiledPolicy:
    """A policy of one rule, which asks support."""
    said = {"then": ASKS, "because": "so", "evidence": Evidence.NONE, "next_steps": NextSteps(support="look")}
    rule = Rule(name="all", when={}, **(said | (rule_says or {})))
    limit = Limit(spent=Spent(then=ASKS, because="so", next_steps=NextSteps(support="look")), attempts=1)
    return compiled(policy_of([rule], {"mend": MEND}, limit, **policy_says))


def test_words_for_one_party_more_are_told() -> None:
    region = only(compare(alone(), alone({"next_steps": NextSteps(support="look", provider="mend")})))
    assert [(one.what, one.old, one.new) for one in region.details] == [("next_steps.provider", None, "mend")]
    assert region.where == {}


def test_a_limit_after_which_the_same_follows_is_no_difference() -> None:
    assert compare(alone(), alone({"limit": "bound"})).is_equal
    assert not compare(alone(), alone({"limit": "bound", "because": "else"})).is_equal


def test_a_repair_where_nobody_is_asked_is_no_difference() -> None:
    assert compare(alone({"then": LOOKS}), alone({"then": LOOKS, "repairable": True})).is_equal
    assert not compare(alone(), alone({"repairable": True})).is_equal


def test_too_long_a_retry_after_matters_where_anything_waits() -> None:
    region = only(compare(alone({"repairable": True}), alone({"repairable": True}, too_long="another")))
    assert [one.what for one in region.details] == ["after too long a Retry-After: because"]
    assert compare(alone(), alone(too_long="another")).is_equal


def test_another_answer_to_too_long_a_retry_after_is_told_wherever_anything_waits() -> None:
    asks = 'longest_s = 21600\nthen = { escalate = "provider", scope = "integration" }'
    assert SHIPPED.count(asks) == 1
    found = compare(shipped(), shipped(SHIPPED.replace(asks, asks.replace("provider", "engineering"))))
    told = {(detail.what, detail.old, detail.new) for region in found.changes for detail in region.details}
    answers = ("escalate provider integration", "escalate engineering integration")
    assert told == {("after too long a Retry-After", *answers)}
    assert {region.facet for region in found.changes} == {"answer"}


def test_a_repair_that_is_used_up_before_anybody_is_asked_is_no_difference() -> None:
    """The retry is spent at two attempts or in time; a repair that lasts for one attempt and no longer is not seen."""
    retries = {"then": RetryThen(retry="one"), "repairable": True}
    schedule = Schedule(
        first_s=10.0, factor=1.0, ceiling_s=10.0, attempts=2, within_s=100.0, spent=Spent(then=ASKS, because="so")
    )

    def policy(mend: Schedule, because: str) -> CompiledPolicy:
        rule = Rule(name="all", when={}, because="so", evidence=Evidence.NONE, **retries)
        made = policy_of([rule], {"one": schedule, "mend": mend}, Limit(spent=Spent(then=ASKS, because="so")))
        section = attrs.evolve(made.sections["toy"], repair=Repair(schedule="mend", because=because))
        return compiled(attrs.evolve(made, sections={"toy": section}))

    sooner = attrs.evolve(MEND, within_s=100.0)
    assert compare(policy(sooner, "one"), policy(sooner, "another")).is_equal
    later = attrs.evolve(MEND, within_s=101.0)
    assert not compare(policy(later, "one"), policy(later, "another")).is_equal


def test_a_floor_and_what_is_said_of_upstream_are_told() -> None:
    start = SHIPPED.index("[schedules.transport]")
    text = SHIPPED[:start] + SHIPPED[start:].replace("floor_s = 1\n", "floor_s = 2\n", 1)
    found = compare(shipped(), shipped(text))
    assert {(detail.what, detail.old, detail.new) for region in found.changes for detail in region.details} == {
        ("transport: floor_s", 1.0, 2.0)
    }
    both = alone({"evidence": Evidence.UPSTREAM, "then": LOOKS})
    details = only(compare(alone(), both)).details
    assert [(one.what, one.old, one.new) for one in details] == [
        ("answer", "escalate support connection", "no_op healthy"),
        ("evidence", "none", "upstream"),
    ]
