"""A journal to its entries, one at a time: NDJSON as `remediate decide --journal` writes it, or a ledger.

Knows what a decision was made on, and nothing of why it is read again. Memory is that of one entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, BinaryIO, Final

import attrs
import msgspec

from remediate.decision import Decision
from remediate.engine import Engine
from remediate.errors import InputError, printable
from remediate.loading import bundled_names, load_policy
from remediate.upstreams import Record
from remediate.wire import from_json

if TYPE_CHECKING:
    from remediate.ledger import Journaled, Ledger

__all__ = ["Entry", "Fault", "file_entries", "ledger_entries"]

_PAGE: Final = 1000
_LONE_SURROGATE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_MALFORMED: Final = "JSON is malformed: "


@attrs.frozen(kw_only=True)
class Entry:
    """A decision that was made, and what it was made on.

    Attributes:
        place: where it stands, for people.
        at: when, as the journal has it: a time with its zone, or seconds since the epoch.
        record: the observation, the history and the key.
        decision: what was decided.
    """

    place: str
    at: str | float
    record: Record
    decision: Decision


@attrs.frozen(kw_only=True)
class Fault:
    """An entry that can't be read."""

    place: str
    why: str


class _Line(msgspec.Struct):
    at: str
    record: msgspec.Raw
    decision: msgspec.Raw


class _Event(msgspec.Struct):
    observation: msgspec.Raw


_line: Final = msgspec.json.Decoder(_Line).decode
_event: Final = msgspec.json.Decoder(_Event).decode
_object: Final = msgspec.json.Decoder(dict[str, object]).decode


def file_entries(stream: BinaryIO, engine: Engine, advance: Callable[[int], None]) -> Iterator[Entry | Fault]:
    """Every line that is not blank.

    Args:
        stream: NDJSON.
        engine: of the upstream that the journal is about.
        advance: is told how many bytes were read.
    """
    for number, line in enumerate(stream, 1):
        advance(len(line))
        if line.strip():
            yield _read(f"line {number}", partial(_file_entry, line, engine))


def ledger_entries(ledger: Ledger, advance: Callable[[int], None]) -> Iterator[Entry | Fault]:
    """Every decision in a ledger's journal, in its order.

    Args:
        ledger: with an engine of the upstream that it is about.
        advance: is told how many entries were read.
    """
    after = 0
    while page := ledger.decisions(after=after, limit=_PAGE):
        for journaled in page:
            yield _read(f"entry {journaled.number}", partial(_ledger_entry, journaled, ledger.engine))
        after = page[-1].number
        advance(len(page))


def _read(place: str, read: Callable[[], tuple[str | float, Record, Decision]]) -> Entry | Fault:
    try:
        at, record, decision = read()
    except InputError as error:
        return Fault(place=place, why=str(error))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return Fault(place=place, why=f"no entry of a journal: {printable(str(error)).removeprefix(_MALFORMED)}")
    return Entry(place=place, at=at, record=record, decision=decision)


def _file_entry(line: bytes, engine: Engine) -> tuple[str, Record, Decision]:
    try:
        read = _line(line)
    except msgspec.DecodeError:
        read = _line(_LONE_SURROGATE.sub(rb"\\ufffd", line))  # which stands in text that decides nothing
    record, decision = engine.read(bytes(read.record)), from_json(bytes(read.decision))
    _check(decision, engine)
    return read.at, record, decision


def _check(decision: Decision, engine: Engine) -> None:
    """Refuse what a shipped policy of another upstream has decided."""
    upstream = _shipped_for(decision.policy.name)
    if upstream is not None and upstream != engine.upstream.name:
        raise InputError(f"it was decided for {upstream}, and the policy answers for {engine.upstream.name}")


@cache
def _shipped_for(policy: str) -> str | None:
    """The upstream of a shipped policy; None: there is none of this name."""
    return load_policy(policy).upstream if policy in bundled_names() else None


def _ledger_entry(journaled: Journaled, engine: Engine) -> tuple[float, Record, Decision]:
    if journaled.history is None:
        raise InputError("it was decided by a version that did not keep on what history", field="history")
    record = _object(bytes(_event(journaled.event).observation))
    whole = record | {"key": journaled.key, "history": _object(journaled.history)}
    decision = from_json(journaled.decision)
    _check(decision, engine)
    return journaled.at_s, engine.read(whole), decision
