"""A cattrs converter that coerces nothing, and every fault that it finds, with its path.

Knows no file format: what a table is called is the caller's word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from math import isfinite
from typing import Any, get_origin

import attrs
import cattrs
from cattrs.cols import homogenous_tuple_structure_factory, is_mapping, mapping_structure_factory
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn

from remediate.decision import Cause, Evidence, Flow, Owner, Scope
from remediate.errors import did_you_mean, kind_of, printable

__all__ = ["Path", "faults", "strict_converter"]

Path = tuple[str | int, ...]
"""Keys and positions from the root to a value."""

_Hook = Callable[[Any, Any], Any]
_Factory = Callable[[Any, cattrs.Converter], _Hook]

_SAID = {dict: "an object", list: "an array", str: "a string", int: "a whole number", bool: "true or false"}


def strict_converter(*enums: type[StrEnum]) -> cattrs.Converter:
    """A converter for classes of scalars, enums, tables and arrays: no coercion, no unknown keys.

    Args:
        enums: those that it takes beside the core's.
    """
    made = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    made.register_structure_hook_factory(attrs.has, _only(dict, make_dict_structure_fn))
    made.register_structure_hook_factory(is_mapping, _only(dict, mapping_structure_factory))
    made.register_structure_hook_factory(_is_tuple, _only(list, homogenous_tuple_structure_factory))
    for scalar in (str, int, bool):
        made.register_structure_hook(scalar, _exact)
    made.register_structure_hook(float, _number)
    for enum in (Cause, Evidence, Flow, Owner, Scope, *enums):
        made.register_structure_hook(enum, _member)
    return made


def _is_tuple(hint: Any) -> bool:
    origin: Any = get_origin(hint)
    return origin is tuple


def faults(error: BaseException, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every fault in what the converter raised, with its path from the root."""
    if isinstance(error, ClassValidationError | IterableValidationError):
        for inner in error.exceptions:
            yield from faults(inner, (*path, *_noted(inner)))
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [field.name for field in attrs.fields(error.cl)]
        for key in sorted(error.extra_fields):
            yield path, f"unknown key `{printable(key)}`{did_you_mean(key, known)}"
    elif isinstance(error, KeyError):
        yield path[:-1], f"the key `{error.args[0]}` is missing"
    else:
        yield path, str(error)


def _noted(error: BaseException) -> list[str | int]:
    notes = getattr(error, "__notes__", [])
    steps = [note.index if isinstance(note, IterableValidationNote) else getattr(note, "name", None) for note in notes]
    return [step for step in reversed(steps) if step is not None]


def _only(kind: type, factory: _Factory) -> Any:
    """The factory's hook, for values of one kind alone."""

    def strictly(hint: Any, converter: cattrs.Converter) -> _Hook:
        structure = factory(hint, converter)

        def strict(value: Any, inner: Any) -> Any:
            if not isinstance(value, kind):
                raise TypeError(f"expected {_SAID[kind]}, got {kind_of(value)}")
            return structure(value, inner)

        return strict

    return strictly


def _exact(value: Any, kind: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {_SAID[kind]}, got {kind_of(value)}")
    return value


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"expected a number, got {kind_of(value)}")
    if not abs(value) < 1e18 or not isfinite(value):
        raise ValueError("expected a finite number")
    return float(value)


def _member(value: Any, enum: type[StrEnum]) -> StrEnum:
    known = [member.value for member in enum]
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {kind_of(value)}")
    if value not in known:
        listed = ", ".join(f"`{name}`" for name in known)
        raise ValueError(f"unknown value `{printable(value)}`{did_you_mean(value, known)}; there are {listed}")
    return enum(value)
