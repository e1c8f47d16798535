"""The same engine and life of a connection without a governor: each connection is alone in the world.

It starts whoever wants to, at once. It is what a fleet is without one, and so the measure of what it gives.
"""

from __future__ import annotations

from collections.abc import Iterable

from remediate.engine import Engine
from remediate.fleet import Directives, Ended, Purpose, Start, Telling, Wants
from remediate.fleet.events import Event
from remediate.simulation.loop import Loop
from remediate.simulation.measuring import Meter
from remediate.simulation.orchestrating import Governed
from remediate.simulation.people import People
from remediate.simulation.world import World

__all__ = ["Ungoverned"]


class Ungoverned(Governed):
    """An orchestrator of which every connection follows its policy alone."""

    def __init__(self, world: World, people: People, meter: Meter, loop: Loop, engine: Engine, seed: int) -> None:
        super().__init__(world, people, meter, loop, engine, seed)
        self.governor = _Granting()  # type: ignore[assignment]  # it answers as a governor does


class _Granting:
    """Answers as a governor does, and holds nobody."""

    def __init__(self) -> None:
        self._under_way: dict[str, int] = {}
        self._number = 0

    def step(self, now_s: float, events: Iterable[Event] = ()) -> Directives:
        starts: list[Start] = []
        tell: list[str] = []
        for event in events:
            match event:
                case Wants(key=key) if key not in self._under_way:
                    self._number += 1
                    self._under_way[key] = self._number
                    starts.append(Start(key=key, number=self._number, purpose=Purpose.WORK))
                case Ended(key=key, number=number) if self._under_way.get(key) == number:
                    del self._under_way[key]
                case Telling(key=key):
                    tell.append(key)
        return Directives(starts=tuple(starts), tell=tuple(tell))
