"""Policies beside each other in the same scenarios, under the same seeds, and beside the oracle.

Knows what runs are needed and how their figures belong together. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from remediate.policy import Policy
from remediate.simulation.batches import Outcome, Trial, run_all
from remediate.simulation.figures import Figures, compared, plain, summed_up
from remediate.simulation.scenario import Scenario
from remediate.simulation.series import MINUTE_S, Series

__all__ = ["Comparison", "Contestant", "Row", "as_dict", "compare", "runs_needed"]


@attrs.frozen(kw_only=True)
class Contestant:
    """Who looks after the fleet.

    Attributes:
        label: what tables call it.
        policy: whose answers are followed.
        is_governed: whether the fleet has a governor; default True.
    """

    label: str
    policy: Policy
    is_governed: bool = True


@attrs.frozen(kw_only=True)
class Row:
    """What came of a contestant.

    Attributes:
        runs: the figures of each seed.
        summary: their ``median``, ``least`` and ``most``.
        series: the first seed's run minute by minute, where it was wanted.
    """

    contestant: Contestant
    runs: tuple[Figures, ...]
    summary: dict[str, dict[str, float | None]]
    series: Series | None


@attrs.frozen(kw_only=True)
class Comparison:
    """A scenario with all its rows.

    Attributes:
        oracle_s: how long after the incident's end the oracle needs, by seed; None: there is none.
        oracle: its first run minute by minute, where it was wanted.
    """

    scenario: Scenario
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    oracle_s: tuple[float | None, ...]
    oracle: Series | None


def runs_needed(scenarios: Sequence[Scenario], contestants: Sequence[Contestant], seeds: Sequence[int]) -> int:
    """How many runs :func:`compare` makes."""
    return sum((len(contestants) + bool(scenario.faults)) * len(seeds) for scenario in scenarios)


def compare(
    scenarios: Sequence[Scenario],
    contestants: Sequence[Contestant],
    seeds: Sequence[int],
    *,
    by_minute: bool = False,
    jobs: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Comparison, ...]:
    """Simulate every scenario with every contestant under every seed.

    Args:
        by_minute: whether the first seed's runs are wanted minute by minute too; default False.
        jobs: so many processes; the answer is the same for any. Default 1.
        advance: called with 1 after each run.

    Raises:
        PolicyError: a policy does not hold, or answers for another upstream.
        concurrent.futures.BrokenExecutor: a process was killed.
    """
    trials = [
        Trial(
            scenario=scenario,
            seed=seed,
            policy=None if one is None else one.policy,
            is_governed=one is None or one.is_governed,
            by_minute=by_minute and seed == seeds[0],
        )
        for scenario in scenarios
        for one in _sides(scenario, contestants)
        for seed in seeds
    ]
    outcomes = iter(run_all(trials, jobs=jobs, advance=advance))
    return tuple(_compared(scenario, contestants, tuple(seeds), outcomes) for scenario in scenarios)


def _sides(scenario: Scenario, contestants: Sequence[Contestant]) -> list[Contestant | None]:
    """Who runs: the oracle, as None, where there is something to know, and every contestant."""
    return [*([None] if scenario.faults else []), *contestants]


def _compared(
    scenario: Scenario, contestants: Sequence[Contestant], seeds: tuple[int, ...], outcomes: Iterator[Outcome]
) -> Comparison:
    best: list[Outcome | None] = [next(outcomes) if scenario.faults else None for _ in seeds]
    oracles = [None if one is None else one.figures for one in best]
    rows = []
    for contestant in contestants:
        ours = [next(outcomes) for _ in seeds]
        runs = tuple(compared(one.figures, oracle) for one, oracle in zip(ours, oracles, strict=True))
        rows.append(Row(contestant=contestant, runs=runs, summary=summed_up(runs), series=ours[0].series))
    return Comparison(
        scenario=scenario,
        seeds=seeds,
        rows=tuple(rows),
        oracle_s=tuple(None if one is None else one.recovered_s for one in oracles),
        oracle=None if best[0] is None else best[0].series,
    )


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON has it, without what it was minute by minute."""
    scenario = comparison.scenario
    oracle = [plain({"recovered_s": one}) for one in comparison.oracle_s]
    return {
        "scenario": scenario.name,
        "summary": scenario.summary,
        "connections": scenario.connections,
        "lasts_s": scenario.lasts_s,
        "capacity_per_minute": round(MINUTE_S * scenario.capacity / scenario.sync_s, 3),
        "oracle": [{"seed": seed, **one} for seed, one in zip(comparison.seeds, oracle, strict=True)],
        "policies": [_row(row, comparison.seeds) for row in comparison.rows],
    }


def _row(row: Row, seeds: Sequence[int]) -> dict[str, Any]:
    return {
        "policy": {"given": row.contestant.label, **attrs.asdict(row.contestant.policy.stamp)},
        "governed": row.contestant.is_governed,
        **{name: plain(values) for name, values in row.summary.items()},
        "runs": [{"seed": seed, **plain(attrs.asdict(one))} for seed, one in zip(seeds, row.runs, strict=True)],
    }
