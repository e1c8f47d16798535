"""Airbyte's JSON, as its APIs and its connectors write it, to records; and records back to JSON objects.

Knows no HTTP client and no policy. Reading raises InputError and nothing else, on any bytes; no
message repeats a value, and messages, stack traces and logs are never looked at.

Of a job the latest attempt counts: the one of the highest number, wherever it stands. Of its failures
one is told: a definite one before one that may pass, else the earliest, for the others may follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, Final, cast

import attrs

from remediate.errors import InputError, kind_of
from remediate.history import History
from remediate.upstreams import Payload, Record
from remediate.upstreams.airbyte.vocabulary import (
    ApiFailure,
    AttemptStatus,
    ConnectionSyncStatus,
    FailureType,
    JobStatus,
    Sync,
)
from remediate.upstreams.calls import FAILED_FROM
from remediate.upstreams.payloads import (
    check_spelling,
    has,
    is_unicode,
    json_object,
    read_history,
    read_key,
    write_record,
)

__all__ = ["BESIDE", "parse", "read", "write"]

_FIELDS: Final = tuple(field.name for field in attrs.fields(Sync) if field.name != "retry_after_s")
_OURS: Final = tuple(name for name in _FIELDS if "_" in name)
"""Names that no object of Airbyte's has: one of them makes an object ours."""
_CALLED: Final = ("call", "http_status", "transport")
BESIDE: Final = (*_CALLED, "retry_after_s")
"""Fields of a record that come with an answer, and are not in it."""
_RECORD_FIELDS: Final = ("key", "observation", *BESIDE, "history")
_CLEARING: Final = ("reset_connection", "clear", "reset")
"""Jobs that take a connection's data away: another sync is no repetition, and waits until they are over."""
_CHECKS: Final = ("check_connection_source", "check_connection_destination", "discover_schema", "get_spec")
_NO_SYNCS: Final = (*_CLEARING, *_CHECKS)
_UNDER_WAY: Final = (JobStatus.PENDING, JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.INCOMPLETE)
_DEFINITE: Final = (FailureType.MANUAL_CANCELLATION, FailureType.REFRESH_SCHEMA, FailureType.CONFIG_ERROR)
_LARGEST: Final = 2**63

Fields = dict[str, Any]


def parse(payload: Payload) -> Sync | ApiFailure:
    """The typed observation in a payload.

    Args:
        payload: JSON as bytes or text, or the object it stands for: a record, its observation alone, a
            job with its attempts, a job, an attempt, a failure, a connection, a connection's status, or
            a connector's trace message. How a call failed stands in a record.

    Raises:
        InputError: it is none of them, or a value is of the wrong type.
    """
    return _read(payload)[0]


def read(payload: Payload) -> Record:
    """The record in a payload: the observation, and the history and key that came beside it.

    Where no key is said, it is the connection's id, if that is told.

    Args:
        payload: as for :func:`parse`.

    Raises:
        InputError: as for :func:`parse`.
    """
    observation, history, key = _read(payload)
    return Record(observation=observation, history=history, key=key)


def _read(payload: Payload) -> tuple[Sync | ApiFailure, History | None, str | None]:
    value = json_object(payload)
    key = read_key(value)
    if not has(value, "observation", *_CALLED) and not _is_call_alone(value):
        fields, connection = _observed(_At(value))
        return Sync(**fields), None, connection if key is None else key
    check_spelling(value, _RECORD_FIELDS)
    observation, connection = _recorded(value)
    return observation, read_history(value), connection if key is None else key


def _recorded(value: Mapping[str, object]) -> tuple[Sync | ApiFailure, str | None]:
    """The observation in a record. A call that failed tells nothing of the connection, whatever its body is."""
    failure = ApiFailure(**cast(dict[str, Any], {field: value.get(field) for field in BESIDE}))
    inner = value.get("observation")
    if inner is not None and not isinstance(inner, Mapping):
        raise InputError(f"expected an object, got {kind_of(inner)}", field="observation")
    if failure.transport is not None or (failure.http_status or 0) >= FAILED_FROM or _is_call_alone(value):
        return failure, None
    if inner is None:
        inner = {field: given for field, given in value.items() if field not in _RECORD_FIELDS}
    fields, connection = _observed(_At(inner))
    return Sync(**fields, retry_after_s=failure.retry_after_s), connection


