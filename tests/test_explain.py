"""Explanations: the grounds of a decision, and what would change it."""

from __future__ import annotations

from itertools import product

import attrs
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
        Change(fields={"retry_after_s": ("more than 21600",)}, answer="escalate provider integration"),
    )


def test_a_passed_limit_and_a_repair_are_told() -> None:
    down = status(("true", "false", "SYNC_FAILURE", "QUICKBOOKS_SERVICE_UNAVAILABLE", "true"))
    explanation = ENGINE.explain(down, History(attempts=48), "k")
    assert explanation.limit_passed
    assert explanation.acts_next == Owner.PROVIDER
    assert explanation.later == (
        Change(fields={"history.attempts": ("less than 48",)}, answer="retry transient"),
        Change(fields={"history.repaired": ("true",), "history.attempts": ("0",)}, answer="retry transient"),
    )
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


def test_an_answer_that_hangs_on_a_retry_after_says_so() -> None:
    explanation = ENGINE.explain({"http_status": 429, "retry_after_s": 30_000})
    assert explanation.retry_after_s == 30_000
    assert Change(fields={"retry_after_s": ("21600 or less",)}, answer="retry transport") in explanation.later


def test_a_resuming_sync_tells_its_own_limit() -> None:
    broken = status(("true", "false", "SYNC_FAILURE", "QUICKBOOKS_BAD_REQUEST", "true"))
    explanation = ENGINE.explain(broken, History(repaired=True), "k")
    assert (explanation.limit, explanation.limit_passed, explanation.history) == (
        "resume",
        False,
        History(repaired=True),
    )
    answers = {next(iter(change.fields)): change.answer for change in explanation.later}
    assert answers == {
        "history.attempts": "escalate provider integration",
        "history.repaired": "escalate provider integration",
        "retry_after_s": "escalate provider integration",
    }


@given(
    st.sampled_from(STATUS_COMBINATIONS),
    st.builds(History, attempts=st.integers(0, 60), failing_for_s=st.floats(0, 1e5), repaired=st.booleans()),
    st.none() | st.floats(0, 30_000),
)
def test_what_is_said_to_change_the_answer_in_time_does(
    combination: tuple[str, ...], history: History, asked: float | None
) -> None:
    observation = status(combination, retry_after_s=asked)
    explanation = ENGINE.explain(observation, history, "k")
    for change in explanation.later:
        moved, waits = history, asked
        for field, (text,) in change.fields.items():
            value: float = {"true": True, "false": False}[text] if text in ("true", "false") else number(text)
            name = field.removeprefix("history.")
            if name == "retry_after_s":
                waits = value
            else:
                moved = attrs.evolve(moved, **{name: int(value) if name == "attempts" else value})
        again = ENGINE.decide(attrs.evolve(observation, retry_after_s=waits), moved, "k")
        assert headline(again) == change.answer != headline(explanation.decision)


def number(text: str) -> float:
    """A number that the words allow: `48 or more`, `less than 48`, `more than 21600`, `21600 or less`, `0`."""
    bound = float(next(word for word in text.split() if word.replace(".", "").isdigit()))
    return bound - 1 if text.startswith("less") else bound + 1 if text.startswith("more than") else bound
