"""An upstream without room for more syncs, and one that refuses some by chance: fleets tell them apart."""

from __future__ import annotations

import pytest

from remediate import Engine
from remediate.simulation.running import Run, simulate
from remediate.simulation.scenario import Fault, Scenario, Wrong
from remediate.simulation.world import Answer, Connection, World

HOUR_S = 3600.0
BEGINS_S = 2 * HOUR_S


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
