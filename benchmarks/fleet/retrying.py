"""A fleet looked after by a retry library: what a competent team writes around it, whichever it is.

Knows the calls that the governed fleet has, and neither engine nor governor. What all have in common, so
that only their rules of retrying differ:

* a sync is due when it is for everyone: the same draws of the same seed;
* an attempt triggers a sync and asks every 10 s whether it still runs; «already syncing» is waited for;
* any other answer, or a sync that failed, is a failure. What upstream calls not retryable is given up at
  once, as each of the tools lets a task say; all other failures are retried by the tool's rule;
* while a sync is retried, the next that is due does not start a second; once it is given up, the next starts anew;
* no tool heeds a Retry-After by default;
* who has to act is told once a failed sync is given up, or has failed four times, and once in a trouble.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any, ClassVar, Final

from remediate.decision import Owner
from remediate.simulation.loop import Loop
from remediate.simulation.measuring import Meter
from remediate.simulation.people import People
from remediate.simulation.world import Connection, World
from remediate.upstreams.layer.vocabulary import ApiFailure, ConnectionStatus

__all__ = ["POLL_S", "Retrying", "Task"]

POLL_S: Final = 10.0
_ALREADY_SYNCING: Final = 409
_TELLS_AFTER: Final = 4
"""Celery's and Airflow's first attempt and three retries; a rule of their own for tools that never give up."""
_TELLS_US: Final = 0.8
"""The share of people who, having mended a connection, say so, as for the governed fleet."""
_OF_A_WORKER: Final = 10_000
"""One worker, of the tool's default size, looks after so many connections."""
_CUSTOMERS: Final = frozenset(
    {
        "QUICKBOOKS_AUTHENTICATION_FAILURE",
        "QUICKBOOKS_AUTHORIZATION_FAILURE",
        "QUICKBOOKS_INVALID_CREDENTIALS",
        "QUICKBOOKS_INVALID_REQUEST_STATE",
    }
)

Seen = ConnectionStatus | ApiFailure | None
"""What an attempt ended with; None: it was not let through."""


class Task:
    """What the team's database has of a connection.

    Attributes:
        failures: attempts that failed since the sync was due.
        is_busy: whether a sync that was due is under way, or waits for a retry.
        is_told: whether somebody was told of the present trouble.
    """

    __slots__ = ("connection", "cost", "failures", "is_busy", "is_told")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.failures = 0
        self.cost = 0
        self.is_busy = False
        self.is_told = False


class Retrying:
    """An orchestrator on a tool that retries. Made like :class:`~remediate.simulation.oracle.Oracle`.

    Attributes:
        name: for tables.
        workers: how many attempts a worker of the tool's default size runs at once; None: the tool has no such default.
    """

    name: ClassVar[str]
    workers: ClassVar[int | None] = None

    def __init__(self, world: World, people: People, meter: Meter, loop: Loop, seed: int) -> None:
        self.world, self.people, self.meter, self.loop = world, people, meter, loop
        self._dues = Random(f"{seed}/orchestrator")
        self.luck = Random(f"{seed}/retries")
        self.tasks = [Task(connection) for connection in world.connections]
        self._queue: deque[Task] = deque()
        self._free = self._places()
        world.on_mended = self._mended
        every_s = world.scenario.every_s
        for task in self.tasks:
            loop.at(self._dues.random() * every_s, self._due, task)

    # -- the tool

    def wait_s(self, task: Task, seen: Seen) -> float | None:
        """How long to wait after a failure; None: the tool gives up."""
        raise NotImplementedError  # each tool has its own

    def permits(self) -> bool:
        """Whether an attempt is let through."""
        return True

    def attempted(self, task: Task, *, failed: bool) -> None:
        """An attempt that was let through is over."""

    # -- what happens

    def _places(self) -> int | None:
        if self.workers is None:
            return None
        return self.workers * max(1, -(-self.world.scenario.connections // _OF_A_WORKER))

    def _due(self, task: Task) -> None:
        every_s = self.world.scenario.every_s
        self.loop.at(self.loop.now_s + every_s * (0.98 + 0.04 * self._dues.random()), self._due, task)
        self.meter.due(task.connection)
        self._begin(task)

    def _mended(self, connection: Connection) -> None:
        task = self.tasks[connection.index]
        task.is_told = False
        if self.luck.random() < _TELLS_US:
            self._begin(task)

    def _begin(self, task: Task) -> None:
        if not task.is_busy:
            task.is_busy, task.failures, task.cost = True, 0, 0
            self._ready(task)

    def _ready(self, task: Task) -> None:
        """The task is to run as soon as a worker is free."""
        if self._free is None:
            self._attempt(task)
        elif self._free == 0:
            self._queue.append(task)
        else:
            self._free -= 1
            self._attempt(task)

    def _release(self) -> None:
        if self._free is None:
            return
        if self._queue:
            self.loop.at(self.loop.now_s, self._attempt, self._queue.popleft())
        else:
            self._free += 1

    # -- one attempt

    def _attempt(self, task: Task) -> None:
        if not self.permits():
            self._failed(task, None)
            return
        answer, wait_s = self.world.sync(task.connection)
        self._later(wait_s, self._triggered, (task, answer))

    def _triggered(self, what: tuple[Task, ConnectionStatus | ApiFailure]) -> None:
        task, answer = what
        if isinstance(answer, ApiFailure) and answer.http_status != _ALREADY_SYNCING:
            self._ended(task, answer, failed=True)
        else:
            self.loop.at(self.loop.now_s + POLL_S, self._poll, task)

    def _poll(self, task: Task) -> None:
        answer, wait_s = self.world.status(task.connection)
        self._later(wait_s, self._polled, (task, answer))

    def _polled(self, what: tuple[Task, ConnectionStatus | ApiFailure]) -> None:
        task, answer = what
        if isinstance(answer, ConnectionStatus) and answer.is_syncing:
            self.loop.at(self.loop.now_s + POLL_S, self._poll, task)
        else:
            failed = isinstance(answer, ApiFailure) or answer.sync_failure_reason is not None
            self._ended(task, answer, failed=failed)

    def _later(self, wait_s: float, do: Any, what: Any) -> None:
        if wait_s:
            self.loop.at(self.loop.now_s + wait_s, do, what)
        else:
            do(what)

    def _ended(self, task: Task, seen: Seen, *, failed: bool) -> None:
        self.attempted(task, failed=failed)
        if failed:
            self._failed(task, seen)
        else:
            task.is_busy = task.is_told = False
            self._release()

    def _failed(self, task: Task, seen: Seen) -> None:
        self._release()
        task.failures += 1
        is_final = isinstance(seen, ConnectionStatus) and seen.is_retryable_failure is False
        wait_s = None if is_final else self.wait_s(task, seen)
        if isinstance(seen, ConnectionStatus) and (wait_s is None or task.failures >= _TELLS_AFTER):
            self._tell(task, seen)
        if wait_s is None:
            task.is_busy = False
        else:
            self.loop.at(self.loop.now_s + wait_s, self._ready, task)

    def _tell(self, task: Task, seen: ConnectionStatus) -> None:
        if task.is_told:
            return
        if seen.sync_failure_reason in _CUSTOMERS:
            task.is_told = True
            self.people.tell(task.connection)
        elif seen.is_retryable_failure is False:
            task.is_told = True
            self.people.ask(task.connection, Owner.SUPPORT)
