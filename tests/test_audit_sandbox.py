"""An audit against the truth: what a naive retry loop does to a sandbox over HTTP, and what the sandbox counted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from remediate.demonstration import fleet
from remediate.observation import Observation
from remediate.upstreams import Record
from remediate.upstreams.layer import UPSTREAM
from remediate.upstreams.layer.client import LayerClient
from remediate.upstreams.layer.sandbox import Report, Sandbox, Trouble, serving

TICK_S = 60
TICKS = 45
BEGINS_S = 1_790_000_000.0


@attrs.define
class Clock:
    now_s: float = BEGINS_S

    def __call__(self) -> float:
        return self.now_s


def line(clock: Clock, key: str, **said: Any) -> str:
    return json.dumps({"at": clock.now_s, "key": key, **said})


def written(observation: Observation) -> dict[str, Any]:
    return dict(UPSTREAM.write(Record(observation=observation)))


def troubled() -> dict[str, tuple[Trouble, ...]]:
    """A connection of each kind of the demonstration that tells its trouble, and two that are mended in the end."""
    kinds = {one.kind.name: one.kind.troubles for one in fleet(100) if not one.kind.hostilities}
    return kinds | {
        "mended by its customer": (Trouble(reason="QUICKBOOKS_AUTHENTICATION_FAILURE", mended_by="customer"),),
        "an outage that passes soon": (
            Trouble(reason="QUICKBOOKS_SERVICE_UNAVAILABLE", begins_s=300, heals_after_s=600),
        ),
    }


def naive(sandbox: Sandbox, clock: Clock, layer: LayerClient, keys: list[str]) -> Iterator[str]:
    """Look every minute, and sync whatever is not well; an impatient one does so twice."""
    for tick in range(TICKS):
        clock.now_s = BEGINS_S + tick * TICK_S
        if tick == 20:
            assert sandbox.mend("mended by its customer", "customer")
        for number, key in enumerate(keys):
            observation = layer.observe(key)
            yield line(clock, key, **written(observation))
            if getattr(observation, "last_sync_status", None) == "SYNC_SUCCESS" and tick != 10:
                continue
            for _ in range(2 if (tick + number) % 5 == 0 else 1):
                clock.now_s += 0.25
                yield line(clock, key, event="sync", **written(layer.sync(key)))
    clock.now_s += TICK_S
    for key in keys:
        yield line(clock, key, **written(layer.observe(key)))


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    clock = Clock()
    sandbox = Sandbox(clock=clock, calls_per_s=None)
    troubles = troubled()
    for key, some in troubles.items():
        sandbox.add(key, *some)
    log = tmp_path_factory.mktemp("audit") / "log.ndjson"
    with serving(sandbox) as url, LayerClient("sandbox-id", "sandbox-secret", environment=url) as layer:
        log.write_text("".join(f"{one}\n" for one in naive(sandbox, clock, layer, list(troubles))))
    clock.now_s += TICK_S
    return log, sandbox.report()


def audited(log: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "remediate", "audit", str(log), "--json", *options]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    return dict(json.loads(ran.stdout))


def test_the_waste_is_what_the_sandbox_counted(logged: tuple[Path, Report]) -> None:
    log, report = logged
    found = audited(log)
    total = report.total
    print(found, total)
    assert found["syncs"] == total.triggers_received
    assert found["counts"]["overlapping"] == total.overlapping > 20
    assert found["counts"]["futile"] == total.futile > 100
