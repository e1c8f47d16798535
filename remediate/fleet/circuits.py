"""The circuits of a fleet: everyone's, and those of tenants whose trouble is their own.

Knows how attempts end and what that says of upstream, and nothing of who waits, how many may start, or how
fast. What it finds stands in :class:`Found` until it is fetched.
"""

from __future__ import annotations

from math import inf
from typing import cast

import attrs

from remediate.decision import Evidence
from remediate.fleet.circuit import Circuit
from remediate.fleet.detector import Detector
from remediate.fleet.events import Closed, Ended, Incident, Opened, Order, Ordered, Phase, Trouble
from remediate.fleet.found import ANSWERS, FAILS, TENANT, Found, says_of, whose
from remediate.fleet.hurt import Hurt
from remediate.fleet.missing import Missing
from remediate.fleet.parameters import Fleet
from remediate.fleet.saving import APART
from remediate.fleet.turns import Turns
from remediate.fleet.window import Flight

__all__ = ["Circuits"]

_ALONE = 1.3
"""A tenant's circuit opens at so much of the fleet's suspicion."""
_AFTER_ALARM = 0.6
"""The same, where everyone was suspected and was well."""
_AGAIN = 2
"""So many failures while a tenant recovers, and all of it is held again."""
_DEGRADED = 0.15
"""So large a share of failures is an incident, though others succeed."""
_WELL = 0.06
"""A smaller share is as in calm times."""
_EXCUSED = 3
"""So many failures in a row count as an incident's; who fails more often may have a trouble of its own."""
_HOUR_S = 3600.0


