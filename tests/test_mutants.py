"""A damaged policy is refused with a message that names the place, or caught by the golden table."""

from __future__ import annotations

import csv
import hashlib
import random
import re
from functools import cache
from pathlib import Path

import pytest

from remediate import Engine, History, PolicyError
from remediate.decision import headline
from remediate.loading import parse_policy, policy_path
from remediate.regions import Box
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from tests.combos import status
from tests.oracle import GOLDEN, STATUS_AXES, failure_answer, failure_evidence
from tests.thoroughness import part

SHIPPED = policy_path("layer-quickbooks").read_text()


def rules() -> list[str]:
    """Every rule of the shipped policy as it stands in the file."""
    return re.findall(r"^\[\[(?:status|failure)\.rules\]\]\n(?:[^\n]+\n)+", SHIPPED, re.MULTILINE)


def problems(text: str) -> tuple[str, ...]:
    """What is wrong with a policy; none if it loads."""
    try:
        Engine(parse_policy(text.encode(), source="mutant.toml"))
    except PolicyError as refused:
        assert str(refused).startswith("mutant.toml: ")
        return refused.problems
    return ()


def differs_from_golden(text: str) -> bool:
    """Whether an answer of a policy that loads is not the golden one, or not the oracle's."""
    engine = Engine(parse_policy(text.encode()))
    for observation, row in golden_rows():
        decision = engine.decide(observation, key="k")
        if headline(decision) != row["within"] or decision.evidence != row["evidence"]:
            return True
        if " ".join(decision.anomalies) != row["anomalies"]:
            return True
        if headline(engine.decide(observation, History(repaired=True), "k")) != row["repaired"]:
            return True
    return any(
        headline(engine.deciders["failure"].decide_at(point, ApiFailure(), History(), "k")) != said
        for point, said in failure_points()
    )


@cache
def golden_rows() -> list[tuple[ConnectionStatus, dict[str, str]]]:
    """Every combination of a status, with what the golden table says of it."""
    with (GOLDEN / "status.csv").open(newline="") as file:
        return [(status(tuple(row[axis] for axis in STATUS_AXES)), row) for row in csv.DictReader(file)]


@cache
def failure_points() -> list[tuple[Box, str]]:
    """Some combinations of each region of the shipped policy, with the oracle's answer."""
    space, regions = (section := Engine.bundled().deciders["failure"].section).shape.space, section.regions
    chosen = random.Random(0)
    found = []
    for region in regions:
        for _ in range(24):
            tokens = tuple(chosen.choice(axis.named(mask)) for axis, mask in zip(space.axes, region.box, strict=True))
            found.append((space.point(tokens), failure_answer(*tokens)))
    return found


def replaced(old: str, new: str) -> str:
    assert old in SHIPPED, old
    return SHIPPED.replace(old, new, 1)


def test_the_shipped_policy_has_nothing_wrong() -> None:
    assert problems(SHIPPED) == ()
    assert not differs_from_golden(SHIPPED)
    assert len(rules()) == 71


