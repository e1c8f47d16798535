"""The governor of a fleet: an outage is one incident. Events in, directives out; it keeps no clock.

Knows what decisions say of upstream and who wants an attempt, and neither upstreams nor how a start is
carried out. One owner steps it; its whole state is saved and restored as plain data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

import attrs

from remediate.decision import Evidence
from remediate.fleet.circuit import Circuit
from remediate.fleet.circuits import Circuits
from remediate.fleet.clock import shown_s
from remediate.fleet.events import (
    Directives,
    Ended,
    Event,
    Phase,
    Purpose,
    Repaired,
    Sized,
    Standing,
    Start,
    Telling,
    Wants,
    Withdrawn,
)
from remediate.fleet.found import ANSWERS, FAILS, Asked, Found, whose
from remediate.fleet.missing import Missing
from remediate.fleet.notices import Notices
from remediate.fleet.owed import Owed
from remediate.fleet.pacer import Pacer
from remediate.fleet.parameters import Fleet
from remediate.fleet.queue import Entry, Queue
from remediate.fleet.saving import APART, plain, restored
from remediate.fleet.window import Flight, Window

__all__ = ["Governor"]

_ROTATES = 8
"""A tenant that was probed is not probed again before so many others, if there are others."""


@attrs.define(slots=False)
class Governor:
    """Grants starts to a fleet.

    Attributes:
        fleet: the parameters; default those of :class:`~remediate.fleet.parameters.Fleet`.
        name: from which the jitter of its probes is drawn, and what its incidents are called; default ``fleet``.
    """

    fleet: Fleet = attrs.field(factory=Fleet, metadata=APART)
    name: str = attrs.field(default="fleet", metadata=APART)
    _clock_s: float | None = attrs.field(default=None, kw_only=True)
    _now_s: float = attrs.field(default=0.0, kw_only=True)
    _queue: Queue = attrs.field(factory=Queue, kw_only=True)
    _window: Window = attrs.field(kw_only=True)
    _pacer: Pacer = attrs.field(kw_only=True)
    _circuits: Circuits = attrs.field(kw_only=True)
    _notices: Notices = attrs.field(kw_only=True)
    _missing: Missing = attrs.field(kw_only=True)
    _troubled: set[str] = attrs.field(factory=set, kw_only=True)
    _probed: list[str] = attrs.field(factory=list, kw_only=True)
    _owed: Owed = attrs.field(factory=Owed, kw_only=True)
    _out: Asked = attrs.field(factory=Asked, init=False)

    @_window.default
    def _new_window(self) -> Window:
        return Window(fleet=self.fleet)

    @_pacer.default
    def _new_pacer(self) -> Pacer:
        return Pacer(fleet=self.fleet)

    @_circuits.default
    def _new_circuits(self) -> Circuits:
        return Circuits.of(self.fleet, self.name)

    @_notices.default
    def _new_notices(self) -> Notices:
        return Notices(fleet=self.fleet)

    @_missing.default
    def _new_missing(self) -> Missing:
        return Missing(fleet=self.fleet)

    def __attrs_post_init__(self) -> None:
        self._queue.is_held = self._is_aside

    # -- for those who use it

    def step(self, now_s: float, events: Iterable[Event] = ()) -> Directives:
        """Take what happened, and say what to do.

        Any event is defined in any state; one that comes late, twice or never breaks nothing. While the
        clock stands behind the latest time it showed, time goes on from there.

        Args:
            now_s: the time, in seconds of any clock.
            events: what happened since the last step, in order.
        """
        self._pass_time(now_s)
        for event in events:
            self._take(event)
        return self._directives(self._advance())

    def snapshot(self, *, waiting: bool = True) -> dict[str, Any]:
        """The whole state as plain data that JSON can hold. Restored, it goes on as if nothing had been.

        Args:
            waiting: with those who wait; False: without, so that it does not grow with them. Whoever saves
                `waiting` beside it, and hands it to :meth:`restore`, has lost nothing. Default True.
        """
        saved: dict[str, Any] = plain(self, {} if waiting else {"entries": {}})
        return saved

    @classmethod
    def restore(
        cls,
        saved: dict[str, Any],
        fleet: Fleet | None = None,
        name: str = "fleet",
        waiting: Mapping[str, Entry] | None = None,
    ) -> Governor:
        """A governor as it was saved, perhaps under other parameters.

        Args:
            waiting: those who wait; None: as the snapshot has them.

        Raises:
            InputError: it is no snapshot of a governor.
        """
        governor = restored(cls, saved, {"fleet": fleet or Fleet(), "name": name})
        if waiting is not None:
            arrivals = governor._queue.arrivals
            governor._queue = Queue(entries=dict(waiting), arrivals=arrivals, is_held=governor._is_aside)
        return governor

    @property
    def waiting(self) -> Mapping[str, Entry]:
        """Those who wait for a start, by key; not to be changed."""
        return self._queue.entries

    @property
    def standing(self) -> Standing:
        """How things are."""
        circuit, tenants, behind_s = self._circuits.everyone, self._circuits.tenants.items(), self._circuits.behind_s
        known = [circuit.incident, *(one.incident for _, one in tenants), self._circuits.missing]
        return Standing(
            phase=circuit.phase,
            incidents=tuple(one for one in known if one is not None),
            next_probe_s=circuit.probe_s - behind_s if circuit.phase == Phase.OPEN else None,
            next_probes={of: one.probe_s - behind_s if one.phase == Phase.OPEN else None for of, one in tenants},
            waiting=len(self._queue),
            under_way=self._window.held,
            places=int(self._window.limit),
            muted=self._now_s < self._circuits.muted_s,
        )

    # -- events

    def _take(self, event: Event) -> None:
        match event:
            case Wants(key=key, due_s=due_s, tenant=tenant, runs=runs):
                if key not in self._window.flights:
                    self._queue.add(key, due_s, tenant, runs=runs)
                    self._circuits.turns.wanted(tenant)
            case Ended():
                flight = self._window.end(event.key, event.number)
                if flight is not None:
                    self._ended(event, flight)
            case Withdrawn(key=key):
                self._withdrawn(key)
            case Repaired(key=key):
                self._circuits.hurt.well(key)
                self._troubled.discard(key)
            case Telling(key=key):
                if self._notices.ask(key, self._window.number, self._now_s):
                    self._out.repairs.append((key, self._circuits.refused_in))
            case Sized(connections=connections):
                self._missing.connections = connections
            case _:
                self._circuits.ordered(event, self._now_s)

    def _withdrawn(self, key: str) -> None:
        """One wants nothing any more, and may never again: what it is owed it has now, and no more is known of it."""
        self._queue.remove(key)
        if incident := self._owed.hurt.pop(key, ""):
            self._out.repairs.append((key, incident))
        self._circuits.forget(key)
        self._troubled.discard(key)

    def _ended(self, event: Ended, flight: Flight) -> None:
        now_s, evidence, name = self._now_s, event.evidence, whose(event.key, flight.tenant)
        if evidence == Evidence.MISSING:
            self._missing.add(event.key, now_s)
        if evidence in ANSWERS:
            self._answered(event, flight)
        else:
            self._troubled.add(event.key)
        is_theirs = evidence in (Evidence.AUTHORISATION, Evidence.CONNECTION) and not self._circuits.refuses
        if is_theirs and self._notices.failed(event.key, event.number):
            self._out.tell.append(event.key)
        is_limit = evidence in FAILS and bool(event.retry_after_s)
        if is_limit and not self._circuits.everyone.holds:
            self._pacer.turned_away(name, flight.tenant, event.retry_after_s or 0.0, now_s)
            return
        if evidence in FAILS and not self._circuits.everyone.holds:
            self._window.failed(now_s, synced=event.synced, refused=event.refused)
        if evidence != Evidence.NONE and not event.refused:
            self._pacer.got_through(name, now_s)
        self._circuits.ended(event, flight, now_s)

    def _answered(self, event: Ended, flight: Flight) -> None:
        self._missing.known(event.key)
        if not event.synced:
            return
        self._troubled.discard(event.key)
        waits = bool(self._queue.entries)
        is_calm = self._circuits.everyone.phase == Phase.CLOSED and not self._pacer.gap_s
        is_calm = is_calm and not (waits and self._window.is_warm)
        is_full = waits and self._window.held + 1 >= int(self._window.limit)
        self._window.went_well(self._now_s - flight.at_s, self._now_s, calm=is_calm, is_full=is_full)
        if event.evidence == Evidence.ALIVE and self._notices.well(event.key):
            self._out.drop.append(event.key)

    # -- time

    def _pass_time(self, now_s: float) -> None:
        if self._clock_s is None:
            self._clock_s = self._now_s = now_s
        passed_s = max(0.0, now_s - self._clock_s)
        is_calm = self._circuits.everyone.phase == Phase.CLOSED and not self._pacer.gap_s and not self._queue.entries
        if is_calm and passed_s:
            self._window.rested(passed_s)
            self._pacer.drains_s = None
            self._owed.settled()
        self._now_s += passed_s
        self._clock_s = now_s
        self._circuits.behind_s = self._now_s - now_s

    def _advance(self) -> float:
        """Let time pass; when it alone changes something next."""
        now_s, circuits = self._now_s, self._circuits
        if self._pacer.agenda.next_s <= now_s:
            self._release(self._pacer.resumed(now_s))
        for _ in self._window.lapse(now_s):
            circuits.lapsed(now_s)
        if self._missing.seen or circuits.missing is not None:
            self._missing.forget(now_s)
            circuits.guard(self._missing, now_s)
        if circuits.everyone.is_stale(now_s) and not self._window.held and self._queue.first() is None:
            circuits.dismiss()
        circuits.advance(now_s)
        if circuits.found:
            self._follow(circuits.fetch())
        tells_s = self._say()
        starts_s = self._dispatch()
        return min(
            tells_s,
            starts_s,
            circuits.everyone.next_s(now_s),
            circuits.turns.agenda.next_s,
            self._pacer.agenda.next_s,
            self._missing.next_s() if circuits.missing is not None else inf,
        )

    def _follow(self, found: Found) -> None:
        """What the circuits found is announced, and who was held is let go."""
        self._out.announced += found.announced
        for tenant, incident in found.resumed.items():
            self._owed.ended(tenant, self._queue.arrivals, incident)
        self._release([one for one in found.resumed if one is not None])
        if None in found.resumed:
            self._window.begin(again=found.again)
            self._pacer.drains_s = self._now_s
            tried = self._notices.retry(self._window.number, self._now_s, refused=self._circuits.was_refusal)
            found.repairs.update(dict.fromkeys(tried, self._circuits.latest))
        for key, incident in found.repairs.items():
            self._repair(key, incident)

    def _release(self, tenants: list[str]) -> None:
        for tenant in tenants:
            self._queue.release(tenant)

    def _say(self) -> float:
        """Who may be told of what is not, and will not turn out to be, everyone's; when there may be more to tell."""
        circuits, notices = self._circuits, self._notices
        if not (notices.asked or notices.tried) or circuits.refuses or circuits.everyone.phase == Phase.CONFIRMING:
            return inf
        self._out.tell += notices.due(self._now_s)
        return notices.next_s()

    # -- starts

    def _dispatch(self) -> float:
        """Start who may start; when time alone lets the next one go."""
        circuit = self._circuits.everyone
        if circuit.holds:
            self._test(circuit)
            if self._queue.first() is not None:
                return self._window.next_s()
        if self._circuits.tenants:
            self._probe_tenants()
        while (key := self._queue.first()) is not None:
            if self._queue.entries[key].runs:
                self._start(key, Purpose.WORK)
                continue
            if not self._window.has_room or (self._pacer.is_trying and self._window.held):
                return self._window.next_s()
            ready_s = self._ready_s()
            if ready_s > self._now_s:
                return ready_s
            self._start(key, Purpose.WORK)
            self._pacer.started(self._now_s)
        return self._window.next_s() if circuit.holds or not self._window.has_room else inf

    def _test(self, circuit: Circuit) -> None:
        """Nothing leaves the queue but what tells whether there is trouble, and whether it is over."""
        while self._wants_canary and (key := self._queue.best(self._is_fresh)) is not None:
            self._start(key, Purpose.CANARY)
        while circuit.wants_probe(self._now_s) and (key := self._queue.best(self._is_fresh)) is not None:
            self._probe(key, circuit, 1.0)

    def _probe_tenants(self) -> None:
        """Probe the tenants that are held alone, where it is time: no more at once than there is room for."""
        turns, window = self._circuits.turns, self._window
        for tenant in turns.probed(self._now_s, max(0, int(window.limit) - window.held)):
            key = self._queue.first_of(tenant)
            if key is not None:
                self._probe(key, self._circuits.tenants[tenant], turns.patience)
                turns.changed(tenant, self._now_s)

    @property
    def _wants_canary(self) -> bool:
        """Whether more attempts are needed to confirm a suspicion than are under way."""
        circuit, window = self._circuits.everyone, self._window
        is_late = circuit.waits_long(self._now_s) and window.has_room
        under_way = window.begun(circuit.since_s) if is_late else window.held
        return circuit.phase == Phase.CONFIRMING and circuit.voted + under_way < self.fleet.canaries

    def _repair(self, key: str, incident: str) -> None:
        """One was in an incident that is over: where it waits for a start, it is repaired at that."""
        if key in self._queue.entries:
            self._owed.hurt[key] = incident
        else:
            self._out.repairs.append((key, incident))

    def _ready_s(self) -> float:
        """When the next start may be, as far as the pace goes."""
        window = self._window
        return self._pacer.ready_s(self._now_s, window.rate, window.burst)

    def _is_aside(self, tenant: str) -> bool:
        own = self._circuits.tenants.get(tenant)
        return (own is not None and own.holds) or tenant in self._pacer.tenants

    def _is_fresh(self, key: str, entry: Entry) -> bool:
        """Whether what becomes of this one tells most of everyone: it was well, and no neighbour of it voted."""
        if key in self._troubled or self._circuits.has_voted(key, entry.tenant):
            return False
        return whose(key, entry.tenant) not in self._probed

    def _probe(self, key: str, circuit: Circuit, patience: float) -> None:
        tenant = self._queue.entries[key].tenant
        circuit.sends_probe(self._start(key, Purpose.PROBE, circuit.incident), self._now_s, patience)
        self._probed = [*self._probed[1 - _ROTATES :], whose(key, tenant)]

    def _start(self, key: str, purpose: Purpose, held_by: Any = None) -> int:
        """Start one; a probe uses up nothing of its limits either."""
        entry = self._queue.entries.pop(key)
        number = self._window.start(key, purpose, entry, self._now_s)
        repairs = self._owed.given(key, entry)
        if held_by is not None:
            repairs = held_by.id
        self._out.starts.append(Start(key=key, number=number, purpose=purpose, repairs=repairs))
        return number

    # -- what is asked for

    def _directives(self, next_s: float) -> Directives:
        wake_s = shown_s(next_s, self._now_s, self._clock_s or 0.0, self._circuits.behind_s)
        if not self._out:
            return Directives(wake_s=wake_s)
        out, self._out = self._out, Asked()
        return Directives(
            starts=tuple(out.starts),
            wake_s=wake_s,
            tell=tuple(out.tell),
            drop=tuple(out.drop),
            repairs=tuple(out.repairs),
            announced=tuple(out.announced),
        )
