"""A journal under another policy: what would have been decided instead, and what that would have come to.

Knows entries and an engine, and not where entries come from. What is remembered of a connection is
spilled to disk, so the longest journal takes no more memory than a short one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import attrs
import msgspec

from remediate.decision import Decision, Retry, headline
from remediate.engine import Engine
from remediate.workshop.journals import Entry, Fault
from remediate.workshop.spilling import Spilling
from remediate.workshop.tallying import Asked, Side, count

__all__ = ["Example", "Replay", "difference", "replay"]

_EXAMPLES: Final = 10
_POLICIES: Final = 20
_TIMES: Final = ("attempt", "delay_s", "ceiling_s", "look_again_s", "may_sync")
_WORDS: Final = ("because", "next_steps")


@attrs.frozen(kw_only=True)
class Example:
    """A decision that would be otherwise.

    Attributes:
        facet: what is, see :func:`difference`.
    """

    place: str
    at: str | float
    key: str | None
    facet: str
    then: Decision
    now: Decision


@attrs.define(kw_only=True)
class Replay:
    """What became of a journal.

    Attributes:
        entries: how many were read.
        connections: how many they are about; entries without a key are about one each.
        policies: which decided then, as far as there are few: name, revision and digest.
        then: what was decided.
        now: what would be.
        changed: how many decisions would be otherwise, by facet.
        changes: how many of each change of answer: from, to.
        examples: the first of each change of answer, then of the other facets; a few.
        faults: entries that can't be read.
    """

    entries: int = 0
    connections: int = 0
    policies: Counter[tuple[str, str, str]] = attrs.field(factory=Counter)
    then: Side = attrs.field(factory=Side)
    now: Side = attrs.field(factory=Side)
    changed: Counter[str] = attrs.field(factory=Counter)
    changes: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    examples: list[Example] = attrs.field(factory=list)
    faults: list[Fault] = attrs.field(factory=list)
    bad: int = 0


class _Both(msgspec.Struct):
    then: Asked
    now: Asked


def replay(entries: Iterable[Entry | Fault], engine: Engine, *, most_faults: int = 20) -> Replay:
    """Decide every entry anew, on the same observation, history and key.

    Args:
        entries: of a journal of the same upstream, in their order.
        engine: of the other policy.
        most_faults: so many entries that can't be read are kept to be shown; all are counted in `bad`.
    """
    found = Replay()
    fleet: tuple[set[str], set[str]] = (set(), set())
    with Spilling() as memory:
        for entry in entries:
            if isinstance(entry, Fault):
                found.bad += 1
                found.faults += [entry][: most_faults - len(found.faults)]
                continue
            then, now = entry.decision, engine.decide(entry.record)
            _note(found, entry, then, now)
            key = entry.record.key
            kept = None if key is None else memory.get(key)
            asked = _Both(Asked(), Asked()) if kept is None else msgspec.json.decode(kept, type=_Both)
            count(found.then, asked.then, fleet[0], then)
            count(found.now, asked.now, fleet[1], now)
            if key is None:
                found.connections += 1
            else:
                memory.put(key, msgspec.json.encode(asked).decode())
        found.connections += len(memory)
    return found


def difference(then: Decision, now: Decision) -> str | None:
    """The weightiest thing that is otherwise: `answer`, `times`, `evidence`, `anomalies` or `words`; None: nothing.

    The names of rules and of schedules that wait alike do not count, nor does which policy decided.
    """
    times = _said(then, _TIMES) == _said(now, _TIMES)
    if then.action != now.action or (headline(then) != headline(now) and not (times and isinstance(then, Retry))):
        return "answer"
    if not times:
        return "times"
    for name in ("evidence", "anomalies"):
        if getattr(then, name) != getattr(now, name):
            return name
    return None if _said(then, _WORDS) == _said(now, _WORDS) else "words"


def _said(decision: Decision, names: Iterable[str]) -> list[Any]:
    return [getattr(decision, name, None) for name in names]


def _note(found: Replay, entry: Entry, then: Decision, now: Decision) -> None:
    found.entries += 1
    stamp = (then.policy.name, then.policy.revision, then.policy.sha256)
    if stamp in found.policies or len(found.policies) < _POLICIES:
        found.policies[stamp] += 1
    facet = difference(then, now)
    if facet is None:
        return
    change = (headline(then), headline(now))
    is_first = not found.changes[change] if facet == "answer" else not found.changed[facet]
    found.changed[facet] += 1
    if facet == "answer":
        found.changes[change] += 1
    if is_first and len(found.examples) < _EXAMPLES:
        made = Example(place=entry.place, at=entry.at, key=entry.record.key, facet=facet, then=then, now=now)
        found.examples.append(made)
