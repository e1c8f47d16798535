"""A fleet for tests: a governor stepped by hand, and everything that must hold checked at every step.

Knows what was said to the governor and what it asked for, and counts for itself: who waits, what is under
way and who is to be told. It looks inside only for which tenants are held and which attempts are forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import attrs

from remediate.decision import Evidence
from remediate.fleet import (
    Closed,
    Directives,
    Ended,
    Event,
    Fleet,
    Governor,
    Opened,
    Phase,
    Purpose,
    Start,
    Telling,
    Wants,
    Withdrawn,
)

__all__ = ["ALIVE", "FORGOTTEN_S", "Driven", "Running", "copied"]

ALIVE = Evidence.ALIVE
FORGOTTEN_S = 3600.0
"""An attempt whose end never comes is forgotten no sooner."""
MOST_STEPS = 20_000
_MAY_START = {
    Phase.CLOSED: {Purpose.WORK, Purpose.PROBE},
    Phase.RECOVERING: {Purpose.WORK, Purpose.PROBE},
    Phase.CONFIRMING: {Purpose.CANARY, Purpose.PROBE},
    Phase.OPEN: {Purpose.PROBE},
}
"""A tenant's own probes go on whatever is known of everyone."""


def copied(governor: Governor) -> Governor:
    """The same, by way of JSON."""
    return Governor.restore(json.loads(json.dumps(governor.snapshot())), governor.fleet, governor.name)


@attrs.frozen
class Running:
    """An attempt whose end was not told."""

    start: Start
    since_s: float
    holds: bool


