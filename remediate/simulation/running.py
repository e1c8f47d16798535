"""One simulated run: a scenario, a seed and who looks after the fleet, to what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from remediate.engine import Engine
from remediate.errors import PolicyError
from remediate.simulation.loop import Loop
from remediate.simulation.measuring import Meter
from remediate.simulation.orchestrating import Governed
from remediate.simulation.people import People
from remediate.simulation.scenario import Scenario
from remediate.simulation.world import World

__all__ = ["UPSTREAM", "Orchestrator", "Run", "need_upstream", "simulate"]

UPSTREAM: Final = "layer"
"""Whose words the simulated world speaks."""

Orchestrator = Callable[[World, People, Meter, Loop, int], Any]
"""Who looks after a fleet, made from the world, its people, the meter, the loop and the seed."""


@attrs.define
class Run:
    """A run that is over."""

    scenario: Scenario
    world: World
    people: People
    meter: Meter
    loop: Loop
    orchestrator: Any


def simulate(
    scenario: Scenario, seed: int, orchestrator: Orchestrator | None = None, engine: Engine | None = None
) -> Run:
    """Run a scenario to its end. The same arguments give the same run, in every process.

    Args:
        scenario: what is simulated.
        seed: from which all that is drawn is drawn.
        orchestrator: who looks after the fleet; None: the engine, the life of a connection and the governor.
        engine: whose policy that is; None: the default policy's. An orchestrator of one's own has its own.

    Raises:
        PolicyError: the engine answers for another upstream than the world's.
    """
    loop = Loop()
    world = World(scenario, seed, loop)
    people = People(world, seed, loop)
    meter = Meter(world, loop)
    if orchestrator is None:
        engine = engine or Engine.bundled()
        need_upstream(engine)
        made: Any = Governed(world, people, meter, loop, engine, seed)
    else:
        made = orchestrator(world, people, meter, loop, seed)
    loop.run(scenario.lasts_s)
    return Run(scenario, world, people, meter, loop, made)


def need_upstream(engine: Engine) -> None:
    """Refuse an engine that the simulated world has no words for.

    Raises:
        PolicyError: it answers for another upstream.
    """
    policy = engine.policy
    if policy.upstream != UPSTREAM:
        why = f"answers for the upstream `{policy.upstream}`; what is simulated speaks `{UPSTREAM}`"
        raise PolicyError(policy.source, [why])