def _is_call_alone(value: Mapping[str, object]) -> bool:
    """Whether a record tells of a call and of nothing that it was answered with."""
    return "call" in value and not has(value, "observation") and all(field in _RECORD_FIELDS for field in value)


@attrs.frozen
class _At:
    """An object somewhere in a document."""

    value: Mapping[str, object]
    path: str = ""

    def has(self, *fields: str) -> bool:
        return has(self.value, *fields)

    def refused(self, field: str, message: str) -> InputError:
        return InputError(message, field=f"{self.path}{field}")

    def text(self, field: str) -> str | None:
        given = self.value.get(field)
        if given is None:
            return None
        if not isinstance(given, str):
            raise self.refused(field, f"expected a string, got {kind_of(given)}")
        if not is_unicode(given):
            raise self.refused(field, "expected text without lone surrogates")
        return given

    def flag(self, field: str) -> bool | None:
        given = self.value.get(field)
        if given is not None and not isinstance(given, bool):
            raise self.refused(field, "expected true, false or null")
        return given

    def count(self, field: str) -> int | None:
        given = self.value.get(field)
        if given is not None and (not isinstance(given, int) or isinstance(given, bool) or not 0 <= given < _LARGEST):
            raise self.refused(field, "expected a whole number from 0")
        return given

    def moment(self, field: str) -> str | None:
        """A time in any notation, as text; numbers are of any unit."""
        given = self.value.get(field)
        if isinstance(given, int | float) and not isinstance(given, bool):
            if not abs(given) < _LARGEST:
                raise self.refused(field, "expected a time")
            return str(given)
        return self.text(field)

    def inner(self, field: str) -> _At | None:
        given = self.value.get(field)
        return None if given is None else self._at(field, given)

    def each(self, field: str) -> list[_At]:
        given = self.value.get(field)
        if given is None:
            return []
        if not isinstance(given, list | tuple):
            raise self.refused(field, f"expected an array, got {kind_of(given)}")
        return [self._at(f"{field}.{number}", one) for number, one in enumerate(given)]

    def _at(self, field: str, given: object) -> _At:
        if not isinstance(given, Mapping):
            raise self.refused(field, f"expected an object, got {kind_of(given)}")
        return _At(given, f"{self.path}{field}.")


# Every shape, told by the fields that only it has; with the connection's id, if it is there.


def _observed(at: _At) -> tuple[Fields, str | None]:
    for field in ("history", *BESIDE):
        if at.has(field):
            raise at.refused(field, "only a record has it: put the rest under `observation`")
    if at.has(*_OURS):
        return {name: at.value.get(name) for name in _FIELDS}, None
    for field in ("jobs", "data"):
        if at.has(field):
            raise at.refused(field, "a list of jobs tells of several: hand in one of them")
    if (job := at.inner("job")) is not None:
        return _job(job, at.each("attempts")), job.text("configId")
    if at.has("connectionSyncStatus"):
        return _connection_state(at), at.text("connectionId")
    if at.has("jobId"):
        return _public_job(at), at.text("connectionId")
    if at.has("connectionId"):
        return _connection(at), at.text("connectionId")
    if at.has("configType"):
        return _job(at, []), at.text("configId")
    if at.has("type"):
        return _trace(at), None
    return _alone(at), None


def _alone(at: _At) -> Fields:
    """An attempt, a failure, or an observation of ours that only its least known fields tell."""
    if isinstance(at.value.get("attempt"), Mapping) or at.has("failureSummary", "createdAt", "endedAt"):
        return _attempt(at)
    if at.has("failureType", "failureOrigin"):
        return _failure(at) | {"ended_at": at.moment("timestamp")}
    if at.has("status"):
        raise at.refused("status", "whose it is is not told: a job's, an attempt's or a connection's")
    return {name: at.value.get(name) for name in _FIELDS}


def _job(job: _At, attempts: list[_At]) -> Fields:
    """The configuration API's job, with its attempts."""
    _check_is_sync(job, "configType")
    told: Fields = {"job_status": job.text("status"), "job_id": job.count("id")}
    latest = max(map(_unwrapped, attempts), key=_number, default=None)
    if latest is not None:
        told |= _attempt(latest)
    if told.get("ended_at") is None:
        told["ended_at"] = job.moment("updatedAt")
    return told


def _check_is_sync(job: _At, field: str) -> None:
    """Refuse a job that tells nothing of syncs: a clearing one still does as long as it is under way."""
    kind = job.text(field)
    if kind in _NO_SYNCS and not (kind in _CLEARING and job.text("status") in _UNDER_WAY):
        raise job.refused(field, "expected the latest job that syncs: another sync does not repeat this one")