@attrs.define(kw_only=True)
class Circuits:
    """All circuits.

    Attributes:
        fleet: the parameters.
        name: what incidents are called after.
        fails: the test whether upstream is down.
        refusals: the test whether it refuses everyone's authorisation.
        everyone: the fleet's circuit.
        tenants: those of tenants, while they have one.
        hurt: connections that failed and have not been well since.
        incidents: how many there ever were.
        muted_s: no incident is announced before.
        behind_s: by how much the clock is behind the time that has passed: what it ever stepped back.
        missing: the incident that upstream does not know our connections.
        missing_announced: whether somebody was told of it.
        refused_in: the latest incident in which everyone was refused.
        found: what was found.
        turns: whose turn it is, of the tenants.
    """

    fleet: Fleet = attrs.field(metadata=APART)
    name: str
    fails: Detector = attrs.field(factory=Detector)
    refusals: Detector = attrs.field(factory=Detector)
    everyone: Circuit
    tenants: dict[str, Circuit] = attrs.field(factory=dict)
    hurt: Hurt = attrs.field(factory=Hurt)
    incidents: int = 0
    muted_s: float = -inf
    behind_s: float = 0.0
    missing: Incident | None = None
    missing_announced: bool = False
    refused_in: str = ""
    found: Found = attrs.field(factory=Found, init=False)
    turns: Turns = attrs.field(init=False)

    @classmethod
    def of(cls, fleet: Fleet, name: str) -> Circuits:
        """Closed circuits."""
        return cls(fleet=fleet, name=name, everyone=Circuit(fleet=fleet, name=name))

    def __attrs_post_init__(self) -> None:
        fleet = self.fleet
        self.fails.calm, self.fails.down, self.fails.threshold = fleet.fails_calm, fleet.fails_down, fleet.suspicion
        self.refusals.calm, self.refusals.down = fleet.refused_calm, fleet.refused_down
        self.refusals.threshold = fleet.refused_suspicion
        self.turns = Turns(self.tenants)
        if any(one.phase == Phase.OPEN and one.incident is None for one in (self.everyone, *self.tenants.values())):
            raise ValueError("expected the incident of a circuit that is open")

    def fetch(self) -> Found:
        """What was found since this was asked last."""
        found, self.found = self.found, Found()
        return found

    @property
    def latest(self) -> str:
        """The id of the latest incident of everyone's; empty: none is open."""
        return self.everyone.incident.id if self.everyone.incident is not None else self.refused_in

    @property
    def was_refusal(self) -> bool:
        """Whether everyone was refused, in the latest incident, or as an operator held them."""
        return self.everyone.trouble == Trouble.AUTHORISATION or self.everyone.refused

    @property
    def refuses(self) -> bool:
        """Whether authorisation is refused to everyone, or may be."""
        return self.was_refusal and self.everyone.holds

    def holds(self, tenant: str | None) -> bool:
        """Whether a tenant is held by a circuit of its own."""
        circuit = self.tenants.get(tenant) if tenant is not None else None
        return circuit is not None and circuit.holds

    def has_voted(self, key: str, tenant: str | None) -> bool:
        """Whether it, or a neighbour, is among those that failed in a row."""
        name = whose(key, tenant)
        return name in self.fails.streaks or name in self.refusals.streaks

    def forget(self, key: str) -> None:
        """A connection may never be heard of again."""
        self.hurt.well(key)
        for detector in (self.fails, self.refusals):
            detector.streaks.pop(whose(key, None), None)

    # -- attempts that end

    def ended(self, event: Ended, flight: Flight, now_s: float) -> None:
        """Take what an end says of everyone, and of its tenant."""
        circuit = self.everyone
        own = self.tenants.get(flight.tenant) if flight.tenant is not None else None
        name = whose(event.key, flight.tenant)
        says = says_of(event, refuses=self.refuses, by_syncs=circuit.by_syncs)
        is_probe = flight.number in circuit.out
        circuit.out.pop(flight.number, None)
        if circuit.holds:
            self._while_held(says, flight, now_s, is_probe=is_probe)
        if own is not None:
            self._of_tenant(flight, own, says, now_s)
        if event.evidence in FAILS:
            self._failed(event, flight, now_s)
        elif event.evidence == Evidence.AUTHORISATION:
            self._refused(event, flight, now_s)
        if event.evidence in ANSWERS and event.synced:
            self.hurt.well(event.key)
        if says is True or (says is None and event.evidence == Evidence.AUTHORISATION):
            self.fails.favour(name)
        if says is True and event.evidence != Evidence.AUTHORISATION:
            self.refusals.favour(name)
        if flight.tenant is not None:
            self.turns.changed(flight.tenant, now_s)

    def lapsed(self, now_s: float) -> None:
        """An attempt has hung for so long that it is waited for no more."""
        if self.everyone.phase == Phase.CONFIRMING:
            self._confirms(now_s)

    def _while_held(self, says: bool | None, flight: Flight, now_s: float, *, is_probe: bool) -> None:
        circuit = self.everyone
        if says is None:
            if is_probe:
                circuit.told_nothing(now_s)
        elif not says:
            if circuit.phase == Phase.CONFIRMING:
                self._confirms(now_s)
        elif flight.at_s >= circuit.since_s:
            if circuit.phase == Phase.CONFIRMING:
                self._was_false_alarm(now_s)
            elif circuit.trouble != Trouble.OPERATOR or is_probe:
                self._recover(circuit, now_s)

    def _confirms(self, now_s: float) -> None:
        circuit = self.everyone
        circuit.voted += 1
        circuit.voted_s = now_s
        if circuit.voted < self.fleet.canaries:
            return
        if circuit.incident is not None and circuit.incident.trouble == Trouble.DEGRADED:
            self._end(circuit, now_s)
        if circuit.incident is None or circuit.incident.trouble == Trouble.DEGRADED:
            self._open(circuit, self._incident(circuit.trouble, circuit.since_s, None, now_s), now_s)
        else:
            circuit.was_soon = circuit.since_s < circuit.recovered_s + self.fleet.lapse_s
            circuit.open(now_s)
            self._reset(was_well=False)

    def _failed(self, event: Ended, flight: Flight, now_s: float) -> None:
        circuit = self.everyone
        times = self.hurt.add(event.key, flight.tenant, now_s)
        if self.fails.share >= _WELL:
            circuit.well_s = now_s
        if circuit.incident is not None or circuit.phase == Phase.CONFIRMING:
            circuit.failed += 1
        was_calm = not self.fails.run
        tripped = self.fails.against(whose(event.key, flight.tenant), event.key, now_s)
        if circuit.holds:
            return
        circuit.by_syncs = event.synced and (was_calm or circuit.by_syncs)
        if tripped:
            circuit.suspect(Trouble.UPSTREAM, self.fails.since_s, now_s)
            return
        if flight.tenant is not None:
            self._tenant_failed(flight.tenant, now_s)
        if circuit.phase == Phase.CLOSED and self.fails.share >= _DEGRADED:
            self._degraded(now_s)
        if circuit.phase == Phase.RECOVERING and event.synced and not event.refused and times <= _EXCUSED:
            self.found.repairs[event.key] = self.latest

    def _degraded(self, now_s: float) -> None:
        """Many fail, and others do not: all goes on, and what fails, or just has, has used up nothing."""
        circuit = self.everyone
        circuit.incident = self._incident(Trouble.DEGRADED, self.fails.since_s, None, now_s)
        circuit.phase, circuit.trouble, circuit.since_s = Phase.RECOVERING, Trouble.DEGRADED, now_s
        circuit.well_s = now_s
        self._announce_opened(circuit, now_s)
        self._repair_all(circuit.incident, min(self.fails.since_s, now_s - self.fleet.settle_s))

    def _refused(self, event: Ended, flight: Flight, now_s: float) -> None:
        circuit = self.everyone
        self.hurt.add(event.key, flight.tenant, now_s)
        if circuit.holds and circuit.trouble == Trouble.AUTHORISATION:
            circuit.failed += 1
        tripped = self.refusals.against(whose(event.key, flight.tenant), event.key, now_s)
        if tripped and not circuit.holds:
            circuit.by_syncs = event.synced
            circuit.suspect(Trouble.AUTHORISATION, self.refusals.since_s, now_s)

    def _was_false_alarm(self, now_s: float) -> None:
        threshold = _AFTER_ALARM * self.fleet.suspicion
        streaks = self.fails.streaks
        suspects = {one: streak.since_s for one, streak in streaks.items() if self.fails.suspects(one, threshold)}
        self.everyone.stands()
        self._reset(was_well=True)
        for name, since_s in sorted(suspects.items()):
            if name.startswith(TENANT):
                self._open_tenant(name.removeprefix(TENANT), since_s, now_s)

    def _reset(self, *, was_well: bool) -> None:
        self.fails.reset(was_well=was_well)
        self.refusals.reset(was_well=was_well)

    # -- tenants

    def _tenant_failed(self, tenant: str, now_s: float) -> None:
        own = self.tenants.get(tenant)
        if own is None:
            name = whose("", tenant)
            if self.fails.suspects(name, _ALONE * self.fleet.suspicion):
                self._open_tenant(tenant, self.fails.streaks[name].since_s, now_s)
            return
        own.failed += 1
        if own.phase == Phase.RECOVERING:
            own.well_s = now_s
            own.voted += 1
            if own.voted >= _AGAIN:
                own.open(now_s)

    def _open_tenant(self, tenant: str, since_s: float, now_s: float) -> None:
        if tenant not in self.tenants:
            self._open(self._of(tenant), self._incident(Trouble.UPSTREAM, since_s, tenant, now_s), now_s)
            self.turns.changed(tenant, now_s)

    def _of_tenant(self, flight: Flight, own: Circuit, says: bool | None, now_s: float) -> None:
        """A probe of a tenant has ended. Where it is well, others that fell ill with it may be so too."""
        if own.out.pop(flight.number, None) is None or own.phase != Phase.OPEN:
            return
        if says is None:
            own.told_nothing(now_s)
        elif says:
            self._recover(own, now_s)
            self.turns.hasten(own, now_s)

    # -- from one phase to another

    def dismiss(self) -> None:
        """A suspicion that nobody is left to confirm is dropped."""
        self.everyone.stands()
        self._reset(was_well=False)

    def advance(self, now_s: float) -> None:
        """Let time pass."""
        if self.everyone.is_well(now_s):
            self._close(self.everyone, now_s)
        for tenant in self.turns.due(now_s):
            own = self.tenants[tenant]
            if own.is_well(now_s):
                self._close(own, now_s)
                del self.tenants[tenant]
            else:
                self.turns.changed(tenant, now_s)

    def guard(self, missing: Missing, now_s: float) -> None:
        """Many connections that upstream does not know are one incident, until it knows them again."""
        if self.missing is None and missing.are_many:
            self.missing = self._incident(Trouble.MISSING, missing.since_s, None, now_s)
            self.missing_announced = now_s >= self.muted_s
            if self.missing_announced:
                self.found.announced.append(Opened(incident=self.missing))
        elif self.missing is not None and missing.are_few:
            if self.missing_announced:
                self.found.announced.append(Closed(incident=self.missing, closed_s=now_s - self.behind_s, failed=0))
            self.missing = None

    def ordered(self, event: Ordered, now_s: float) -> None:
        """An operator's word, of the fleet or of one tenant; announcing is the fleet's always."""
        circuit = self.everyone if event.tenant is None else self.tenants.get(event.tenant)
        until_s = None if event.until_s is None else event.until_s + self.behind_s
        match event.order:
            case Order.OPEN:
                self._hold(event, now_s, now_s + _HOUR_S if until_s is None else max(now_s, until_s))
            case Order.CLOSE if circuit is not None and circuit.phase == Phase.CONFIRMING:
                self._was_false_alarm(now_s)
            case Order.CLOSE if circuit is not None and circuit.phase == Phase.OPEN:
                self._recover(circuit, now_s)
            case Order.MUTE:
                self.muted_s = inf if until_s is None else until_s
            case Order.UNMUTE:
                self.muted_s = -inf
        if event.tenant is not None:
            self.turns.changed(event.tenant, now_s)

    def _hold(self, event: Ordered, now_s: float, until_s: float) -> None:
        """An operator holds the fleet, or a tenant; what failed before, while it was held, is repaired too."""
        circuit = self.everyone if event.tenant is None else self._of(event.tenant)
        since_s = circuit.since_s if circuit.holds else now_s
        refused = event.tenant is None and self.refuses
        self._end(circuit, now_s)
        incident = self._incident(Trouble.OPERATOR, now_s, event.tenant, now_s, event.by, event.why)
        self._open(circuit, incident, now_s, until_s)
        circuit.since_s, circuit.refused = since_s, refused

    def _of(self, tenant: str) -> Circuit:
        """A tenant's circuit."""
        return self.tenants.setdefault(tenant, Circuit(fleet=self.fleet, name=f"{self.name}/{tenant}"))

    def _open(self, circuit: Circuit, incident: Incident, now_s: float, probe_s: float | None = None) -> None:
        circuit.incident, circuit.trouble = incident, incident.trouble
        circuit.since_s = incident.since_s + self.behind_s
        circuit.probed, circuit.was_soon, circuit.refused = 0, False, False
        circuit.open(now_s, probe_s)
        if circuit is self.everyone:
            self._reset(was_well=False)
        self._announce_opened(circuit, now_s)

    def _announce_opened(self, circuit: Circuit, now_s: float) -> None:
        circuit.announced = now_s >= self.muted_s
        if circuit.announced and circuit.incident is not None:
            self.found.announced.append(Opened(incident=circuit.incident))

    def _recover(self, circuit: Circuit, now_s: float) -> None:
        """Upstream answers: all that failed since the trouble began is repaired."""
        circuit.recover(now_s)
        incident = cast(Incident, circuit.incident)  # what is open has one
        self._repair_all(incident, circuit.since_s)
        self.found.resumed[incident.tenant] = incident.id
        if incident.tenant is None:
            if self.was_refusal:
                self.refused_in = incident.id
            self.found.again = circuit.was_soon
            self._reset(was_well=False)
        else:
            circuit.voted = 0

    def _repair_all(self, incident: Incident, since_s: float) -> None:
        """Whoever of those it is about failed since then is repaired."""
        self.found.repairs.update(dict.fromkeys(self.hurt.released(since_s, incident.tenant), incident.id))

    def _close(self, circuit: Circuit, now_s: float) -> None:
        self._end(circuit, now_s)
        circuit.close()

    def _end(self, circuit: Circuit, now_s: float) -> None:
        """Its incident is over: who failed in it is repaired, and who was told of its beginning is told of its end."""
        incident = circuit.incident
        if incident is not None:
            self._repair_all(incident, incident.since_s + self.behind_s)
            if circuit.announced:
                closed = Closed(incident=incident, closed_s=now_s - self.behind_s, failed=circuit.failed)
                self.found.announced.append(closed)
        circuit.failed = 0

    def _incident(
        self, trouble: Trouble, since_s: float, tenant: str | None, now_s: float, by: str = "", why: str = ""
    ) -> Incident:
        self.incidents += 1
        return Incident(
            id=f"{self.name}/incident/{self.incidents}",
            trouble=trouble,
            tenant=tenant,
            since_s=since_s - self.behind_s,
            opened_s=now_s - self.behind_s,
            by=by,
            why=why,
        )
