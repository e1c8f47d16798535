"""An upstream without room for more syncs, and one that refuses some by chance: fleets tell them apart."""

from __future__ import annotations

import pytest

from remediate import Engine
from remediate.decision import Evidence
from remediate.fleet import Ended, Fleet, Phase, Purpose, Wants
from remediate.simulation.running import Run, simulate
from remediate.simulation.scenario import Fault, Scenario, Wrong
from remediate.simulation.world import Answer, Connection, World
from tests.fleets import ALIVE, Driven

HOUR_S = 3600.0
BEGINS_S = 2 * HOUR_S
UPSTREAM = Evidence.UPSTREAM


def _run(engine: Engine, fault: Fault, sync_s: float) -> Run:
    scenario = Scenario(
        name="x",
        lasts_s=5 * HOUR_S,
        connections=3000,
        every_s=HOUR_S,
        sync_s=sync_s,
        faults=(fault,),
        troubles_a_day=0.0,
    )
    return simulate(scenario, 3, engine=engine)


def _fault(wrong: Wrong, **more: float) -> Fault:
    return Fault(wrong=wrong, begins_s=BEGINS_S, lasts_s=HOUR_S, jitter_s=0.0, **more)


@pytest.mark.parametrize("sync_s", [4.0, 120.0])
def test_half_the_room_is_filled_and_little_more_is_tried(engine: Engine, sync_s: float) -> None:
    run = _run(engine, _fault(Wrong.CAPACITY, factor=0.4), sync_s)
    assert run.meter.lateness_s(0.95, HOUR_S, BEGINS_S) <= 30.0 + 3 * sync_s, "it has begun with nothing known"
    ran = sum(BEGINS_S <= at_s < BEGINS_S + HOUR_S for at_s in run.world.triggered)
    assert ran >= 0.5 * run.scenario.capacity * 0.4 * HOUR_S / sync_s
    assert run.meter.failed(BEGINS_S, run.scenario.lasts_s) <= 0.15 * ran
    assert run.world.overlaps == 0


@pytest.mark.parametrize("sync_s", [4.0, 120.0])
def test_where_triggers_fail_by_chance_those_that_do_not_are_enough(
    engine: Engine, sync_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status(world: World, connection: Connection) -> Answer:
        return world._status(connection), 0.0

    monkeypatch.setattr(World, "status", status)
    run = _run(engine, _fault(Wrong.FAILURE, share=0.3), sync_s)
    assert run.meter.failed(BEGINS_S, BEGINS_S + HOUR_S) > 500
    assert run.meter.lateness_s(0.95, BEGINS_S, BEGINS_S + HOUR_S) <= 240.0 + 3 * sync_s


def _of(least: int) -> Driven:
    """A governor with so many places."""
    return Driven.of(Fleet(least=least, canaries=2, lapse_s=120.0))


def test_what_is_refused_while_all_is_held_says_nothing_of_room() -> None:
    driven = Driven.of()
    driven.want([f"c{number}" for number in range(20)])
    for _ in range(4):
        driven.answer(UPSTREAM)
    assert driven.governor.standing.phase == Phase.OPEN
    driven.governor._window.limit, driven.governor._window.calm_s = 40.0, HOUR_S
    driven.at(driven.wake_s or 0.0)
    (probe,) = [one.start for one in driven.running.values()]
    driven.say(Ended(key=probe.key, number=probe.number, evidence=UPSTREAM, refused=True))
    assert driven.governor._window.limit == 40.0


def test_where_no_place_is_free_a_suspicion_is_not_tried_by_others() -> None:
    driven = _of(8)
    driven.want([f"c{number}" for number in range(8)])
    driven.at(10.0)
    for key in ("c0", "c1", "c2"):
        driven.end(key, UPSTREAM)
    assert driven.governor.standing.phase == Phase.CONFIRMING
    driven.governor._window.limit = 4.0
    driven.want(["new"])
    driven.at(driven.clock_s + 30.0)
    assert "new" not in driven.running
    driven.end("c3", ALIVE)
    assert "new" not in driven.running
    driven.end("c4", ALIVE)
    assert driven.running["new"].start.purpose == Purpose.CANARY


def test_how_long_attempts_take_is_learned_where_nobody_waits() -> None:
    driven = _of(1)
    window = driven.governor._window
    window.calm_s, window.hold_s, window.mean = HOUR_S, 10.0, 1.0
    driven.want(["a", "b"])
    driven.at(20.0)
    driven.end("a", ALIVE)
    assert window.hold_s == 10.0
    driven.at(50.0)
    driven.end("b", ALIVE)
    assert window.hold_s == pytest.approx(10.0 + 0.05 * 20.0)


def test_a_tenant_that_is_held_is_probed_once_a_place_is_free_even_if_nobody_says_that_it_is() -> None:
    driven = _of(20)
    tenant_of = {f"a{number}": "t" for number in range(9)}
    for number in range(9):
        driven.want([f"a{number}"], tenant_of)
        if f"a{number}" in driven.running:
            driven.end(f"a{number}", UPSTREAM)
        for other in range(3):
            driven.want([f"w{other}"])
            driven.end(f"w{other}", ALIVE)
    assert [one.tenant for one in driven.governor.standing.incidents] == ["t"]
    driven.governor._window.limit = 1.0
    driven.say(Wants(key="w", due_s=0.0))
    driven.at(driven.governor.standing.next_probes["t"] or 0.0)
    assert list(driven.running) == ["w"]
    assert driven.wake_s == 120.0, "then w holds its place no longer"
    driven.at(120.0)
    assert [one.purpose for one in driven.starts[-1:]] == [Purpose.PROBE]
