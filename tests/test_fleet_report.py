"""The report on fleets: who beats whom, which bars are reached, which seeds are drawn; on made-up outcomes mostly."""

from __future__ import annotations

from math import inf
from typing import Any

import attrs
import pytest

from benchmarks.fleet.__main__ import main
from benchmarks.fleet.running import ORACLE, OURS, STRATEGIES, Outcome, run, seeds
from benchmarks.fleet.scenarios import ENTRIES, Judged, entry
from benchmarks.fleet.table import beaten, lines, verdicts
from remediate.simulation.scenario import Fault, Scenario, Wrong

_PLAIN = Outcome(
    recovered_s=600.0,
    late_s=60.0,
    failed=10,
    peak=1.0,
    told_in_vain=0,
    asked_in_vain=0,
    overlaps=0,
    premature=0,
    duplicates=0,
    has_collapsed=False,
)


def _outcome(**otherwise: Any) -> Outcome:
    return attrs.evolve(_PLAIN, **otherwise)


@pytest.mark.parametrize(
    ("theirs", "is_beaten"),
    [
        ({"recovered_s": 599.0, "failed": 9}, True),
        ({"recovered_s": 599.0, "failed": 10}, False),
        ({"recovered_s": 600.0, "failed": 9}, False),
        ({"late_s": 1.0, "failed": 9}, False),
    ],
)
def test_who_is_better_both_in_time_and_in_failed_calls_beats(theirs: dict[str, Any], is_beaten: bool) -> None:
    outage = entry("outage-1h")
    found = {outage.name: {OURS: [_PLAIN], "Celery": [_outcome(**theirs)], ORACLE: [_outcome(recovered_s=1, failed=0)]}}
    assert list(beaten([outage], found)) == [(outage.name, "Celery")] * is_beaten


def test_a_brown_out_is_judged_by_lateness_and_its_bar_is_the_best_baseline() -> None:
    brown = entry("brown-out")
    found = {
        OURS: [_outcome(late_s=30.0, failed=7)],
        "late": [_outcome(late_s=90.0, failed=1)],
        "soon": [_outcome(late_s=24.0, failed=8, recovered_s=inf)],
    }
    late, failed = verdicts([brown], {brown.name: found}, 10_000)
    assert (late.most, late.measured, late.is_reached) == (0.4, (0.5, 0.5), False)
    assert (failed.most, failed.is_reached) == (8, True)
    assert not list(beaten([brown], {brown.name: found}))


def test_a_bar_is_reached_by_the_median_of_ratios_to_the_oracle_with_the_same_seed() -> None:
    outage = entry("outage-10m-syncs")
    ours = [_outcome(recovered_s=one, failed=21) for one in (100.0, 240.0, 900.0)]
    oracles = [_outcome(recovered_s=one) for one in (100.0, 200.0, 300.0)]
    ratio, failed, peak = verdicts([outage], {outage.name: {OURS: ours, ORACLE: oracles}}, 10_000)
    assert (ratio.most, ratio.measured, ratio.is_reached) == (1.2, (1.2, 3.0), True)
    assert (failed.most, failed.is_reached) == (20, False)
    assert peak.most == 1.25
    assert [one.most for one in verdicts([outage], {outage.name: {OURS: ours}}, 100_000)] == [20, 1.5]


def test_the_calm_weeks_calls_for_people_are_counted_for_ten_thousand_connections() -> None:
    week = entry("calm-week")
    ours = [_outcome(asked_in_vain=1, duplicates=1, premature=2)]
    bars = list(verdicts([week], {week.name: {OURS: ours}}, 1000))
    assert [(one.most, one.measured[0]) for one in bars] == [(0, 2), (0, 1), (5, 10)]


