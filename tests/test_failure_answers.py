"""Every API failure answers as the golden table and the oracle say."""

from __future__ import annotations

import csv
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import Engine, History, NoOp, Retry
from remediate.decision import headline
from remediate.upstreams.layer import ApiFailure
from tests.combos import failure
from tests.oracle import (
    CALLS,
    GOLDEN,
    HTTP_STATUSES,
    PUBLISHED,
    TRANSPORTS,
    failure_answer,
    failure_evidence,
    failure_look_again_s,
    failure_table,
)

OPEN = ("absent", "unrecognised")


def test_the_golden_table_is_what_the_oracle_says() -> None:
    assert (GOLDEN / "failure.csv").read_text() == failure_table()
    assert {field: len(values) for field, values in PUBLISHED.items()} == {"error_enum": 93, "type": 13}


def test_every_published_error_answers_as_the_golden_table(engine: Engine) -> None:
    with (GOLDEN / "failure.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 106 * 5
    for row in rows:
        call = None if row["call"] == "absent" else row["call"]
        decision = engine.decide(ApiFailure(call=call, **{row["field"]: row["value"]}), key="k")
        assert headline(decision) == row["answer"], row
        assert decision.evidence == row["evidence"], row
        assert decision.anomalies == ()
        if isinstance(decision, Retry):
            assert decision.repeats == (call or "status")
            assert not decision.may_sync
        else:
            assert decision.look_again_s == (float(row["look_again_s"]) if row["look_again_s"] else None), row


def test_every_combination_answers_as_the_oracle(engine: Engine) -> None:
    """All 456,000, by the regions that decide: each is visited once, and answers as it should."""
    section = engine.deciders["failure"].section
    visited = 0
    for region in section.regions:
        point = tuple(mask & -mask for mask in region.box)
        said = headline(engine.deciders["failure"].decide_at(point, ApiFailure(), History(), "k"))
        for combination in section.shape.space.points(region.box):
            visited += 1
            assert failure_answer(*combination) == said, combination
            assert failure_evidence(said) == region.rule.evidence, combination
    assert visited == section.shape.space.size == 5 * 95 * 15 * 16 * 4


@given(
    st.sampled_from(CALLS),
    st.sampled_from([*PUBLISHED["error_enum"], *OPEN]),
    st.sampled_from([*PUBLISHED["type"], *OPEN]),
    st.sampled_from(HTTP_STATUSES),
    st.sampled_from(TRANSPORTS),
)
def test_a_typed_failure_answers_as_the_oracle(call: str, error: str, kind: str, http: str, transport: str) -> None:
    engine = _ENGINE
    decision = engine.decide(failure(call, error, kind, http, transport), key="k")
    said = failure_answer(call, error, kind, http, transport)
    assert headline(decision) == said
    assert decision.evidence == failure_evidence(said)
    if not isinstance(decision, Retry) and said != "no_op unconfirmed":
        assert decision.look_again_s == failure_look_again_s(said)


_ENGINE = Engine.bundled()


@pytest.mark.parametrize(
    ("http_status", "bucket"),
    [(300, "3xx"), (399, "3xx"), (402, "other_4xx"), (499, "other_4xx"), (501, "other_5xx"), (599, "other_5xx")]
    + [(int(name), name) for name in HTTP_STATUSES if name.isdigit()]
    + [(100, "absent"), (200, "absent"), (299, "absent")],
)
def test_an_http_status_falls_into_its_bucket(engine: Engine, http_status: int, bucket: str) -> None:
    tokens = engine.deciders["failure"].section.shape.tokens(ApiFailure(http_status=http_status))
    assert tokens == ("absent", "absent", "absent", bucket, "absent")


def test_what_may_have_been_received_is_looked_at_before_it_is_repeated(engine: Engine) -> None:
    for attempts, bound in enumerate((2, 4, 8, 16, 32, 60, 60, 60)):
        decision = engine.decide(ApiFailure(call="sync", transport="no_answer"), History(attempts=attempts), "k")
        assert isinstance(decision, NoOp)
        assert not decision.may_sync
        assert decision.look_again_s is not None
        assert 1 <= decision.look_again_s <= bound
    spent = engine.decide(ApiFailure(call="sync", transport="no_answer"), History(attempts=8), "k")
    assert headline(spent) == "escalate provider integration"


def test_the_retry_of_a_sync_that_was_not_sent_may_go_once_its_delay_has_run_out(engine: Engine) -> None:
    sync = ApiFailure(call="sync", transport="not_sent")
    assert not engine.decide(sync, key="k").may_sync
    assert engine.decide(sync, History(since_attempt_s=2), "k").may_sync
    assert not engine.decide(ApiFailure(call="status", transport="not_sent"), History(since_attempt_s=2), "k").may_sync


def test_every_repair_leaves_failures_alone(engine: Engine) -> None:
    for error, call in product(PUBLISHED["error_enum"], CALLS):
        one = failure(call, error, "absent", "absent", "absent")
        assert engine.decide(one, History(repaired=True), "k") == engine.decide(one, None, "k")
