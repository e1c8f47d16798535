"""The process that a demonstration kills: a runner on its ledger.

`python -m remediate.demonstration SETTING`, a :class:`Setting` as JSON; credentials from the environment.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Final

import msgspec

from remediate.demonstration.setting import CONNECTIONS, Setting
from remediate.runner import Runner

__all__: list[str] = []

_IDLE_S: Final = 0.05
"""How often it is asked what is due, real seconds."""


async def _run(setting: Setting) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with setting.opened() as ledger:
        async with setting.client() as layer:
            runner = Runner(
                ledger=ledger,
                observe=layer.observe,
                trigger=layer.sync,
                send=None,
                governed=False,  # so many troubles at once, each a connection's own, would pass for an outage
                concurrency=CONNECTIONS,
                idle_s=_IDLE_S * setting.speed,
                sleep=setting.sleep,
            )
            await runner.run(stop)


if __name__ == "__main__":
    asyncio.run(_run(msgspec.json.decode(sys.argv[1], type=Setting)))
