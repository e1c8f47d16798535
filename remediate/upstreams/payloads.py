"""What every upstream reads alike: JSON to an object, and what stands beside an observation in a record.

Knows no upstream's vocabulary and no policy. Reading raises InputError and nothing else, on any
bytes; no message repeats a value, for it may be a secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Final, cast

import attrs
import msgspec

from remediate.errors import InputError, did_you_mean, kind_of, printable
from remediate.history import History
from remediate.upstreams import Record

__all__ = ["DEEPEST", "check_spelling", "has", "is_unicode", "json_object", "read_history", "read_key", "write_record"]

DEEPEST: Final = 64
"""JSON that is nested deeper is bad input."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_HISTORY_FIELDS: Final = tuple(field.name for field in attrs.fields(History))
_anything: Final = msgspec.json.Decoder(float_hook=float).decode


# Bytes to an object.


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


# What stands in an object, and beside an observation.


def has(value: Mapping[str, object], *fields: str) -> bool:
    """Whether any of these fields is there and not null."""
    for field in fields:  # noqa: SIM110  # half the time of any()
        if value.get(field) is not None:
            return True
    return False


def check_spelling(record: Mapping[str, object], fields: Sequence[str]) -> None:
    """Refuse a field of ours that is misspelt: a lost history would retry for ever.

    Args:
        record: the object that a record was read from.
        fields: what may stand there; any other is passed over, unless it looks like one of them.

    Raises:
        InputError: it does.
    """
    for field in record:
        if field not in fields and (near := did_you_mean(str(field), fields, cutoff=0.85)):
            raise InputError(f"unknown field{near}", field=printable(str(field)))


def read_key(record: Mapping[str, object]) -> str | None:
    """Whose connection it is, where a record says so.

    Raises:
        InputError: it is no text.
    """
    key = record.get("key")
    if key is None:
        return None
    if not isinstance(key, str):
        raise InputError(f"expected a string, got {kind_of(key)}", field="key")
    if not is_unicode(key):
        raise InputError("expected text without lone surrogates", field="key")
    return key


def read_history(record: Mapping[str, object]) -> History | None:
    """What happened before, where a record says so.

    Raises:
        InputError: it is none, with the field dotted.
    """
    value = record.get("history")
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


def is_unicode(text: str) -> bool:
    """Whether text can be written out: no lone surrogate is in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# A record to an object.


def write_record(record: Record, beside: Sequence[str]) -> dict[str, object]:
    """The object that a record reads back from: `key`, what stands beside, `observation`, `history`.

    Args:
        record: any; only the fields of its observation that are known are written, so no secret is.
        beside: the fields of the observation that stand beside it, not in it.
    """
    values = {name: value for name, value in attrs.asdict(cast(Any, record.observation)).items() if value is not None}
    if not 0 < values.get("retry_after_s", inf) < inf:
        values.pop("retry_after_s", None)  # it counts as absent, and JSON has no such number
    written: dict[str, object] = {} if record.key is None else {"key": record.key}
    written |= {field: values.pop(field) for field in beside if field in values}
    written["observation"] = values
    return written if record.history is None else written | {"history": attrs.asdict(record.history)}
