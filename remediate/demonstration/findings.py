"""What became of a demonstration's fleet, read from the ledger's journal and the sandbox's counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from remediate.decision import Action, Cause, Decision, NoOp, Owner, headline
from remediate.demonstration.kinds import Kind
from remediate.episode import Lifecycle
from remediate.events import Event, Notify, OpenTicket, Trigger, WaitUntil
from remediate.state import State
from remediate.upstreams.layer.sandbox import Report

__all__ = ["Findings", "Life", "live"]


@attrs.define(kw_only=True)
class Life:
    """What became of a connection.

    Attributes:
        id: its business.
        kind: what was wrong with it.
        first: the first decision about it, at its first rest; None: not yet.
        last: the latest.
        triggers: how many syncs were triggered.
        told: how often each was told for the first time.
        tickets: the tickets that were asked for.
    """

    id: str
    kind: Kind
    first: Decision | None = None
    last: Decision | None = None
    triggers: int = 0
    told: Counter[Owner] = attrs.field(factory=Counter)
    tickets: set[str] = attrs.field(factory=set)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is left to do, and nobody has to act."""
        return isinstance(self.last, NoOp) and self.last.cause is not Cause.IN_PROGRESS


def live(id: str, kind: Kind, machine: Lifecycle, journal: Iterable[tuple[Event, float]]) -> Life:
    """A life again, from its journal."""
    life, state = Life(id=id, kind=kind), State(key=id)
    for event, now_s in journal:
        state, (*requests, last) = machine.step(state, event, now_s)
        if isinstance(last, WaitUntil | Trigger) and last.decision is not None:
            life.last = last.decision
            if isinstance(last, WaitUntil) and last.rests and life.first is None:
                life.first = last.decision
        for request in requests:
            if isinstance(request, Notify) and request.reminder == 0:
                life.told[request.audience] += 1
            if isinstance(request, OpenTicket):
                life.tickets.add(request.id)
    life.triggers = state.triggers
    return life


@attrs.frozen(kw_only=True)
class Findings:
    """What came of it all.

    Attributes:
        connections: all of them.
        kills: how often the process that drives them was killed.
        report: what the sandbox counted.
        took_s: how long it took, in seconds of real time.
        passed_s: how much time passed for the fleet.
    """

    connections: tuple[Life, ...]
    kills: int
    report: Report
    took_s: float
    passed_s: float

    def handled(self) -> dict[str, Counter[str]]:
        """What was done first about each connection: how many, by action and by what that was in detail."""
        ways: dict[str, Counter[str]] = {way: Counter() for way in _WAYS.values()}
        for one in self.connections:
            ways[_way(one)][headline(one.first) if one.first else "no answer yet"] += 1
        return ways

    @property
    def figures(self) -> dict[str, tuple[int, int | None]]:
        """Each figure that matters, and what it has to be; None: it is there to be known."""
        told = [count for one in self.connections for count in one.told.values()]
        asked = sum(bool(one.told or one.tickets) for one in self.connections if one.kind.heals)
        total = self.report.total
        return {
            "syncs triggered": (total.triggers_received, None),
            "triggers sent more than once": (sum(self._repeats()), 0),
            "futile syncs": (total.futile, 0),
            "overlapping syncs": (total.overlapping, 0),
            "customers told": (len(told), None),
            "customers told twice": (sum(count > 1 for count in told), 0),
            "humans called for what heals by itself": (asked, 0),
            "connections not at rest": (sum(not one.is_at_rest for one in self.connections), 0),
        }

    def _repeats(self) -> Iterator[int]:
        """For each connection, how many triggers Layer received beyond those that were asked for."""
        for one in self.connections:
            counts = self.report.businesses.get(one.id)
            yield max(0, counts.triggers_received - one.triggers) if counts else 0

    @property
    def holds(self) -> bool:
        """Whether every figure is what it has to be."""
        return all(must is None or is_ == must for is_, must in self.figures.values())


_WAYS: Final = {
    Action.RETRY: "retried until it was well",
    Action.REAUTH: "re-authorised",
    Action.ESCALATE: "escalated",
    Action.NO_OP: "left alone",
}


def _way(life: Life) -> str:
    """By the first decision at rest; one that came after syncs were triggered was retried until then."""
    first = life.first
    if first is None or (isinstance(first, NoOp) and life.triggers):
        return _WAYS[Action.RETRY]
    return _WAYS[first.action]
