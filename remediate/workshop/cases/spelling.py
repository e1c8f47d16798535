"""Whether what a case gives is read as its author meant it.

An upstream passes over fields that it does not know, and takes a string that nobody published as one
that may come. In a case both may be a slip that lets it hold for the wrong reason, so what is nearly a
known word is refused. Knows no upstream: the words are read off the observations' classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final, cast

import attrs

from remediate.engine import Engine
from remediate.errors import InputError, did_you_mean, printable
from remediate.observation import PRESENT, UNRECOGNISED
from remediate.strict import Path
from remediate.upstreams import Record

__all__ = ["Speller", "placed"]

_NEAR_FIELD: Final = 0.85
_NEAR_VALUE: Final = 0.85


class Speller:
    """Finds words that are nearly those of an engine's upstream or policy. Each place is looked at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._hints: dict[str, str] = {}
        self._values: dict[tuple[str, str, str], str] = {}

    def problems(self, given: Mapping[str, object], record: Record) -> Iterator[str]:
        """What looks misspelt in something given, which was read as a record."""
        for place in _places(given, ()):
            hint = self._field_hint(place[-1])
            if hint and self._is_passed_over(given, place, record):
                yield f"{placed('', place)}: the field is passed over{hint}"
        observation = record.observation
        shape = self._engine.deciders[observation.kind].section.shape
        for axis, token in zip(shape.space.axes, shape.tokens(observation), strict=True):
            if token == UNRECOGNISED:
                problem = self._value_problem(observation.kind, axis.name, str(getattr(observation, axis.name)))
                if problem:
                    yield problem

    @cached_property
    def _fields(self) -> frozenset[str]:
        classes = [*self._engine.upstream.observations, Record]
        return frozenset(field.name for cls in classes for field in attrs.fields(cast(Any, cls)))

    def _field_hint(self, field: str | int) -> str:
        if not isinstance(field, str) or field in self._fields:
            return ""
        if field not in self._hints:
            self._hints[field] = did_you_mean(field, self._fields, cutoff=_NEAR_FIELD)
        return self._hints[field]

    def _is_passed_over(self, given: Mapping[str, object], place: Path, record: Record) -> bool:
        """Whether the same is read without it."""
        try:
            return self._engine.read(_without(given, place)) == record
        except InputError:
            return False

    def _value_problem(self, kind: str, axis: str, value: str) -> str:
        at = (kind, axis, value)
        if at not in self._values:
            self._values[at] = self._find_value_problem(*at)
        return self._values[at]

    def _find_value_problem(self, kind: str, axis: str, value: str) -> str:
        if value == PRESENT or value in self._engine.policy.groups.get(axis, {}):
            return f"{axis}: `{printable(value)}` is a word of policies; a case lists the values"
        space = self._engine.deciders[kind].section.shape.space
        hint = did_you_mean(value, space.axes[space.index(axis)].values, cutoff=_NEAR_VALUE)
        if not hint or value == UNRECOGNISED:
            return ""
        return f"{axis}: `{printable(value)}` is not published{hint}; any unpublished value is `{UNRECOGNISED}`"


def _places(value: object, at: Path) -> Iterator[Path]:
    """Where every field of a table is, and of the tables in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*at, key)
            yield from _places(inner, (*at, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _places(inner, (*at, position))


def _without(value: Any, place: Path) -> Any:
    """The same without one field."""
    step, *rest = place
    if isinstance(value, list):
        return [_without(one, tuple(rest)) if i == step else one for i, one in enumerate(value)]
    if not rest:
        return {key: one for key, one in value.items() if key != step}
    return {key: _without(one, tuple(rest)) if key == step else one for key, one in value.items()}


def placed(before: str, path: Path) -> str:
    """Where something is, in words: `after number 2.history`, from the root or from `before`."""
    place = before
    for step in path:
        if isinstance(step, int):
            place += f" number {step + 1}"
        else:
            place += ("." if place and not place.endswith(": ") else "") + printable(step)
    return place
