"""The shipped cases hold, touch everything, and notice when an answer of the policy changes."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import Engine, History, PolicyError
from remediate.loading import parse_policy, policy_path
from remediate.upstreams import Record
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from remediate.workshop.cases.coverage import Target, When, coverage_of, targets, touched
from remediate.workshop.cases.reading import parse_cases, shipped_cases
from remediate.workshop.cases.trying import try_cases
from tests.oracle import failure_answer, failure_evidence, status_answer
from tests.thoroughness import part

SHIPPED = policy_path("layer-quickbooks").read_text()
CASES = policy_path("layer-quickbooks").parent / "cases" / "layer-quickbooks.toml"
ENGINE = Engine.bundled()
TRIALS = parse_cases(CASES.read_bytes(), ENGINE, source=CASES.name)
RULES = {kind: [rule.name for rule in section.rules] for kind, section in ENGINE.policy.sections.items()}


# What is shipped.


def test_the_shipped_cases_hold_and_touch_every_answer_of_every_region() -> None:
    report = try_cases(ENGINE, TRIALS)
    assert report.failures == ()
    assert {kind: len(one.rules) for kind, one in report.coverage.items()} == {"status": 25, "failure": 46}
    for coverage in report.coverage.values():
        assert coverage.untouched_rules == ()
        assert coverage.untouched == ()
        assert coverage.regions == len(coverage.section.regions)


def test_the_variants_cases_hold_for_it_and_fail_where_it_differs() -> None:
    name = "layer-quickbooks-eager"
    content = (policy_path(name).parent / "cases" / f"{name}.toml").read_bytes()
    eager = Engine.bundled(name)
    assert try_cases(eager, parse_cases(content, eager, source=name)).failures == ()
    default = try_cases(ENGINE, parse_cases(content, ENGINE, source=name))
    assert len({failure.trial.case.name for failure in default.failures}) == 4


def test_cases_are_found_by_the_name_of_a_shipped_policy() -> None:
    assert (
        shipped_cases("layer-quickbooks") == policy_path("layer-quickbooks").parent / "cases" / "layer-quickbooks.toml"
    )
    assert shipped_cases(str(policy_path("layer-quickbooks"))) is None
    assert shipped_cases("nobody's") is None


def test_the_shipped_cases_say_what_the_oracle_says() -> None:
    """It shares nothing with the engine: answers at the beginning, and once repaired."""
    compared = 0
    for trial in TRIALS:
        for record, expected in trial.records:
            history = record.history or History()
            bounded = max(history.attempts, history.failing_for_s, history.syncing_for_s)
            if bounded or record.observation.retry_after_s:
                continue
            compared += 1
            tokens = ENGINE.deciders[record.observation.kind].section.shape.tokens(record.observation)
            if isinstance(record.observation, ConnectionStatus):
                said = status_answer(*tokens)
                assert expected.answer == (said.repaired if history.repaired else said.within), trial.case.name
                assert expected.evidence in (None, said.evidence)
            else:
                assert expected.answer == failure_answer(*tokens), trial.case.name
                assert expected.evidence in (None, failure_evidence(expected.answer))
    assert compared > 800


def test_the_shipped_cases_are_one_a_name_and_say_the_rule() -> None:
    raw = tomllib.loads(CASES.read_text())["cases"]
    assert len({case["name"] for case in raw}) == len(raw) > 71
    assert {case["rule"] for case in raw} == {name for names in RULES.values() for name in names}


# What is covered, counted in another way.


def texts(region: Any, engine: Engine, kind: str) -> dict[str, When]:
    """When a region gives an answer, by why it does."""
    repair = engine.policy.sections[kind].repair
    found = {region.within.because: When.WITHIN, engine.policy.retry_after.because: When.TOO_LONG}
    if region.spent is not None:
        found[region.spent.because] = When.PAST
    if repair is not None:
        found[repair.because] = When.REPAIRED
    return found


def by_the_decision(record: Record) -> Target:
    """What a record touches, told by the words of its decision and by names, without a mask or a bound."""
    kind = record.observation.kind
    shape, regions = ENGINE.deciders[kind].section.shape, ENGINE.deciders[kind].section.regions
    tokens = shape.tokens(record.observation)
    (number,) = (
        i
        for i, region in enumerate(regions)
        if all(one in axis.named(mask) for one, axis, mask in zip(tokens, shape.space.axes, region.box, strict=True))
    )
    decision = ENGINE.decide(record)
    assert decision.rule == regions[number].rule.name
    return Target(number, texts(regions[number], ENGINE, kind)[decision.because])


@pytest.mark.parametrize("position", part(range(71), 3))
def test_without_its_cases_a_rule_is_not_touched(position: int) -> None:
    kind, name = [(kind, name) for kind, names in RULES.items() for name in names][position]
    left = [trial for trial in TRIALS if trial.case.rule != name]
    assert len(left) < len(TRIALS)
    report = try_cases(ENGINE, left)
    assert report.coverage[kind].untouched_rules == (name,)
    regions = ENGINE.deciders[kind].section.regions
    assert {regions[target.region].rule.name for target in report.coverage[kind].untouched} == {name}
    (other,) = set(RULES) - {kind}
    assert report.coverage[other].untouched == ()


@pytest.mark.parametrize("step", [2, 3, 7])
def test_coverage_is_what_the_decisions_say(step: int) -> None:
    records = [record for trial in TRIALS[::step] for record, _ in trial.records]
    for kind, coverage in coverage_of(ENGINE, records).items():
        seen = {by_the_decision(record) for record in records if record.observation.kind == kind}
        assert coverage.touched == seen
        assert set(coverage.untouched) == set(coverage.targets) - seen
        assert coverage.regions == len({target.region for target in seen}) < len(coverage.section.regions)
        named = {ENGINE.decide(record).rule for record in records if record.observation.kind == kind}
        assert set(coverage.untouched_rules) == set(RULES[kind]) - named != set()


AXES = {kind: decider.section.shape.space.axes for kind, decider in ENGINE.deciders.items()}
HISTORIES = st.builds(
    History,
    attempts=st.sampled_from([0, 1, 2, 5, 6, 8, 48]),
    failing_for_s=st.sampled_from([0.0, 7200.0, 43200.0, 86400.0]),
    syncing_for_s=st.sampled_from([0.0, 1800.0]),
    repaired=st.booleans(),
)
LATE = st.sampled_from([None, -1.0, 21600.0, 21601.0, float("inf")])


def raw(token: str) -> Any:
    return {"true": True, "false": False, "absent": None}.get(token, token)


@given(st.tuples(*(st.sampled_from(axis.values) for axis in AXES["status"])), HISTORIES, LATE)
def test_any_status_touches_what_its_decision_says(
    tokens: tuple[str, ...], history: History, late: float | None
) -> None:
    fields = {axis.name: raw(token) for axis, token in zip(AXES["status"], tokens, strict=True)}
    record = Record(observation=ConnectionStatus(**fields, retry_after_s=late), history=history)
    assert touched(ENGINE, record) == by_the_decision(record)


@given(st.data(), HISTORIES, LATE)
def test_any_failure_touches_what_its_decision_says(data: st.DataObject, history: History, late: float | None) -> None:
    region = data.draw(st.sampled_from(ENGINE.deciders["failure"].section.regions))
    fields = {
        axis.name: raw(data.draw(st.sampled_from(axis.named(mask))))
        for axis, mask in zip(AXES["failure"], region.box, strict=True)
    }
    status = {None: None, "3xx": 302, "other_4xx": 422, "other_5xx": 507}
    fields["http_status"] = status.get(fields["http_status"]) or int(fields["http_status"] or 0) or None
    record = Record(observation=ApiFailure(**fields, retry_after_s=late), history=history)
    assert touched(ENGINE, record) == by_the_decision(record)


def test_each_region_has_a_target_for_each_answer() -> None:
    counts = {kind: len(tuple(targets(decider.section))) for kind, decider in ENGINE.deciders.items()}
    timed = dict.fromkeys(counts, 0)
    for kind, decider in ENGINE.deciders.items():
        for region in decider.section.regions:
            then = region.within.then
            timed[kind] += hasattr(then, "retry") or getattr(then, "look_again", None) is not None
    # Timed regions have two answers more, a running sync one; the repairable of a status are rule 7's 18.
    assert counts == {"status": 26 + 2 * timed["status"] + 1 + 18, "failure": 85 + 2 * timed["failure"]}


# A policy that is changed.


def then_of(rule: str) -> str:
    found = re.search(r"^then = .*$", rule, re.MULTILINE)
    assert found is not None
    return found.group()


def written_rules() -> list[str]:
    return re.findall(r"^\[\[(?:status|failure)\.rules\]\]\n(?:[^\n]+\n)+", SHIPPED, re.MULTILINE)


def failing(text: str) -> set[str]:
    """The shipped cases that do not hold for a changed policy, by name."""
    report = try_cases(Engine(parse_policy(text.encode())), TRIALS)
    return {failure.trial.case.name for failure in report.failures}


INVARIANTS = re.compile(r"\[\[(?:status|failure)\.invariants\]\]\n(?:[^\n]+\n)+")
ALL_STEPS = "next_steps = { customer = 'c', support = 's', engineering = 'e', provider = 'p' }"


@pytest.mark.parametrize("position", part((i for i in range(0, 71, 2) if i != 10), 3))
def test_a_rule_that_answers_otherwise_is_noticed(position: int) -> None:
    """But the one that alone uses its schedule: without it the policy is refused."""
    rule = written_rules()[position]
    other = 'then = { escalate = "support", scope = "integration" }'  # which no rule of the shipped policy answers
    mutant = re.sub(r"^(next_steps\..*|limit = .*)\n", "", rule.replace(then_of(rule), other), flags=re.MULTILINE)
    text = SHIPPED.replace(rule, mutant + ALL_STEPS + "\n")
    text = INVARIANTS.sub("", text)
    if "limit = " in rule:
        text = re.sub(r"\[limits\.long_sync\]\n.*\n\[limits\.long_sync\.spent\]\n(?:[^\n]+\n)+", "", text)
    name = re.search(r'name = "(.*)"', rule)
    assert name is not None
    expected = {trial.case.name for trial in TRIALS if trial.case.rule == name.group(1)}
    assert failing(text) & expected


def test_a_rule_that_is_dropped_is_noticed() -> None:
    """Where a later rule takes what it decided; else the policy is refused."""
    noticed, rules = 0, part(written_rules()[::2], 3)
    for rule in rules:
        with suppress(PolicyError):
            engine = Engine(parse_policy(INVARIANTS.sub("", SHIPPED.replace(rule, "")).encode()))
            noticed += 1
            assert try_cases(engine, TRIALS).failures, rule
    assert noticed * 36 > 20 * len(rules)


CHANGES = [
    ("first_s = 60\n", "first_s = 61\n"),
    ("factor = 2\nceiling_s = 1800", "factor = 3\nceiling_s = 1800"),
    ("ceiling_s = 1800", "ceiling_s = 1801"),
    ("attempts = 48", "attempts = 49"),
    ("attempts = 48", "attempts = 47"),
    ("ceiling_s = 1800\nattempts = 48\nwithin_s = 86400", "ceiling_s = 1800\nattempts = 48\nwithin_s = 86399"),
    ("ceiling_s = 1800\nattempts = 48\nwithin_s = 86400", "ceiling_s = 1800\nattempts = 48\nwithin_s = 86401"),
    ("first_s = 300\nfactor = 2\nceiling_s = 7200", "first_s = 300\nfactor = 3\nceiling_s = 7200"),
    ("factor = 2\nceiling_s = 7200\nattempts = 6", "factor = 2\nceiling_s = 7300\nattempts = 6"),
    ("attempts = 6", "attempts = 7"),
    ("within_s = 43200", "within_s = 43201"),
    ("first_s = 900", "first_s = 901"),
    ("factor = 4", "factor = 3"),
    ("attempts = 2\n", "attempts = 3\n"),
    ("attempts = 8", "attempts = 9"),
    ("within_s = 7200", "within_s = 7201"),
    ("ceiling_s = 60", "ceiling_s = 61"),
    ("first_s = 10\n", "first_s = 9\n"),
    ("longest_s = 21600", "longest_s = 21599"),
    ("longest_s = 21600", "longest_s = 21601"),
    ("syncing_for_s = 1800", "syncing_for_s = 1799"),
    ("syncing_for_s = 1800", "syncing_for_s = 1801"),
    ("reauth = 21600", "reauth = 21601"),
    ("escalate = 21600", "escalate = 21601"),
    ('no_op = "healthy", look_again_s = 3600', 'no_op = "healthy", look_again_s = 3601'),
    ('no_op = "gone", look_again_s = 86400', 'no_op = "gone", look_again_s = 86401'),
    ('evidence = "alive"', 'evidence = "none"'),
    ('evidence = "missing"', 'evidence = "none"'),
    ('name = "leftover_failure"', 'name = "leftover"'),
    ("repairable = true\n", ""),
    ('name = "never synced"', 'name = "never synced yet"'),
]


@pytest.mark.parametrize(("old", "new"), part(CHANGES, 2))
def test_a_changed_number_or_word_is_noticed(old: str, new: str) -> None:
    assert SHIPPED.count(old) >= 1
    assert failing(SHIPPED.replace(old, new, 1))