@pytest.mark.parametrize("position", part(range(71), 3))
def test_a_rule_that_is_removed_is_missed(position: int) -> None:
    """Either a combination has no answer, an answer changes, or what the rule alone used is unused."""
    mutant = SHIPPED.replace(rules()[position], "", 1)
    assert problems(mutant) or differs_from_golden(mutant), rules()[position]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        # An unknown key, at every level.
        ('revision = "1"', 'revison = "1"', "unknown key `revison` (did you mean `revision`?)"),
        ("unless_repaired = true", "unless_repared = true", 'invariant "a false flag never retries": unknown key'),
        ('evidence = "none"', 'evidense = "none"', 'status rule "a sync is running": unknown key `evidense`'),
        ("floor_s = 1", "flor_s = 1", "schedules.resume: unknown key `flor_s` (did you mean `floor_s`?)"),
        ("[status.repair]", "[statuss.repair]", "unknown key `statuss` (did you mean `status`?)"),
        ("next_steps.provider", "next_steps.providers", "retry_after.next_steps: unknown key `providers`"),
        ('scope = "integration" }', 'scope = "integration", to = "x" }', "retry_after.then: unknown key `to`"),
        ('then = { no_op = "in_progress"', 'then = { noop = "in_progress"', "did you mean `no_op`?"),
        # A missing key.
        ('evidence = "none"\n', "", 'status rule "a sync is running": the key `evidence` is missing'),
        ("ceiling_s = 1800\n", "", "schedules.transient: the key `ceiling_s` is missing"),
        ('name = "a sync is running"\n', "", "status rule number 1: the key `name` is missing"),
        # A misspelt value.
        ("is_syncing = true", "is_sincing = true", "when.is_sincing: unknown field (did you mean `is_syncing`?)"),
        ('"QUICKBOOKS_BAD_REQUEST" }', '"QUICKBOOKS_BAD_REQEST" }', "(did you mean `QUICKBOOKS_BAD_REQUEST`?)"),
        ('"QUICKBOOKS_SERVICE_UNAVAILABLE",', '"QUICKBOOKS_SERVICE_UNAVAILBLE",', "groups.sync_failure_reason.outage"),
        ('evidence = "alive"', 'evidence = "alife"', 'rule "the last sync succeeded": evidence: unknown value `alife`'),
        ('retry = "transient"', 'retry = "transint"', "unknown schedule `transint` (did you mean `transient`?)"),
        ('limit = "long_sync"', 'limit = "longsync"', "unknown limit `longsync` (did you mean `long_sync`?)"),
        ('never = "retry"', 'never = "retries"', "unknown action `retries` (did you mean `retry`?)"),
        ('upstream = "layer"', 'upstream = "lair"', "upstream: unknown upstream `lair`"),
        ('escalate = "support"', 'escalate = "suport"', "unknown value `suport` (did you mean `support`?)"),
        ("as_if = { is_retryable_failure", "as_if = { is_retriable_failure", "schedules.probe: as_if.is_retriable"),
        ('[limits.long_sync.spent]\nthen = { escalate = "provider", scope = "connection" }', "[limits.long_sync.spent]\nthen = { as_if = { is_sincing = false } }", "limits.long_sync: as_if.is_sincing"),
        # A wrong type.
        ("first_s = 60", 'first_s = "60"', "schedules.transient.first_s: expected a number, got a string"),
        ("attempts = 48", "attempts = 48.0", "schedules.transient.attempts: expected a whole number, got a number"),
        ("attempts = 48", "attempts = true", "schedules.transient.attempts: expected a whole number, got a boolean"),
        ("attempts = 48", "attempts = 0", "schedules.transient.attempts: expected a whole number from 1"),
        ("first_s = 60", "first_s = nan", "schedules.transient.first_s: expected a number from 0"),
        ("first_s = 60", "first_s = -1", "schedules.transient.first_s: expected a number from 0"),
        ("is_syncing = true", 'is_syncing = "true"', "when.is_syncing: expected true, false or `absent`, got `true`"),
        ("is_syncing = true", "is_syncing = 1", "when.is_syncing: expected a string, true, false, or a list of them"),
        ("is_syncing = true", "is_syncing = []", "when.is_syncing: an empty list matches nothing"),
        ("is_syncing = true", "is_syncing = [true, true]", "when.is_syncing: a value is listed twice"),
        ('"QUICKBOOKS_BAD_REQUEST" }', "true }", "when.sync_failure_reason: expected a string, got a boolean"),
        ("repairable = true", 'repairable = "yes"', "repairable: expected true or false, got a string"),
        ('because = "The last', 'because = ["The last', "is not TOML"),
        ('because = "The last sync succeeded."', "because = 3", "because: expected a string, got a number"),
        ('because = "The last sync succeeded."', 'because = " "', "because: expected text on one line"),
        ('because = "The last sync succeeded."', 'because = "a\\u001b[1m"', "because: expected text on one line"),
        ("when = { is_syncing = true }", "when = true", "when: expected an object, got a boolean"),
        ('then = { no_op = "healthy", look_again_s = 3600 }', 'then = "healthy"', "then: expected an object"),
        ("look_again_s = 3600 }", 'look_again_s = "soon" }', 'look_again_s: expected a number of seconds, or "never"'),
        (", look_again_s = 3600 }", " }", "a `no_op` has one of `look_again_s`"),
        ('then = { no_op = "healthy", look_again_s = 3600 }', "then = { as_if = { is_syncing = true } }", "then: expected exactly one of `retry`, `reauth`, `escalate`, `no_op`"),
        ('longest_s = 21600\nthen = { escalate = "provider", scope = "integration" }', "longest_s = 21600\nthen = { as_if = { is_syncing = true } }", "retry_after.then: expected exactly one of"),
        # Bounds upside down, or none.
        ("floor_s = 1\nattempts = 1", "floor_s = 11\nattempts = 1", "schedules.resume: floor_s: 11 is above first_s, 10"),
        ("first_s = 60", "first_s = 6000", "schedules.transient: first_s: 6000 is above ceiling_s, 1800"),
        ("first_s = 2", "first_s = 0", "schedules.transport: first_s: expected 0.1 s or more"),
        ("factor = 4", "factor = 0.5", "schedules.probe: factor: expected a number from 1"),
        ("within_s = 86400\n", "", "schedules.transient has no bound in time: `within_s` is missing"),
        ("within_s = 86400\n", "within_s = 0\n", "schedules.transient: within_s: expected more than 0"),
        ("attempts = 48\n", "", "schedules.transient: the key `attempts` is missing"),
        ("syncing_for_s = 1800\n", "", "limits.long_sync: has no bound"),
        ("reauth = 21600", "reauth = 0", "look_again_s.reauth: expected 1 s or more"),
        # What follows a limit must end.
        (
            '[schedules.cautious.spent]\nthen = { escalate = "support", scope = "connection" }',
            '[schedules.cautious.spent]\nthen = { retry = "transient" }',
            "schedules.cautious: spent: what is answered instead of going on must not wait or retry again",
        ),
        ("is_retryable_failure = false } }", "is_retryable_failure = true } }", "as_if leads to a retry"),
        ('retry = "transient"', 'retry = "resume"', "says nothing for when it is used up: `spent` is missing"),
        ('then = { retry = "transient" }', 'then = { retry = "transient" }\nlimit = "long_sync"', "one limit"),
        ("longest_s = 21600\nthen = { escalate", 'longest_s = 21600\nthen = { retry = "probe" }\nthem = { escalate', "them"),
        # Words for who must act.
        ("next_steps.customer = ", "next_steps.support = ", "is not TOML"),
        (
            'next_steps.customer = "Open the page where you connected QuickBooks and sign in to it again; your books stay as they are."\n',
            "",
            'rule "the authorisation has lapsed" within its limit: next_steps.customer is missing',
        ),
        # Invariants.
        ('only = "reauth"', 'only = "escalate"', 'invariant "a lapsed authorisation asks for a new one" is broken by rule'),
        ('only = "no_op"', 'only = ["no_op", "retry", "reauth", "escalate"]', "is vacuous: it allows every action"),
        ('only = "no_op"\n', "", "exactly one of `never` and `only` is needed"),
        ('only = "no_op"', 'only = "no_op"\nnever = "retry"', "exactly one of `never` and `only` is needed"),
        (
            'when = { is_syncing = true }\nnever = "retry"',
            'when = { is_syncing = true }\nnever = "retry"\nunless_repaired = true',
            "`unless_repaired` exempts nothing",
        ),
        ("is_retryable_failure = [true, \"absent\"] }\nthen = { retry = \"transient\" }", "is_retryable_failure = \"absent\" }\nthen = { retry = \"transient\" }", "no rule answers"),
        # What could be left out, or says nothing, or contradicts itself.
        ('outage = ["QUICKBOOKS_SERVICE_UNAVAILABLE", "QUICKBOOKS_INTERNAL_SERVER_ERROR"]', "outage = []", "groups.sync_failure_reason.outage: an empty group matches nothing"),
        ('server_error = ["500"', 'server_error = ["500", "500"', "groups.http_status.server_error: a value is listed twice"),
        ("[groups.http_status]", '[groups.http_status]\nmine = ["400"]', "groups.http_status.mine: no condition uses it"),
        ('http_status = ["408", "server_error"]', 'http_status = ["408", "500", "server_error"]', "when.http_status: `500` is listed twice"),
        ('type = "present"', 'type = ["present", "Plaid"]', "when.type: `present` stands alone"),
        ("is_syncing = true", 'is_syncing = [true, false, "absent"]', "when.is_syncing: names every value"),
        ("as_if = { is_retryable_failure = false", "as_if = { is_retryable_failure = [true, false]", "as_if.is_retryable_failure: expected one value"),
        ("is_retryable_failure = false } }\n", "is_retryable_failure = false } }\nnext_steps.support = 'x'\n", "schedules.probe: spent: next_steps: with `as_if`"),
        ("ceiling_s = 10\nfloor_s = 1\nattempts = 1", "ceiling_s = 10\nfloor_s = 1\nattempts = 2", "schedules.resume: a repair that allows more than one attempt needs a bound in time"),
        ("syncing_for_s = 1800", "syncing_for_s = 0", "limits.long_sync: a bound of 0 is passed before anything happens"),
        ('[limits.long_sync.spent]\nthen = { escalate = "provider", scope = "connection" }', '[limits.long_sync.spent]\nthen = { no_op = "healthy", look_again_s = 60 }', "must not allow a sync, as `healthy` does"),
        ('longest_s = 21600\nthen = { escalate = "provider", scope = "integration" }', 'longest_s = 21600\nthen = { no_op = "never_synced", look_again_s = 60 }', "retry_after: what is answered instead of going on must not allow a sync"),
        ("look_again_s = 3600 }", "look_again_s = 0 }", 'status rule "the last sync succeeded": look_again_s: expected 1 s or more'),
        ('system = "plaid"', 'system = "plait"', "then.system: unknown system `plait` (did you mean `plaid`?)"),
        ('name = "disconnected"', 'name = "no_key"', 'anomaly "no_key": the name is kept'),
        ('when = { last_sync_status = "unrecognised" }\n\n[[status.inv', "when = {}\n\n[[status.inv", 'anomaly "unrecognised_status": it always holds'),
        ('name = "unrecognised_status"\nwhen = { last_sync_status = "unrecognised" }', 'name = "unrecognised_reason"\nwhen = { sync_failure_reason = "unrecognised" }', 'anomaly "unrecognised_reason": it stands there twice'),
        # Names.
        ('name = "never synced"', 'name = "not connected"', 'rule "not connected": there are two of this name'),
        ('name = "already syncing never retries"', 'name = "not connected never retries"', "two of this name"),
        ('outage = ["', 'absent = ["', "a value of the field has this name already"),
        ("[groups.http_status]", "[groups.http_stat]", "groups.http_stat: unknown field (did you mean `http_status`?)"),
    ],
)  # fmt: skip
def test_a_damaged_policy_is_refused_at_its_place(old: str, new: str, place: str) -> None:
    found = problems(replaced(old, new))
    assert any(place in problem for problem in found), found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("repairable = true\n", ""),
        ('then = { retry = "cautious" }', 'then = { retry = "probe" }'),
        ('reauth = "reauthorize", system = "quickbooks"', 'reauth = "new_connection", system = "quickbooks"'),
        ('escalate = "customer", scope = "connection"', 'escalate = "support", scope = "connection"'),
        ('then = { escalate = "engineering", scope = "connection" }', 'then = { escalate = "engineering", scope = "integration" }'),
        ('no_op = "not_connected", look_again_s = 21600', 'no_op = "healthy", look_again_s = 21600'),
        ('evidence = "alive"', 'evidence = "none"'),
        ('evidence = "missing"', 'evidence = "none"'),
        ('name = "leftover_failure"', 'name = "leftover"'),
        ('when = { last_sync_status = "unrecognised" }', 'when = { last_sync_status = "absent" }'),
        ('transport = ["no_answer", "unreadable"] }\nthen = { no_op = "unconfirmed", look_again = "transport" }', 'transport = ["no_answer", "unreadable"] }\nthen = { no_op = "in_progress", look_again_s = 30 }'),
    ],
)  # fmt: skip
def test_a_changed_answer_loads_and_is_caught_by_the_golden_table(old: str, new: str) -> None:
    mutant = replaced(old, new)
    if 'evidence = "missing"' in old:
        engine = Engine(parse_policy(mutant.encode()))
        assert engine.decide({"error_enum": "InvoiceDeleted"}).evidence == "none" != failure_evidence("no_op gone")
        return
    assert problems(mutant) == ()
    assert differs_from_golden(mutant)


