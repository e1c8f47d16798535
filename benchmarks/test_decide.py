"""An observation to a decision, in look-ups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

import attrs
import pytest

from benchmarks import material
from benchmarks.conftest import LookUps, Measure
from benchmarks.material import COMBINATIONS, PARTS, Combination
from benchmarks.measuring import Fresh, Round, Work
from remediate import Engine, History, Retry
from remediate.upstreams.layer import ConnectionStatus

_ROUNDS: Final = 160
_unseen: Final = count()


@attrs.frozen
class _Calls:
    """Decisions to be made: observations, and a history and a key for each, all of them new."""

    statuses: list[ConnectionStatus]
    histories: Sequence[History | None]
    keys: Sequence[str | None]

    @classmethod
    def of(cls, combinations: Sequence[Combination], *, history: bool = False, key: bool = False) -> _Calls:
        number = len(combinations)
        return cls(
            [material.observation(one) for one in combinations],
            material.histories(number) if history else [None] * number,
            material.keys(number) if key else [None] * number,
        )

    def read(self) -> None:
        """Bring everything near, as it is for a caller who has just made it."""
        for status in self.statuses:
            hash(material.values_of(status))

    def work(self, engine: Engine) -> Work:
        """Decide them all; without keys an observation is the only argument."""
        decide, statuses = engine.decide, self.statuses
        calls = list(zip(statuses, self.histories, self.keys, strict=True))

        def alone() -> None:
            for status in statuses:
                decide(status)

        def in_full() -> None:
            for status, history, key in calls:
                decide(status, history, key)

        return alone if self.keys[0] is None else in_full


@attrs.frozen
class _Case:
    """A row: which combinations, and whether a history and a key come along."""

    name: str
    retried: bool | None
    history: bool = False
    key: bool = False

    def parts(self, engine: Engine) -> list[list[Combination]]:
        """All combinations, or those that are retried, or the others. The retried are few: each part has them all."""
        if self.retried is None:
            return [list(part) for part in PARTS]
        return [
            [one for one in (COMBINATIONS if self.retried else part) if _is_retried(engine, one) is self.retried]
            for part in PARTS
        ]


_CASES: Final = (
    _Case("decide.no_retry", retried=False),
    _Case("decide.no_retry_history", retried=False, history=True, key=True),
    _Case("decide.retry", retried=True, history=True, key=True),
    _Case("decide.retry_fresh", retried=True, key=True),
    _Case("decide.table", retried=None, key=True),
    _Case("decide.table_history", retried=None, history=True, key=True),
)


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
def test_decisions(case: _Case, engine: Engine, look_ups: LookUps, measure: Measure) -> None:
    parts = case.parts(engine)

    def calls(part: int) -> _Calls:
        return _Calls.of(parts[part], history=case.history, key=case.key)

    for asked in map(calls, range(len(parts))):
        assert asked.statuses
        for status, history, key in zip(asked.statuses, asked.histories, asked.keys, strict=True):
            assert case.retried is None or isinstance(engine.decide(status, history, key), Retry) is case.retried
    measure(case.name, _rounds(engine, look_ups, calls), rounds=_ROUNDS, parts=len(parts))


def test_reasons_never_seen_before(engine: Engine, look_ups: LookUps, measure: Measure) -> None:
    def calls(part: int) -> _Calls:
        reasons = [f"A_REASON_NEVER_SEEN_{next(_unseen)}" for _ in PARTS[part]]
        nothing = [None] * len(reasons)
        statuses = [ConnectionStatus(is_connected=True, sync_failure_reason=reason) for reason in reasons]
        return _Calls(statuses, nothing, nothing)

    measure("decide.unseen", _rounds(engine, look_ups, calls), rounds=_ROUNDS, parts=len(PARTS))


def test_the_look_up_with_its_key_ready(engine: Engine, look_ups: LookUps, measure: Measure) -> None:
    asked = _Calls.of(COMBINATIONS).statuses
    table = {material.values_of(status): engine.decide(status) for status in asked}

    def look_up(key: material.Raw) -> object:
        return table[key]

    def work(combinations: Sequence[Combination]) -> Work:
        ready = [material.values_of(material.observation(one)) for one in combinations]

        def all_of_them() -> None:
            for key in ready:
                look_up(key)

        return all_of_them

    def fresh(part: int) -> Round:
        rehearsal, measured, base = work(PARTS[part]), work(PARTS[part]), look_ups(PARTS[part])
        times = len(PARTS[part])
        return Round(measured=measured, times=times, base=base, base_times=times, warm_up=_in_turn(rehearsal, base))

    measure("decide.ready", fresh, rounds=_ROUNDS, parts=len(PARTS))


def _is_retried(engine: Engine, combination: Combination) -> bool:
    return isinstance(engine.decide(material.observation(combination)), Retry)


def _in_turn(*works: Work) -> Work:
    def work() -> None:
        for one in works:
            one()

    return work


def _rounds(engine: Engine, look_ups: LookUps, calls: Callable[[int], _Calls]) -> Fresh:
    """Rounds of decisions against look-ups, each rehearsed on equal objects that are not the same."""

    def fresh(part: int) -> Round:
        rehearsed, timed = calls(part), calls(part)
        measured, base = timed.work(engine), look_ups(PARTS[part])
        return Round(
            measured=measured,
            times=len(timed.statuses),
            base=base,
            base_times=len(PARTS[part]),
            warm_up=_in_turn(rehearsed.work(engine), base, timed.read),
        )

    return fresh
