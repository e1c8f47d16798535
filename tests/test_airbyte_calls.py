"""How calls to Airbyte fail: how it is read, and what is answered, a second time as plain ifs."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import attrs
import pytest

from remediate import Engine, History, InputError, Retry
from remediate.decision import headline
from remediate.observation import shape_of
from remediate.upstreams import Record
from remediate.upstreams.airbyte import UPSTREAM, ApiFailure, Call, Sync, Transport, parse, read
from remediate.wire import dumps
from tests.test_airbyte_wire import FAILED, ID, LATEST, SECRET, job

ENGINE = Engine.bundled("airbyte")
PAST = History(attempts=8, failing_for_s=7_200)
STATUSES = (None, 200, 302, 400, 401, 403, 404, 408, 409, 418, 422, 425, 429, 500, 502, 503, 504, 599)
OURS = "escalate engineering integration"


def test_the_axes_are_those_of_the_class() -> None:
    space = shape_of(ApiFailure).space
    assert [(axis.name, len(axis.values)) for axis in space.axes] == [
        ("call", 3),
        ("http_status", 16),
        ("transport", 4),
    ]
    assert space.size == 192
    assert not ApiFailure.describes
    assert UPSTREAM.beside == ("call", "http_status", "transport", "retry_after_s")


def test_a_retry_repeats_the_call_that_failed() -> None:
    repeated = [ENGINE.decide(ApiFailure(call=call, http_status=429), key="k") for call in (None, "status", "sync")]
    assert [one.repeats for one in repeated if isinstance(one, Retry)] == ["status", "status", "sync"]


# What is answered.


def oracle(call: str | None, status: int | None, transport: str | None) -> tuple[str, str]:
    """The answer within its limit, and past it."""
    failed = status if status is not None and status >= 300 else None
    if call == "sync":
        if failed == 409:
            return "no_op in_progress", "no_op in_progress"
        if transport in ("no_answer", "unreadable") or failed == 408 or (failed or 0) >= 500:
            return "no_op unconfirmed", OURS
    if failed in (408, 425, 429) or (failed or 0) >= 500:
        return "retry transport", OURS
    if failed is None and transport is not None:
        return "retry transport", OURS
    return OURS, OURS


def test_every_failed_call_answers_as_the_oracle_says() -> None:
    for call, status, transport in product((None, *Call), STATUSES, (None, *Transport)):
        failure = ApiFailure(call=call, http_status=status, transport=transport)
        said = (ENGINE.decide(failure, key="k"), ENGINE.decide(failure, PAST, "k"))
        within, past = map(headline, said)
        assert (within, past) == oracle(call, status, transport), failure
        assert not any(one.may_sync for one in said), failure


def test_a_pause_that_airbyte_asks_for_is_kept_and_too_long_a_one_is_told() -> None:
    kept = ENGINE.decide(ApiFailure(call="status", http_status=429, retry_after_s=900), key="k")
    assert isinstance(kept, Retry)
    assert kept.delay_s >= 900
    assert headline(ENGINE.decide(ApiFailure(http_status=429, retry_after_s=90_000), key="k")).startswith("escalate")


@pytest.mark.parametrize("http_status", [99, 600, True, "503"])
def test_what_is_no_http_status_is_refused(http_status: Any) -> None:
    with pytest.raises(InputError) as refused:
        ApiFailure(http_status=http_status)
    assert refused.value.field == "http_status"


# How it is read.

FAILURES: list[tuple[dict[str, Any], ApiFailure]] = [
    ({"http_status": 503}, ApiFailure(http_status=503)),
    ({"http_status": 300, "observation": None}, ApiFailure(http_status=300)),
    ({"http_status": 404, "call": "status", "observation": job(LATEST)}, ApiFailure(http_status=404, call="status")),
    ({"http_status": 200, "transport": "unreadable"}, ApiFailure(http_status=200, transport="unreadable")),
    ({"call": "sync", "transport": "no_answer"}, ApiFailure(call="sync", transport="no_answer")),
    (
        {"call": "sync", "http_status": 429, "retry_after_s": 7},
        ApiFailure(call="sync", http_status=429, retry_after_s=7),
    ),
    ({"call": "sync"}, ApiFailure(call="sync")),
    ({"call": None, "observation": None}, ApiFailure()),
    ({"call": "status", "http_status": 200}, ApiFailure(call="status", http_status=200)),
    ({"http_status": 500, "observation": {"message": SECRET, "exceptionStack": [SECRET]}}, ApiFailure(http_status=500)),
]


@pytest.mark.parametrize(("beside", "failure"), FAILURES)
def test_a_call_that_failed_is_a_failure_whatever_it_was_answered_with(beside: Any, failure: ApiFailure) -> None:
    record = {**beside, "key": "acme", "history": {"attempts": 2}}
    assert read(record) == Record(observation=failure, history=History(attempts=2), key="acme")
    assert parse(json.dumps(beside)) == failure
    assert SECRET not in dumps(UPSTREAM.write(read(record)))


def test_a_call_that_went_well_tells_of_the_connection() -> None:
    beside = {"call": "status", "http_status": 200, "retry_after_s": 3}
    assert parse({**beside, "observation": job(LATEST)}) == attrs.evolve(FAILED, retry_after_s=3)
    assert read({"http_status": 200, **job(LATEST)}) == Record(observation=FAILED, key=ID)
    assert read({"call": None, **job(LATEST)}) == Record(observation=FAILED, key=ID)
    assert parse({"http_status": 200, "tenant": 7}) == Sync()
