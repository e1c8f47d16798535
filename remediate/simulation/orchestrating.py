"""A fleet looked after by the real parts: engine, life of a connection, governor; on virtual time.

Knows the simulated world's calls. Interprets commands as a runner does, and decides nothing itself.
"""

from __future__ import annotations

from enum import Enum
from math import inf, nextafter
from random import Random
from typing import Any

from remediate.decision import Decision, Evidence, Owner, Scope
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


class _Found(Enum):
    """What an attempt has found out."""

    NOTHING = 0
    ANSWERED = 1
    CALL_FAILED = 2
    SYNC_ENDED = 3


class _Member:
    """What the orchestrator knows of a connection."""

    __slots__ = (
        "asked_pause_s",
        "connection",
        "decision",
        "due_s",
        "found",
        "heard_s",
        "number",
        "pending",
        "state",
        "timer_s",
        "wanted_s",
    )

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.state = State(key=connection.key)
        self.due_s: float | None = None
        self.number = 0
        self.pending: list[Event] = []
        self.decision: Decision | None = None
        self.found = _Found.NOTHING
        self.timer_s = -1.0
        self.wanted_s: float | None = None
        self.heard_s: float | None = None
        self.asked_pause_s: float | None = None


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
            runs = member.state.flight is not None or member.state.syncing_since_s is not None
            self._tell(Wants(key=connection.key, due_s=member.due_s, tenant=connection.tenant, runs=runs))

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
        member.number, member.found, member.decision = start.number, _Found.NOTHING, None
        if start.repairs:
            self._step(member, Mended(by=_INCIDENT, ticket=start.repairs, at_once=True))
        member.heard_s = member.wanted_s
        if member.wanted_s is not None:
            self._step(member, Wanted(by="the schedule", since_s=member.wanted_s))
        pending, member.pending = member.pending, []
        for event in pending:
            self._step(member, event)
        self._look(member)

    def _look(self, member: _Member) -> None:
        answer, wait_s = self.world.status(member.connection)
        if wait_s:
            self.loop.at(self.loop.now_s + wait_s, self._seen, (member, answer, self.loop.now_s))
        else:
            self._seen((member, answer, self.loop.now_s))

    def _seen(self, what: Any) -> None:
        member, answer, asked_s = what
        member.asked_pause_s = answer.retry_after_s
        was_running = member.state.flight is not None or member.state.syncing_since_s is not None
        if asked_s == member.state.asked_s:  # no call takes time here, and no two are made at once
            asked_s = nextafter(asked_s, inf)
        last = self._step(member, Observed(observation=answer, asked_s=asked_s), asked_s)
        is_running = member.state.flight is not None or member.state.syncing_since_s is not None
        if answer.describes and member.wanted_s == member.heard_s:
            member.wanted_s = None  # the machine has heard it, and remembers
        if not answer.describes:
            member.found = _Found.CALL_FAILED
        elif was_running and not is_running:
            member.found = _Found.SYNC_ENDED
        elif member.found == _Found.NOTHING:
            member.found = _Found.ANSWERED
        self._follow(member, last, failed=not answer.describes)

    def _answered(self, what: Any) -> None:
        member, answer, number = what
        member.asked_pause_s = answer.retry_after_s
        if answer.describes:
            last = self._step(member, Accepted(number=number))
        else:
            member.found = _Found.CALL_FAILED
            last = self._step(member, Refused(number=number, observation=answer))
        self._follow(member, last, failed=not answer.describes)

    def _follow(self, member: _Member, last: Any, *, failed: bool) -> None:
        if isinstance(last, Observe):
            self._look(member)
        elif isinstance(last, Trigger):
            answer, wait_s = self.world.sync(member.connection)
            if wait_s:
                self.loop.at(self.loop.now_s + wait_s, self._answered, (member, answer, last.number))
            else:
                self._answered((member, answer, last.number))
        else:
            self._waits(member, last, failed=failed)

    def _step(self, member: _Member, event: Event, asked_s: float = 0.0) -> Any:
        member.state, commands = self.life.step(member.state, event, max(self.loop.now_s, asked_s))
        for command in commands[:-1]:
            if isinstance(command, Notify) and command.audience == Owner.CUSTOMER and not command.reminder:
                self._tell(Telling(key=member.connection.key))
            elif isinstance(command, OpenTicket) and command.id not in self._tickets:
                if command.scope == Scope.INTEGRATION:
                    self._tickets.add(command.id)
                self.people.ask(member.connection, command.owner)
        last = commands[-1]
        if isinstance(last, (WaitUntil, Trigger)) and last.decision is not None:
            member.decision = last.decision
        return last

    def _waits(self, member: _Member, wait: WaitUntil, *, failed: bool) -> None:
        state = member.state
        runs = state.syncing_since_s is not None or (state.flight is not None and not state.refused)
        over = None if runs and not failed and not wait.rests else self._ended(member, wait)
        if wait.at_s is not None and (not wait.rests or state.is_open or member.wanted_s is not None):
            member.timer_s = wait.at_s
            self.loop.at(wait.at_s, self._timer, member)
        else:
            member.timer_s = -1.0
        if over is None:
            return
        self._tell(over)
        if member.pending or (member.wanted_s is not None and not failed):
            self._want(member, None)

    def _ended(self, member: _Member, wait: WaitUntil) -> Ended:
        decision, found = member.decision, member.found
        evidence, pause_s = Evidence.NONE, None
        if found == _Found.ANSWERED:
            evidence = Evidence.ALIVE
        elif found != _Found.NOTHING and decision is not None:
            evidence = decision.evidence
        if found == _Found.CALL_FAILED:
            pause_s = member.asked_pause_s
        number, member.number = member.number, 0
        if wait.rests and member.wanted_s is None:
            member.due_s = None
        return Ended(
            key=member.connection.key,
            number=number,
            evidence=evidence,
            synced=found == _Found.SYNC_ENDED,
            retry_after_s=pause_s,
        )
