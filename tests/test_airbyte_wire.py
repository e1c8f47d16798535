"""Airbyte's JSON in every shape, and what is none of them."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from remediate import Engine, History, InputError
from remediate.decision import headline
from remediate.upstreams import Record
from remediate.upstreams.airbyte import UPSTREAM, Sync, parse, read
from remediate.wire import dumps

ENGINE = Engine.bundled("airbyte")
SECRET = "hunter2-s3cr3t"
ID = "5f0c1a52-7f1b-4c8e-9c1e-2d6d0a9b7e11"


def reason(kind: str | None, origin: str | None = "source", at: int | None = 1_700_000_000_000, **more: Any) -> Any:
    told = {"failureOrigin": origin, "failureType": kind, "timestamp": at, **more}
    private = {"externalMessage": SECRET, "internalMessage": SECRET, "stacktrace": f"Traceback {SECRET}"}
    return {name: value for name, value in told.items() if value is not None} | private


def attempt(number: int, *failures: Any, partial: bool | None = None, **more: Any) -> dict[str, Any]:
    times = {"createdAt": 1_700_000_000 + number, "updatedAt": 1_700_000_900, "endedAt": 1_700_000_900 + number}
    made: dict[str, Any] = {"id": number, "status": "failed", **times, "bytesSynced": 0, **more}
    if failures:
        made["failureSummary"] = {"failures": list(failures)} | ({} if partial is None else {"partialSuccess": partial})
    return made


def job(*attempts: Any, status: str = "failed", **more: Any) -> dict[str, Any]:
    head = {"id": 4711, "configType": "sync", "configId": ID, "createdAt": 1_700_000_000, "updatedAt": 1_700_001_000}
    return {"job": {**head, "status": status, **more}, "attempts": list(attempts)}


FAILED = Sync(
    job_status="failed",
    attempt_status="failed",
    failure_origin="source",
    failure_type="transient_error",
    retryable=True,
    partial_success=False,
    job_id=4711,
    attempt=4,
    ended_at="1700000904",
)
LATEST = attempt(4, reason("transient_error", retryable=True), partial=False)


def test_a_job_with_its_attempts_beside_their_logs_is_read() -> None:
    wrapped = job({"attempt": LATEST, "logType": "formatted", "logs": {"logLines": [SECRET]}})
    assert read(wrapped) == Record(observation=FAILED, key=ID)


def test_an_element_of_the_list_of_jobs_has_bare_attempts() -> None:
    assert parse(json.dumps(job(LATEST)).encode()) == FAILED


def test_the_latest_attempt_is_that_of_the_highest_number_wherever_it_stands() -> None:
    older = [attempt(number, reason("config_error"), partial=True) for number in (0, 3, 1)]
    for place in range(4):
        assert parse(job(*older[:place], LATEST, *older[place:])) == FAILED


def test_without_numbers_the_latest_attempt_is_the_one_that_began_last() -> None:
    first, last = ({**attempt(n, reason(kind)), "id": None} for n, kind in ((1, "config_error"), (2, "system_error")))
    assert parse(job(last, first)).failure_type == "system_error"


def test_an_attempt_that_is_running_tells_no_failure_of_an_older_one() -> None:
    running = {"id": 5, "status": "running", "createdAt": 1, "updatedAt": 2}
    seen = parse(job(LATEST, running, status="running"))
    expected = Sync(job_status="running", attempt_status="running", job_id=4711, attempt=5, ended_at="1700001000")
    assert seen == expected


def test_a_job_that_failed_without_attempts_tells_only_that() -> None:
    expected = Sync(job_status="failed", job_id=4711, ended_at="1700001000")
    assert parse(job()) == parse({"job": job()["job"]}) == parse(job()["job"]) == expected


CHOICES = [
    (["transient_error", "config_error"], "config_error"),
    (["config_error", "manual_cancellation", "refresh_schema"], "manual_cancellation"),
    (["config_error", "refresh_schema"], "refresh_schema"),
    (["system_error", "transient_error"], "system_error"),
    (["transient_error", "system_error"], "transient_error"),
    ([None, "system_error"], "system_error"),
    (["brand_new", "system_error"], "brand_new"),
]


@pytest.mark.parametrize(("kinds", "told"), CHOICES)
def test_of_several_failures_a_definite_one_is_told_else_the_earliest(kinds: list[str | None], told: str) -> None:
    failures = [reason(kind, at=100 + place, origin="source") for place, kind in enumerate(kinds)]
    for shown in (failures, failures[::-1]):
        assert parse(attempt(0, *shown)).failure_type == told


def test_a_failure_that_can_not_pass_is_told_before_one_that_may() -> None:
    may, can_not = reason("transient_error", at=1, retryable=True), reason("system_error", "dbt", 2, retryable=False)
    seen = parse(attempt(0, may, can_not))
    assert seen == Sync(
        attempt_status="failed",
        failure_origin="dbt",
        failure_type="system_error",
        retryable=False,
        attempt=0,
        ended_at="1700000900",
    )


def test_a_failure_without_a_time_comes_last() -> None:
    timeless, timed = reason("system_error", "dbt", None), reason("system_error", "source", 5)
    assert parse(attempt(0, timeless, timed)).failure_origin == "source"


def test_a_lone_attempt_and_a_lone_failure_are_read() -> None:
    alone = Sync(
        attempt_status="failed",
        failure_origin="source",
        failure_type="transient_error",
        retryable=True,
        partial_success=False,
        attempt=4,
        ended_at="1700000904",
    )
    assert parse(LATEST) == parse({"attempt": LATEST, "logs": {"logLines": [SECRET]}}) == alone
    told = parse(reason("heartbeat_timeout", "destination"))
    assert told == Sync(failure_type="heartbeat_timeout", failure_origin="destination", ended_at="1700000000000")


def test_the_public_api_tells_of_a_job_and_not_why() -> None:
    public = {"jobId": 9, "status": "failed", "jobType": "sync", "startTime": "2026-01-01T00:00:00Z"}
    public |= {"connectionId": ID, "lastUpdatedAt": "2026-01-01T00:10:00Z", "duration": "PT10M", "rowsSynced": 0}
    expected = Sync(job_status="failed", job_id=9, ended_at="2026-01-01T00:10:00Z")
    assert read(public) == Record(observation=expected, key=ID)


def test_a_connection_tells_whether_it_is_switched_on() -> None:
    for status in ("active", "inactive", "deprecated", "locked", "frozen"):
        told = read({"connectionId": ID, "name": "books", "status": status, "configurations": {}})
        assert told == Record(observation=Sync(connection_status=status), key=ID)


def test_a_connections_state_tells_the_last_failure_or_the_job_that_runs() -> None:
    state: dict[str, Any] = {"connectionId": ID, "connectionSyncStatus": "incomplete", "lastSyncJobId": 7}
    state |= {"lastSyncAttemptNumber": 2, "failureReason": reason("system_error", "replication", 9)}
    expected = Sync(
        connection_sync_status="incomplete",
        failure_origin="replication",
        failure_type="system_error",
        job_id=7,
        attempt=2,
        ended_at="9",
    )
    assert read(state) == Record(observation=expected, key=ID)
    active = {"id": 8, "configType": "sync", "configId": ID, "createdAt": 1, "updatedAt": 1, "status": "running"}
    running = parse(state | {"connectionSyncStatus": "running", "activeJob": active})
    assert (running.job_status, running.job_id) == ("running", 8)


CLEARING = ("clear", "reset_connection")


@pytest.mark.parametrize("kind", CLEARING)
@pytest.mark.parametrize("status", ["pending", "queued", "running", "incomplete"])
def test_a_job_that_clears_data_is_waited_for(kind: str, status: str) -> None:
    active = {"id": 8, "configType": kind, "configId": ID, "createdAt": 1, "updatedAt": 1, "status": status}
    state = {"connectionId": ID, "connectionSyncStatus": "running", "activeJob": active}
    assert read(state) == Record(
        observation=Sync(connection_sync_status="running", job_status=status, job_id=8), key=ID
    )
    public = {"jobId": 8, "status": status, "jobType": "reset", "connectionId": ID}
    for payload in (state, job(configType=kind, status=status), active, public):
        decision = ENGINE.decide(payload, key="k")
        assert (headline(decision), decision.may_sync) == ("no_op in_progress", False)


@pytest.mark.parametrize("kind", [*CLEARING, "discover_schema"])
def test_a_job_beside_the_syncs_that_is_over_says_nothing_of_them(kind: str) -> None:
    state = {"connectionSyncStatus": "pending", "activeJob": {"id": 8, "configType": kind, "status": "succeeded"}}
    assert parse(state) == Sync(connection_sync_status="pending")


BACKEND = {"connectionId": ID, "status": "active", "isSyncing": False, "latestSyncJobCreatedAt": 1_700_000_000}
SEEN = Sync(connection_status="active", ended_at="1700000000")


def test_a_connection_of_airbytes_own_pages_tells_its_latest_sync() -> None:
    for status in ("succeeded", "failed", "cancelled"):
        assert read(BACKEND | {"latestSyncJobStatus": status}) == Record(
            observation=attrs.evolve(SEEN, job_status=status), key=ID
        )
    for status in ("running", "failed"):  # while data is cleared the latest sync is an older one
        syncing = parse(BACKEND | {"isSyncing": True, "latestSyncJobStatus": status})
        assert syncing == attrs.evolve(SEEN, job_status=status, connection_sync_status="running")
        assert headline(ENGINE.decide(syncing, key="k")) == "no_op in_progress"


def test_a_breaking_change_of_the_schema_is_a_users_to_settle() -> None:
    told = attrs.evolve(SEEN, job_status="succeeded", connection_sync_status="failed")
    latest = BACKEND | {"latestSyncJobStatus": "succeeded"}
    assert parse(latest | {"breakingChange": True}) == parse(latest | {"schemaChange": "breaking"}) == told
    for status in ("active", "inactive"):
        decision = ENGINE.decide({"connectionId": ID, "status": status, "breakingChange": True}, key="k")
        assert headline(decision) == "escalate customer connection"
    for harmless in ({"breakingChange": False}, {"schemaChange": "non_breaking"}, {"schemaChange": "no_change"}):
        assert parse(latest | harmless) == attrs.evolve(SEEN, job_status="succeeded")
    assert parse(latest | {"breakingChange": True, "isSyncing": True}).connection_sync_status == "running"


def test_a_connection_that_is_switched_on_says_nothing_of_its_jobs() -> None:
    decision = ENGINE.decide({"connectionId": ID, "status": "active"}, key="k")
    assert (headline(decision), decision.may_sync, decision.look_again_s) == ("no_op unconfirmed", False, 900.0)


def trace(kind: str = "ERROR", **error: Any) -> dict[str, Any]:
    told = {"message": SECRET, "internal_message": SECRET, "stack_trace": SECRET, "stream_descriptor": {"name": "x"}}
    return {"type": "TRACE", "trace": {"type": kind, "emitted_at": 1.5, "error": told | error}}


def test_a_connectors_trace_tells_its_type() -> None:
    failed = Sync(attempt_status="failed", ended_at="1.5")
    assert parse(trace(failure_type="config_error")) == attrs.evolve(failed, failure_type="config_error")
    assert parse(trace()) == parse(trace(failure_type=None)) == failed


def test_a_trace_without_a_type_is_a_failure_without_a_type() -> None:
    assert ENGINE.decide(trace(), key="k").rule == "failed without a type"


def test_an_observation_is_read_alone_and_in_a_record() -> None:
    fields = {"job_status": "failed", "failure_type": "refresh_schema", "retryable": False, "job_id": 3}
    assert parse(fields) == Sync(**fields)
    record = {"key": "acme", "observation": fields, "retry_after_s": 30, "history": {"attempts": 2}}
    observation = Sync(**fields, retry_after_s=30)
    assert read(record) == Record(observation=observation, history=History(attempts=2), key="acme")
    assert read({"observation": job(LATEST), "key": "acme"}) == Record(observation=FAILED, key="acme")
    assert read({"observation": job(LATEST)}).key == ID
    assert parse({}) == parse({"observation": {}}) == parse({"something": "else"}) == Sync()


REFUSED: list[tuple[Any, str | None]] = [
    (job({"attempt": {"status": 3}}), "attempts.0.attempt.status"),
    (job(LATEST, {"id": "7"}), "attempts.1.id"),
    (job(LATEST, 5), "attempts.1"),
    ({"job": [], "attempts": []}, "job"),
    ({**job(), "attempts": {}}, "attempts"),
    (job(id=True), "job.id"),
    (job(id=-1), "job.id"),
    (job(id=2**63), "job.id"),
    (job(status=["failed"]), "job.status"),
    (job(updatedAt={}), "job.updatedAt"),
    (job(updatedAt=1e300), "job.updatedAt"),
    (job(configId=7), "job.configId"),
    (job(configType="clear"), "job.configType"),
    ({"jobId": 1, "status": "failed", "jobType": "reset"}, "jobType"),
    (job({**LATEST, "endedAt": True}), "attempts.0.endedAt"),
    (job({**LATEST, "failureSummary": []}), "attempts.0.failureSummary"),
    (job({**LATEST, "failureSummary": {"failures": {}}}), "attempts.0.failureSummary.failures"),
    (job({**LATEST, "failureSummary": {"failures": [SECRET]}}), "attempts.0.failureSummary.failures.0"),
    (attempt(0, reason(7)), "failureSummary.failures.0.failureType"),
    (attempt(0, reason("x", at="now")), "failureSummary.failures.0.timestamp"),
    (attempt(0, reason("x", retryable="yes")), "failureSummary.failures.0.retryable"),
    (attempt(0, reason("x"), partial=1), "failureSummary.partialSuccess"),
    (attempt(0, reason("\ud800")), "failureSummary.failures.0.failureType"),
    ({"attempt": {"id": 1.0}}, "attempt.id"),
    ({"connectionId": ID, "status": 1}, "status"),
    ({"connectionId": 5, "status": "active"}, "connectionId"),
    ({"connectionSyncStatus": "x", "lastSyncJobId": "1"}, "lastSyncJobId"),
    ({"connectionSyncStatus": "x", "activeJob": {"configType": 7}}, "activeJob.configType"),
    ({"connectionSyncStatus": "x", "activeJob": {"status": 7}}, "activeJob.status"),
    (job(configType="clear", status="succeeded"), "job.configType"),
    (job(configType="discover_schema", status="running"), "job.configType"),
    ({"connectionId": ID, "isSyncing": "yes"}, "isSyncing"),
    ({"connectionId": ID, "breakingChange": 1}, "breakingChange"),
    ({"connectionId": ID, "schemaChange": True}, "schemaChange"),
    ({"connectionId": ID, "latestSyncJobStatus": 1}, "latestSyncJobStatus"),
    ({"http_status": 99}, "http_status"),
    ({"http_status": "503"}, "http_status"),
    ({"transport": "lost"}, "transport"),
    ({"call": "token"}, "call"),
    ({"call": "status", "observation": 5}, "observation"),
    ({"observation": {"http_status": 503}}, "http_status"),
    ({"observation": {"call": "sync"}}, "call"),
    ({"http_status": 503, "histroy": {}}, "histroy"),
    ({"http_status": 503, "retry_after_s": "3"}, "retry_after_s"),
    ({"connectionSyncStatus": "x", "failureReason": SECRET}, "failureReason"),
    ({"jobs": [job(LATEST)], "totalJobCount": 1}, "jobs"),
    ({"data": [], "next": ""}, "data"),
    ({"id": 1, "status": "failed"}, "status"),
    ({"type": "RECORD", "record": {"data": SECRET}}, "type"),
    ({"type": "TRACE"}, "trace.type"),
    (trace("ESTIMATE"), "trace.type"),
    ({"type": "TRACE", "trace": {"type": "ERROR"}}, "trace.error"),
    (trace(failure_type=SECRET.encode()), "trace.error.failure_type"),
    ({"job_status": 1}, "job_status"),
    ({"job_id": 1.5}, "job_id"),
    ({"ended_at": 1}, "ended_at"),
    ({"ended_at": "\ud800"}, "ended_at"),
    ({"job_status": "failed", "retryable": "no"}, "retryable"),
    ({"job_status": "failed", "history": {}}, "history"),
    ({"job_status": "failed", "retry_after_s": 3}, "retry_after_s"),
    ({"observation": {"job_status": "failed", "history": {}}}, "history"),
    ({"observation": {}, "retry_after_s": "3"}, "retry_after_s"),
    ({"observation": {}, "retry_after": 3}, "retry_after"),
    ({"observation": []}, "observation"),
    ({"observation": {}, "histroy": {}}, "histroy"),
    ({"observation": {}, "history": {"attempts": -1}}, "history.attempts"),
    ({"observation": {}, "key": 1}, "key"),
    ([], None),
    (b"\xff", None),
    (b"[" * 200, None),
]


@pytest.mark.parametrize(("payload", "field"), REFUSED)
def test_what_is_of_another_type_is_refused_with_its_place(payload: Any, field: str | None) -> None:
    with pytest.raises(InputError) as refused:
        read(payload)
    assert refused.value.field == field
    assert SECRET not in str(refused.value)
    assert str(refused.value).isprintable()


def test_messages_stack_traces_and_logs_are_never_kept_nor_told() -> None:
    logged = job({"attempt": LATEST, "logs": {"logLines": [SECRET]}})
    for payload in (logged, LATEST, trace(failure_type="config_error"), reason("system_error")):
        record = read(payload)
        kept = (
            repr(record) + dumps(UPSTREAM.write(record)) + repr(ENGINE.explain(payload)) + repr(ENGINE.decide(payload))
        )
        assert SECRET not in kept
