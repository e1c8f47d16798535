"""The small rooms of the fleet: detector, circuit, notices, missing connections and parameters."""

from __future__ import annotations

from math import inf, log

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate import fleet as fleet_room
from remediate.fleet.circuit import Circuit
from remediate.fleet.detector import Detector
from remediate.fleet.events import Incident, Phase, Trouble
from remediate.fleet.missing import Missing
from remediate.fleet.notices import Notices
from remediate.fleet.parameters import Fleet, problems

FLEET = Fleet(
    probe_first_s=60.0, probe_growth=0.1, probe_longest_s=600.0, probes=2, settle_s=300.0, notice_wait_s=300.0
)
INCIDENT = Incident(id="i", trouble=Trouble.DEGRADED, since_s=0.0, opened_s=0.0)


def _detector() -> Detector:
    return Detector(calm=0.1, down=0.98, threshold=9.0)


def test_what_it_offers_is_true() -> None:
    assert all(hasattr(fleet_room, name) for name in fleet_room.__all__)
    assert len(set(fleet_room.__all__)) == len(fleet_room.__all__)


# -- the detector


def test_four_failures_in_a_row_of_several_trip_it() -> None:
    detector = _detector()
    votes = [detector.against(f"t{number % 2}", f"c{number}", 10.0 + number) for number in range(4)]
    assert votes == [False, False, False, True]
    assert detector.score == pytest.approx(4 * log(0.98 / 0.1))
    assert (detector.run, detector.since_s) == (4, 10.0)


def test_one_tenants_failures_never_trip_it_alone_and_count_twice_in_a_row_at_most() -> None:
    detector = _detector()
    assert not any(detector.against("t", f"c{number}", 0.0) for number in range(50))
    assert detector.score == pytest.approx(2 * log(0.98 / 0.1))
    detector.threshold = 1.0
    assert not detector.against("t", "c", 0.0)


@given(st.lists(st.booleans(), max_size=60))
def test_its_sum_follows_the_formula(votes: list[bool]) -> None:
    detector, score, share, run = _detector(), 0.0, 0.0, 0
    for number, is_against in enumerate(votes):
        usual = min(max(0.1, share), 0.5)
        if is_against:
            detector.against(f"t{number}", f"c{number}", float(number))
            score, run = min(score + log(0.98 / usual), 18.0), run + 1
        else:
            detector.favour(f"u{number}")
            score = max(score + log(0.02 / (1 - usual)), 0.0)
            kept = (31 / 32) ** run
            share, run = (share * kept + 1 - kept) * 31 / 32, 0
        assert detector.score == pytest.approx(score)
        assert detector.share == pytest.approx(share)


def test_where_many_fail_and_others_succeed_a_failure_weighs_less() -> None:
    detector = _detector()
    for number in range(100):
        detector.against(f"t{number}", "c", 0.0)
        detector.favour(f"t{number}")
    assert 0.4 < detector.share < 0.5
    detector.reset(was_well=False)
    assert not any(detector.against(f"t{number}", "c", 0.0) for number in range(8))


def test_a_tenant_is_suspected_for_failures_of_several_of_its_connections() -> None:
    detector = _detector()
    for _ in range(9):
        detector.against("t", "c1", 0.0)
    assert not detector.suspects("t", 9.0)
    detector.against("t", "c2", 0.0)
    assert detector.suspects("t", 9.0)
    assert not detector.suspects("t", 99.0)
    assert not detector.suspects("u", 0.0)
    detector.favour("t")
    assert not detector.suspects("t", 0.0)


def test_reset_keeps_what_was_measured() -> None:
    detector = _detector()
    detector.against("t", "c", 5.0)
    detector.reset(was_well=True)
    assert (detector.score, detector.run, detector.streaks) == (0.0, 0, {})
    assert detector.share == pytest.approx(1 / 32)
    detector.against("t", "c", 6.0)
    detector.reset(was_well=False)
    assert detector.share == pytest.approx(1 / 32)


# -- a circuit


def _circuit() -> Circuit:
    circuit = Circuit(fleet=FLEET, name="x")
    circuit.suspect(Trouble.UPSTREAM, 0.0, 0.0)
    circuit.open(0.0)
    return circuit


@pytest.mark.parametrize(
    ("now_s", "wait_s"), [(0.0, 60.0), (600.0, 60.0), (1000.0, 100.0), (5000.0, 500.0), (1e5, 600.0)]
)
def test_probes_wait_for_a_tenth_of_the_outage_within_bounds(now_s: float, wait_s: float) -> None:
    circuit = _circuit()
    circuit.sends_probe(1, now_s, 1.0)
    assert 0.75 * wait_s <= circuit.probe_s - now_s <= 1.25 * wait_s
    first_s = circuit.probe_s - now_s
    circuit.sends_probe(2, now_s, 3.0)
    assert 1.5 * wait_s <= circuit.probe_s - now_s <= 4.5 * wait_s, "those who share probes go apart"
    assert circuit.probe_s - now_s != pytest.approx(3 * first_s)


def test_a_probe_is_wanted_when_it_is_due_and_not_too_many_are_out() -> None:
    circuit = _circuit()
    assert not circuit.wants_probe(circuit.probe_s - 0.1)
    assert circuit.wants_probe(circuit.probe_s)
    assert circuit.next_s(0.0) == circuit.probe_s
    circuit.sends_probe(1, 100.0, 1.0)
    circuit.sends_probe(2, 110.0, 1.0)
    circuit.probe_s = 120.0
    assert not circuit.wants_probe(120.0)
    assert circuit.next_s(120.0) == 160.0
    assert circuit.wants_probe(160.0), "one that hangs delays none"
    assert circuit.next_s(170.0) == inf


