"""Cases of a policy as data: what is observed, the answer, and the rule that gives it.

Reads TOML strictly, to what is tried. Knows no upstream: what is given is read by the engine. Every
message names the file, the case and the key, and nothing is tried where something can't be read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final

import attrs
import cattrs

from remediate.decision import Action, Cause, Evidence, Flow, Owner, Scope
from remediate.engine import Engine
from remediate.errors import InputError, PolicyError, did_you_mean, kind_of, printable
from remediate.history import History
from remediate.loading import bundled_names, policy_path
from remediate.strict import Path as Steps
from remediate.strict import faults, strict_converter
from remediate.upstreams import Record
from remediate.workshop.cases.expanding import Tables, tables_of
from remediate.workshop.cases.spelling import Speller, placed

__all__ = ["LARGEST_FILE", "MOST_IN_ALL", "MOST_OF_ONE", "NEVER", "After", "Case", "Expected", "Seconds", "Trial"]
__all__ += ["parse_cases", "shipped_cases"]

MOST_OF_ONE: Final = 10_000
"""So many observations may one case stand for."""
MOST_IN_ALL: Final = 200_000
"""So many may the cases of one file stand for together."""
LARGEST_FILE: Final = 2**20
"""Bytes that a file may have."""

_NEVER: Final = "never"


@attrs.frozen
class Seconds:
    """A duration that is expected: from the one to the other, both included. Both None: never."""

    low: float | None
    high: float | None

    def holds(self, value: object) -> bool:
        """Whether a duration of a decision is in it."""
        if self.low is None or self.high is None or not isinstance(value, int | float):
            return value is None and self.low is None
        return self.low <= value <= self.high

    @property
    def written(self) -> object:
        """As it stands in a file."""
        return _NEVER if self.low is None else self.low if self.low == self.high else [self.low, self.high]


NEVER: Final = Seconds(None, None)
"""No duration: nothing is looked at again."""


@attrs.frozen(kw_only=True)
class Expected:
    """What is expected of every decision about some observations. What is None is not asked.

    Attributes:
        answer: the headline of the decision, see :func:`remediate.decision.headline`.
        rule: the rule that decides.
        may_sync: as in the decision, as are all that follow.
        evidence: compared exactly.
        anomalies: all of them, in any order.
        look_again_s: seconds, ``[low, high]``, or "never".
        attempt: from 1.
        delay_s: seconds, or ``[low, high]``.
        ceiling_s: seconds, or ``[low, high]``.
        repeats: ``sync``, or a call.
        because: compared exactly.
    """

    answer: str
    rule: str | None = None
    may_sync: bool | None = None
    evidence: Evidence | None = None
    anomalies: tuple[str, ...] | None = None
    look_again_s: Seconds | None = None
    attempt: int | None = None
    delay_s: Seconds | None = None
    ceiling_s: Seconds | None = None
    repeats: str | None = None
    because: str | None = None


@attrs.frozen(kw_only=True)
class After(Expected):
    """What the observations of a case answer after another history; without a rule it is the case's.

    Attributes:
        history: what happened before; lists as in ``given``.
    """

    history: Tables


@attrs.frozen(kw_only=True)
class Case(Expected):
    """One case as a person writes it.

    Attributes:
        name: unique in its file.
        given: what is observed, in any shape that the upstream reads; a list of values stands for
            each of them, ``absent`` for a field that is left out.
        rule: the rule that decides; it has to be said.
        history: what happened before; lists as in ``given``. None: what a record in ``given`` says.
        key: whose connection it is. None: what a record in ``given`` says.
        after: what else the same observations answer, and when.
    """

    name: str
    given: Tables
    rule: str
    history: Tables | None = None
    key: str | None = None
    after: tuple[After, ...] = ()

    @property
    def steps(self) -> Iterator[tuple[Tables | None, Expected]]:
        """Every history with what is expected after it."""
        yield self.history, self
        for one in self.after:
            yield one.history, one if one.rule is not None else attrs.evolve(one, rule=self.rule)

    @property
    def count(self) -> int:
        """How many observations it stands for, one after another history counted again."""
        return self.given.count * sum(1 if history is None else history.count for history, _ in self.steps)


@attrs.frozen(kw_only=True)
class Trial:
    """A case that was read.

    Attributes:
        source: its file, for messages.
        records: every observation that it stands for, with its history and key, and what is
            expected of the decision about it.
    """

    case: Case
    source: str
    records: tuple[tuple[Record, Expected], ...]


@attrs.frozen(kw_only=True)
class _File:
    cases: tuple[Case, ...]


def shipped_cases(policy: str) -> Path | None:
    """The cases that are shipped with a policy; None where there are none, or it is not a shipped policy."""
    if policy not in bundled_names():
        return None
    path = policy_path(policy)
    found = path.parent / "cases" / path.name
    return found if found.is_file() else None


def parse_cases(content: bytes, engine: Engine, *, source: str) -> tuple[Trial, ...]:
    """Read the cases of a file.

    Args:
        content: TOML, UTF-8.
        engine: of the policy that they are cases of.
        source: what messages call the file.

    Raises:
        PolicyError: it is no TOML, or a case can't be read; every fault is named.
    """
    raw = _toml(content, source)
    try:
        cases: tuple[Case, ...] = _converter.structure(raw, _File).cases
    except cattrs.ClassValidationError as error:
        raise PolicyError(source, [_placed(path, what, raw) for path, what in faults(error)]) from error
    problems = [*_problems(cases, engine)]
    trials = []
    if not problems:
        speller = Speller(engine)
        for case in cases:
            records, found = _read(case, engine, speller)
            problems += [f"case {_named(case.name)}: {what}" for what in found]
            trials.append(Trial(case=case, source=source, records=tuple(records)))
    if problems:
        raise PolicyError(source, problems)
    return tuple(trials)


def _toml(content: bytes, source: str) -> dict[str, Any]:
    if len(content) > LARGEST_FILE:
        raise PolicyError(source, [f"is larger than {LARGEST_FILE} bytes"])
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise PolicyError(source, [f"is not UTF-8 at byte {error.start}"]) from error
    except ValueError as error:  # beside TOML's own, a number of thousands of digits
        raise PolicyError(source, [f"is not TOML: {printable(str(error), longest=200)}"]) from error
    except RecursionError as error:
        raise PolicyError(source, ["is nested too deep"]) from error


def _named(name: str) -> str:
    return f'"{printable(name)}"'


# What can be told before anything is read.


def _problems(cases: tuple[Case, ...], engine: Engine) -> Iterator[str]:
    if not cases:
        yield "has no cases"
    answers = tuple(_answers(engine))
    seen: set[str] = set()
    for case in cases:
        place = f"case {_named(case.name)}"
        if case.name in seen:
            yield f"{place}: there are two of this name"
        seen.add(case.name)
        for _, expected in case.steps:
            said = expected.answer
            if said not in answers and not said.startswith(f"{Action.RETRY} "):
                yield f"{place}: answer: unknown answer `{printable(said)}`{did_you_mean(said, answers)}"
        if case.count > MOST_OF_ONE:
            yield f"{place}: stands for more than {MOST_OF_ONE} observations"
    if sum(case.count for case in cases) > MOST_IN_ALL:
        yield f"the cases stand for more than {MOST_IN_ALL} observations together"


def _answers(engine: Engine) -> Iterator[str]:
    """Every headline that a policy of this upstream can have; schedules are those of this one."""
    systems = dict.fromkeys(system for cls in engine.upstream.observations for system in cls.systems)
    yield from (f"{Action.RETRY} {schedule}" for schedule in engine.policy.schedules)
    yield from (f"{Action.REAUTH} {flow} {system}" for flow in Flow for system in systems)
    yield from (f"{Action.ESCALATE} {owner} {scope}" for owner in Owner for scope in Scope)
    yield from (f"{Action.NO_OP} {cause}" for cause in Cause)


# What is given, to records.


_Reading = tuple[list[tuple[Record, Expected]], tuple[str, ...]]


def _read(case: Case, engine: Engine, speller: Speller) -> _Reading:
    """The records of a case with what is expected, and what is wrong with it, each fault once."""
    problems: dict[str, None] = {}
    steps: list[tuple[History | None, Expected]] = []
    for number, (tables, expected) in enumerate(case.steps):
        place = f"after number {number}.history" if number else "history"
        for table in tables or (None,):
            try:
                steps.append((None if table is None else _converter.structure(table, History), expected))
            except cattrs.ClassValidationError as error:
                problems |= {_joined(place, path, what): None for path, what in faults(error)}
    records = []
    for given in case.given:
        try:
            record = engine.read(given)
        except InputError as error:
            problems[f"given: {error}"] = None
            continue
        problems |= dict.fromkeys(f"given: {what}" for what in speller.problems(given, record))
        problems |= dict.fromkeys(_told_twice(case, record))
        records += [(_beside(record, history, case.key), expected) for history, expected in steps]
    return records, tuple(problems)


def _told_twice(case: Case, record: Record) -> Iterator[str]:
    if record.history is not None and any(history is not None for history, _ in case.steps):
        yield "history: the record in `given` has one too"
    if record.key is not None and case.key is not None:
        yield "key: the record in `given` has one too"


def _beside(record: Record, history: History | None, key: str | None) -> Record:
    return attrs.evolve(
        record,
        history=record.history if history is None else history,
        key=record.key if key is None else key,
    )


# Conversion.


def _tables(value: Any, _: Any) -> Tables:
    return tables_of(value)


def _seconds(value: Any, _: Any) -> Seconds:
    if value == _NEVER:
        return NEVER
    ends = value if isinstance(value, list) else [value, value]
    if len(ends) != 2 or any(type(end) not in (int, float) for end in ends):
        raise TypeError(f'expected a number of seconds, [low, high] or "{_NEVER}", got {kind_of(value)}')
    low, high = ends
    if not (isfinite(low) and isfinite(high) and 0 <= low <= high):
        raise ValueError("expected finite seconds from 0, the lower first")
    return Seconds(float(low), float(high))


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a string, got {kind_of(value)}")
    if not value.strip():
        raise ValueError("expected some text")
    return value


def _make_converter() -> cattrs.Converter:
    made = strict_converter()
    made.register_structure_hook(str, _text)
    made.register_structure_hook(Tables, _tables)
    made.register_structure_hook(Seconds, _seconds)
    return made


_converter: Final = _make_converter()


def _placed(path: Steps, what: str, raw: Mapping[str, Any]) -> str:
    """One sentence: `case "an outage": answer: expected …`."""
    if len(path) < 2 or not isinstance(path[1], int):
        return _joined("", path, what)
    case = raw["cases"][path[1]]
    name = case.get("name") if isinstance(case, dict) else None
    said = _named(name) if isinstance(name, str) else f"number {path[1] + 1}"
    return _joined(f"case {said}: ", path[2:], what)


def _joined(before: str, path: Steps, what: str) -> str:
    """The message at its place."""
    place = placed(before, path).removesuffix(": ")
    return f"{place}: {what}" if place else what
