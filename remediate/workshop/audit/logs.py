"""A team's log to lines that can be judged: NDJSON or CSV, one line at a time.

Knows columns and an upstream's observations, and not what is made of them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, Final, cast

import attrs
import msgspec

from remediate.engine import Engine
from remediate.errors import InputError, did_you_mean, kind_of, printable
from remediate.observation import ABSENT, Observation
from remediate.workshop.audit.columns import Columns, Event, moment_s, typed
from remediate.workshop.journals import Fault

__all__ = ["Line", "Other", "read_log"]

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_DELIMITERS: Final = (",", ";", "\t", "|")
_NEEDED: Final = ("at", "key")
_object: Final = msgspec.json.Decoder(dict[str, Any], float_hook=float).decode


@attrs.frozen(kw_only=True)
class Line:
    """One thing that happened to a connection.

    Attributes:
        at_s: when, seconds since the epoch.
        event: what.
        observation: what upstream said; of a sync: what the trigger was answered, or how the sync ended.
        to: who was told.
    """

    at_s: float
    key: str
    event: Event
    observation: Observation | None = None
    to: str = ""


@attrs.frozen
class Other:
    """A line that tells of something else."""

    word: str


Read = Line | Other | Fault


def read_log(stream: BinaryIO, engine: Engine, columns: Columns, advance: Callable[[int], None]) -> Iterator[Read]:
    """Every line of a log that is not blank.

    Args:
        stream: NDJSON where the first character is `{`, else CSV with a line of names.
        engine: of the upstream that the log is about.
        advance: is told how many bytes were read.

    Raises:
        InputError: it is CSV without a column that is needed or mapped.
    """
    lines = _counted(stream, advance)
    first = next(lines, None)
    if first is None:
        return
    number, content = first
    whole = _put_back(number, content, lines)
    if content.lstrip().startswith(b"{"):
        yield from _ndjson(whole, engine, columns)
    else:
        yield from _csv(whole, engine, columns)


def _ndjson(lines: Iterator[tuple[int, bytes]], engine: Engine, columns: Columns) -> Iterator[Read]:
    """Every line; a mapped name that none has is told at the end, for its values were looked for in vain."""
    missing = set(columns.names)
    for number, content in lines:
        yield _read(number, content, lambda text: columns.taken(_object(text), missing), engine, columns)
    for field in sorted(missing):
        raise InputError(f"no line has `{printable(columns.names[field])}`, which --column {field} names")


def _counted(stream: BinaryIO, advance: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    for number, line in enumerate(stream, 1):
        advance(len(line))
        content = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        if content.strip():
            yield number, content


def _put_back(number: int, content: bytes, lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    yield number, content
    yield from lines


def _csv(lines: Iterator[tuple[int, bytes]], engine: Engine, columns: Columns) -> Iterator[Read]:
    """The lines after the names; a quoted cell may run over several."""
    at = [0]

    def texts() -> Iterator[str]:
        for number, content in lines:
            at[0] = number
            yield content.decode(errors="surrogateescape")

    source = texts()
    names = next(source)
    delimiter = max(_DELIMITERS, key=names.count)
    try:
        header = next(csv.reader(io.StringIO(names), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"line {at[0]}: no CSV: {error}") from None
    _check(header, columns)
    rows = csv.reader(source, delimiter=delimiter)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Fault(place=f"line {at[0]}", why=f"no CSV: {error}")
            continue
        yield _read(at[0], row, lambda cells: _cells(cells, header, engine, columns), engine, columns)


def _check(header: list[str], columns: Columns) -> None:
    """Refuse a header that lacks what is needed or mapped, or has a name twice."""
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"there are two columns `{printable(twice)}`")
    for field in (*_NEEDED, *columns.names):
        name = columns.names.get(field, field)
        if name not in header:
            listed = ", ".join(f"`{printable(one)}`" for one in header)
            hint = did_you_mean(name, header)
            raise InputError(
                f"there is no column `{printable(name)}`{hint}; there are {listed}; --column {field}=NAME names another"
            )


def _cells(cells: list[str], header: list[str], engine: Engine, columns: Columns) -> dict[str, Any]:
    if len(cells) != len(header):
        raise InputError(f"expected {len(header)} cells, got {len(cells)}")
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        raise InputError("not UTF-8") from None
    return typed(columns.taken(dict(zip(header, cells, strict=True))), engine.upstream.observations)


def _read(
    number: int, content: Any, taken: Callable[[Any], Mapping[str, Any]], engine: Engine, columns: Columns
) -> Read:
    try:
        return _line(taken(content), engine, columns)
    except InputError as error:
        return Fault(place=f"line {number}", why=str(error))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        why = printable(str(error)).removeprefix("JSON is malformed: ")
        return Fault(place=f"line {number}", why=f"not a JSON object: {why}")


def _says_nothing(observation: Observation, engine: Engine) -> bool:
    """Whether every field that a policy may ask for is absent."""
    shape = engine.deciders[observation.kind].section.shape
    return all(token == ABSENT for token in shape.tokens(observation))


def _record(fields: Mapping[str, Any], engine: Engine) -> dict[str, Any]:
    """What a line says of an observation, as a record; empty: nothing."""
    upstream = engine.upstream
    known = {field.name for cls in upstream.observations for field in attrs.fields(cast(Any, cls))}
    said = {name: value for name, value in fields.items() if name in known and value is not None}
    record = {name: said.pop(name) for name in upstream.beside if name in said}
    nested = fields.get("observation")
    if nested is not None or said or record:
        record["observation"] = said if nested is None else nested
    return record


def _line(fields: Mapping[str, Any], engine: Engine, columns: Columns) -> Line | Other:
    said = _record(fields, engine)
    word = fields.get("event")
    if word is not None and not isinstance(word, str):
        raise InputError(f"expected a string, got {kind_of(word)}", field="event")
    event = columns.event(word) if word else Event.STATUS
    if event is None:
        return Other(word or "")
    key, to = fields.get("key"), fields.get("to")
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if not isinstance(key, str) or not key:
        raise InputError("expected whose connection it is", field="key")
    if to is not None and not isinstance(to, str):
        raise InputError(f"expected a string, got {kind_of(to)}", field="to")
    if "at" not in fields:
        raise InputError("expected when it was", field="at")
    if event is Event.STATUS and not said:
        raise InputError("expected what was observed, in fields of its own or under `observation`")
    observation = engine.read(said).observation if event in (Event.STATUS, Event.SYNC) and said else None
    if observation is not None and _says_nothing(observation, engine):
        if event is Event.STATUS:
            raise InputError("nothing of an observation is known in it", field="observation")
        observation = None
    return Line(at_s=moment_s(fields["at"]), key=key, event=event, observation=observation, to=to or "customer")
