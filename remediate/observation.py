"""What an observation class is: an attrs class whose finite fields are the axes of a policy.

Knows no upstream. The axes are read off a class once, from its annotations:

* an :class:`OpenEnum` field has its published values, ``absent`` and ``unrecognised``;
* a closed ``StrEnum`` field has its values and ``absent``;
* a ``bool`` field has ``true``, ``false`` and ``absent``;
* a field marked with :func:`bucketed` has the buckets of its enum and ``absent``;
* a field marked with :data:`WITNESS` is only present or absent, and only anomalies may ask;
* any other field is carried along and decides nothing.
"""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from enum import Enum, StrEnum
from operator import attrgetter
from types import UnionType
from typing import Any, ClassVar, Final, Self, TypeVar

import attrs

from remediate.errors import InputError
from remediate.regions import Axis, Space

__all__ = ["ABSENT", "PRESENT", "UNRECOGNISED", "WITNESS", "Matrix", "Observation", "OpenEnum", "Shape", "bucketed"]
__all__ += ["is_bool", "is_member", "is_number", "is_text", "member", "shape_of"]

E = TypeVar("E", bound=StrEnum)

ABSENT: Final = "absent"
"""The axis value of a field that was missing or null."""
UNRECOGNISED: Final = "unrecognised"
"""The axis value of a string that no published value equals."""
PRESENT: Final = "present"
"""In a condition: every value but ``absent``."""

_WITNESS: Final = "remediate.witness"
WITNESS: Final[Mapping[str, object]] = {_WITNESS: True}
"""Field metadata: the field is only present or absent, and only anomalies may ask."""
_BUCKET: Final = "remediate.bucket"


class OpenEnum(StrEnum):
    """A vocabulary that may grow: an unpublished string becomes an unrecognised member, kept as it came."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        value.encode()  # a lone surrogate is no text, and could never be written out again
        member = str.__new__(cls, value)
        member._name_ = UNRECOGNISED
        member._value_ = value
        return member

    @property
    def recognised(self) -> bool:
        """Whether this is a published value."""
        return self._name_ != UNRECOGNISED


@attrs.frozen(kw_only=True)
class Matrix:
    """How a table for people lays out a class: a row for each value of one axis, a column for each of another."""

    title: str
    rows: str
    columns: str | None = None
    given: Mapping[str, str] = attrs.field(factory=dict)


class Observation(ABC):
    """The base of everything that can be decided about.

    Attributes:
        kind: the name of the policy section that decides it.
        describes: whether it says how the connection is, rather than that asking for it failed.
        systems: where a customer can be sent to authorise.
        matrices: how tables lay the class out.
        retry_after_s: the wait that upstream asked for, seconds; None where it did not.
    """

    __slots__ = ()
    kind: ClassVar[str]
    describes: ClassVar[bool] = True
    systems: ClassVar[tuple[str, ...]] = ()
    matrices: ClassVar[tuple[Matrix, ...]] = ()
    retry_after_s: float | None

    @property
    def progressed(self) -> bool:
        """Whether the attempt that it tells of got further than the one before; default False."""
        return False

    @property
    def is_refusal(self) -> bool:
        """Whether it is upstream's own word that a call failed, so nothing of it is on its way; default False."""
        return False

    @property
    def succeeded_s(self) -> float | None:
        """When the latest sync of all succeeded, seconds since the epoch; None, the default: unknown, or it failed."""
        return None

    @property
    @abstractmethod
    def repeats(self) -> str:
        """What a retry decided about this observation does again."""


def bucketed(buckets: type[StrEnum], bucket_of: Callable[[Any], StrEnum | None]) -> Mapping[str, object]:
    """Field metadata: the axis has the buckets, and ``bucket_of(value)`` says which; None is absent."""
    return {_BUCKET: (buckets, bucket_of)}


