"""How users type driving and the client: checked by mypy, never run."""

from __future__ import annotations

from typing import assert_type

import httpx
import httpx2
import tenacity

from remediate import Decision, Engine, decide
from remediate.driving import Journal, Outcome, drive, drive_async
from remediate.events import Mended, Notify, OpenTicket, ResolveTicket
from remediate.observation import Observation
from remediate.retrying import Strategies
from remediate.state import State
from remediate.upstreams.layer import ApiFailure
from remediate.upstreams.layer.client import AsyncLayerClient, Authorization, LayerClient
from remediate.waiting import waiting_off


def blocking(journal: Journal) -> None:
    with LayerClient("id", "secret", "sandbox") as layer, waiting_off() as waits:
        outcome = drive("acme", observe=layer.observe, trigger=layer.sync, poll=layer.status, journal=journal)
        assert_type(outcome, Outcome)
        assert_type(outcome.decision, Decision)
        assert_type(outcome.state, State)
        for request in outcome.requests:
            assert_type(request, Notify | OpenTicket | ResolveTicket)
        drive("acme", observe=layer.observe, trigger=layer.sync, events=[Mended(by="x")], engine=Engine.bundled())
        assert_type(layer.status("acme"), Observation)
        assert_type(layer.sync("acme", ["realm"]), Observation)
        assert_type(layer.authorize("acme"), Authorization | ApiFailure)
        assert_type(layer.unlink("acme", ordered_by="me"), ApiFailure | None)
        assert_type(waits, list[float])


def either_library() -> None:
    LayerClient(http=httpx.Client())
    LayerClient(http=httpx2.Client())
    AsyncLayerClient(http=httpx.AsyncClient())
    AsyncLayerClient(http=httpx2.AsyncClient())


async def awaited() -> None:
    async with AsyncLayerClient(environment="production") as layer:
        outcome = await drive_async("acme", observe=layer.observe, trigger=layer.sync, patience_s=60)
        assert_type(outcome, Outcome)
        assert_type(await layer.authorize("acme"), Authorization | ApiFailure)


follow = Strategies(decide, "acme", read=lambda error: None)


@tenacity.retry(retry=follow.retry, wait=follow.wait, stop=follow.stop)
def job() -> bytes:
    return b"{}"


def mistakes(layer: LayerClient) -> None:
    LayerClient(http=httpx.AsyncClient())  # type: ignore[arg-type]  # blocking wants a blocking one
    drive("acme", observe=layer.observe)  # type: ignore[call-arg]  # what triggers is not said
    drive("acme", observe=layer.authorize, trigger=layer.sync)  # type: ignore[arg-type]  # gives no observation
    layer.unlink("acme")  # type: ignore[call-arg]  # nobody ordered it
