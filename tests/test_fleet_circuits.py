"""The circuits of a fleet: what an end says while all is held, and how one trouble becomes another."""

from __future__ import annotations

from remediate.decision import Evidence
from remediate.fleet import Closed, Ended, Fleet, Opened, Order, Ordered, Phase, Purpose, Trouble
from remediate.fleet.circuits import Circuits
from remediate.fleet.found import whose
from remediate.fleet.window import Flight, Window

FLEET = Fleet()


class _Attempts:
    """Attempts that end, one after the other, each a second after the last."""

    def __init__(self) -> None:
        self.circuits = Circuits.of(FLEET, "x")
        self.now_s = 100.0
        self.number = 0

    def end(
        self,
        evidence: Evidence,
        key: str,
        tenant: str | None = None,
        *,
        probes: str | None = None,
        began_s: float | None = None,
        synced: bool = True,
        refused: bool = False,
    ) -> None:
        """One ends; as a probe of everyone's circuit (empty) or of a tenant's, where that is said."""
        self.now_s += 1
        self.number += 1
        if probes is not None:
            circuit = self.circuits.tenants[probes] if probes else self.circuits.everyone
            circuit.sends_probe(self.number, self.now_s, 1.0)
        at_s = self.now_s if began_s is None else began_s
        flight = Flight(self.number, at_s, Purpose.WORK, tenant, 0.0)
        ended = Ended(key=key, number=self.number, evidence=evidence, synced=synced, refused=refused)
        self.circuits.ended(ended, flight, self.now_s)

    def fail(self, count: int, tenant: str | None = None) -> None:
        """So many fail, of as many connections."""
        for one in range(count):
            self.end(Evidence.UPSTREAM, f"{tenant or 'c'}{one}", tenant)

    def opened(self) -> list[Trouble]:
        """What was announced."""
        return [one.incident.trouble for one in self.circuits.fetch().announced if isinstance(one, Opened)]


def _open() -> _Attempts:
    attempts = _Attempts()
    attempts.fail(3 + Fleet().canaries)
    assert attempts.circuits.everyone.phase == Phase.OPEN
    assert attempts.opened() == [Trouble.UPSTREAM]
    return attempts


def test_a_probe_that_tells_nothing_is_followed_by_the_next_soon() -> None:
    attempts = _open()
    attempts.end(Evidence.NONE, "other")
    assert attempts.circuits.everyone.probe_s > attempts.now_s + 50, "it was no probe"
    attempts.end(Evidence.NONE, "probe", probes="")
    assert attempts.circuits.everyone.probe_s == attempts.now_s + 15.0
    attempts.circuits.everyone.probe_s = attempts.now_s + 3.0
    attempts.circuits.everyone.told_nothing(attempts.now_s)
    assert attempts.circuits.everyone.probe_s == attempts.now_s + 3.0, "no later than it was due"
    assert attempts.circuits.everyone.phase == Phase.OPEN


def test_a_look_ends_no_outage_that_showed_in_syncs() -> None:
    attempts = _open()
    attempts.end(Evidence.ALIVE, "probe", probes="", synced=False)
    assert attempts.circuits.everyone.phase == Phase.OPEN
    attempts.end(Evidence.ALIVE, "probe", probes="", synced=True)
    assert attempts.circuits.everyone.phase == Phase.RECOVERING


def test_what_began_before_the_trouble_says_nothing_of_its_end() -> None:
    attempts = _open()
    attempts.end(Evidence.ALIVE, "old", began_s=50.0)
    assert attempts.circuits.everyone.phase == Phase.OPEN


def test_what_an_operator_holds_is_ended_by_probes_alone() -> None:
    attempts = _Attempts()
    attempts.circuits.ordered(Ordered(order=Order.OPEN, by="ada"), attempts.now_s)
    attempts.end(Evidence.ALIVE, "a")
    assert attempts.circuits.everyone.phase == Phase.OPEN
    attempts.end(Evidence.ALIVE, "b", probes="")
    assert attempts.circuits.everyone.phase == Phase.RECOVERING


def test_many_failures_that_become_an_outage_are_another_incident() -> None:
    attempts = _Attempts()
    attempts.circuits.fails.share = 0.3
    attempts.end(Evidence.UPSTREAM, "first")
    assert attempts.opened() == [Trouble.DEGRADED]
    attempts.fail(20)
    assert attempts.circuits.everyone.phase == Phase.OPEN
    assert attempts.opened() == [Trouble.UPSTREAM]


def test_after_a_false_alarm_only_tenants_are_held_for_what_failed() -> None:
    attempts = _Attempts()
    attempts.fail(2, "t")
    attempts.end(Evidence.UPSTREAM, "alone")
    assert attempts.circuits.everyone.phase == Phase.CONFIRMING
    attempts.circuits.fails.streaks[whose("alone", None)].is_several = True
    attempts.circuits.fails.streaks[whose("alone", None)].votes = 9
    attempts.end(Evidence.ALIVE, "other")
    assert attempts.circuits.everyone.phase == Phase.CLOSED
    assert list(attempts.circuits.tenants) == ["t"]


