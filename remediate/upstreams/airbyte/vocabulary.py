"""What Airbyte says of a connection's latest sync, and how its calls fail: every published value.

Knows the published vocabulary and nothing else: no JSON, no HTTP client, no policy. Messages, stack traces and logs
have no field here, for they may hold secrets.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Final

import attrs

from remediate.decision import SYNC
from remediate.errors import InputError
from remediate.observation import (
    Matrix,
    Observation,
    OpenEnum,
    bucketed,
    is_bool,
    is_member,
    is_number,
    is_text,
    member,
)
from remediate.upstreams.calls import HttpBucket, Transport, bucket_of, is_http_status, is_refusal

__all__ = ["ApiFailure", "AttemptStatus", "Call", "ConnectionStatus", "ConnectionSyncStatus", "FailureOrigin"]
__all__ += ["FailureType", "JobStatus", "Sync"]

_LARGEST: Final = 2**63 - 1


class JobStatus(OpenEnum):
    """How the latest job stands. An incomplete one has a failed attempt, and another will follow."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    CANCELLED = "cancelled"


class AttemptStatus(OpenEnum):
    """How the job's latest attempt stands."""

    RUNNING = "running"
    FAILED = "failed"
    SUCCEEDED = "succeeded"


class ConnectionStatus(OpenEnum):
    """Whether the connection is switched on. A deprecated one is off for good, a locked one for a while."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    DEPRECATED = "deprecated"
    LOCKED = "locked"


class ConnectionSyncStatus(OpenEnum):
    """What Airbyte makes of it all.

    ``failed``: a user must act. ``incomplete``: the last job failed, and no user is expected to mend
    it. ``pending``: it never synced, or was reset last.
    """

    RUNNING = "running"
    QUEUED = "queued"
    FAILED = "failed"
    PAUSED = "paused"
    PENDING = "pending"
    INCOMPLETE = "incomplete"
    SYNCED = "synced"


class FailureOrigin(OpenEnum):
    """Where a failure arose."""

    SOURCE = "source"
    DESTINATION = "destination"
    REPLICATION = "replication"
    PERSISTENCE = "persistence"
    NORMALIZATION = "normalization"
    DBT = "dbt"
    AIRBYTE_PLATFORM = "airbyte_platform"
    UNKNOWN = "unknown"


class FailureType(OpenEnum):
    """What sort of failure it is. Connectors themselves say the first, the second and the last."""

    CONFIG_ERROR = "config_error"
    SYSTEM_ERROR = "system_error"
    MANUAL_CANCELLATION = "manual_cancellation"
    REFRESH_SCHEMA = "refresh_schema"
    HEARTBEAT_TIMEOUT = "heartbeat_timeout"
    DESTINATION_TIMEOUT = "destination_timeout"
    TRANSIENT_ERROR = "transient_error"


class Call(StrEnum):
    """Which call was made: one that asks how the connection stands, or one that starts a sync."""

    STATUS = "status"
    SYNC = SYNC


def _job_status(value: JobStatus | str | None) -> JobStatus | None:
    return member(JobStatus, value)


def _attempt_status(value: AttemptStatus | str | None) -> AttemptStatus | None:
    return member(AttemptStatus, value)


def _connection_status(value: ConnectionStatus | str | None) -> ConnectionStatus | None:
    return member(ConnectionStatus, value)


def _connection_sync_status(value: ConnectionSyncStatus | str | None) -> ConnectionSyncStatus | None:
    return member(ConnectionSyncStatus, value)


def _origin(value: FailureOrigin | str | None) -> FailureOrigin | None:
    return member(FailureOrigin, value)


def _type(value: FailureType | str | None) -> FailureType | None:
    return member(FailureType, value)


def _call(value: Call | str | None) -> Call | None:
    return member(Call, value)


def _transport(value: Transport | str | None) -> Transport | None:
    return member(Transport, value)


def _is_count(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST):
        raise InputError("expected a whole number from 0, or null", field=field.name)


def _is_writable(_: object, field: attrs.Attribute[Any], value: object) -> None:
    is_text(_, field, value)
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InputError("expected text without lone surrogates", field=field.name)


@attrs.frozen(kw_only=True)
class Sync(Observation):
    """How a connection's latest sync stands. Every field may be absent (None).

    A string becomes a member of its vocabulary, an unpublished one an unrecognised member.

    Attributes:
        job_status: the latest job.
        attempt_status: the job's latest attempt.
        connection_status: whether the connection is switched on.
        connection_sync_status: what Airbyte makes of it all.
        failure_origin: where the latest attempt's failure arose.
        failure_type: what sort of failure it is.
        retryable: whether Airbyte knows that another attempt may succeed, or can't.
        partial_success: whether the latest attempt committed records before it failed.
        job_id: the latest job's number. This and the next two decide nothing: they tell a new answer
            from an old one.
        attempt: the latest attempt's number in its job, from 0.
        ended_at: when it ended, as it came; where that is not told, another time of its own.
        retry_after_s: the Retry-After that came with it, seconds; negative, zero, NaN and infinite
            count as absent.

    Raises:
        InputError: a value is of another type.
    """

    kind: ClassVar[str] = "sync"
    systems: ClassVar[tuple[str, ...]] = ("source", "destination")
    matrices: ClassVar[tuple[Matrix, ...]] = (
        Matrix(
            title="A failed job, by origin",
            rows="failure_type",
            columns="failure_origin",
            given={"job_status": "failed", "connection_status": "active"},
        ),
        Matrix(
            title="A failed job, by Airbyte's flag",
            rows="failure_type",
            columns="retryable",
            given={"job_status": "failed", "connection_status": "active", "failure_origin": "source"},
        ),
        Matrix(
            title="A failed job, by progress",
            rows="failure_type",
            columns="partial_success",
            given={"job_status": "failed", "connection_status": "active", "failure_origin": "source"},
        ),
        Matrix(title="No failure told", rows="job_status", columns="connection_status"),
        Matrix(title="No job told", rows="connection_sync_status", columns="connection_status"),
    )

    job_status: JobStatus | None = attrs.field(default=None, converter=_job_status, validator=is_member(JobStatus))
    attempt_status: AttemptStatus | None = attrs.field(
        default=None, converter=_attempt_status, validator=is_member(AttemptStatus)
    )
    connection_status: ConnectionStatus | None = attrs.field(
        default=None, converter=_connection_status, validator=is_member(ConnectionStatus)
    )
    connection_sync_status: ConnectionSyncStatus | None = attrs.field(
        default=None, converter=_connection_sync_status, validator=is_member(ConnectionSyncStatus)
    )
    failure_origin: FailureOrigin | None = attrs.field(
        default=None, converter=_origin, validator=is_member(FailureOrigin)
    )
    failure_type: FailureType | None = attrs.field(default=None, converter=_type, validator=is_member(FailureType))
    retryable: bool | None = attrs.field(default=None, validator=is_bool)
    partial_success: bool | None = attrs.field(default=None, validator=is_bool)
    job_id: int | None = attrs.field(default=None, validator=_is_count)
    attempt: int | None = attrs.field(default=None, validator=_is_count)
    ended_at: str | None = attrs.field(default=None, validator=_is_writable)
    retry_after_s: float | None = attrs.field(default=None, validator=is_number)

    @property
    def progressed(self) -> bool:
        """Records were committed, so the next attempt begins further on."""
        return self.partial_success is True

    @property
    def repeats(self) -> str:
        """A retry triggers a sync."""
        return SYNC


@attrs.frozen(kw_only=True)
class ApiFailure(Observation):
    """Any other answer to one of Airbyte's calls, or none. Every field may be absent (None).

    Attributes:
        call: which call failed.
        http_status: the HTTP status, 100 to 599.
        transport: how the call failed without a readable answer.
        retry_after_s: the Retry-After that came with it, seconds; negative, zero, NaN and infinite
            count as absent.

    Raises:
        InputError: a value is of another type or out of range.
    """

    kind: ClassVar[str] = "failure"
    describes: ClassVar[bool] = False
    matrices: ClassVar[tuple[Matrix, ...]] = (
        Matrix(title="HTTP status", rows="http_status", columns="call"),
        Matrix(title="No readable answer", rows="transport", columns="call"),
    )

    call: Call | None = attrs.field(default=None, converter=_call, validator=is_member(Call))
    http_status: int | None = attrs.field(
        default=None, validator=is_http_status, metadata=bucketed(HttpBucket, bucket_of)
    )
    transport: Transport | None = attrs.field(default=None, converter=_transport, validator=is_member(Transport))
    retry_after_s: float | None = attrs.field(default=None, validator=is_number)

    @property
    def is_refusal(self) -> bool:
        """An HTTP status that upstream itself gave."""
        return is_refusal(self.http_status)

    @property
    def repeats(self) -> str:
        """A retry repeats the call that failed; the status call where it is not said."""
        return Call.STATUS if self.call is None else self.call