def _unwrapped(attempt: _At) -> _At:
    """An attempt may stand beside its logs."""
    return attempt.inner("attempt") or attempt


def _number(attempt: _At) -> tuple[int, float]:
    number, created = attempt.count("id"), attempt.count("createdAt")
    return -1 if number is None else number, -1 if created is None else created


def _attempt(at: _At) -> Fields:
    attempt = _unwrapped(at)
    summary = attempt.inner("failureSummary")
    told: Fields = {
        "attempt_status": attempt.text("status"),
        "attempt": attempt.count("id"),
        "ended_at": attempt.moment("endedAt"),
    }
    if summary is not None:
        told["partial_success"] = summary.flag("partialSuccess")
        failures = summary.each("failures")
        if failures:
            told |= _failure(min(failures, key=_rank))
    return told


def _rank(failure: _At) -> tuple[int, float]:
    """What is told first: the definite, what can't pass, what has a type, the rest; of equals the earliest."""
    kind = failure.text("failureType")
    timestamp = failure.value.get("timestamp")
    if timestamp is not None and (not isinstance(timestamp, int | float) or isinstance(timestamp, bool)):
        raise failure.refused("timestamp", f"expected a number, got {kind_of(timestamp)}")
    if kind in _DEFINITE:
        rank = _DEFINITE.index(FailureType(kind))
    elif failure.flag("retryable") is False:
        rank = len(_DEFINITE)
    else:
        rank = len(_DEFINITE) + (1 if kind is not None else 2)
    return rank, inf if timestamp is None else timestamp


def _failure(at: _At) -> Fields:
    return {
        "failure_origin": at.text("failureOrigin"),
        "failure_type": at.text("failureType"),
        "retryable": at.flag("retryable"),
    }


def _connection_state(at: _At) -> Fields:
    """The configuration API's status of a connection."""
    told: Fields = {
        "connection_sync_status": at.text("connectionSyncStatus"),
        "job_id": at.count("lastSyncJobId"),
        "attempt": at.count("lastSyncAttemptNumber"),
        "ended_at": at.moment("lastSuccessfulSync"),
    }
    if (failure := at.inner("failureReason")) is not None:
        told |= _failure(failure) | {"ended_at": failure.moment("timestamp")}
    active = at.inner("activeJob")
    if active is not None and (active.text("configType") not in _NO_SYNCS or active.text("status") in _UNDER_WAY):
        told |= {"job_status": active.text("status"), "job_id": active.count("id")}
    return told


def _connection(at: _At) -> Fields:
    """A connection of the public or the configuration API, or of the one behind Airbyte's own pages."""
    told: Fields = {
        "connection_status": at.text("status"),
        "job_status": at.text("latestSyncJobStatus"),
        "ended_at": at.moment("latestSyncJobCreatedAt"),
    }
    must_act = at.flag("breakingChange") or at.text("schemaChange") == "breaking"
    if at.flag("isSyncing"):
        told["connection_sync_status"] = ConnectionSyncStatus.RUNNING
    elif must_act:
        told["connection_sync_status"] = ConnectionSyncStatus.FAILED
    return told


def _public_job(at: _At) -> Fields:
    _check_is_sync(at, "jobType")
    return {
        "job_status": at.text("status"),
        "job_id": at.count("jobId"),
        "ended_at": at.moment("lastUpdatedAt"),
    }


def _trace(at: _At) -> Fields:
    """A connector's message that it failed."""
    if at.text("type") != "TRACE":
        raise at.refused("type", "of a connector's messages only a `TRACE` tells of a failure")
    trace = at.inner("trace")
    if trace is None or trace.text("type") != "ERROR":
        raise at.refused("trace.type", "of a connector's traces only an `ERROR` tells of a failure")
    error = trace.inner("error")
    if error is None:
        raise at.refused("trace.error", "it is missing")
    told: Fields = {"failure_type": error.text("failure_type"), "ended_at": trace.moment("emitted_at")}
    return told | {"attempt_status": AttemptStatus.FAILED}


# A record to an object.


def write(record: Record) -> dict[str, object]:
    """The object that reads back as this record. Only known fields are in it, so no message is.

    A failed call is known by its having no observation.
    """
    written = write_record(record, BESIDE)
    if isinstance(record.observation, ApiFailure):
        del written["observation"]
        written.setdefault("call", None)
    return written
