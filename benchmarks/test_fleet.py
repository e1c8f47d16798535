"""What the governor costs an event, in heap operations; and what a simulated day does, in bare events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any, Final

import pytest

from benchmarks.conftest import Measure
from benchmarks.measuring import Round, Work
from remediate import Engine
from remediate.decision import Evidence
from remediate.fleet import Ended, Governor, Order, Ordered, Start, Wants
from remediate.fleet.events import Event
from remediate.simulation.loop import Loop
from remediate.simulation.running import simulate
from remediate.simulation.scenario import Scenario

_ROUNDS: Final = 40
_EVENTS: Final = 2000
_DAYS: Final = 5
_DAY_S: Final = 86_400.0
_CALM_S: Final = 3600.0
_APART_S: Final = 0.1
_NEIGHBOURS: Final = 100
_HELD: Final = 100
_PAUSE_S: Final = 20_000.0
_BETWEEN_S: Final = 60.0

Told = tuple[float, tuple[Event, ...]]


class _Shift:
    """A governor at work, and what it was told: the oldest attempt ends well, and its connection wants another."""

    def __init__(self, connections: int) -> None:
        self.governor = Governor()
        self.connections = connections
        self.now_s = 0.0
        self.told: list[Told] = []
        self._down: set[str] = set()
        self._limited: set[str] = set()
        self._keys = deque(range(connections))
        self._running: deque[Start] = deque()

    def tell(self, event: Event) -> None:
        self.now_s += _APART_S
        self.told.append((self.now_s, (event,)))
        self._running.extend(self.governor.step(self.now_s, (event,)).starts)

    def want(self) -> None:
        number = self._keys[0]
        self._keys.rotate(-1)
        self._want(f"t{number // _NEIGHBOURS}", number)

    def end(self) -> None:
        start = self._running.popleft()
        tenant = start.key.partition("/")[0]
        evidence = Evidence.UPSTREAM if tenant in self._down | self._limited else Evidence.ALIVE
        pause_s = _PAUSE_S if tenant in self._limited else None
        self._limited.discard(tenant)
        self.tell(Ended(key=start.key, number=start.number, evidence=evidence, retry_after_s=pause_s))

    def rest(self, seconds: float, apart_s: float) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.work()
            self.now_s += apart_s

    def work(self) -> None:
        """Two events."""
        self.want()
        if self._running:
            self.end()

    def break_down(self, tenant: str) -> None:
        """From now on all connections of a tenant fail; until it is held, while all others are well."""
        self._down.add(tenant)
        while all(one.tenant != tenant for one in self.governor.standing.incidents):
            for whose in (tenant, "another"):
                self._want(whose, len(self.told))
                if self._running:
                    self.end()

    def limit(self, tenant: str) -> None:
        """A tenant is turned away, while all others get through."""
        self._limited.add(tenant)
        self._want(tenant, len(self.told))
        self.rest(_BETWEEN_S, 1.0)

    def _want(self, tenant: str, number: int) -> None:
        self.tell(Wants(key=f"{tenant}/c{number}", due_s=self.now_s, tenant=tenant))


def _calm(shift: _Shift) -> None:
    """Who is due starts, and nobody waits."""


def _full(shift: _Shift) -> None:
    """All wait, as after an outage."""
    for _ in range(shift.connections):
        shift.want()


def _open(shift: _Shift) -> None:
    """All wait, and nothing starts."""
    shift.tell(Ordered(order=Order.OPEN, by="somebody", until_s=1e9))
    _full(shift)


def _tenants(shift: _Shift) -> None:
    """Some tenants are held, and stay so."""
    for number in range(_HELD):
        shift.break_down(f"t{number}")


def _paused(shift: _Shift) -> None:
    """Some tenants whose turn is yet to come pause, each because of a limit of its own, and stay so."""
    shift.rest(_CALM_S, 1.0)
    for number in range(_HELD):
        shift.limit(f"t{_HELD + number}")


_STATES: Final[dict[str, tuple[Callable[[_Shift], None], int]]] = {
    "fleet.calm": (_calm, 1_000),
    "fleet.full_1000": (_full, 1_000),
    "fleet.full_100000": (_full, 100_000),
    "fleet.open": (_open, 100_000),
    "fleet.tenants": (_tenants, 100_000),
    "fleet.paused": (_paused, 100_000),
}


@pytest.mark.parametrize("name", _STATES)
def test_an_event(name: str, measure: Measure) -> None:
    """A second governor is told the same, event by event, as the one whose answers made the events."""
    prepare, connections = _STATES[name]
    shift = _Shift(connections)
    shift.rest(_CALM_S, 60.0)
    prepare(shift)
    governor = Governor()
    _replay(governor, shift.told)()
    heap = [(float(number), number, f"c{number}") for number in range(connections)]
    heapify(heap)

    def fresh(_: int) -> Round:
        shift.told = []
        while len(shift.told) < _EVENTS:
            shift.work()
        times = len(shift.told)
        return Round(measured=_replay(governor, shift.told), times=times, base=_heaped(heap, times), base_times=times)

    measure(name, fresh, rounds=_ROUNDS)
    assert governor.snapshot() == shift.governor.snapshot()


def _replay(governor: Governor, told: list[Told]) -> Work:
    def work() -> None:
        step = governor.step
        for now_s, events in told:
            step(now_s, events)

    return work


def _heaped(heap: list[tuple[float, int, str]], times: int) -> Work:
    def work() -> None:
        last_s = heap[0][0] + len(heap)
        for number in range(times):
            heappush(heap, (last_s + number, number, "c"))
            heappop(heap)

    return work


def test_a_simulated_day(engine: Engine, measure: Measure) -> None:
    scenario = Scenario(name="a day", lasts_s=_DAY_S)
    happened = simulate(scenario, 0, engine=engine).loop.happened

    def fresh(_: int) -> Round:
        bare = _Bare(happened, 2 * scenario.connections)
        return Round(
            measured=lambda: simulate(scenario, 0, engine=engine), times=happened, base=bare.run, base_times=happened
        )

    measure("fleet.day", fresh, rounds=_DAYS)


class _Bare:
    """So many events of which each plans the next, as many at a time as connections are due and synced by upstream."""

    def __init__(self, events: int, at_a_time: int) -> None:
        self._every_s = at_a_time / events
        self._loop = Loop()
        for number in range(at_a_time):
            self._loop.at(self._every_s * number / at_a_time, self._again)

    def run(self) -> None:
        self._loop.run(self._loop.now_s + 1.0)

    def _again(self, _: Any) -> None:
        self._loop.at(self._loop.now_s + self._every_s, self._again)
