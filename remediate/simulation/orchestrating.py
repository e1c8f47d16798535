"""A fleet looked after by the real parts: engine, life of a connection, governor; on virtual time.

Knows the simulated world's calls. Interprets commands as a runner does, and decides nothing itself.
"""

from __future__ import annotations

from math import inf, nextafter
from random import Random
from typing import Any

from remediate.attempts import Outcome, outcome, runs
from remediate.decision import Owner, Scope
from remediate.engine import Engine
from remediate.events import (
    Accepted,
    Event,
    Mended,
    Notify,
    Observe,
    Observed,
    OpenTicket,
    Refused,
    Trigger,
    WaitUntil,
    Wanted,
)
from remediate.fleet import Ended, Governor, Start, Telling, Wants
from remediate.fleet.events import Event as FleetEvent
from remediate.simulation.loop import Loop
from remediate.simulation.measuring import Meter
from remediate.simulation.people import People
from remediate.simulation.world import Connection, World
from remediate.state import State

__all__ = ["Governed"]

_TELLS_US = 0.8
_BACK = Mended(by="the customer")
_INCIDENT = "the end of an incident"


class _Member:
    """What the orchestrator knows of a connection."""

    __slots__ = ("connection", "due_s", "first", "number", "pending", "state", "timer_s", "wanted_s")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.state = State(key=connection.key)
        self.due_s: float | None = None
        self.number = 0
        self.pending: list[Event] = []
        self.first: list[Event] = []
        self.timer_s = -1.0
        self.wanted_s: float | None = None


