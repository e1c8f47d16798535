"""An upstream and its connections: what calls are answered and how syncs fare; Layer with QuickBooks behind it.

Knows no policy, no engine and no orchestrator. A trigger is answered at once; the sync runs on upstream's
side; how it ended is seen by asking.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapreplace
from math import exp, log
from random import Random
from typing import Any

import attrs

from remediate.simulation.loop import Loop
from remediate.simulation.scenario import Fault, Place, Scenario, Wrong
from remediate.simulation.troubles import Trouble
from remediate.upstreams.layer.vocabulary import ApiFailure, Call, ConnectionStatus, Transport, moment

__all__ = ["Active", "Answer", "Connection", "World"]

Answer = tuple[ConnectionStatus | ApiFailure, float]
"""What a call is answered, and after how many seconds."""

_OUTAGE = ((0.70, 503), (0.85, 500), (1.0, None))


class Connection:
    """A connection, as upstream has it."""

    __slots__ = (
        "index",
        "is_syncing",
        "key",
        "reason",
        "retryable",
        "status",
        "succeeded_s",
        "synced_s",
        "tenant",
        "trouble",
    )

    def __init__(self, index: int, neighbours: int) -> None:
        self.index = index
        self.tenant = f"t{index // neighbours}"
        self.key = f"{self.tenant}/c{index}"
        self.is_syncing = False
        self.reason: str | None = None
        self.retryable: bool | None = None
        self.synced_s: float | None = None
        self.status: ConnectionStatus | None = None
        self.succeeded_s = 0.0
        self.trouble: Trouble | None = None


@attrs.define
class Running:
    """A sync on upstream's side."""

    connection: Connection
    is_ours: bool


