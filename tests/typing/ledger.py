"""How users type the ledger and the runner: checked, and never run."""

from __future__ import annotations

import asyncio

from remediate import Decision
from remediate.events import Command, Event, Mended
from remediate.ledger import Attempt, Claim, Ledger, Overview, Standing
from remediate.runner import Runner, Tally
from remediate.sending import Webhook, call
from remediate.upstreams.layer.client import AsyncLayerClient, LayerClient


def work(ledger: Ledger, layer: LayerClient) -> str:
    with ledger.attempt("acme", observe=layer.observe) as attempt:
        checked: Attempt = attempt
        if checked.may_sync:
            attempt.answer = layer.sync("acme")
    decision: Decision | None = attempt.decision
    return decision.because if decision else attempt.because


async def work_async(ledger: Ledger, layer: AsyncLayerClient) -> float | None:
    async with ledger.attempt_async("acme", observe=layer.observe) as attempt:
        if attempt.may_sync:
            attempt.answer = await layer.sync("acme")
    return attempt.look_again_s


async def run(ledger: Ledger, layer: AsyncLayerClient) -> Tally:
    runner = Runner(ledger=ledger, observe=layer.observe, trigger=layer.sync, send=Webhook("https://x", "whsec_"))
    Runner(
        ledger=ledger, observe=layer.observe, trigger=layer.sync, send=call(print), keys=lambda: ["acme"], every_s=3600
    )
    return await runner.run(asyncio.Event())


def people(ledger: Ledger) -> tuple[Overview, Standing, int]:
    told: tuple[Command, ...] = ledger.tell("acme", Mended(by="the OAuth callback"))
    assert told
    return ledger.overview(), ledger.standing("acme"), ledger.resolve("ticket", by="ada", why="deployed")


def drive(ledger: Ledger, event: Event) -> None:
    claims: list[Claim] = ledger.claim(8)
    ledger.record(claims[0], event)


def wrong(ledger: Ledger, layer: AsyncLayerClient) -> None:
    ledger.attempt("acme")  # type: ignore[call-arg]  # what observes is not said
    ledger.attempt("acme", observe=layer.observe)  # type: ignore[arg-type]  # it is awaited
    ledger.resolve("ticket")  # type: ignore[call-arg]  # nobody did
    Runner(ledger)  # type: ignore[call-arg]  # keywords only, and what calls is missing
