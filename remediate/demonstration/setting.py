"""Where a demonstration's parts are, and its time, which runs faster; for its processes to share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import attrs
import httpx

from remediate.ledger import Ledger
from remediate.upstreams.layer.client import AsyncLayerClient

__all__ = ["CONNECTIONS", "Setting"]

_EPOCH_S: Final = 1_800_000_000.0
CONNECTIONS: Final = 64
_LEASE_S: Final = 3.0
"""How long a connection is held, real seconds: so long is it left alone after a kill."""


@attrs.frozen(kw_only=True)
class Setting:
    """Where everything is, and how fast time runs.

    Attributes:
        layer: the sandbox's URL.
        ledger: the ledger's file.
        speed: how many times faster.
        began_s: when it began, by this machine's clock.
    """

    layer: str
    ledger: str
    speed: float
    began_s: float

    def clock(self) -> float:
        """The fleet's time."""
        return _EPOCH_S + self.passed_s

    @property
    def passed_s(self) -> float:
        """How much of it has passed, seconds."""
        return (time.time() - self.began_s) * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait so many of the fleet's seconds."""
        await asyncio.sleep(seconds / self.speed)

    def opened(self) -> Ledger:
        """The ledger."""
        return Ledger(self.ledger, clock=self.clock, lease_s=_LEASE_S * self.speed)

    @asynccontextmanager
    async def client(
        self, client_id: str | None = None, client_secret: str | None = None
    ) -> AsyncIterator[AsyncLayerClient]:
        """Layer's client, over connections of its own."""
        limits = httpx.Limits(max_connections=CONNECTIONS)
        async with (
            httpx.AsyncClient(trust_env=False, limits=limits) as http,
            AsyncLayerClient(
                client_id, client_secret, self.layer, http=http, sleep=self.sleep, clock=self.clock
            ) as layer,
        ):
            yield layer
