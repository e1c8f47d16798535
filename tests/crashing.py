"""Runners as processes that are killed and frozen, over a Layer on loopback that accepts overlaps; for crash tests."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import attrs
import httpx

from remediate.ledger import Claim, Ledger
from remediate.runner import Runner
from remediate.sending import Webhook
from remediate.upstreams.layer.client import AsyncLayerClient

SECRET = "whsec_" + "c2l4dGVlbiBieXRlcyBhbmQgc29tZSBtb3JlIQ=="
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


@attrs.frozen(kw_only=True)
class Set:
    """Where everything is, for processes to share.

    Attributes:
        speed: how many times faster time runs.
        began_s: when it began, of this machine's clock.
        acknowledged: a file with a line for each observation that was recorded.
        marks: a file to which a runner writes just before it triggers a sync; None: it writes nothing.
        governed: whether a governor of the fleet grants attempts.
        dawdles_s: how long it takes from being allowed a trigger until it calls, real seconds; where no marks are
            written, at most.
    """

    layer: str
    receiver: str
    ledger: str
    speed: float
    began_s: float
    lease_s: float
    acknowledged: Path
    marks: Path | None = None
    governed: bool = False
    dawdles_s: float = 0.0

    def clock(self) -> float:
        return 1_800_000_000 + (time.time() - self.began_s) * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    def opened(self) -> Ledger:
        return Ledger(self.ledger, clock=self.clock, lease_s=self.lease_s)


class Noted(Ledger):
    """A ledger that notes what it was told is recorded."""

    file: int

    def record(self, claim: Claim, *events: Any) -> Any:
        commands = super().record(claim, *events)
        os.write(self.file, f"{claim.key} {events[-1].asked_s!r}\n".encode())
        return commands


def work(here: Set) -> None:
    """Be a runner until killed."""
    asyncio.run(_work(here))


async def _work(here: Set) -> None:
    ledger = Noted(here.ledger, clock=here.clock, lease_s=here.lease_s)
    ledger.file = os.open(here.acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with (
        httpx.AsyncClient(trust_env=False) as http,
        AsyncLayerClient(
            "sandbox-id", "sandbox-secret", here.layer, http=http, sleep=here.sleep, clock=here.clock
        ) as layer,
    ):

        async def trigger(key: str) -> Any:
            if here.marks is not None:
                with here.marks.open("a") as file:
                    file.write(f"{os.getpid()} {key}\n")
            await asyncio.sleep(here.dawdles_s if here.marks else random.uniform(0, here.dawdles_s))
            return await layer.sync(key)

        runner = Runner(
            governed=here.governed,
            ledger=ledger,
            observe=layer.observe,
            trigger=trigger,
            send=Webhook(here.receiver, SECRET, http=http),
            sleep=here.sleep,
            idle_s=5,
        )
        await runner.run(asyncio.Event())


def start(here: Set) -> ForkServerProcess:
    """A runner, as a process of its own."""
    process = _processes.Process(target=work, args=(here,), daemon=True)
    process.start()
    return process


def kill(process: ForkServerProcess) -> None:
    """End it as a power cut would, for itself."""
    process.kill()
    process.join()
    process.close()


@contextlib.contextmanager
def frozen(process: ForkServerProcess) -> Iterator[None]:
    """A process that stands still."""
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)