def test_a_circuit_closes_when_nothing_has_failed_for_long_enough() -> None:
    circuit = _circuit()
    assert (circuit.holds, circuit.is_well(1e9)) == (True, False)
    circuit.recover(1000.0)
    assert (circuit.holds, circuit.next_s(1000.0)) == (False, 1300.0)
    assert (circuit.is_well(1299.9), circuit.is_well(1300.0)) == (False, True)
    circuit.close()
    assert (circuit.phase, circuit.next_s(0.0)) == (Phase.CLOSED, inf)


def test_after_a_false_alarm_it_is_as_before() -> None:
    circuit = Circuit(fleet=FLEET, name="x")
    circuit.suspect(Trouble.UPSTREAM, 1.0, 1.0)
    circuit.stands()
    assert circuit.phase == Phase.CLOSED
    circuit.incident = INCIDENT
    circuit.suspect(Trouble.AUTHORISATION, 1.0, 1.0)
    circuit.stands()
    assert (circuit.phase, circuit.trouble) == (Phase.RECOVERING, Trouble.DEGRADED)


# -- notices


def test_a_notice_waits_and_is_asked_for_once() -> None:
    notices = Notices(fleet=FLEET)
    assert not notices.ask("a", 1, 10.0)
    assert not notices.ask("a", 1, 50.0)
    assert notices.next_s() == 310.0
    assert list(notices.due(309.9)) == []
    assert list(notices.due(310.0)) == ["a"]
    assert (list(notices.due(999.0)), notices.next_s()) == ([], inf)


def test_one_that_is_well_need_not_be_told() -> None:
    notices = Notices(fleet=FLEET)
    notices.ask("a", 1, 10.0)
    assert (notices.well("a"), notices.well("a")) == (True, False)
    notices.ask("b", 1, 10.0)
    notices.retry(5, 20.0, refused=False)
    assert (notices.well("b"), notices.well("b")) == (True, False)


def test_after_an_incident_only_a_later_attempt_that_fails_tells() -> None:
    notices = Notices(fleet=FLEET)
    notices.ask("a", 1, 10.0)
    assert not notices.failed("a", 9)
    assert notices.retry(5, 20.0, refused=False) == ["a"]
    assert not notices.ask("a", 6, 21.0)
    assert (notices.failed("a", 5), notices.failed("a", 6), notices.failed("a", 7)) == (False, True, False)
    assert not notices.ask("b", 6, 22.0), "nobody was refused, so the next waits as usual"
    assert notices.next_s() == 322.0


def test_who_is_not_tried_is_told_in_the_end() -> None:
    notices = Notices(fleet=FLEET)
    notices.retry(5, 0.0, refused=True)
    assert notices.ask("a", 6, 86_399.0)
    assert notices.next_s() == 86_399.0 + 21_600.0
    assert list(notices.due(86_399.0 + 21_600.0)) == ["a"]
    assert not notices.ask("b", 7, 86_400.0)


# -- missing connections


def test_many_missing_of_a_known_number_within_a_day() -> None:
    missing = Missing(fleet=FLEET)
    for number in range(9):
        missing.add(f"c{number}", float(number))
    assert not missing.are_many
    missing.connections = 200
    assert not missing.are_many
    missing.add("c9", 9.0)
    assert missing.are_many
    missing.add("c0", 100.0)
    assert (missing.since_s, len(missing.seen)) == (1.0, 10)
    missing.forget(86_400.9)
    assert len(missing.seen) == 10
    missing.forget(86_401.0)
    missing.known("c2")
    assert (missing.next_s(), len(missing.seen)) == (86_403.0, 8)
    missing.forget(1e9)
    assert missing.next_s() == inf


def test_a_few_are_never_many() -> None:
    missing = Missing(fleet=FLEET, connections=6)
    for number in range(4):
        missing.add(f"c{number}", 0.0)
    assert not missing.are_many
    missing.add("c4", 0.0)
    assert missing.are_many
    for key, are_few in (("c0", False), ("c1", False), ("c2", True)):
        missing.known(key)
        assert missing.are_few == are_few


# -- parameters


def test_the_defaults_are_in_range() -> None:
    assert list(problems(Fleet())) == []


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Fleet)])
def test_each_parameter_has_a_range(name: str) -> None:
    for wrong in (-1.0, 1e9, float("nan")):
        found = list(problems(attrs.evolve(Fleet(), **{name: wrong})))
        assert any(one.startswith(f"{name}: expected a number from ") for one in found)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fails_calm": 0.5, "fails_down": 0.5}, "fails_calm: expected a number below `fails_down`"),
        ({"refused_calm": 0.5, "refused_down": 0.5}, "refused_calm: expected a number below `refused_down`"),
        ({"probe_first_s": 61.0, "probe_longest_s": 60.0}, "probe_first_s: expected a number up to `probe_longest_s`"),
        ({"canaries": 0}, "canaries: expected a number from 1 to 100"),
        ({"missing_share": 2.0}, "missing_share: expected a number from 0.001 to 1"),
    ],
)
def test_what_does_not_fit_is_said(changed: dict[str, float], message: str) -> None:
    assert list(problems(attrs.evolve(Fleet(), **changed))) == [message]
