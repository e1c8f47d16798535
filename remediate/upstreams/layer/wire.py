"""Layer's JSON, in its four shapes, to records; and records back to JSON objects.

Knows no HTTP client and no policy. Reading raises InputError and nothing else, on any bytes; no
message repeats a value, for it may be a secret.

This is the long way, which knows every shape. A decision about bytes that are plainly an observation
with nothing beside it takes the short one, :mod:`remediate.upstreams.layer.plain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from remediate.errors import InputError, kind_of
from remediate.observation import Observation
from remediate.upstreams import Payload, Record
from remediate.upstreams.calls import FAILED_FROM
from remediate.upstreams.layer.vocabulary import ApiFailure, Call, ConnectionStatus
from remediate.upstreams.payloads import check_spelling, has, json_object, read_history, read_key, write_record

__all__ = ["BESIDE", "parse", "read", "read_answer", "write"]

_DECIDING: Final = ("is_connected", "is_syncing", "last_sync_status", "sync_failure_reason", "is_retryable_failure")
_STATUS_FIELDS: Final = (*_DECIDING, "last_synced_at")
BESIDE: Final = ("call", "http_status", "transport", "retry_after_s")
"""Fields of a record that come with an answer, and are not in it."""
_RECORD_FIELDS: Final = ("key", *BESIDE, "observation", "history")
_ONLY_BESIDE: Final = ("history", "call", "retry_after_s")
_SECRETS: Final = ("access_token", "redirect_url")


def parse(payload: Payload) -> Observation:
    """The typed observation in a payload: a :class:`ConnectionStatus` or an :class:`ApiFailure`.

    Args:
        payload: JSON as bytes or text, or the object it stands for, in any of the four shapes: a
            record, Layer's envelope, a bare failure, a bare status.

    Raises:
        InputError: it is none of them, or a value is of the wrong type.
    """
    return read(payload).observation


def read(payload: Payload) -> Record:
    """The record in a payload: the observation, and the history and key that came beside it.

    Args:
        payload: as for :func:`parse`.

    Raises:
        InputError: as for :func:`parse`.
    """
    return _record(json_object(payload))


def read_answer(call: Call, http_status: int, content: bytes, retry_after_s: float | None) -> Observation:
    """The observation in the body that one of Layer's calls was answered with.

    Args:
        call: which call.
        http_status: from 200 on. From 300 on it is a failure, whatever the body is.
        content: the body.
        retry_after_s: the wait that came with it, seconds.

    Raises:
        InputError: below 300, and the body is none of Layer's.
    """
    around: dict[str, object] = {"call": call, "http_status": http_status, "retry_after_s": retry_after_s}
    try:
        return _recorded({**around, "observation": json_object(content)})
    except InputError:
        if http_status < FAILED_FROM:
            raise
        return _recorded(around)


# An object to a record.


def _record(value: Mapping[str, object]) -> Record:
    key = read_key(value)
    if has(value, "observation", "http_status", "transport"):
        check_spelling(value, _RECORD_FIELDS)
        return Record(observation=_recorded(value), history=read_history(value), key=key)
    return Record(observation=_observed(value), key=key)


def _recorded(value: Mapping[str, object]) -> ConnectionStatus | ApiFailure:
    """The observation in a record: by its HTTP status and transport first, else by what it holds."""
    around: dict[str, Any] = {field: value.get(field) for field in BESIDE}
    failure = ApiFailure(**around)
    inner = value.get("observation")
    if inner is not None and not isinstance(inner, Mapping):
        raise InputError(f"expected an object, got {kind_of(inner)}", field="observation")
    inner = inner or {}
    if failure.transport is not None or (failure.http_status or 0) >= FAILED_FROM:
        error = _error(inner)
        return failure if error is None else _failure(error, around)
    observed = _observed(inner)
    if isinstance(observed, ApiFailure):
        return attrs.evolve(observed, **around)
    return attrs.evolve(observed, retry_after_s=failure.retry_after_s)


def _observed(value: Mapping[str, object]) -> ConnectionStatus | ApiFailure:
    """The observation in an envelope, a bare failure or a bare status."""
    for field in _ONLY_BESIDE:
        if has(value, field):
            raise InputError("only a record has it: put the rest under `observation`", field=field)
    error = _error(value)
    if error is not None:
        return _failure(error, {})
    if "data" in value:
        data = value["data"]
        if not isinstance(data, Mapping):
            raise InputError(f"expected an object, got {kind_of(data)}", field="data")
        return _success(data)
    return _success(value)


def _error(value: Mapping[str, object]) -> Mapping[str, object] | None:
    """The error object of a failure, enveloped or bare; None where it is none."""
    if has(value, "errors"):
        errors = value["errors"]
        if not isinstance(errors, list | tuple):
            raise InputError(f"expected an array, got {kind_of(errors)}", field="errors")
        first = errors[0] if errors else {}
        if not isinstance(first, Mapping):
            raise InputError(f"expected an array of objects, got {kind_of(first)} in it", field="errors")
        return first
    if "data" in value or _is_accepted(value) or has(value, *_SECRETS):
        return None
    if has(value, "error_enum") or (has(value, "type") and not has(value, *_DECIDING)):
        return value
    return None


def _failure(error: Mapping[str, object], around: Mapping[str, Any]) -> ApiFailure:
    told: dict[str, Any] = {field: error.get(field) for field in ("error_enum", "type")}
    return ApiFailure(**told, **around)


def _success(value: Mapping[str, object]) -> ConnectionStatus:
    for field in _SECRETS:
        if has(value, field):
            raise InputError("this answer carries a secret and is no status", field=field)
    if _is_accepted(value):
        return ConnectionStatus(is_syncing=True)
    fields: dict[str, Any] = {field: value.get(field) for field in _STATUS_FIELDS}
    return ConnectionStatus(**fields)


def _is_accepted(value: Mapping[str, object]) -> bool:
    """Whether this is Layer's answer to a sync that it accepted."""
    kind = value.get("type")
    return isinstance(kind, str) and kind.endswith("EmptyResponse")


# A record to an object.


def write(record: Record) -> dict[str, object]:
    """The object that reads back as this record. Only fields that decide are in it, so no secret is."""
    written = write_record(record, BESIDE)
    if isinstance(record.observation, ApiFailure):
        written["observation"] = {"errors": [written["observation"]]}
    return written
