"""A connection under the machine, and what it may see; for the tests of episodes."""

from __future__ import annotations

from typing import Any

from remediate import Engine
from remediate.episode import Lifecycle
from remediate.events import Command, Event, Observe, Observed, TimePassed, Trigger, WaitUntil
from remediate.state import State
from remediate.upstreams.layer import ConnectionStatus

ENGINE = Engine.bundled()
LIFE = Lifecycle(decide=ENGINE.decide, cadence=ENGINE.policy.episode)
DAY = 86_400.0
WELL = ConnectionStatus(is_connected=True, is_syncing=False, last_sync_status="SYNC_SUCCESS")
SYNCING = ConnectionStatus(is_connected=True, is_syncing=True, last_sync_status="SYNC_FAILURE")


def failed(reason: str, *, flag: bool | None = None, at: str = "first") -> ConnectionStatus:
    return ConnectionStatus(
        is_connected=True,
        is_syncing=False,
        last_sync_status="SYNC_FAILURE",
        sync_failure_reason=reason,
        is_retryable_failure=flag,
        last_synced_at=at,
    )


DOWN = failed("QUICKBOOKS_SERVICE_UNAVAILABLE")
LAPSED = failed("QUICKBOOKS_AUTHENTICATION_FAILURE")
CLOSED = failed("QUICKBOOKS_INVALID_REQUEST_STATE")
BROKEN = failed("QUICKBOOKS_BAD_REQUEST")


class Life:
    """One connection under the machine, with its journal."""

    def __init__(self) -> None:
        self.state = State(key="acme")
        self.journal: list[tuple[Event, float]] = []
        self.said: list[Command] = []

    def __call__(self, event: Event, now_s: float) -> tuple[Command, ...]:
        self.journal.append((event, now_s))
        self.state, commands = LIFE.step(self.state, event, now_s)
        self.said += commands
        return commands

    def sees(self, observation: Any, now_s: float) -> tuple[Command, ...]:
        return self(Observed(observation=observation, asked_s=now_s), now_s)

    def until_triggered(self, observation: Any, now_s: float) -> float:
        """See the same until a sync is triggered; when that was."""
        for _ in range(10):
            command = self.sees(observation, now_s)[-1]
            if isinstance(command, Trigger):
                return now_s
            assert isinstance(command, WaitUntil)
            assert command.at_s is not None
            now_s = command.at_s
            assert isinstance(self(TimePassed(), now_s)[-1], Observe)
        raise AssertionError("no sync was triggered")

    def told(self, kind: type[Any]) -> list[Any]:
        return [command for command in self.said if isinstance(command, kind)]
