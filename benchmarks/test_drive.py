"""A connection driven to rest, against tenacity alone around the same calls, with waiting turned off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import tenacity

from benchmarks.conftest import Measure
from benchmarks.measuring import Round, Work
from remediate import Engine
from remediate.driving import drive, drive_async
from remediate.observation import Observation
from remediate.upstreams.layer import ConnectionStatus

_ROUNDS: Final = 60
_LIVES: Final = 20
_ACCEPTED: Final = ConnectionStatus(is_syncing=True)
_SYNCING: Final = ConnectionStatus(is_connected=True, is_syncing=True, last_sync_status="SYNC_FAILURE")
_WELL: Final = ConnectionStatus(is_connected=True, is_syncing=False, last_sync_status="SYNC_SUCCESS")


def _down(at: str) -> ConnectionStatus:
    return ConnectionStatus(
        is_connected=True,
        is_syncing=False,
        last_sync_status="SYNC_FAILURE",
        sync_failure_reason="QUICKBOOKS_SERVICE_UNAVAILABLE",
        last_synced_at=at,
    )


_LIFE: Final = (
    *(_down("1"), _down("1"), _ACCEPTED, _SYNCING, _SYNCING),
    *(_down("2"), _down("2"), _ACCEPTED, _SYNCING, _SYNCING, _WELL),
)
"""What each call is answered in an outage that two syncs outlast: a look, a look and a trigger, looks."""


class _Upstream:
    """Answers each call with the next of a life."""

    def __init__(self) -> None:
        self._answers: Iterator[Observation] = iter(_LIFE)

    def ask(self, key: str) -> Observation:
        return next(self._answers)

    async def ask_async(self, key: str) -> Observation:
        return next(self._answers)


def _rest(seconds: float) -> None:
    """Wait for nothing."""


async def _rest_async(seconds: float) -> None:
    """Wait for nothing."""


_BARE: Final[dict[str, Any]] = {
    "retry": tenacity.retry_if_result(lambda answer: answer is not _WELL),
    "wait": tenacity.wait_random_exponential(multiplier=60, max=1800),
    "stop": tenacity.stop_after_attempt(48),
}


def _sync(engine: Engine) -> tuple[Work, Work]:
    def ours() -> None:
        for number in range(_LIVES):
            upstream = _Upstream()
            drive(f"{number}", observe=upstream.ask, trigger=upstream.ask, engine=engine, sleep=_rest)

    def bare() -> None:
        for number in range(_LIVES):
            tenacity.Retrying(sleep=_rest, **_BARE)(_Upstream().ask, f"{number}")

    return ours, bare


def _async(engine: Engine) -> tuple[Work, Work]:
    async def ours() -> None:
        for number in range(_LIVES):
            upstream = _Upstream()
            asks: dict[str, Any] = {"observe": upstream.ask_async, "trigger": upstream.ask_async}
            await drive_async(f"{number}", **asks, engine=engine, sleep=_rest_async)

    async def bare() -> None:
        for number in range(_LIVES):
            await tenacity.AsyncRetrying(sleep=_rest_async, **_BARE)(_Upstream().ask_async, f"{number}")

    return lambda: asyncio.run(ours()), lambda: asyncio.run(bare())


_WAYS: Final[dict[str, Callable[[Engine], tuple[Work, Work]]]] = {"drive.sync": _sync, "drive.async": _async}


@pytest.mark.parametrize("name", _WAYS)
def test_driving(name: str, engine: Engine, measure: Measure) -> None:
    def fresh(_: int) -> Round:
        ours, bare = _WAYS[name](engine)
        return Round(measured=ours, times=_LIVES, base=bare, base_times=_LIVES)

    measure(name, fresh, rounds=_ROUNDS)
