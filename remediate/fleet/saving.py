"""A governor's state as plain data, and back: what JSON can hold, and nothing else.

Knows the types of attrs classes, and nothing of what they are for. Fields that are not given to a class's
constructor are made anew by it; those marked with :data:`APART` are given by the one who restores. Other versions
save other fields: one that lacks has its default, and one that is unknown is passed over. So a field that is added
needs a default with which what was saved before goes on.
"""

from __future__ import annotations

import typing
from collections import deque
from collections.abc import Mapping
from enum import Enum
from functools import cache
from math import inf, isinf
from types import MappingProxyType, UnionType
from typing import Any, Final, TypeVar

import attrs

from remediate.errors import InputError

__all__ = ["APART", "plain", "restored"]

T = TypeVar("T")

_APART: Final = "remediate.apart"
APART: Final[Mapping[str, object]] = {_APART: True}
"""Field metadata: it is not saved."""
_INFINITE: Final = {"inf": inf, "-inf": -inf}


def plain(value: Any, instead: Mapping[str, object] = MappingProxyType({})) -> Any:
    """A value of these rooms as plain data.

    Args:
        instead: what is written in place of fields, by their names.
    """
    cls: Any = type(value)
    if attrs.has(cls):
        return {
            name: instead[name] if name in instead else plain(getattr(value, name), instead) for name in _hints(cls)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and isinf(value):
        return "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {str(key): plain(one, instead) for key, one in value.items()}
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, list | tuple | deque):
        return [plain(one, instead) for one in value]
    return value


def restored(cls: type[T], data: Any, apart: Mapping[str, object]) -> T:
    """What `plain` made of an object of this class, in this version or another.

    Args:
        apart: what was not saved, by the name of the field.

    Raises:
        InputError: it is no such thing: no mapping, of wrong values, or without what has no default.
    """
    hints, needed = _hints(typing.cast(Any, cls)), _needed(typing.cast(Any, cls))
    if not isinstance(data, dict) or not needed <= data.keys():
        raise InputError(f"expected what was saved of {cls.__name__}")
    fields = attrs.fields(typing.cast(Any, cls))
    given = {one.name: apart[one.name] for one in fields if _APART in one.metadata and one.name in apart}
    try:
        known = {name: _restored(hint, data[name], apart) for name, hint in hints.items() if name in data}
        return cls(**{name.lstrip("_"): one for name, one in known.items()}, **given)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"expected what was saved of {cls.__name__}") from error


@cache
def _hints(cls: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in attrs.fields(cls) if field.init and _APART not in field.metadata}


@cache
def _needed(cls: Any) -> frozenset[str]:
    """The fields that nothing can stand in for, so that every version saves them."""
    fields, hints = attrs.fields_dict(cls), _hints(cls)
    return frozenset(
        name
        for name, hint in hints.items()
        if fields[name].default is attrs.NOTHING or (attrs.has(hint) and _needed(hint))
    )


def _restored(hint: Any, data: Any, apart: Mapping[str, object]) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (UnionType, typing.Union):
        return None if data is None else _restored(next(one for one in inner if one is not type(None)), data, apart)
    if origin in (dict, Mapping):
        return {inner[0](key): _restored(inner[1], one, apart) for key, one in data.items()}
    if origin is not None and not isinstance(data, list):
        raise TypeError("expected a list")
    if origin is tuple:
        kinds = inner[:1] * len(data) if Ellipsis in inner else inner
        return tuple(_restored(kind, one, apart) for kind, one in zip(kinds, data, strict=True))
    if origin is not None:
        return origin(_restored(inner[0], one, apart) for one in data)
    if attrs.has(hint):
        return restored(hint, data, apart)
    return _scalar(hint, _INFINITE.get(data, data) if hint is float else data)


def _scalar(hint: Any, data: Any) -> Any:
    if issubclass(hint, Enum):
        return hint(data)
    if not isinstance(data, (float, int) if hint is float else hint) or (isinstance(data, bool) and hint is not bool):
        raise TypeError(f"expected {hint.__name__}")
    return data