class World:
    """The upstream.

    Attributes:
        connections: all of them.
        planned: the faults, as the seed has them.
        failed: calls and syncs of ours that failed by a fault, with the time of each.
        triggered: when a sync of ours was accepted.
        overlaps: triggers while a sync ran already.
    """

    def __init__(self, scenario: Scenario, seed: int, loop: Loop) -> None:
        self.scenario, self.loop = scenario, loop
        self.connections = [Connection(index, scenario.neighbours) for index in range(scenario.connections)]
        self.planned: list[Active] = []
        self.failed: list[float] = []
        self.triggered: list[float] = []
        self.overlaps = 0
        self.on_success: Callable[[Connection, float], None] = lambda connection, now_s: None
        self.on_end: Callable[[Connection], None] = lambda connection: None
        self.on_mended: Callable[[Connection], None] = lambda connection: None
        self._luck = Random(f"{seed}/world")
        self._failures: dict[tuple[Any, ...], ApiFailure] = {}
        self.active: list[Active] = []
        whole = max(1, round(scenario.capacity))
        self._speed = scenario.capacity / whole
        self._servers = [0.0] * whole
        self._mu = log(scenario.sync_s) - scenario.spread**2 / 2
        self._plan(Random(f"{seed}/faults"))
        self._schedule(Random(f"{seed}/own"))

    def _plan(self, luck: Random) -> None:
        tenants = -(-self.scenario.connections // self.scenario.neighbours)
        for fault in self.scenario.faults:
            begins_s = fault.begins_s + luck.random() * fault.jitter_s
            chosen = None
            if fault.tenants < 1:
                chosen = {f"t{one}" for one in luck.sample(range(tenants), max(1, round(fault.tenants * tenants)))}
            active = Active(fault, begins_s, begins_s + fault.lasts_s, chosen)
            self.planned.append(active)
            self.loop.at(begins_s, self._begins, active)
            self.loop.at(active.ends_s, self._ends, active)

    def _begins(self, active: Active) -> None:
        self.active.append(active)
        if active.fault.wrong == Wrong.CAPACITY:
            gone = min(len(self._servers) - 1, round(len(self._servers) * (1 - active.fault.factor)))
            for _ in range(gone):
                heapreplace(self._servers, active.ends_s)

    def _ends(self, active: Active) -> None:
        self.active.remove(active)

    def _schedule(self, luck: Random) -> None:
        for connection in self.connections:
            self.loop.at(luck.random() * self.scenario.own_every_s, self._own, connection)

    def _own(self, connection: Connection) -> None:
        self.loop.at(self.loop.now_s + self.scenario.own_every_s, self._own, connection)
        if not connection.is_syncing and self._failing(connection, Place.CALLS) is None:
            self._run(connection, is_ours=False)

    # -- calls

    def status(self, connection: Connection) -> Answer:
        """Ask for the status."""
        return self._refusal(connection, Call.STATUS) or (self._status(connection), 0.0)

    def sync(self, connection: Connection) -> Answer:
        """Trigger a sync."""
        refusal = self._refusal(connection, Call.SYNC)
        if refusal is not None:
            return refusal
        if connection.is_syncing:
            self.overlaps += 1
            return self._failure(Call.SYNC, 409, "QuickbooksConnectionAlreadySyncing"), 0.0
        if self.backlog_s > self.scenario.backlog_s:
            self.failed.append(self.loop.now_s)
            return self._failure(Call.SYNC, 503), 0.0
        self.triggered.append(self.loop.now_s)
        self._run(connection, is_ours=True)
        return self._status(connection), 0.0

    @property
    def backlog_s(self) -> float:
        """How long a sync would wait to run."""
        return max(0.0, self._servers[0] - self.loop.now_s)

    def _refusal(self, connection: Connection, call: Call) -> Answer | None:
        if not self.active:
            return None
        active = self._failing(connection, Place.CALLS)
        if active is not None:
            self.failed.append(self.loop.now_s)
            drawn = self._luck.random()
            http = next(one for bound, one in _OUTAGE if drawn <= bound)
            if http is None:
                return self._failure(call, None), self.scenario.hang_s
            return self._failure(call, http), 0.0
        if call == Call.SYNC:
            for one in self.active:
                if one.fault.wrong == Wrong.LIMIT and not one.admits(connection, self):
                    self.failed.append(self.loop.now_s)
                    return self._failure(call, 429, retry_after_s=one.fault.pause_s), 0.0
        return None

    def _failing(self, connection: Connection, place: Place) -> Active | None:
        for active in self.active:
            fault = active.fault
            if (
                fault.wrong == Wrong.FAILURE
                and fault.at == place
                and active.takes(connection, self.loop.now_s)
                and (fault.share >= 1 or self._luck.random() < fault.share)
            ):
                return active
        return None

    # -- syncs

    def _run(self, connection: Connection, *, is_ours: bool) -> None:
        now_s = self.loop.now_s
        slowness = 1.0
        for active in self.active:
            if active.fault.wrong == Wrong.SLOWNESS and active.takes(connection, now_s):
                slowness *= active.slowness(now_s)
        work_s = exp(self._mu + self.scenario.spread * self._luck.gauss(0.0, 1.0)) * slowness / self._speed
        begins_s = max(now_s, self._servers[0])
        heapreplace(self._servers, begins_s + work_s)
        connection.is_syncing = True
        connection.status = None
        self.loop.at(begins_s + work_s, self._ended, Running(connection, is_ours))

    def _ended(self, running: Running) -> None:
        connection, now_s = running.connection, self.loop.now_s
        connection.is_syncing = False
        connection.status, connection.synced_s = None, now_s
        connection.reason, connection.retryable = self._outcome(connection, running)
        if connection.reason is None:
            connection.succeeded_s = now_s
            self.on_success(connection, now_s)
        self.on_end(connection)

    def _outcome(self, connection: Connection, running: Running) -> tuple[str | None, bool | None]:
        if self.active:
            for active in self.active:
                refuses = active.fault.wrong == Wrong.AUTHORISATION and active.takes(connection, self.loop.now_s)
                if refuses and self._luck.random() < active.fault.share:
                    if running.is_ours:
                        self.failed.append(self.loop.now_s)
                    return "QUICKBOOKS_AUTHENTICATION_FAILURE", False
            if self._failing(connection, Place.SYNCS) is not None:
                if running.is_ours:
                    self.failed.append(self.loop.now_s)
                drawn = self._luck.random()
                if drawn < 0.7:
                    return "QUICKBOOKS_SERVICE_UNAVAILABLE", True
                return (
                    ("QUICKBOOKS_INTERNAL_SERVER_ERROR", True)
                    if drawn < 0.85
                    else ("QUICKBOOKS_UNKNOWN_EXCEPTION", True)
                )
        trouble = connection.trouble
        return (None, None) if trouble is None else (trouble.reason, trouble.retryable)

    # -- observations

    def _status(self, connection: Connection) -> ConnectionStatus:
        status = connection.status
        if status is None:
            synced_s = connection.synced_s
            status = connection.status = ConnectionStatus(
                is_connected=True,
                is_syncing=connection.is_syncing,
                last_sync_status="SYNC_SUCCESS" if connection.reason is None else "SYNC_FAILURE",
                sync_failure_reason=connection.reason,
                is_retryable_failure=connection.retryable,
                last_synced_at=None if synced_s is None else moment(synced_s),
            )
        return status

    def _failure(
        self, call: Call, http: int | None, error: str | None = None, retry_after_s: float | None = None
    ) -> ApiFailure:
        sort = (call, http, error, retry_after_s)
        failure = self._failures.get(sort)
        if failure is None:
            failure = self._failures[sort] = ApiFailure(
                call=call,
                http_status=http,
                error_enum=error,
                transport=Transport.NO_ANSWER if http is None else None,
                retry_after_s=retry_after_s,
            )
        return failure


class Active:
    """A fault that is on."""

    def __init__(self, fault: Fault, begins_s: float, ends_s: float, tenants: set[str] | None) -> None:
        self.fault, self.begins_s, self.ends_s, self.tenants = fault, begins_s, ends_s, tenants
        self._minutes: dict[str, tuple[int, int]] = {}

    def takes(self, connection: Connection, now_s: float) -> bool:
        """Whether it is about this connection, now."""
        if self.tenants is not None and connection.tenant not in self.tenants:
            return False
        period_s = self.fault.up_s + self.fault.down_s
        return self.fault.up_s == 0 or (now_s - self.begins_s) % period_s < self.fault.down_s

    def slowness(self, now_s: float) -> float:
        """How many times as long syncs take."""
        if not self.fault.ramps:
            return self.fault.factor
        return 1 + (self.fault.factor - 1) * (now_s - self.begins_s) / self.fault.lasts_s

    def admits(self, connection: Connection, world: World) -> bool:
        """Whether one more trigger is within the limit; it counts if it is."""
        if not self.would_admit(connection, world):
            return False
        whose, _, minute = self._limit(connection, world)
        last, used = self._minutes.get(whose, (minute, 0))
        self._minutes[whose] = (minute, 1 if last != minute else used + 1)
        return True

    def would_admit(self, connection: Connection, world: World) -> bool:
        """Whether one more trigger would be within the limit."""
        whose, most, minute = self._limit(connection, world)
        last, used = self._minutes.get(whose, (minute, 0))
        return last != minute or used < max(1.0, most)

    def _limit(self, connection: Connection, world: World) -> tuple[str, float, int]:
        """Whose limit it is, how many triggers a minute, and which minute it is."""
        scenario = world.scenario
        minute = int((world.loop.now_s - self.begins_s) // 60)
        if self.fault.per_tenant:
            return connection.tenant, self.fault.per_minute * scenario.neighbours / scenario.every_s * 60, minute
        return "", self.fault.per_minute * scenario.capacity / scenario.sync_s * 60, minute
