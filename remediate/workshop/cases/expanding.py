"""Tables in which a list stands for each of its values, and every table that they stand for.

Knows plain data alone: nothing of observations, policies or files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice, product
from math import prod
from typing import Any, Final

import attrs

from remediate.errors import kind_of, printable
from remediate.observation import ABSENT

__all__ = ["DEEPEST", "Tables", "tables_of"]

DEEPEST: Final = 32
"""So many tables and lists may be inside each other."""

_MOST_TOLD: Final = 5
_WHOLE: Final = range(-(2**63), 2**63)


@attrs.frozen
class Tables:
    """What a table, or a list of them, stands for: each combination of the values in its lists.

    A list of values stands for each of them; the word ``absent`` leaves its key out. A list of tables
    inside a table is a list as it is, and what its tables stand for is combined likewise.
    """

    written: tuple[Mapping[str, object], ...]

    @property
    def count(self) -> int:
        """How many tables there are, without making them."""
        return sum(_count(table) for table in self.written)

    def __iter__(self) -> Iterator[dict[str, object]]:
        """Each table, the last list's values first."""
        return chain.from_iterable(map(_each_table, self.written))


def tables_of(value: object) -> Tables:
    """The tables that a value of TOML stands for.

    Raises:
        TypeError: it is neither a table nor a list of them.
        ValueError: a list in it stands for nothing, or something in it can't be an observation's.
    """
    written: list[Any] = value if isinstance(value, list) and value else [value]
    for table in written:
        if not isinstance(table, dict):
            raise TypeError(f"expected a table or a list of them, got {kind_of(table)}")
    found = list(islice(chain.from_iterable(_faults(table, "", DEEPEST) for table in written), _MOST_TOLD))
    if found:
        raise ValueError("; ".join(found))
    return Tables(tuple(written))


def _faults(value: object, place: str, depth: int) -> Iterator[str]:
    said = f"{place}: " if place else ""
    if not depth:
        yield f"nested deeper than {DEEPEST}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _faults(inner, f"{place}.{printable(key)}" if place else printable(key), depth - 1)
    elif isinstance(value, list):
        yield from _list_faults(value, place, depth)
    elif type(value) is int and value not in _WHOLE:
        yield f"{said}a whole number of more than 64 bits"
    elif not isinstance(value, str | int | float):
        yield f"{said}expected a string, a number, true or false; a date stands in quotes"


def _list_faults(values: list[Any], place: str, depth: int) -> Iterator[str]:
    said = f"{place}: " if place else ""
    if not values:
        yield f"{said}an empty list stands for nothing"
    elif any(isinstance(one, list) for one in values) or len({isinstance(one, dict) for one in values}) > 1:
        yield f"{said}expected a list of values, or one of tables"
    elif not isinstance(values[0], dict) and len({(type(one), one) for one in values}) < len(values):
        yield f"{said}a value is listed twice"
    else:
        for one in values:
            yield from _faults(one, place, depth - 1)


def _count(value: object) -> int:
    if isinstance(value, dict):
        return prod(map(_count, value.values()))
    if isinstance(value, list):
        return prod(map(_count, value)) if isinstance(value[0], dict) else len(value)
    return 1


def _each(value: Any) -> Iterator[object]:
    if isinstance(value, dict):
        yield from _each_table(value)
    elif not isinstance(value, list):
        yield value
    elif isinstance(value[0], dict):
        yield from map(list, product(*map(_each_table, value)))
    else:
        yield from value


def _each_table(table: Mapping[str, object]) -> Iterator[dict[str, object]]:
    for values in product(*map(_each, table.values())):
        yield {key: value for key, value in zip(table, values, strict=True) if value != ABSENT}
