"""How a team's log is called in ours: which of its columns is which field, which of its words which event.

Knows names and values of one line, and neither files nor what a line means.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final, TypeVar

import attrs

from remediate.errors import InputError, did_you_mean, printable
from remediate.observation import Observation

__all__ = ["FIELDS", "Columns", "Event", "moment_s", "typed"]

T = TypeVar("T")

FIELDS: Final = ("at", "key", "event", "to")
"""The fields of a line beside its observation."""
_MILLISECONDS_FROM: Final = 1e11
"""A larger number of seconds would be after the year 5138."""
_LATEST_S: Final = 253_402_300_800.0
"""The end of the year 9999."""
_NUMBERS: Final = {int: int, float: float}
_TRUTH: Final = {"true": True, "false": False}


class Event(StrEnum):
    """What a line of a log tells.

    ``status``: what upstream said. ``sync``: a sync was triggered. ``told``: somebody was told.
    ``mended``: a customer came back, or somebody mended the connection.
    """

    STATUS = "status"
    SYNC = "sync"
    TOLD = "told"
    MENDED = "mended"


@attrs.frozen(kw_only=True)
class Columns:
    """What a log calls our fields and events.

    Attributes:
        names: its column, or dotted path, for a field of ours; a field that is not here has its own name.
        words: our event for each of its words; our own words stand for themselves unless they are here.
    """

    names: Mapping[str, str] = attrs.field(factory=dict)
    words: Mapping[str, Event] = attrs.field(factory=dict)

    @classmethod
    def of(cls, columns: Iterable[str], events: Iterable[str], known: Iterable[str]) -> Columns:
        """From ``field=column`` and ``event=word`` as people write them.

        Args:
            known: the fields of the upstream's observations.

        Raises:
            InputError: one has no `=`, names no field or event, or is there twice.
        """
        fields = (*FIELDS, *known)
        names = _once([_pair(text, fields, "field") for text in columns])
        told = [_pair(text, tuple(Event), "event") for text in events]
        words = _once([(word, Event(event)) for event, said in told for word in said.split(",")])
        return cls(names=names, words=words)

    def event(self, word: str) -> Event | None:
        """What a word of the log tells; None: nothing that is asked for here."""
        found = self.words.get(word)
        return found or (Event(word) if word in tuple(Event) and word not in self.words else None)

    def taken(self, line: Mapping[str, Any], missing: set[str] | None = None) -> dict[str, Any]:
        """A line with our names for what is mapped, and everything else as it is.

        Args:
            missing: fields that no line has had; those that this one has are taken out.
        """
        moved = {field: _at(line, path) for field, path in self.names.items()}
        if missing:
            missing -= {field for field, value in moved.items() if value is not None}
        used = set(self.names.values())
        return {name: value for name, value in line.items() if name not in used} | moved


def _once(pairs: list[tuple[str, T]]) -> dict[str, T]:
    for name in {name for name, _ in pairs}:
        if sum(other == name for other, _ in pairs) > 1:
            raise InputError(f"`{printable(name)}` is mapped twice")
    return dict(pairs)


def _pair(text: str, known: tuple[str, ...], what: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(f"expected `{what}=name`, got `{printable(text)}`")
    if name not in known:
        listed = ", ".join(f"`{one}`" for one in known)
        raise InputError(f"unknown {what} `{printable(name)}`{did_you_mean(name, known)}; there are {listed}")
    return name, value


def _at(line: Mapping[str, Any], path: str) -> Any:
    """The value under a name, or along a dotted path; None: there is none."""
    if path in line:
        return line[path]
    value: Any = line
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def moment_s(value: object) -> float:
    """A time as seconds since the epoch: ISO 8601 (UTC where it says no zone), or seconds or milliseconds.

    Raises:
        InputError: it is none.
    """
    seconds = None if isinstance(value, bool) else _number(value)
    if seconds is not None and abs(seconds) >= _MILLISECONDS_FROM:
        seconds /= 1000
    if seconds is None and isinstance(value, str):
        try:
            read = datetime.fromisoformat(value.strip())
            seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            seconds = None
    if seconds is None or not abs(seconds) < _LATEST_S:
        raise InputError("expected a time in ISO 8601, or seconds since 1970", field="at")
    return seconds


def _number(value: object) -> float | None:
    if not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def typed(cells: Mapping[str, str | None], observations: Iterable[type[Observation]]) -> dict[str, Any]:
    """The cells of a CSV line as JSON values: an empty one is absent, the rest by the fields' types.

    What is no value of its field's type stays text, and is refused when it is read.
    """
    kinds = {name: kind for cls in observations for name, kind in _kinds(cls).items()}
    return {name: _value(cell, kinds.get(name, str)) for name, cell in cells.items() if cell not in (None, "")}


def _value(cell: str | None, kind: type) -> Any:
    text = (cell or "").strip()
    if kind is bool:
        return _TRUTH.get(text.lower(), text)
    try:
        return _NUMBERS[kind](text) if kind in _NUMBERS else text
    except ValueError:
        return text


@cache
def _kinds(cls: type[Observation]) -> dict[str, type]:
    """The type of each field of an observation, without None."""
    hints = typing.get_type_hints(cls)
    kinds = {}
    for field in attrs.fields(typing.cast(Any, cls)):
        parts = [part for part in typing.get_args(hints[field.name]) if part is not type(None)]
        kinds[field.name] = parts[0] if parts else str
    return kinds
