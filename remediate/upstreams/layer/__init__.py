"""Layer's QuickBooks connections: what is observed, and how it is read.

`ConnectionStatus` and `ApiFailure` are the observations; `parse` reads one from JSON.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Final

from remediate.observation import Observation
from remediate.upstreams import Client, Published, Upstream
from remediate.upstreams.layer.plain import plain
from remediate.upstreams.layer.vocabulary import (
    ApiFailure,
    Call,
    ConnectionStatus,
    ErrorEnum,
    ErrorType,
    SyncFailureReason,
    SyncStatus,
    Transport,
)
from remediate.upstreams.layer.wire import BESIDE, parse, read, write

__all__ = ["UPSTREAM", "ApiFailure", "Call", "ConnectionStatus", "ErrorEnum", "ErrorType", "SyncFailureReason"]
__all__ += ["SyncStatus", "Transport", "parse", "read"]


def _examples(word: str) -> tuple[Observation, ...]:
    found: list[Observation] = []
    if word in list(SyncFailureReason):
        for flag in (True, None, False):
            found.append(
                ConnectionStatus(
                    is_connected=True,
                    is_syncing=False,
                    last_sync_status=SyncStatus.SYNC_FAILURE,
                    sync_failure_reason=word,
                    is_retryable_failure=flag,
                )
            )
    if word in list(SyncStatus):
        found.append(ConnectionStatus(is_connected=True, is_syncing=False, last_sync_status=word))
    if word in list(ErrorEnum):
        found.append(ApiFailure(error_enum=word))
    if word in list(ErrorType):
        found.append(ApiFailure(type=word))
    return tuple(found)


def _connect() -> AbstractAsyncContextManager[Client]:
    from remediate.upstreams.layer.client import AsyncLayerClient  # which brings an HTTP client

    return AsyncLayerClient()


UPSTREAM: Final = Upstream(
    name="layer",
    observations=(ConnectionStatus, ApiFailure),
    plain=plain,
    read=read,
    write=write,
    examples=_examples,
    beside=BESIDE,
    connect=_connect,
    words=tuple(word.value for words in (SyncFailureReason, SyncStatus, ErrorEnum, ErrorType) for word in words),
    published={
        "status": Published(schema="QuickbooksConnectionStatus"),
        "failure": Published(schema="ApiError", ignored=("description", "meta")),
    },
)
