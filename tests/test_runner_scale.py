"""500 connections over real HTTP in scaled time, and the same outage simulated: the same ratios, within noise.

Plain runs leave it out, for it takes a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import attrs
import httpx

from remediate.fleet import Phase
from remediate.ledger import Ledger
from remediate.ledger.rows import slot
from remediate.runner import Runner
from remediate.simulation.figures import Figures, figures
from remediate.simulation.oracle import Oracle
from remediate.simulation.running import simulate
from remediate.simulation.scenario import Fault, Scenario, Wrong
from remediate.upstreams.layer.client import AsyncLayerClient
from remediate.upstreams.layer.sandbox import Hostility, Sandbox, serving
from tests.test_runner import FastTime
from tests.thoroughness import only_in_whole_runs

SPEED = 60.0
SCENARIO = Scenario(
    name="sandbox",
    lasts_s=10_800.0,
    connections=500,
    every_s=3_600.0,  # no longer than a look at what is well waits, which a simulation leaves out
    own_every_s=1e9,
    sync_s=30.0,
    spread=0.3,
    utilisation=0.05,  # the sandbox runs as many syncs at once as it is asked for
    troubles_a_day=0.0,
    faults=(Fault(wrong=Wrong.FAILURE, begins_s=1_500.0, lasts_s=1_200.0, jitter_s=0.0),),
)
SEEDS = range(3)


def _tenant(key: str) -> str:
    return f"t{int(key[1:]) // SCENARIO.neighbours}"


@attrs.define
class Watched:
    """Layer's calls: how many failed, and when each connection was triggered last."""

    layer: AsyncLayerClient
    clock: FastTime
    failed: int = 0
    triggered_s: dict[str, float] = attrs.field(factory=dict)

    async def observe(self, key: str) -> Any:
        answer = await self.layer.observe(key)
        self.failed += not answer.describes
        return answer

    async def sync(self, key: str) -> Any:
        answer = await self.layer.sync(key)
        self.failed += not answer.describes
        if answer.describes:
            self.triggered_s[key] = self.clock()
        return answer


@attrs.frozen
class Outcome:
    """What came of the outage."""

    recovered_s: float
    failed: int


async def _outage(url: str, sandbox: Sandbox, ledger: Ledger, clock: FastTime) -> Outcome:
    [fault] = SCENARIO.faults
    keys = [f"b{number}" for number in range(SCENARIO.connections)]
    stop = asyncio.Event()

    async def until(holds: Callable[[], bool], within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not await asyncio.to_thread(holds):
                await asyncio.sleep(0.1)

    def is_closed() -> bool:
        standing = ledger.fleet.standing()
        return standing is not None and standing.governed.phase == Phase.CLOSED

    async def happens(calls: Watched) -> float:
        await clock.sleep(fault.begins_s)
        began_s = clock()
        for call in ("status", "sync"):
            sandbox.disturb(None, Hostility.UNAVAILABLE, call=call, times=None)
        await clock.sleep(fault.lasts_s)
        sandbox.calm(None)
        calm_s = clock()
        every_s = SCENARIO.every_s
        overdue = [key for key in keys if slot(key, every_s, calm_s) - every_s >= began_s]
        assert len(overdue) > 100
        await until(lambda: all(calls.triggered_s.get(key, 0.0) > calm_s for key in overdue))
        await until(is_closed)
        stop.set()
        last = sorted(calls.triggered_s[key] for key in overdue)[ceil(0.95 * len(overdue)) - 1]
        return last + SCENARIO.sync_s - calm_s

    async with (
        httpx.AsyncClient(trust_env=False) as http,
        AsyncLayerClient("sandbox-id", "sandbox-secret", url, http=http, sleep=clock.sleep, clock=clock) as layer,
    ):
        calls = Watched(layer, clock)
        runner = Runner(
            ledger=ledger,
            observe=calls.observe,
            trigger=calls.sync,
            keys=lambda: keys,
            every_s=SCENARIO.every_s,
            tenant=_tenant,
            sleep=clock.sleep,
            idle_s=10,
        )
        _, recovered_s = await asyncio.gather(runner.run(stop), happens(calls))
    return Outcome(recovered_s, calls.failed)


def _median(seen: list[Figures]) -> Outcome:
    recovered = sorted(one.recovered_s or 0.0 for one in seen)
    return Outcome(recovered[len(seen) // 2], sorted(one.failed for one in seen)[len(seen) // 2])


@only_in_whole_runs
def test_an_outage_takes_as_long_as_it_does_simulated_and_costs_as_many_calls(tmp_path: Path) -> None:
    clock = FastTime(SPEED)
    sandbox = Sandbox(clock=clock, calls_per_s=None, sync_s=SCENARIO.sync_s, start_lag_s=3)
    for number in range(SCENARIO.connections):
        sandbox.add(f"b{number}")
    with Ledger(str(tmp_path / "ledger.db"), clock=clock, lease_s=3_000) as ledger, serving(sandbox) as url:
        real = asyncio.run(_outage(url, sandbox, ledger, clock))
    ours = _median([figures(simulate(SCENARIO, seed)) for seed in SEEDS])
    best = _median([figures(simulate(SCENARIO, seed, Oracle)) for seed in SEEDS])
    print(
        f"recovered after {real.recovered_s:.0f} s, simulated {ours.recovered_s:.0f} s, oracle {best.recovered_s:.0f} s"
    )
    print(f"failed calls {real.failed}, simulated {ours.failed}")
    assert 0.6 <= real.recovered_s / ours.recovered_s <= 1.6
    assert 0.5 <= real.failed / ours.failed <= 2
    assert real.recovered_s >= best.recovered_s
    total = sandbox.report().total
    assert (total.futile, total.overlapping) == (0, 0)
