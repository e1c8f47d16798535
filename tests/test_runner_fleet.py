"""A runner in an outage of everyone, over real HTTP in scaled time: one incident, few calls in vain, nobody told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from remediate.fleet import Phase
from remediate.ledger import Ledger, Message
from remediate.runner import Runner, Tally
from remediate.upstreams.layer.client import AsyncLayerClient
from remediate.upstreams.layer.sandbox import Hostility, Sandbox, serving
from tests.test_runner import FastTime

CONNECTIONS = 60
EVERY_S = 1_200.0
OUTAGE_S = 1_800.0


class Calls:
    """Layer's calls, and how many failed."""

    def __init__(self, layer: AsyncLayerClient) -> None:
        self._layer = layer
        self.failed = 0

    async def observe(self, key: str) -> Any:
        return self._noted(await self._layer.observe(key))

    async def sync(self, key: str) -> Any:
        return self._noted(await self._layer.sync(key))

    def _noted(self, answer: Any) -> Any:
        self.failed += not answer.describes
        return answer


async def outage(
    url: str, sandbox: Sandbox, ledger: Ledger, clock: FastTime, heard: list[Message]
) -> tuple[int, Tally]:
    """A fleet on its schedule, an outage, and until all is well again; how many calls failed."""
    stop = asyncio.Event()

    async def hears(message: Message) -> None:
        heard.append(message)

    def synced() -> Counter[str]:
        return Counter({key: one.triggers_received for key, one in sandbox.report().businesses.items()})

    def is_closed() -> bool:
        standing = ledger.fleet.standing()
        return standing is not None and standing.governed.phase == Phase.CLOSED

    async def until(holds: Any, within_s: float = 25) -> None:
        async with asyncio.timeout(within_s):
            while not await asyncio.to_thread(holds):
                await asyncio.sleep(0.05)

    async def happens() -> None:
        await until(lambda: len(+synced()) == CONNECTIONS)
        for call in ("status", "sync"):
            sandbox.disturb(None, Hostility.UNAVAILABLE, call=call, times=None)
        await clock.sleep(OUTAGE_S)
        assert not await asyncio.to_thread(is_closed)
        before = synced()
        sandbox.calm(None)
        await until(lambda: all(synced()[key] > before[key] for key in before))
        await until(is_closed)
        stop.set()

    async with (
        httpx.AsyncClient(trust_env=False) as http,
        AsyncLayerClient("sandbox-id", "sandbox-secret", url, http=http, sleep=clock.sleep, clock=clock) as layer,
    ):
        calls = Calls(layer)
        keys = [f"b{number}" for number in range(CONNECTIONS)]
        runner = Runner(
            ledger=ledger,
            observe=calls.observe,
            trigger=calls.sync,
            keys=lambda: keys,
            every_s=EVERY_S,
            send=hears,
            sleep=clock.sleep,
            idle_s=10,
        )
        tally, _ = await asyncio.gather(runner.run(stop), happens())
    return calls.failed, tally


def test_an_outage_of_everyone_is_one_incident(tmp_path: Path) -> None:
    clock = FastTime()
    sandbox = Sandbox(clock=clock, calls_per_s=None, sync_s=30, start_lag_s=3)
    heard: list[Message] = []
    for number in range(CONNECTIONS):
        sandbox.add(f"b{number}")
    with Ledger(str(tmp_path / "ledger.db"), clock=clock, lease_s=1_500) as ledger, serving(sandbox) as url:
        failed, tally = asyncio.run(outage(url, sandbox, ledger, clock, heard))
        assert failed < 45, "nobody asks while all is held, but for canaries and probes"
        assert [json.loads(one.content)["data"]["state"] for one in heard] == ["opened", "closed"]
        assert (tally.late, tally.faults, tally.leases_lost) == (0, 0, 0)
        total = sandbox.report().total
        assert (total.futile, total.overlapping) == (0, 0)
        assert ledger.overview().tickets == ()
