"""Cases against an engine: which hold, how the others differ, and what they cover.

Knows neither files nor terminals: cases come read, and what is found is data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from remediate.decision import Decision, headline
from remediate.engine import Engine
from remediate.errors import did_you_mean
from remediate.upstreams import Record
from remediate.workshop.cases.coverage import Coverage, coverage_of
from remediate.workshop.cases.reading import Expected, Seconds, Trial

__all__ = ["Difference", "Failure", "Report", "try_cases"]

_EXPECTED: Final = tuple(field.name for field in attrs.fields(Expected))
_NOT_THERE: Final = object()


@attrs.frozen(kw_only=True)
class Difference:
    """One thing that is not as expected.

    Attributes:
        field: as in the file.
        expected: as in the file.
        got: what the decision has; None: nothing, or null.
        hint: what may have been meant instead; often nothing.
    """

    field: str
    expected: object
    got: object
    hint: str = ""


@attrs.frozen(kw_only=True)
class Failure:
    """An observation of a case for which it does not hold."""

    trial: Trial
    record: Record
    decision: Decision
    differences: tuple[Difference, ...]


@attrs.frozen(kw_only=True)
class Report:
    """What came of the cases.

    Attributes:
        cases: how many were tried.
        observations: how many they stand for.
        failures: in the order of the cases, one an observation.
        coverage: what all of them touch, by kind of observation.
    """

    cases: int
    observations: int
    failures: tuple[Failure, ...]
    coverage: Mapping[str, Coverage]

    @property
    def by_case(self) -> Iterator[tuple[Trial, tuple[Failure, ...]]]:
        """The cases that do not hold, each with its failures."""
        found: dict[int, list[Failure]] = {}
        for failure in self.failures:
            found.setdefault(id(failure.trial), []).append(failure)
        for failures in found.values():
            yield failures[0].trial, tuple(failures)


def try_cases(engine: Engine, trials: Sequence[Trial]) -> Report:
    """Decide about every observation of some cases, and compare."""
    failures = []
    for trial in trials:
        for record, expected in trial.records:
            decision = engine.decide(record)
            differences = tuple(_differences(engine, expected, decision))
            if differences:
                failures.append(Failure(trial=trial, record=record, decision=decision, differences=differences))
    records = [record for trial in trials for record, _ in trial.records]
    return Report(
        cases=len(trials),
        observations=len(records),
        failures=tuple(failures),
        coverage=coverage_of(engine, records),
    )


def _differences(engine: Engine, expected: Expected, decision: Decision) -> Iterator[Difference]:
    for field in _EXPECTED:
        wanted = getattr(expected, field)
        if wanted is None:
            continue
        got = headline(decision) if field == "answer" else getattr(decision, field, _NOT_THERE)
        if not _holds(wanted, got):
            yield Difference(
                field=field,
                expected=_written(wanted),
                got=None if got is _NOT_THERE else _written(got),
                hint=_hint(engine, field, wanted),
            )


def _holds(expected: object, got: object) -> bool:
    if isinstance(expected, Seconds):
        return expected.holds(got)
    if isinstance(expected, tuple) and isinstance(got, tuple):
        return sorted(expected) == sorted(got)
    return expected == got


def _written(value: object) -> object:
    """As it stands in a file."""
    if isinstance(value, Seconds):
        return value.written
    return list(value) if isinstance(value, tuple) else value


def _hint(engine: Engine, field: str, expected: str) -> str:
    """What a rule or an answer that the policy does not have may have been."""
    if field == "rule":
        rules = [rule.name for section in engine.policy.sections.values() for rule in section.rules]
        return "" if expected in rules else did_you_mean(expected, rules) or " (the policy has no such rule)"
    if field == "answer" and expected.startswith("retry "):
        retries = [f"retry {schedule}" for schedule in engine.policy.schedules]
        return "" if expected in retries else did_you_mean(expected, retries) or " (the policy has no such schedule)"
    return ""