def test_two_rules_swapped_so_that_one_is_dead_are_refused() -> None:
    first = next(rule for rule in rules() if '"disconnected after an authorisation failure"' in rule)
    second = next(rule for rule in rules() if '"not connected"' in rule)
    swapped = SHIPPED.replace(first, "\0").replace(second, first).replace("\0", second)
    (found, *_) = problems(swapped)
    assert found.startswith('status rule "disconnected after an authorisation failure" is dead: "not connected" comes')
    assert "is_connected=false" in found


def test_a_value_that_can_not_decide_is_refused_with_what_takes_it() -> None:
    old = 'when = { last_sync_status = "SYNC_SUCCESS" }'
    new = 'when = { is_connected = [false, true], last_sync_status = "SYNC_SUCCESS" }'
    (found,) = (problem for problem in problems(replaced(old, new)) if "no rule answers" not in problem)
    assert found == (
        'status rule "the last sync succeeded": when.is_connected: `false` is dead: "not connected" comes before it, '
        "for instance at is_connected=false, is_syncing=true, last_sync_status=SYNC_SUCCESS, "
        "sync_failure_reason=QUICKBOOKS_AUTHENTICATION_FAILURE, is_retryable_failure=true"
    )


def test_an_invariant_that_is_broken_only_once_repaired_is_found() -> None:
    words = 'evidence = "none"\nbecause = "QuickBooks is not connected'
    assert problems(replaced(words, f"repairable = true\n{words}")) == ()  # it never asks a person
    then = 'then = { reauth = "new_connection", system = "quickbooks" }\n'
    asks = replaced(then, f"{then}repairable = true\n")
    assert any(
        'invariant "not connected never retries" is broken by rule "disconnected after an authorisation failure" '
        "once repaired, which answers retry at is_connected=false" in problem
        for problem in problems(asks)
    )


