"""A demonstration: a sandbox, a ledger, a runner that is killed once, and people who act on what they are told.

Knows no terminal. Time runs faster: what takes hours passes in seconds, for the fleet and for the
sandbox alike.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import httpx
import msgspec

from remediate.decision import Owner, Scope
from remediate.demonstration.findings import Findings, live
from remediate.demonstration.kinds import WITHIN_S, Connection
from remediate.demonstration.setting import Setting
from remediate.events import Mended
from remediate.ledger import Ledger, Message
from remediate.upstreams.layer.client import Authorization
from remediate.upstreams.layer.sandbox import Sandbox, serving

__all__ = ["demonstrate"]

_SYNC_S: Final = 60.0
_LAG_S: Final = 3.0
_ACTS_S: Final[dict[Owner, float]] = {
    Owner.CUSTOMER: 1500.0,
    Owner.SUPPORT: 1200.0,
    Owner.ENGINEERING: 900.0,
    Owner.PROVIDER: 600.0,
}
"""How soon each acts once they were told, seconds: fast people, for nobody wants to watch a day."""
_LOOKS_S: Final = 0.1
_BATCH: Final = 32
_ENDS_S: Final = 5.0
_AT_REST: Final = ("no_op healthy", "no_op not_connected", "no_op gone", "no_op archived", "no_op already_done")


def demonstrate(
    connections: list[Connection],
    *,
    speed: float,
    within_s: float,
    at_rest: Callable[[int], None] = lambda _: None,
) -> Findings:
    """Look after connections over HTTP until all are at rest, or the time is up; the runner is killed in the middle.

    Args:
        connections: as :func:`fleet` makes them.
        speed: how many times faster time runs.
        within_s: the longest that it may take, seconds of real time.
        at_rest: told how many are at rest, again and again.
    """
    began_s = time.time()
    with tempfile.TemporaryDirectory(prefix="remediate-demo-") as folder:
        clock = Setting(layer="", ledger="", speed=speed, began_s=began_s).clock
        sandbox = Sandbox(clock=clock, sync_s=_SYNC_S, start_lag_s=_LAG_S, calls_per_s=None)
        for one in connections:
            sandbox.add(one.id, *one.kind.troubles)
            for hostility, call in one.kind.hostilities:
                sandbox.disturb(one.id, hostility, call)
        with serving(sandbox) as url:
            setting = Setting(layer=url, ledger=str(Path(folder) / "ledger.db"), speed=speed, began_s=began_s)
            with setting.opened() as ledger:
                stage = _Stage(setting, sandbox, ledger, connections, at_rest)
                asyncio.run(stage.play(within_s))
                lives = [_lived(ledger, one) for one in connections]
    return Findings(
        connections=tuple(lives),
        kills=stage.kills,
        report=sandbox.report(),
        took_s=time.time() - began_s,
        passed_s=setting.passed_s,
    )


def _lived(ledger: Ledger, one: Connection) -> Any:
    journal = [(event, at_s) for _, event, at_s in ledger.history(one.id, limit=100_000)]
    return live(one.id, one.kind, ledger.engine.lifecycle, journal)


@attrs.define
class _Stage:
    """The fleet, the runner, and the people around them."""

    setting: Setting
    sandbox: Sandbox
    ledger: Ledger
    connections: list[Connection]
    at_rest: Callable[[int], None]
    kills: int = 0

    async def play(self, within_s: float) -> None:
        """Until all are at rest and nobody has anything left to do."""
        runner = self._start()
        try:
            async with asyncio.timeout(within_s):
                runner = await self._play(runner)
        except TimeoutError:
            return  # whoever is not at rest is told of in the findings
        finally:
            runner.terminate()
            try:
                runner.wait(_ENDS_S)
            except subprocess.TimeoutExpired:
                runner.kill()
                runner.wait()

    async def _play(self, runner: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        kinds = {one.id: one.kind for one in self.connections}
        enrolled, acting = 0, set[asyncio.Task[None]]()
        async with (
            self.setting.client(self.sandbox.client_id, self.sandbox.client_secret) as layer,
            httpx.AsyncClient(trust_env=False) as http,
        ):
            people = _People(self.setting, self.sandbox, self.ledger, layer, http, kinds)
            while True:
                due = min(len(kinds), 1 + int(self.setting.passed_s / WITHIN_S * len(kinds)))
                await asyncio.to_thread(self.ledger.enroll, [one.id for one in self.connections[enrolled:due]])
                enrolled = due
                for message in await asyncio.to_thread(self.ledger.outbox.take, _BATCH, again_s=1e9):
                    acting.add(asyncio.create_task(people.hear(message)))
                answers = (await asyncio.to_thread(self.ledger.overview)).answers
                resting = sum(answers.get(answer, 0) for answer in _AT_REST)
                self.at_rest(resting)
                acting = {task for task in acting if not task.done() or task.result()}
                if resting == len(kinds) and not acting:
                    return runner
                if not self.kills and enrolled > len(kinds) / 2:
                    runner = self._restart(runner)
                await asyncio.sleep(_LOOKS_S)

    def _start(self) -> subprocess.Popen[bytes]:
        told = {"LAYER_CLIENT_ID": self.sandbox.client_id, "LAYER_CLIENT_SECRET": self.sandbox.client_secret}
        command = [sys.executable, "-m", "remediate.demonstration", msgspec.json.encode(self.setting).decode()]
        return subprocess.Popen(command, env={**os.environ, **told})  # noqa: S603  # it is this interpreter

    def _restart(self, runner: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """As after a power cut: nothing is put in order before."""
        runner.kill()
        runner.wait()
        self.kills += 1
        return self._start()


@attrs.frozen
class _People:
    """Customers and colleagues, who act some time after they were told."""

    setting: Setting
    sandbox: Sandbox
    ledger: Ledger
    layer: Any
    http: httpx.AsyncClient
    kinds: dict[str, Any]

    async def hear(self, message: Message) -> None:
        """Do one's part, and say so."""
        content = msgspec.json.decode(message.content)["data"]
        if message.kind == "notice":
            await self._customer(message.key, content["decision"]["action"])
        elif message.kind == "ticket_opened":
            everyone = content["scope"] == Scope.INTEGRATION
            await self._colleague(message.key, Owner(content["owner"]), content["ticket"], everyone=everyone)
        await asyncio.to_thread(self.ledger.outbox.delivered, message)

    async def _customer(self, key: str, action: str) -> None:
        await self.setting.sleep(_ACTS_S[Owner.CUSTOMER])
        link = await self.layer.authorize(key) if action == "reauth" else None
        if isinstance(link, Authorization):
            await self.http.get(link.redirect_url)
        else:
            self.sandbox.mend(key, Owner.CUSTOMER)
        await asyncio.to_thread(self.ledger.tell, key, Mended(by="the customer"))

    async def _colleague(self, key: str, owner: Owner, ticket: str, *, everyone: bool) -> None:
        """What is wrong with the integration is wrong with every connection of a kind, and is mended for all."""
        await self.setting.sleep(_ACTS_S[owner])
        for other, kind in self.kinds.items():
            if other == key or (everyone and kind == self.kinds[key]):
                self.sandbox.mend(other, owner)
        await asyncio.to_thread(self.ledger.resolve, ticket, by=owner, why="mended")
