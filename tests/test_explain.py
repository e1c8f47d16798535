"""Explanations: the grounds of a decision, and what would change it."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from remediate import Engine, History, Owner
from remediate.decision import headline
from remediate.explaining import Change
from tests.combos import failure, status
from tests.oracle import (
    BOOLEANS,
    CALLS,
    HTTP_STATUSES,
    PUBLISHED,
    REASONS,
    STATUS_AXES,
    STATUS_COMBINATIONS,
    STATUSES,
    TRANSPORTS,
    failure_answer,
    status_answer,
)

ENGINE = Engine.bundled()
VALUES = dict(zip(STATUS_AXES, (BOOLEANS, BOOLEANS, STATUSES, REASONS, BOOLEANS), strict=True))


@given(st.sampled_from(STATUS_COMBINATIONS))
def test_the_nearest_changes_of_a_status_are_those_that_brute_force_finds(combination: tuple[str, ...]) -> None:
    here = status_answer(*combination).within
    expected: dict[tuple[str, str], set[str]] = {}
    for i, axis in enumerate(STATUS_AXES):
        for value in VALUES[axis]:
            other = status_answer(*combination[:i], value, *combination[i + 1 :]).within
            if other != here:
                expected.setdefault((axis, other), set()).add(value)
    found = {
        (axis, change.answer): set(values)
        for change in ENGINE.explain(status(combination)).changes
        for axis, values in change.fields.items()
        if len(change.fields) == 1
    }
    if expected:
        assert found == expected


def test_every_combination_has_a_change_that_really_changes_it() -> None:
    for combination in STATUS_COMBINATIONS[::7]:
        explanation = ENGINE.explain(status(combination))
        assert explanation.changes
        for change in explanation.changes:
            for values in product(*change.fields.values()):
                moved = dict(zip(STATUS_AXES, combination, strict=True)) | dict(zip(change.fields, values, strict=True))
                assert status_answer(*moved.values()).within == change.answer != headline(explanation.decision)


@given(
    st.sampled_from(CALLS),
    st.sampled_from([*PUBLISHED["error_enum"], "absent", "unrecognised"]),
    st.sampled_from([*PUBLISHED["type"], "absent", "unrecognised"]),
    st.sampled_from(HTTP_STATUSES),
    st.sampled_from(TRANSPORTS),
)
def test_the_changes_of_a_failure_change_it(call: str, error: str, kind: str, http: str, transport: str) -> None:
    explanation = ENGINE.explain(failure(call, error, kind, http, transport))
    combination = {"call": call, "error_enum": error, "type": kind, "http_status": http, "transport": transport}
    assert explanation.combination == combination
    assert explanation.changes
    for change in explanation.changes:
        first = {field: values[0] for field, values in change.fields.items()}
        assert failure_answer(*(combination | first).values()) == change.answer != headline(explanation.decision)


def test_the_grounds_of_a_decision_are_all_there() -> None:
    combination = ("true", "false", "SYNC_FAILURE", "unrecognised", "true")
    explanation = ENGINE.explain(status(combination), History(attempts=1), "acme")
    assert explanation.decision == ENGINE.decide(status(combination), History(attempts=1), "acme")
    assert explanation.combination == dict(zip(STATUS_AXES, combination, strict=True))
    assert explanation.received == {"sync_failure_reason": "SOMETHING_NOBODY_PUBLISHED"}
    assert explanation.when == {"sync_failure_reason": ("unrecognised",), "is_retryable_failure": ("true",)}
    assert (explanation.key, explanation.kind, explanation.limit) == ("acme", "status", "probe")
    assert not explanation.limit_passed
    assert explanation.acts_next is None
    assert explanation.later == (
        Change(fields={"history.attempts": ("2 or more",)}, answer="escalate engineering integration"),
        Change(fields={"history.failing_for_s": ("86400 or more",)}, answer="escalate engineering integration"),
    )


def test_a_passed_limit_and_a_repair_are_told() -> None:
    down = status(("true", "false", "SYNC_FAILURE", "QUICKBOOKS_SERVICE_UNAVAILABLE", "true"))
    explanation = ENGINE.explain(down, History(attempts=48), "k")
    assert explanation.limit_passed
    assert explanation.acts_next == Owner.PROVIDER
    repair = Change(fields={"history.repaired": ("true",)}, answer="retry transient")
    assert explanation.later == (repair,)
    broken = ENGINE.explain(status(("true", "false", "SYNC_FAILURE", "QUICKBOOKS_INVALID_CREDENTIALS", "true")))
    assert broken.acts_next == Owner.CUSTOMER
    assert Change(fields={"history.repaired": ("true",)}, answer="retry resume") in broken.later
    assert ENGINE.explain({"last_sync_status": "SYNC_SUCCESS"}).later == ()
    assert ENGINE.explain({"observation": {}, "history": {"repaired": True}, "key": "x"}).key == "x"


def test_the_answer_of_a_change_is_the_one_at_the_same_history() -> None:
    down = status(("true", "false", "SYNC_FAILURE", "QUICKBOOKS_SERVICE_UNAVAILABLE", "true"))
    spent = ENGINE.explain(down, History(attempts=48), "k")
    answers = {change.answer for change in spent.changes}
    assert "retry cautious" not in answers
    assert "escalate support connection" in answers