def test_every_fault_is_named_at_once() -> None:
    mutant = replaced("first_s = 60", 'first_s = "x"').replace('evidence = "alive"', 'evidence = "dead"')
    assert len(problems(mutant)) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff", "is not UTF-8 at byte 0"),
        (b"a = ", "is not TOML"),
        (b"", "the key `name` is missing"),
        (b"x = " + b"[" * 5_000, "is nested too deep"),
    ],
)
def test_what_is_no_policy_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(content, source="broken.toml")
    assert any(said in problem for problem in refused.value.problems)


def test_a_policy_that_can_not_be_found_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="did you mean `layer-quickbooks`"):
        Engine.bundled("layer-quickbook")
    with pytest.raises(PolicyError, match="can't be read: No such file"):
        Engine.load(tmp_path / "nowhere.toml")
    with pytest.raises(PolicyError, match="can't be read"):
        Engine.load(tmp_path)


def test_a_users_own_file_works_where_a_shipped_name_does(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(SHIPPED.replace('name = "layer-quickbooks"', 'name = "mine"'))
    engine = Engine.load(str(mine))
    decision = engine.decide({"last_sync_status": "SYNC_SUCCESS"})
    assert decision.policy.name == "mine"
    assert decision.policy.sha256 == hashlib.sha256(mine.read_bytes()).hexdigest()