@attrs.define
class Driven:
    """A governor, its clock, and what is known of it from outside.

    Attributes:
        clock_s: what the clock shows.
        passed_s: the time that has passed, whatever the clock did.
        wanted: the wants that wait, by key; some may have been passed over.
        running: attempts whose end was not told, by key.
        pending: customers about to be told.
        opened: incidents announced, by id, and whether they are over.
        twin: a copy that is stepped alike, and has to answer alike.
        always: how each start is answered at once; None: not at all.
    """

    governor: Governor
    clock_s: float = 0.0
    passed_s: float = 0.0
    is_muted: bool = False
    wanted: dict[str, Wants] = attrs.field(factory=dict)
    running: dict[str, Running] = attrs.field(factory=dict)
    pending: set[str] = attrs.field(factory=set)
    opened: dict[str, bool] = attrs.field(factory=dict)
    twin: Governor | None = None
    number: int = 0
    steps: int = 0
    wake_s: float | None = None
    starts: list[Start] = attrs.field(factory=list)
    told: list[str] = attrs.field(factory=list)
    dropped: list[str] = attrs.field(factory=list)
    repaired: dict[str, str] = attrs.field(factory=dict)
    announced: list[Opened | Closed] = attrs.field(factory=list)

    @classmethod
    def of(cls, fleet: Fleet | None = None, clock_s: float = 0.0) -> Driven:
        """A new one."""
        return cls(Governor(fleet or Fleet()), clock_s)

    # -- what is said

    def say(self, *events: Event) -> Directives:
        """Step now."""
        return self.at(self.clock_s, events)

    def want(self, keys: Iterable[str], tenant_of: dict[str, str] | None = None) -> Directives:
        """These want an attempt, all since now."""
        tenants = tenant_of or {}
        return self.say(*(Wants(key=key, due_s=self.clock_s, tenant=tenants.get(key)) for key in keys))

    def end(self, key: str, evidence: Evidence, *, synced: bool = True, retry_after_s: float | None = None) -> None:
        """The attempt of a connection ends."""
        number = self.running[key].start.number
        self.say(Ended(key=key, number=number, evidence=evidence, synced=synced, retry_after_s=retry_after_s))

    def at(self, clock_s: float, events: Iterable[Event] = ()) -> Directives:
        """Step at this time by the clock, and check all that must hold."""
        events = tuple(events)
        if self.steps:
            self.passed_s += max(0.0, clock_s - self.clock_s)
        self.clock_s = clock_s
        self.steps += 1
        for event in events:
            self._note(event)
        asked = self.governor.step(clock_s, events)
        if self.twin is not None:
            assert self.twin.step(clock_s, events) == asked
        self._check_answers(asked)
        self._check_starts(asked)
        self._check_places(asked)
        self._check_wake(asked)
        return asked

    def _note(self, event: Event) -> None:
        match event:
            case Wants(key=key):
                if key not in self.running or key not in self.governor._window.flights:
                    self.wanted.setdefault(key, event)
            case Withdrawn(key=key):
                self.wanted.pop(key, None)
            case Telling(key=key):
                self.pending.add(key)
            case Ended(key=key, number=number):
                running = self.running.get(key)
                if running is not None and running.start.number == number:
                    del self.running[key]

    # -- what must hold

    def _check_answers(self, asked: Directives) -> None:
        for key in (*asked.tell, *asked.drop):
            self.pending.remove(key)
        for one in asked.announced:
            if isinstance(one, Opened):
                assert one.incident.id not in self.opened
                self.opened[one.incident.id] = False
            else:
                assert self.opened[one.incident.id] is False
                self.opened[one.incident.id] = True
        under_way = {one.id for one in self.governor.standing.incidents}
        announced = {name for name, is_over in self.opened.items() if not is_over}
        assert announced <= under_way if self.is_muted else announced == under_way
        assert all(name for _, name in asked.repairs)
        self.repaired.update(asked.repairs)
        self.told += asked.tell
        self.dropped += asked.drop
        self.announced += asked.announced

    def _check_starts(self, asked: Directives) -> None:
        standing = self.governor.standing
        for start in asked.starts:
            assert start.number > self.number
            self.number = start.number
            assert start.purpose in _MAY_START[standing.phase]
            before = self.running.get(start.key)
            assert before is None or self.passed_s - before.since_s >= FORGOTTEN_S
            wants = self.wanted.pop(start.key)
            if start.purpose == Purpose.WORK:
                assert wants.tenant is None or not self.governor._circuits.holds(wants.tenant)
            holds = start.purpose != Purpose.WORK or not wants.runs
            self.running[start.key] = Running(start, self.passed_s, holds)
            if start.repairs:
                self.repaired[start.key] = start.repairs
        self.starts += asked.starts

    def _check_places(self, asked: Directives) -> None:
        standing, fleet = self.governor.standing, self.governor.fleet
        holding = [one for one in self.running.values() if one.holds]
        young = [one for one in holding if self.passed_s - one.since_s < fleet.lapse_s * 0.999]
        assert len(young) <= standing.under_way <= len(holding)
        if any(self.running[one.key].holds for one in asked.starts if one.purpose == Purpose.WORK):
            assert standing.under_way <= standing.places
        if standing.phase not in (Phase.OPEN, Phase.CONFIRMING) and asked.starts:
            probes = [one for one in asked.starts if one.purpose == Purpose.PROBE]
            assert not probes or standing.under_way <= standing.places, "tenants are probed as there is room"
        if any(one.purpose == Purpose.CANARY for one in asked.starts):
            assert standing.under_way <= max(fleet.canaries, standing.places)
            assert sum(one.start.purpose == Purpose.CANARY for one in holding) <= fleet.canaries
        if standing.phase == Phase.OPEN and asked.starts:
            waits_s = fleet.probe_first_s * 0.999
            probes = [one for one in holding if one.start.purpose == Purpose.PROBE]
            tenants = len(self.governor._circuits.tenants)
            assert sum(self.passed_s - one.since_s < waits_s for one in probes) <= fleet.probes * (1 + tenants)

    def _check_wake(self, asked: Directives) -> None:
        standing = self.governor.standing
        assert standing.waiting <= len(self.wanted)
        assert asked.wake_s is not None or not standing.waiting, "nobody will be woken for those who wait"
        assert asked.wake_s is None or asked.wake_s > self.clock_s, "it is woken for nothing"
        self.wake_s = asked.wake_s

    # -- time that goes on

    def answer(self, evidence: Evidence, *, synced: bool = True) -> None:
        """All that is under way ends so."""
        self.say(
            *(
                Ended(key=key, number=one.start.number, evidence=evidence, synced=synced)
                for key, one in self.running.items()
            )
        )

    def follow(self, until_s: float, evidence: Evidence | None, takes_s: float = 2.0) -> int:
        """Follow the wake-ups until the clock shows this; each attempt ends so after a while. How many steps."""
        steps = self.steps
        while self.clock_s < until_s:
            ends_s = self.clock_s + takes_s if self.running and evidence is not None else until_s
            next_s = min(self.wake_s if self.wake_s is not None else until_s, ends_s, until_s)
            self.at(next_s)
            assert self.steps - steps < MOST_STEPS, "it is woken again and again"
            if evidence is not None and next_s == ends_s:
                self.answer(evidence)
        return self.steps - steps
