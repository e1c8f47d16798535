"""Airbyte's syncs: what is observed, and how it is read.

`Sync` and `ApiFailure` are the observations; `parse` reads one from JSON. There is no client: whoever observes and
triggers brings their own calls.
"""

from __future__ import annotations

from typing import Any, Final

from remediate.observation import Observation
from remediate.upstreams import Upstream
from remediate.upstreams.airbyte.vocabulary import (
    ApiFailure,
    AttemptStatus,
    Call,
    ConnectionStatus,
    ConnectionSyncStatus,
    FailureOrigin,
    FailureType,
    JobStatus,
    Sync,
)
from remediate.upstreams.airbyte.wire import BESIDE, parse, read, write
from remediate.upstreams.calls import Transport

__all__ = ["UPSTREAM", "ApiFailure", "AttemptStatus", "Call", "ConnectionStatus", "ConnectionSyncStatus"]
__all__ += ["FailureOrigin", "FailureType", "JobStatus", "Sync", "Transport", "parse", "read"]

_WHERE: Final = (FailureOrigin.SOURCE, FailureOrigin.DESTINATION, FailureOrigin.AIRBYTE_PLATFORM)
_VOCABULARIES: Final = (FailureType, FailureOrigin, JobStatus, AttemptStatus, ConnectionStatus, ConnectionSyncStatus)


def _plain(_: bytes) -> Observation | None:
    """None: whose failure is told hangs on all of a job's attempts, so there is no shorter way."""
    return None


def _failed(**told: Any) -> Sync:
    return Sync(job_status="failed", attempt_status="failed", connection_status="active", **told)


def _examples(word: str) -> tuple[Observation, ...]:
    found: list[Observation] = []
    if word in list(FailureType):
        found += [_failed(failure_type=word, failure_origin=origin) for origin in _WHERE]
    if word in list(FailureOrigin):
        found += [_failed(failure_origin=word, failure_type="system_error", retryable=flag) for flag in (None, False)]
    if word in list(JobStatus):
        found.append(Sync(job_status=word, connection_status="active"))
    if word in list(AttemptStatus):
        found.append(Sync(attempt_status=word, connection_status="active"))
    if word in list(ConnectionStatus):
        found.append(Sync(connection_status=word))
    if word in list(ConnectionSyncStatus):
        found.append(Sync(connection_sync_status=word))
    return tuple(found)


UPSTREAM: Final = Upstream(
    name="airbyte",
    observations=(Sync, ApiFailure),
    plain=_plain,
    read=read,
    write=write,
    examples=_examples,
    beside=BESIDE,
    words=tuple(dict.fromkeys(word.value for vocabulary in _VOCABULARIES for word in vocabulary)),
)
