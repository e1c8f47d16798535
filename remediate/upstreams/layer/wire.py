"""Layer's JSON, in its four shapes, to records; and records back to JSON objects.

Knows no HTTP client and no policy. Reading raises InputError and nothing else, on any bytes; no
message repeats a value, for it may be a secret.

This is the long way, which knows every shape. A decision about bytes that are plainly an observation
with nothing beside it takes the short one, :mod:`remediate.upstreams.layer.plain`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import Any, Final, cast

import attrs
import msgspec

from remediate.errors import InputError, did_you_mean, kind_of, printable
from remediate.history import History
from remediate.observation import Observation
from remediate.upstreams import Payload, Record
from remediate.upstreams.layer.plain import DEEPEST
from remediate.upstreams.layer.vocabulary import ApiFailure, Call, ConnectionStatus

__all__ = ["json_object", "parse", "read", "read_answer", "write"]

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_DECIDING: Final = ("is_connected", "is_syncing", "last_sync_status", "sync_failure_reason", "is_retryable_failure")
_STATUS_FIELDS: Final = (*_DECIDING, "last_synced_at")
_AROUND: Final = ("call", "http_status", "transport", "retry_after_s")
_RECORD_FIELDS: Final = ("key", *_AROUND, "observation", "history")
_BESIDE: Final = ("history", "call", "retry_after_s")
_SECRETS: Final = ("access_token", "redirect_url")
_HISTORY_FIELDS: Final = tuple(field.name for field in attrs.fields(History))
_FAILED_FROM: Final = 300


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
        if http_status < _FAILED_FROM:
            raise
        return _recorded(around)


_anything: Final = msgspec.json.Decoder(float_hook=float).decode


# The long way: bytes to an object.


def json_object(payload: object) -> Mapping[str, object]:
    """The object in JSON as bytes or text; an object is itself.

    Raises:
        InputError: it is none, or nested too deep.
    """
    if isinstance(payload, str):
        payload = _encoded(payload)
    if isinstance(payload, bytearray | memoryview):
        payload = bytes(payload)
    value = _decoded(payload.removeprefix(_BYTE_ORDER_MARK)) if isinstance(payload, bytes) else payload
    if not isinstance(value, Mapping):
        raise InputError(f"expected a JSON object, got {kind_of(value)}")
    if not isinstance(payload, bytes) or payload.count(b"{") + payload.count(b"[") > DEEPEST:
        _bounded(value)
    return value


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InputError("expected text without lone surrogates") from error


def _decoded(content: bytes) -> object:
    try:
        text = content.decode()
        return _anything(content)
    except UnicodeDecodeError as error:
        raise InputError(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise InputError(f"nested deeper than {DEEPEST}") from None
    except msgspec.DecodeError as error:
        # It refuses lone surrogates and long numbers too, which may stand in a field that nobody reads.
        try:
            return json.loads(text, parse_constant=_no_constant)
        except RecursionError:
            raise InputError(f"nested deeper than {DEEPEST}") from None
        except ValueError:
            raise InputError(f"not JSON: {printable(str(error)).removeprefix('JSON is malformed: ')}") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_Container = Mapping[str, object] | list[object] | tuple[object, ...]


def _bounded(value: Mapping[str, object]) -> None:
    """Refuse what is nested too deep, level by level, each container once a level."""
    level: list[_Container] = [value]
    for _ in range(DEEPEST):
        inner: dict[int, _Container] = {}
        for container in level:
            members = container.values() if isinstance(container, Mapping) else container
            inner |= {id(one): one for one in members if isinstance(one, Mapping | list | tuple)}
        if not inner:
            return
        level = list(inner.values())
    raise InputError(f"nested deeper than {DEEPEST}")


# An object to a record.


def _has(value: Mapping[str, object], *fields: str) -> bool:
    for field in fields:  # noqa: SIM110  # half the time of any()
        if value.get(field) is not None:
            return True
    return False


def _record(value: Mapping[str, object]) -> Record:
    key = value.get("key")
    if key is not None:
        if not isinstance(key, str):
            raise InputError(f"expected a string, got {kind_of(key)}", field="key")
        if not _is_text(key):
            raise InputError("expected text without lone surrogates", field="key")
    if _has(value, "observation", "http_status", "transport"):
        _spelt(value)
        return Record(observation=_recorded(value), history=_history(value.get("history")), key=key)
    return Record(observation=_observed(value), key=key)


def _spelt(record: Mapping[str, object]) -> None:
    """Refuse a field of ours that is misspelt: a lost history would retry for ever."""
    for field in record:
        if field not in _RECORD_FIELDS and (near := did_you_mean(str(field), _RECORD_FIELDS, cutoff=0.85)):
            raise InputError(f"unknown field{near}", field=printable(str(field)))


def _recorded(value: Mapping[str, object]) -> ConnectionStatus | ApiFailure:
    """The observation in a record: by its HTTP status and transport first, else by what it holds."""
    around: dict[str, Any] = {field: value.get(field) for field in _AROUND}
    failure = ApiFailure(**around)
    inner = value.get("observation")
    if inner is not None and not isinstance(inner, Mapping):
        raise InputError(f"expected an object, got {kind_of(inner)}", field="observation")
    inner = inner or {}
    if failure.transport is not None or (failure.http_status or 0) >= _FAILED_FROM:
        error = _error(inner)
        return failure if error is None else _failure(error, around)
    observed = _observed(inner)
    if isinstance(observed, ApiFailure):
        return attrs.evolve(observed, **around)
    return attrs.evolve(observed, retry_after_s=failure.retry_after_s)


def _observed(value: Mapping[str, object]) -> ConnectionStatus | ApiFailure:
    """The observation in an envelope, a bare failure or a bare status."""
    for field in _BESIDE:
        if _has(value, field):
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
    if _has(value, "errors"):
        errors = value["errors"]
        if not isinstance(errors, list | tuple):
            raise InputError(f"expected an array, got {kind_of(errors)}", field="errors")
        first = errors[0] if errors else {}
        if not isinstance(first, Mapping):
            raise InputError(f"expected an array of objects, got {kind_of(first)} in it", field="errors")
        return first
    if "data" in value or _is_accepted(value) or _has(value, *_SECRETS):
        return None
    if _has(value, "error_enum") or (_has(value, "type") and not _has(value, *_DECIDING)):
        return value
    return None


def _failure(error: Mapping[str, object], around: Mapping[str, Any]) -> ApiFailure:
    told: dict[str, Any] = {field: error.get(field) for field in ("error_enum", "type")}
    return ApiFailure(**told, **around)


def _success(value: Mapping[str, object]) -> ConnectionStatus:
    for field in _SECRETS:
        if _has(value, field):
            raise InputError("this answer carries a secret and is no status", field=field)
    if _is_accepted(value):
        return ConnectionStatus(is_syncing=True)
    fields: dict[str, Any] = {field: value.get(field) for field in _STATUS_FIELDS}
    return ConnectionStatus(**fields)


def _is_accepted(value: Mapping[str, object]) -> bool:
    """Whether this is Layer's answer to a sync that it accepted."""
    kind = value.get("type")
    return isinstance(kind, str) and kind.endswith("EmptyResponse")


def _history(value: object) -> History | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InputError(f"expected an object, got {kind_of(value)}", field="history")
    for field in value:
        if field not in _HISTORY_FIELDS:
            hint = did_you_mean(str(field), _HISTORY_FIELDS)
            raise InputError(f"unknown field{hint}", field=f"history.{printable(str(field))}")
    try:
        return History(**{field: given for field, given in value.items() if given is not None})
    except InputError as error:
        raise InputError(error.message, field=f"history.{error.field}") from None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# A record to an object.


def write(record: Record) -> dict[str, object]:
    """The object that reads back as this record. Only fields that decide are in it, so no secret is."""
    values = {name: value for name, value in attrs.asdict(cast(Any, record.observation)).items() if value is not None}
    if not 0 < values.get("retry_after_s", inf) < inf:
        values.pop("retry_after_s", None)  # it counts as absent, and JSON has no such number
    written: dict[str, object] = {} if record.key is None else {"key": record.key}
    written |= {field: values.pop(field) for field in _AROUND if field in values}
    written["observation"] = {"errors": [values]} if isinstance(record.observation, ApiFailure) else values
    return written if record.history is None else written | {"history": attrs.asdict(record.history)}
