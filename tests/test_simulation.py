"""Fleets on virtual time: the same each time, and the figures are what happened."""

from __future__ import annotations

import ast
import signal
from math import inf
from multiprocessing import active_children
from multiprocessing.connection import wait
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import remediate.simulation
from remediate import Engine
from remediate.errors import PolicyError
from remediate.simulation import batches
from remediate.simulation.batches import Trial, run_all, run_one
from remediate.simulation.comparing import Comparison, Contestant, as_dict, compare, runs_needed
from remediate.simulation.figures import Figures, compared, figures, plain, summed_up
from remediate.simulation.incidents import Incident, incidents
from remediate.simulation.oracle import Oracle
from remediate.simulation.running import Run, simulate
from remediate.simulation.scenario import Fault, Place, Scenario, Wrong
from remediate.simulation.series import series
from remediate.simulation.ungoverned import Ungoverned
from remediate.simulation.world import Active

HOUR_S = 3600.0
OUTAGE = Scenario(
    name="an-outage",
    lasts_s=4 * HOUR_S,
    connections=200,
    every_s=HOUR_S / 2,
    faults=(Fault(wrong=Wrong.FAILURE, begins_s=HOUR_S, lasts_s=HOUR_S / 2, jitter_s=0.0),),
)
CALM = attrs.evolve(OUTAGE, name="calm", faults=())


def ungoverned(scenario: Scenario, engine: Engine) -> Run:
    return simulate(scenario, 1, lambda *parts: Ungoverned(*parts[:4], engine, parts[4]))


@pytest.fixture(scope="module")
def comparison(engine: Engine) -> Comparison:
    """Two policies, the second without a governor, under two seeds."""
    everyone = [
        Contestant(label="mine", policy=engine.policy),
        Contestant(label="alone", policy=engine.policy, is_governed=False),
    ]
    (found,) = compare([OUTAGE], everyone, [4, 5])
    return found


# The same each time.


def test_a_seed_gives_the_same_figures_here_and_in_two_processes(engine: Engine) -> None:
    trials = [
        Trial(scenario=OUTAGE, seed=seed, policy=policy, by_minute=True)
        for seed in (1, 2)
        for policy in (engine.policy, None)
    ]
    told: list[int] = []
    here = run_all(trials, jobs=1, advance=told.append)
    assert told == [1, 1, 1, 1]
    assert here[:2] == tuple(run_one(trial) for trial in trials[:2])
    assert here == run_all(trials, jobs=2, advance=told.append)
    assert told == [1] * 8
    assert here[0] != here[2]