def test_tenants_that_fell_ill_together_are_probed_as_soon_as_one_is_well() -> None:
    attempts = _Attempts()
    for tenant in ("a", "b", "late"):
        attempts.now_s += 2000.0 if tenant == "late" else 0.0
        attempts.fail(6, tenant)
        for _ in range(3):
            attempts.end(Evidence.ALIVE, "well", "well")
        assert attempts.circuits.tenants[tenant].phase == Phase.OPEN
    attempts.end(Evidence.NONE, "a1", "a", probes="a")
    assert attempts.circuits.tenants["a"].probe_s == attempts.now_s + 15.0, "it told nothing"
    attempts.end(Evidence.ALIVE, "a1", "a", probes="a")
    assert attempts.circuits.tenants["a"].phase == Phase.RECOVERING
    assert attempts.circuits.tenants["b"].probe_s <= attempts.now_s
    assert attempts.circuits.tenants["late"].probe_s > attempts.now_s
    assert attempts.circuits.fetch().resumed == {"a": "x/incident/1"}


def test_no_time_teaches_nothing_of_calm_times() -> None:
    window = Window(fleet=FLEET)
    window.rested(0.0)
    assert (window.mean, window.calm_s) == (0.0, 0.0)


def _degraded() -> _Attempts:
    """Of four attempts one fails, until that is an incident."""
    attempts = _Attempts()
    while attempts.circuits.everyone.incident is None:
        attempts.end(Evidence.UPSTREAM, f"bad{attempts.number}")
        for _ in range(3):
            attempts.end(Evidence.ALIVE, f"well{attempts.number}")
    return attempts


def test_who_failed_before_a_brown_out_was_found_is_repaired_with_it() -> None:
    attempts = _degraded()
    incident = attempts.circuits.latest
    repaired = attempts.circuits.fetch().repairs
    assert len(repaired) >= 2
    assert repaired == {key: incident for key in repaired if key.startswith("bad")}


def test_in_a_brown_out_three_failed_syncs_of_a_connection_are_excused_until_it_is_well() -> None:
    attempts = _degraded()
    attempts.circuits.fetch()

    def is_excused(*, synced: bool = True, refused: bool = False) -> bool:
        attempts.end(Evidence.UPSTREAM, "c", synced=synced, refused=refused)
        excused = "c" in attempts.circuits.fetch().repairs
        for one in range(9):
            attempts.end(Evidence.ALIVE, f"other{one}")
        return excused

    assert [is_excused() for _ in range(5)] == [True, True, True, False, False]
    attempts.end(Evidence.ALIVE, "c")
    assert is_excused()
    assert not is_excused(synced=False), "a call that failed is repeated as it is"
    attempts.end(Evidence.ALIVE, "c")
    assert not is_excused(refused=True), "nor is what upstream has no room for tried again at once"


def test_who_failed_too_often_in_a_brown_out_is_repaired_at_its_end() -> None:
    attempts = _degraded()
    circuits = attempts.circuits
    incident = circuits.latest
    for _ in range(5):
        attempts.end(Evidence.UPSTREAM, "c")
        for one in range(9):
            attempts.end(Evidence.ALIVE, f"other{one}")
    assert circuits.fetch().repairs["c"] == incident
    circuits.everyone.since_s = attempts.now_s  # as a false alarm in between leaves it
    well_s = circuits.everyone.well_s + FLEET.settle_s
    circuits.advance(well_s - 1)
    assert circuits.fetch().repairs == {}
    circuits.advance(well_s)
    found = circuits.fetch()
    assert found.repairs == {"c": incident}, "and nobody who is well"
    assert [type(one) for one in found.announced] == [Closed]
    assert circuits.everyone.phase == Phase.CLOSED


def test_who_failed_while_a_fleet_recovered_is_repaired_once_it_has() -> None:
    attempts = _open()
    attempts.end(Evidence.ALIVE, "probe", probes="")
    circuits = attempts.circuits
    incident = circuits.latest
    assert "c0" in circuits.fetch().repairs
    for _ in range(5):
        attempts.end(Evidence.UPSTREAM, "late")
        for one in range(20):
            attempts.end(Evidence.ALIVE, f"other{one}")
    circuits.fetch()
    circuits.advance(attempts.now_s + FLEET.settle_s)
    assert circuits.everyone.phase == Phase.CLOSED
    assert circuits.fetch().repairs == {"late": incident}, "c0 has been repaired"


def test_who_failed_in_a_tenant_s_incident_is_repaired_at_its_end_and_nobody_else() -> None:
    attempts = _Attempts()
    attempts.fail(6, "a")
    for _ in range(3):
        attempts.end(Evidence.ALIVE, "well", "well")
    attempts.end(Evidence.UPSTREAM, "other", "other")
    assert list(attempts.circuits.tenants) == ["a"]
    attempts.end(Evidence.ALIVE, "a9", "a", probes="a")
    repaired = attempts.circuits.fetch().repairs
    assert {"a4", "a5"} <= set(repaired) <= {f"a{number}" for number in range(6)}
