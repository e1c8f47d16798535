"""Every status combination answers as the golden table says, in every shape."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import Engine, Escalate, History, NoOp, Reauth, Retry
from remediate.decision import headline
from remediate.upstreams.layer import ConnectionStatus
from tests.combos import shapes, status, status_fields
from tests.oracle import GOLDEN, STATUS_AXES, STATUS_COMBINATIONS, Answer, status_answer, status_table

PAST = History(attempts=48, failing_for_s=86400, syncing_for_s=1800)
REPAIRED = History(repaired=True)


def golden() -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    with (GOLDEN / "status.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield tuple(row[axis] for axis in STATUS_AXES), row


def test_the_golden_table_is_what_the_oracle_says() -> None:
    assert (GOLDEN / "status.csv").read_text() == status_table()
    assert len(STATUS_COMBINATIONS) == 1512 == len(set(STATUS_COMBINATIONS))


def test_every_combination_answers_as_the_golden_table(engine: Engine) -> None:
    seen = 0
    for combination, row in golden():
        seen += 1
        observation = status(combination)
        decision = engine.decide(observation, key="k")
        assert headline(decision) == row["within"], combination
        assert headline(engine.decide(observation, PAST, "k")) == row["past"], combination
        assert headline(engine.decide(observation, REPAIRED, "k")) == row["repaired"], combination
        assert decision.may_sync is (row["may_sync"] == "True"), combination
        assert decision.evidence == row["evidence"], combination
        assert " ".join(decision.anomalies) == row["anomalies"], combination
        if isinstance(decision, Retry):
            assert decision.look_again_s == decision.delay_s > 0
            assert decision.repeats == "sync"
            assert decision.attempt == 1
        else:
            assert decision.look_again_s == float(row["look_again_s"]), combination
    assert seen == 1512


def test_limits_and_repairs_keep_evidence_and_anomalies(engine: Engine) -> None:
    for combination, row in golden():
        for history in (PAST, REPAIRED, History(repaired=True, attempts=48, failing_for_s=86400)):
            decision = engine.decide(status(combination), history, "k")
            assert decision.evidence == row["evidence"]
            assert " ".join(decision.anomalies) == row["anomalies"]


def test_a_sync_before_is_a_witness(engine: Engine) -> None:
    for combination, row in golden():
        observation = status(combination, last_synced_at="2025-07-14T09:00:00Z")
        assert " ".join(engine.decide(observation, key="k").anomalies) == row["anomalies_if_synced_before"]
        assert headline(engine.decide(observation)) == row["within"]


def test_every_shape_of_a_combination_is_the_same_observation(engine: Engine) -> None:
    for combination in STATUS_COMBINATIONS:
        expected = engine.decide(status(combination))
        for shape in shapes(status_fields(combination)):
            assert engine.decide(shape) == expected, shape


def test_a_retry_without_a_key_says_so(engine: Engine) -> None:
    for combination, row in golden():
        unkeyed = engine.decide(status(combination))
        told = {*row["anomalies"].split(), *(["no_key"] if row["within"].startswith("retry") else [])}
        assert unkeyed.anomalies == tuple(sorted(told))


@given(st.data())
def test_any_value_has_a_defined_outcome(data: st.DataObject) -> None:
    """Published values by their members, and any other string at all."""
    engine = _engine()
    text = st.text(st.characters(exclude_categories=["Cs"]))
    optional_bool = st.sampled_from([True, False, None])
    fields = {
        "is_connected": data.draw(optional_bool),
        "is_syncing": data.draw(optional_bool),
        "last_sync_status": data.draw(st.none() | st.sampled_from(["SYNC_SUCCESS", "SYNC_FAILURE"]) | text),
        "sync_failure_reason": data.draw(st.none() | st.sampled_from(list(_reasons())) | text),
        "is_retryable_failure": data.draw(optional_bool),
    }
    decision = engine.decide(json.dumps(fields).encode(), key="k")
    assert isinstance(decision, Retry | Reauth | Escalate | NoOp)
    assert headline(decision) == _expected(fields).within
    assert engine.decide(ConnectionStatus(**fields), key="k") == decision


def _engine(made: list[Engine] = []) -> Engine:  # noqa: B006  # one engine for every example
    if not made:
        made.append(Engine.bundled())
    return made[0]


def _reasons() -> Iterator[str]:
    return (reason for reason in {c[3] for c in STATUS_COMBINATIONS} if reason not in ("absent", "unrecognised"))


def _expected(fields: dict[str, object]) -> Answer:
    known = {"last_sync_status": {"SYNC_SUCCESS", "SYNC_FAILURE"}, "sync_failure_reason": set(_reasons())}
    tokens = []
    for axis in STATUS_AXES:
        value = fields[axis]
        if value is None:
            tokens.append("absent")
        elif isinstance(value, bool):
            tokens.append(str(value).lower())
        else:
            tokens.append(str(value) if value in known[axis] else "unrecognised")
    return status_answer(*tokens)


def test_an_unpublished_string_is_kept_as_it_came() -> None:
    observation = ConnectionStatus(sync_failure_reason="QUICKBOOKS_ON_FIRE", last_sync_status="")
    assert observation.sync_failure_reason == "QUICKBOOKS_ON_FIRE"
    assert observation.sync_failure_reason is not None
    assert not observation.sync_failure_reason.recognised
    assert observation.last_sync_status == ""


@pytest.mark.parametrize("name", ["absent", "unrecognised", "present", "true"])
def test_a_string_that_is_named_like_an_axis_value_is_unrecognised(engine: Engine, name: str) -> None:
    decision = engine.decide(ConnectionStatus(is_connected=True, last_sync_status=name, sync_failure_reason=name))
    assert headline(decision) == "escalate engineering integration"
    assert decision.anomalies == ("unrecognised_reason", "unrecognised_status")


def test_many_strange_strings_do_not_grow_the_table() -> None:
    engine = Engine.bundled()
    decider = engine.deciders["status"]
    peak = 0
    for i in range(40_000):
        engine.decide(ConnectionStatus(sync_failure_reason=f"REASON_{i}"))
        peak = max(peak, len(decider._cells))
    assert peak == 16_384
    for length in (64, 65, 10_000):
        engine.decide(ConnectionStatus(sync_failure_reason="x" * length))
    kept = [value for cell in decider._cells for value in cell if isinstance(value, str)]  # type: ignore[attr-defined]
    assert max(map(len, kept)) == 64