def test_nothing_is_drawn_from_what_others_draw_from_too() -> None:
    for file in Path(remediate.simulation.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert "random" not in [alias.name for alias in node.names], file
            elif isinstance(node, ast.ImportFrom) and node.module == "random":
                assert [alias.name for alias in node.names] == ["Random"], file


def test_processes_end_where_the_work_is_given_up(engine: Engine) -> None:
    week = attrs.evolve(CALM, lasts_s=1000 * HOUR_S, connections=10_000)
    trials = [Trial(scenario=one, seed=1, policy=engine.policy) for one in (CALM, week, week)]
    begun = []

    def give_up(_: int) -> None:
        begun.extend(active_children())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(trials, jobs=2, advance=give_up)
    assert len(begun) == 2
    for child in begun:
        assert wait([child.sentinel], timeout=20)


def test_processes_leave_an_interrupt_to_the_one_that_began_them() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
    try:
        _interrupts_are_left()
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupts_are_left() -> None:
    with batches._processes(1) as pool:
        with batches._deaf():
            asked = pool.submit(signal.getsignal, signal.SIGINT)
        assert asked.result(timeout=60) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_policy_of_another_upstream_is_refused_in_any_process() -> None:
    airbyte = Engine.bundled("airbyte")
    with pytest.raises(PolicyError, match="airbyte.toml: answers for the upstream `airbyte`; what is sim.* `layer`"):
        simulate(CALM, 1, engine=airbyte)
    with pytest.raises(PolicyError, match="speaks `layer`"):
        run_all([Trial(scenario=CALM, seed=seed, policy=airbyte.policy) for seed in (1, 2)], jobs=2)


# What came of it.


def test_the_figures_are_what_the_meters_say() -> None:
    run = simulate(OUTAGE, 3)
    found = figures(run)
    (fault,) = run.world.planned
    assert found.recovered_s == run.meter.recovered_s(0.95, fault.begins_s, fault.ends_s)
    assert found.failed == sum(fault.begins_s <= at_s < fault.ends_s + 7200 for at_s in run.world.failed) > 0
    assert found.peak == run.meter.peak(fault.ends_s, fault.ends_s + 7200) > 0
    assert found.late_s == run.meter.lateness_s(0.95, fault.begins_s, fault.ends_s) > 0
    assert (found.told, found.tickets) == (len(run.people.told), run.people.tickets)
    assert (found.told_in_vain, found.called_in_vain) == (run.people.told_in_vain, run.people.asked_in_vain)
    assert found.to_oracle is None


def test_what_comes_long_after_an_incident_is_none_of_it() -> None:
    run = simulate(OUTAGE, 3, Oracle)
    ends_s = 1.5 * HOUR_S
    run.world.failed = [HOUR_S - 1, HOUR_S, ends_s, ends_s + 7199, ends_s + 7200]
    run.world.triggered = [*[ends_s - 1] * 50, *[ends_s + 1] * 20, *[ends_s + 7201] * 60]
    found = figures(run)
    assert found.failed == 3
    assert found.peak == pytest.approx(20 / (60 * OUTAGE.capacity / OUTAGE.sync_s))


def test_without_an_incident_the_whole_run_counts() -> None:
    run = simulate(CALM, 3)
    found = figures(run)
    assert found.recovered_s is None
    assert found.peak == run.meter.peak(0, CALM.lasts_s) > 0
    assert found.late_s == run.meter.lateness_s(0.95, 0, CALM.lasts_s) > 0


def test_of_several_incidents_the_worst_counts_and_calls_are_added() -> None:
    first, second = (attrs.evolve(OUTAGE.faults[0], begins_s=at * HOUR_S, lasts_s=500.0 * at) for at in (1, 2))
    run = simulate(attrs.evolve(OUTAGE, faults=(second, first)), 3)
    found = figures(run)
    assert found.failed == sum(at_s >= HOUR_S for at_s in run.world.failed)
    assert found.recovered_s == max(
        run.meter.recovered_s(0.95, one.begins_s, one.ends_s) for one in incidents(run.world.planned)
    )


def test_who_is_not_in_an_incident_of_some_is_who_may_be_late() -> None:
    some = attrs.evolve(OUTAGE, neighbours=20, faults=(attrs.evolve(OUTAGE.faults[0], tenants=0.4),))
    run = simulate(some, 1, Oracle)
    (incident,) = incidents(run.world.planned)
    assert incident.tenants is not None
    assert len(incident.tenants) == 4
    assert figures(run).late_s < 120 < run.meter.lateness_s(0.95, incident.begins_s, incident.ends_s)


def test_faults_that_overlap_are_one_incident() -> None:
    def fault(begins_s: float, ends_s: float, tenants: set[str] | None = None) -> Active:
        return Active(Fault(wrong=Wrong.FAILURE, begins_s=0, lasts_s=1), begins_s, ends_s, tenants)

    found = incidents([fault(50, 60), fault(0, 30), fault(10, 20), fault(30, 40, {"t1"})])
    assert [(one.begins_s, one.ends_s, one.tenants) for one in found] == [(0, 40, None), (50, 60, None)]
    assert incidents([fault(0, 9, {"t1"}), fault(5, 7, {"t2"})]) == (
        Incident(begins_s=0, ends_s=9, tenants=frozenset({"t1", "t2"})),
    )


def test_medians_and_extremes_stand_beside_what_never_came() -> None:
    def made(recovered_s: float | None, failed: int) -> Figures:
        counts = dict.fromkeys(("told", "told_in_vain", "tickets", "called_in_vain", "overlaps"), 0)
        return Figures(recovered_s=recovered_s, failed=failed, peak=1.23456, late_s=2.0, **counts)

    oracle = made(50.0, 0)
    runs = [compared(made(100.0, 3), oracle), compared(made(inf, 1), oracle), compared(made(60.0, 8), made(0.0, 0))]
    assert [one.to_oracle for one in runs] == [2.0, inf, None]
    found = summed_up(runs)
    assert [found[one]["recovered_s"] for one in ("median", "least", "most")] == [100.0, 60.0, inf]
    assert [found[one]["failed"] for one in ("median", "least", "most")] == [3, 1, 8]
    assert found["least"]["to_oracle"] == 2.0
    assert summed_up([made(None, 1)])["median"]["recovered_s"] is None
    assert compared(made(9.0, 1), None).to_oracle is None
    assert plain(found["most"])["recovered_s"] == "never"
    assert plain(found["most"])["peak"] == 1.235


def test_a_governor_spares_upstream_and_its_absence_holds_nobody(engine: Engine) -> None:
    alone, together = figures(ungoverned(OUTAGE, engine)), figures(simulate(OUTAGE, 1, engine=engine))
    assert alone.failed > 5 * together.failed
    calm = ungoverned(CALM, engine)
    assert figures(calm).late_s < 60
    assert figures(calm).overlaps == 0
    assert len(calm.world.triggered) > 0.9 * CALM.connections * CALM.lasts_s / CALM.every_s


def test_whom_upstream_has_synced_by_itself_while_they_waited_is_spared(engine: Engine) -> None:
    """After an outage there is a queue, and upstream's own schedule serves some of those who stand in it."""
    run = simulate(attrs.evolve(OUTAGE, own_every_s=HOUR_S / 3, every_s=HOUR_S), 1, engine=engine)
    late = [one for one in run.meter.served if one.done_s - one.due_s > 60]
    assert len(late) > 50
    assert len(run.world.triggered) < len(run.meter.served) - 20
    assert all(one.done_s < run.loop.now_s for one in late)


def test_a_series_counts_every_minute() -> None:
    run = simulate(attrs.evolve(OUTAGE, lasts_s=4 * HOUR_S + 1), 3, Oracle)
    found = series(run)
    assert len(found.load) == len(found.capacity) == len(found.overdue) == 241
    assert sum(found.load) == len(run.world.triggered)
    assert found.incidents == ((HOUR_S, 1.5 * HOUR_S),)
    assert not any(found.load[61:89])
    for minute in (0, 59, 80, 95, 200):
        at_s = (minute + 1) * 60
        waiting = {one.connection.key for one in run.meter.served if one.due_s < at_s <= one.done_s}
        assert found.overdue[minute] == len(waiting)
    assert max(found.overdue) > 180


def test_capacity_is_what_is_left_of_it() -> None:
    def at_noon(**fault: object) -> float:
        one = Fault(**({"begins_s": 60.0, "lasts_s": 600.0, "jitter_s": 0.0} | fault))  # type: ignore[arg-type]
        run = simulate(attrs.evolve(CALM, connections=2000, lasts_s=900.0, faults=(one,)), 1, Oracle)
        found = series(run).capacity
        assert found[0] == found[-1] == pytest.approx(60 * run.scenario.capacity / 4)
        return found[5] / found[0]

    assert at_noon(wrong=Wrong.CAPACITY, factor=0.3) == pytest.approx(0.3, abs=0.05)
    assert at_noon(wrong=Wrong.SLOWNESS, factor=4.0) == 0.25
    assert 0.25 < at_noon(wrong=Wrong.SLOWNESS, factor=4.0, ramps=True) < 0.6
    assert at_noon(wrong=Wrong.LIMIT, per_minute=0.2) == pytest.approx(0.2)
    assert at_noon(wrong=Wrong.LIMIT, per_minute=0.2, per_tenant=True) == 1
    assert at_noon(wrong=Wrong.SLOWNESS, factor=4.0, tenants=0.5) == 1


# Beside each other.


def test_a_comparison_has_a_row_a_contestant_and_every_seed(comparison: Comparison, engine: Engine) -> None:
    said = as_dict(comparison)
    assert said["oracle"] == [
        {"seed": seed, "recovered_s": round(figures(simulate(OUTAGE, seed, Oracle)).recovered_s or 0, 3)}
        for seed in (4, 5)
    ]
    mine, alone = said["policies"]
    assert mine["policy"] == {"given": "mine", **attrs.asdict(engine.policy.stamp)}
    assert (mine["governed"], alone["governed"]) == (True, False)
    assert [one["seed"] for one in mine["runs"]] == [4, 5]
    assert mine["runs"][1]["failed"] == figures(simulate(OUTAGE, 5)).failed
    assert mine["median"]["failed"] == sum(one["failed"] for one in mine["runs"]) / 2
    assert comparison.rows[1].series is comparison.oracle is None
    assert runs_needed([OUTAGE, CALM], [row.contestant for row in comparison.rows], [4, 5]) == 6 + 4


# Whatever a scenario says.

shares = st.sampled_from([0.01, 0.3, 1.0])
faults = st.builds(
    Fault,
    wrong=st.sampled_from(list(Wrong)),
    begins_s=st.sampled_from([0.0, 600.0]),
    lasts_s=st.sampled_from([1.0, 900.0]),
    jitter_s=st.just(0.0),
    at=st.sampled_from(list(Place)),
    share=shares,
    tenants=shares,
    factor=shares,
    ramps=st.booleans(),
    per_minute=shares,
    per_tenant=st.booleans(),
    up_s=st.sampled_from([0.0, 60.0]),
    down_s=st.just(60.0),
)


@settings(max_examples=25)
@given(st.lists(faults, max_size=3), st.sampled_from([1, 30]), st.sampled_from([0.0, 1.0]), st.booleans())
def test_any_scenario_runs_to_its_end(some: list[Fault], connections: int, troubles: float, is_best: bool) -> None:
    scenario = Scenario(
        name="any",
        lasts_s=3000.0,
        connections=connections,
        neighbours=7,
        every_s=300.0,
        own_every_s=600.0,
        faults=tuple(some),
        troubles_a_day=troubles,
    )
    run = simulate(scenario, 1, Oracle if is_best else None)
    found = figures(run)
    assert run.loop.now_s == 3000
    assert found.peak >= 0
    assert sum(series(run).load) == len(run.world.triggered)
