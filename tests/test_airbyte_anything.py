"""Anything at all, handed in as Airbyte's: a record or our error; and what is written reads back."""

from __future__ import annotations

import json
import math
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from remediate import Engine, History, InputError
from remediate.upstreams import Record
from remediate.upstreams.airbyte import UPSTREAM, ApiFailure, Call, Sync, Transport, read
from remediate.wire import dumps

ENGINE = Engine.bundled("airbyte")

words = st.sampled_from([*UPSTREAM.words, "TRACE", "ERROR", "sync", "clear", "status", "no_answer", "breaking"])
names = st.sampled_from(
    [*(name for name in Sync.__slots__ if not name.startswith("__")), "job", "attempts", "failureSummary", "failures"]
    + ["partialSuccess", "failureType", "failureOrigin", "timestamp", "status", "id", "configType", "configId", "jobId"]
    + ["jobType", "connectionId", "connectionSyncStatus", "failureReason", "activeJob", "createdAt", "endedAt", "type"]
    + ["isSyncing", "breakingChange", "schemaChange", "latestSyncJobStatus", "call", "http_status", "transport"]
    + ["trace", "error", "failure_type", "emitted_at", "observation", "history", "key", "attempt", "jobs", "data"]
)
plausible = st.recursive(
    st.none() | st.booleans() | words | st.integers(-1, 9) | st.floats() | st.text(max_size=3) | st.just({}),
    lambda inner: st.dictionaries(names, inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=25,
)


@given(st.dictionaries(names | st.text(max_size=3), plausible, max_size=6) | plausible)
def test_any_json_value_is_a_record_or_our_error(value: Any) -> None:
    outcomes: list[object] = []
    for form in (value, json.dumps(value), json.dumps(value).encode()):
        try:
            record = read(form)
        except InputError as refused:
            assert refused.message
            outcomes.append(refused.field)
        else:
            outcomes.append(dumps(UPSTREAM.write(record)))
            assert read(dumps(UPSTREAM.write(record))) == _finite(record)
    assert outcomes[1] == outcomes[2]


@given(st.binary() | plausible.map(lambda v: json.dumps(v).encode()).flatmap(lambda b: st.just(b[: len(b) // 2])))
def test_any_bytes_are_a_record_or_our_error(content: bytes) -> None:
    try:
        ENGINE.decide(content)
    except InputError as refused:
        assert refused.message


optional = st.none() | words | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
flags = st.none() | st.booleans()
counts = st.none() | st.integers(0, 2**63 - 1)
syncs = st.builds(
    Sync,
    job_status=optional,
    attempt_status=optional,
    connection_status=optional,
    connection_sync_status=optional,
    failure_origin=optional,
    failure_type=optional,
    retryable=flags,
    partial_success=flags,
    job_id=counts,
    attempt=counts,
    ended_at=optional,
    retry_after_s=st.none() | st.floats(),
)
failures = st.builds(
    ApiFailure,
    call=st.none() | st.sampled_from(Call),
    http_status=st.none() | st.integers(100, 599),
    transport=st.none() | st.sampled_from(Transport),
    retry_after_s=st.none() | st.floats(),
)
histories = st.none() | st.builds(History, attempts=st.integers(0, 60), failing_for_s=st.floats(0, 1e6))


@given(st.builds(Record, observation=syncs | failures, history=histories, key=st.none() | st.just("acme")))
def test_a_record_that_is_written_reads_back(record: Record) -> None:
    again = read(dumps(UPSTREAM.write(record)))
    assert again == _finite(record)
    assert ENGINE.decide(again) == ENGINE.decide(record)


def _finite(record: Record) -> Record:
    """With a wait that counts as absent taken away, which is not written."""
    waits = record.observation.retry_after_s
    if waits is None or 0 < waits < math.inf:
        return record
    return attrs.evolve(record, observation=attrs.evolve(record.observation, retry_after_s=None))