@attrs.frozen
class Shape:
    """What a policy may ask of an observation class.

    Attributes:
        space: its axes, in the order of the fields.
        witnesses: the fields of which only the presence counts.
        coordinates: a hashable of the raw values that decide, from an observation.
        tokens: the axis values of an observation, one an axis.
    """

    cls: type[Observation]
    space: Space
    witnesses: tuple[str, ...]
    coordinates: Callable[[Any], Hashable]
    tokens: Callable[[Any], tuple[str, ...]]


def shape_of(cls: type[Observation]) -> Shape:
    """Read the axes off an observation class."""
    hints = typing.get_type_hints(cls)
    axes: list[Axis] = []
    readers: list[Callable[[Any], str]] = []
    witnesses: list[str] = []
    for field in attrs.fields(typing.cast(Any, cls)):
        if _WITNESS in field.metadata:
            witnesses.append(field.name)
            continue
        found = _axis(hints[field.name], field.metadata)
        if found is not None:
            values, read = found
            axes.append(Axis(field.name, values))
            readers.append(read)
    values_of = attrgetter(*(axis.name for axis in axes))

    def tokens(observation: Observation) -> tuple[str, ...]:
        return tuple([read(value) for read, value in zip(readers, values_of(observation), strict=True)])

    return Shape(cls, Space(tuple(axes)), tuple(witnesses), values_of, tokens)


def _axis(hint: Any, metadata: Mapping[Any, Any]) -> tuple[tuple[str, ...], Callable[[Any], str]] | None:
    """The values of a field's axis and how a raw value is read, or None where it has none."""
    if _BUCKET in metadata:
        buckets, bucket_of = metadata[_BUCKET]
        return (*_values(buckets), ABSENT), lambda value: ABSENT if value is None else bucket_of(value) or ABSENT
    kinds = [part for part in typing.get_args(hint) if part is not type(None)] if isinstance(hint, UnionType) else []
    if kinds == [bool]:
        return ("true", "false", ABSENT), lambda value: ABSENT if value is None else "true" if value else "false"
    if len(kinds) == 1 and isinstance(kinds[0], type) and issubclass(kinds[0], OpenEnum):
        return (*_values(kinds[0]), ABSENT, UNRECOGNISED), _open_token
    if len(kinds) == 1 and isinstance(kinds[0], type) and issubclass(kinds[0], StrEnum):
        return (*_values(kinds[0]), ABSENT), lambda value: ABSENT if value is None else value.value
    return None


def _values(enum: type[Enum]) -> tuple[str, ...]:
    return tuple(member.value for member in enum)


def _open_token(value: OpenEnum | None) -> str:
    if value is None:
        return ABSENT
    return value.value if value.recognised else UNRECOGNISED


def is_bool(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """An attrs validator: true, false or None; else InputError."""
    if value is not None and not isinstance(value, bool):
        raise InputError("expected true, false or null", field=field.name)


def is_text(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """An attrs validator: a string or None; else InputError."""
    if value is not None and not isinstance(value, str):
        raise InputError("expected a string or null", field=field.name)


def is_number(_: object, field: attrs.Attribute[Any], value: object) -> None:
    """An attrs validator: a number or None; else InputError."""
    if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
        raise InputError("expected a number or null", field=field.name)


def member(enum: type[E], value: E | str | None) -> E | None:
    """For an attrs converter: the member of a string. What has none is left for :func:`is_member`."""
    if not isinstance(value, str) or isinstance(value, enum):
        return value
    try:
        return enum(value)
    except ValueError:
        return typing.cast(E, value)


def is_member(enum: type[StrEnum]) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """An attrs validator: a member of an enum or None; else InputError."""

    def validate(_: object, field: attrs.Attribute[Any], value: object) -> None:
        is_text(_, field, value)
        if value is not None and not isinstance(value, enum):
            known = ", ".join(f"`{one.value}`" for one in enum)
            open_ended = issubclass(enum, OpenEnum)
            message = "expected text without lone surrogates" if open_ended else f"expected one of {known}"
            raise InputError(message, field=field.name)

    return validate