def test_the_report_says_who_collapsed_and_shows_no_ratio_where_there_was_nothing_to_recover() -> None:
    regional = entry("regional")
    found = {
        OURS: [_outcome(recovered_s=inf, has_collapsed=True), _PLAIN, _PLAIN],
        ORACLE: [_outcome(recovered_s=59.0)] * 3,
    }
    text = "\n".join(lines([regional], {regional.name: found}, 10_000))
    assert "- regional: the governor **collapsed** with 1 of 3 seeds." in text
    assert "| governor | 10 (never) |  | 10 (10) | 1 (1) | 1 (1) | 0 (0) | 0 (0) | 1 of 3 |" in text
    assert "- No baseline is better both" in text


def test_seeds_are_others_for_each_number_and_more_of_them_begin_with_the_fewer() -> None:
    assert seeds(3, 1) == seeds(7, 1)[:3]
    assert not set(seeds(7, 1)) & set(seeds(7, 2))


@pytest.mark.parametrize("one", ENTRIES, ids=lambda one: one.name)
def test_every_scenario_begins_with_six_hours_of_calm_and_ends_after_who_waits_for_the_next_due_sync(one: Any) -> None:
    scenario: Scenario = one.scenario
    for fault in scenario.faults:
        assert fault.begins_s == 6 * 3600
        assert scenario.lasts_s >= fault.begins_s + fault.jitter_s + fault.lasts_s + 1.02 * scenario.every_s
    assert bool(scenario.faults) == one.is_contest


def test_a_run_counts_customers_told_twice_and_syncs_before_they_acted() -> None:
    """Without retries, every due sync is tried in a trouble; nobody is told twice."""
    scenario = Scenario(name="troubles", lasts_s=4 * 86_400.0, connections=200, troubles_a_day=0.2)
    outcome = run(attrs.evolve(entry("calm-week"), scenario=scenario), "no retry", 1)
    assert outcome.premature > 50
    assert outcome.duplicates == 0
    assert outcome.recovered_s == 0


@pytest.mark.parametrize("judged", Judged)
def test_a_fleet_whose_syncs_are_never_done_has_collapsed(judged: Judged) -> None:
    fault = Fault(wrong=Wrong.FAILURE, begins_s=3600.0, lasts_s=3600.0, jitter_s=0.0)
    scenario = Scenario(name="long", lasts_s=2 * 3600.0 + 60.0, connections=200, faults=(fault,))
    ends = attrs.evolve(scenario, lasts_s=10 * 3600.0)
    for one, has_collapsed in ((scenario, True), (ends, False)):
        outcome = run(attrs.evolve(entry("outage-1h"), scenario=one, judged=judged), "no retry", 1)
        assert outcome.has_collapsed is has_collapsed


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_runs(strategy: str) -> None:
    fault = Fault(wrong=Wrong.FAILURE, begins_s=3600.0, lasts_s=1200.0)
    scenario = Scenario(name="short", lasts_s=8 * 3600.0, connections=50, faults=(fault,))
    outcome = run(attrs.evolve(entry("outage-1h"), scenario=scenario), strategy, 1)
    assert (outcome.failed == 0) == (strategy == ORACLE)


def test_the_command_writes_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    main(["outage-10m", "--seeds", "1", "--connections", "20", "--from", "5"])
    said = capsys.readouterr()
    command = "python -m benchmarks.fleet --seeds 1 --from 5 --connections 20 --sync-s 4 --backlog-s 90"
    assert said.out.startswith(f"# Fleets\n\nWritten by `{command}`")
    assert "\n## outage-10m\n" in said.out
    assert all(f"\n| {strategy} | " in said.out for strategy in STRATEGIES)
    assert len(said.err.splitlines()) == len(STRATEGIES)


def test_the_command_runs_some_strategies_in_another_world(capsys: pytest.CaptureFixture[str]) -> None:
    main(["outage-10m", "--seeds", "1", "--connections", "20", "--sync-s", "60", "--backlog-s", "45", "--only", ORACLE])
    said = capsys.readouterr()
    assert "--connections 20 --sync-s 60 --backlog-s 45`" in said.out
    assert [one.split(",")[1].strip() for one in said.err.splitlines()] == [OURS, ORACLE]


def test_a_scenario_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["outage-2h"])
    assert ended.value.code == 2
    assert "outage-2h" in capsys.readouterr().err