class Governed:
    """An orchestrator on :class:`~remediate.fleet.Governor`."""

    def __init__(self, world: World, people: People, meter: Meter, loop: Loop, engine: Engine, seed: int) -> None:
        self.world, self.people, self.meter, self.loop = world, people, meter, loop
        self.life = engine.lifecycle
        self.governor = Governor(engine.policy.fleet, f"seed {seed}")
        self._luck = Random(f"{seed}/orchestrator")
        self._members = [_Member(connection) for connection in world.connections]
        self._by_key = {member.connection.key: member for member in self._members}
        self._tickets: set[str] = set()
        self._happened: list[FleetEvent] = []
        self._woken_s: float | None = None
        self.incidents: list[Any] = []
        world.on_mended = self._mended
        every_s = world.scenario.every_s
        for member in self._members:
            loop.at(self._luck.random() * every_s, self._due, member)

    # -- what happens

    def _due(self, member: _Member) -> None:
        every_s = self.world.scenario.every_s
        self.loop.at(self.loop.now_s + every_s * (0.98 + 0.04 * self._luck.random()), self._due, member)
        self.meter.due(member.connection)
        member.wanted_s = self.loop.now_s
        self._want(member, None)

    def _mended(self, connection: Connection) -> None:
        if self._luck.random() < _TELLS_US:
            self._want(self._by_key[connection.key], _BACK)

    def _want(self, member: _Member, event: Event | None) -> None:
        if event is not None:
            member.pending.append(event)
        if member.due_s is None:
            member.due_s = self.loop.now_s
        if not member.number:
            connection = member.connection
            is_running = runs(member.state)
            self._tell(Wants(key=connection.key, due_s=member.due_s, tenant=connection.tenant, runs=is_running))

    def _timer(self, member: _Member) -> None:
        if member.timer_s != self.loop.now_s:
            return
        if member.number:
            self._look(member)
        else:
            self._want(member, None)

    # -- the governor

    def _tell(self, event: FleetEvent) -> None:
        """Tell the governor. What it asks for may lead to more that it is told: all is told in order."""
        self._happened.append(event)
        if len(self._happened) > 1:
            return
        while self._happened:
            self._govern((self._happened[0],))
            self._happened.pop(0)

    def _wake(self, when_s: float) -> None:
        if self._woken_s == when_s:
            self._woken_s = None
            self._govern(())

    def _govern(self, events: tuple[FleetEvent, ...]) -> None:
        asked = self.governor.step(self.loop.now_s, events)
        if asked.wake_s is not None and asked.wake_s != self._woken_s:
            self._woken_s = asked.wake_s
            self.loop.at(asked.wake_s, self._wake, asked.wake_s)
        for key in asked.tell:
            self.people.tell(self._by_key[key].connection)
        for key, incident in asked.repairs:
            self._want(self._by_key[key], Mended(by=_INCIDENT, ticket=incident, at_once=True))
        for one in asked.announced:
            self.incidents.append((self.loop.now_s, one))
        for start in asked.starts:
            self._start(self._by_key[start.key], start)

    # -- one attempt

    def _start(self, member: _Member, start: Start) -> None:
        member.number = start.number
        pending, member.pending = member.pending, []
        for event in pending:
            self._step(member, event)
        if start.repairs:
            member.first.append(Mended(by=_INCIDENT, ticket=start.repairs, at_once=True))
        if member.wanted_s is not None:
            member.first.append(Wanted(by="the schedule", since_s=member.wanted_s))
            member.wanted_s = None
        self._look(member)

    def _look(self, member: _Member) -> None:
        answer, wait_s = self.world.status(member.connection)
        if wait_s:
            self.loop.at(self.loop.now_s + wait_s, self._seen, (member, answer, self.loop.now_s))
        else:
            self._seen((member, answer, self.loop.now_s))

    def _seen(self, what: Any) -> None:
        member, answer, asked_s = what
        if asked_s == member.state.asked_s:  # no call takes time here, and no two are made at once
            asked_s = nextafter(asked_s, inf)
        first, member.first = member.first, []
        self._record(member, *first, Observed(observation=answer, asked_s=asked_s), at_s=asked_s)

    def _answered(self, what: Any) -> None:
        member, answer, number = what
        accepted = Accepted(number=number)
        self._record(member, accepted if answer.describes else Refused(number=number, observation=answer))

    def _record(self, member: _Member, *events: Event, at_s: float = 0.0) -> None:
        """What happened together, and what follows."""
        before = member.state
        for event in events:
            last = self._step(member, event, at_s)
        if isinstance(last, Observe):
            self._look(member)
        elif isinstance(last, Trigger):
            answer, wait_s = self.world.sync(member.connection)
            if wait_s:
                self.loop.at(self.loop.now_s + wait_s, self._answered, (member, answer, last.number))
            else:
                self._answered((member, answer, last.number))
        else:
            self._waits(member, last, outcome(before, member.state, events, last))

    def _step(self, member: _Member, event: Event, at_s: float = 0.0) -> Any:
        member.state, commands = self.life.step(member.state, event, max(self.loop.now_s, at_s))
        for command in commands[:-1]:
            if isinstance(command, Notify) and command.audience == Owner.CUSTOMER and not command.reminder:
                self._tell(Telling(key=member.connection.key))
            elif isinstance(command, OpenTicket) and command.id not in self._tickets:
                if command.scope == Scope.INTEGRATION:
                    self._tickets.add(command.id)
                self.people.ask(member.connection, command.owner)
        return commands[-1]

    def _waits(self, member: _Member, wait: WaitUntil, over: Outcome | None) -> None:
        state = member.state
        if wait.at_s is not None and (not wait.rests or state.is_open or state.wanted):
            member.timer_s = wait.at_s
            self.loop.at(wait.at_s, self._timer, member)
        else:
            member.timer_s = -1.0
        if over is None:
            return
        number, member.number = member.number, 0
        if wait.rests and member.wanted_s is None:
            member.due_s = None
        key = member.connection.key
        self._tell(
            Ended(
                key=key,
                number=number,
                evidence=over.evidence,
                synced=over.synced,
                refused=over.refused,
                retry_after_s=over.retry_after_s,
            )
        )
        if member.pending or member.wanted_s is not None:
            self._want(member, None)
