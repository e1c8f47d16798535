"""Layer's calls without an HTTP client, and what they see of the network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from remediate.upstreams.layer import Transport
from remediate.upstreams.layer.calls import Calls, Reply, Request

BASE = "https://layer.example"
STATUS = b'{"data": {"is_connected": true, "last_sync_status": "SYNC_SUCCESS"}}'
DATE = {"date": "Tue, 15 Jan 2030 08:00:00 GMT"}
DATE_S = 1894694400.0


class Line:
    """Answers token calls with new tokens and others with a status, unless told otherwise."""

    def __init__(self) -> None:
        self.turns = asyncio.Lock()
        self.now_s = DATE_S
        self.pauses: list[float] = []
        self.requests: list[Request] = []
        self.token: Callable[[], Reply | Transport] = self.new_token
        self.replies: list[Reply | Transport] = []
        self.life: Any = 3600
        self.refused: set[str] = set()

    def new_token(self) -> Reply:
        return Reply(200, {}, json.dumps({"access_token": f"t{len(self.tokens)}", "expires_in": self.life}).encode())

    @property
    def tokens(self) -> list[Request]:
        return [one for one in self.requests if one.url.endswith("/oauth2/token")]

    @property
    def used(self) -> list[str]:
        others = [one for one in self.requests if "oauth2" not in one.url]
        return [one.headers["authorization"].removeprefix("Bearer ") for one in others]

    async def exchange(self, request: Request) -> Reply | Transport:
        self.requests.append(request)
        if request.url.endswith("/oauth2/token"):
            await asyncio.sleep(0)
            return self.token()
        if request.headers["authorization"].removeprefix("Bearer ") in self.refused:
            await asyncio.sleep(0)
            return Reply(401, {}, b"")
        return self.replies.pop(0) if self.replies else Reply(200, {}, STATUS)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


def observe(calls: Calls, times: int = 1) -> list[Any]:
    async def observed() -> list[Any]:
        return list(await asyncio.gather(*(calls.observe("acme") for _ in range(times))))

    return asyncio.run(observed())
