"""The life of a connection: triggers that upstream refuses, and those of which nobody knows what became."""

from __future__ import annotations

import pytest

from remediate.events import Accepted, Command, Mended, OpenTicket, Refused, Trigger, WaitUntil, Wanted
from remediate.upstreams.layer import ApiFailure
from tests.lives import DOWN, WELL, Life

UNAVAILABLE = ApiFailure(call="sync", http_status=503)
LOST = ApiFailure(call="sync", transport="no_answer")


def _until(command: Command) -> float:
    assert isinstance(command, WaitUntil)
    assert command.at_s is not None
    return command.at_s


def _wanted(observation: ApiFailure) -> tuple[Life, float]:
    life = Life()
    life(Wanted(by="the schedule"), 0)
    assert isinstance(life.sees(WELL, 1)[-1], Trigger)
    return life, _until(life(Refused(number=1, observation=observation), 2)[-1])


def test_what_upstream_itself_refused_has_settled_by_the_next_look() -> None:
    life, look_s = _wanted(UNAVAILABLE)
    assert look_s == 9, "a sync that it began all the same would be seen by then"
    assert isinstance(life.sees(WELL, 8.9)[-1], WaitUntil)
    assert isinstance(life.sees(WELL, look_s)[-1], Trigger)


@pytest.mark.parametrize("http_status", [502, 504, 200])
def test_a_gateway_does_not_know_what_became_of_a_trigger(http_status: int) -> None:
    life, _ = _wanted(ApiFailure(call="sync", http_status=http_status, transport="unreadable"))
    assert isinstance(life.sees(WELL, 61.9)[-1], WaitUntil)
    assert isinstance(life.sees(WELL, 62)[-1], Trigger)


def test_a_sync_that_nobody_knows_of_is_looked_for_once_and_when_it_must_show() -> None:
    life, look_s = _wanted(LOST)
    assert 3 <= look_s <= 4
    assert _until(life.sees(WELL, look_s)[-1]) == 62


def test_a_sync_that_was_accepted_is_looked_for_again_and_again() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life(Accepted(number=1), at)
    ages = [_until(life.sees(DOWN, at + age)[-1]) - at for age in (7, 14, 30, 50)]
    assert ages == pytest.approx([14, 21, 45, 60])


def test_a_wanted_sync_that_is_always_refused_is_tried_on_until_somebody_is_asked() -> None:
    life, look_s = _wanted(UNAVAILABLE)
    while not life.told(OpenTicket):
        assert isinstance(life.sees(WELL, look_s)[-1], Trigger)
        look_s = _until(life(Refused(number=life.state.triggers, observation=UNAVAILABLE), look_s + 1)[-1])
    assert len(life.told(Trigger)) == 9


def test_after_an_incident_nothing_is_left_of_a_wait() -> None:
    life = Life()
    life.sees(DOWN, 0)
    life(Mended(by="the end of an incident", at_once=True), 1)
    assert isinstance(life.sees(DOWN, 2)[-1], Trigger)
    assert life.state.attempts == 1


def test_after_another_repair_it_waits_anew() -> None:
    life = Life()
    life.sees(DOWN, 0)
    life(Mended(by="ann"), 100)
    assert 105 <= _until(life.sees(DOWN, 100.5)[-1]) <= 160


def test_an_incident_s_end_finds_nothing_to_do_where_all_is_well() -> None:
    life = Life()
    life.sees(WELL, 0)
    life(Mended(by="the end of an incident", at_once=True), 1)
    assert not life.state.is_open
    assert life.state.attempt_ended_s is None
    assert isinstance(life.sees(WELL, 2)[-1], WaitUntil)


def test_a_sync_that_runs_already_is_no_refusal() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    running = ApiFailure(call="sync", http_status=409, error_enum="QuickbooksConnectionAlreadySyncing")
    assert _until(life(Refused(number=1, observation=running), at)[-1]) == at + 30
    assert isinstance(life.sees(DOWN, at + 30)[-1], WaitUntil)
    assert life.state.flight is not None, "the old answer lingers as long as after any other"


def test_a_wanted_sync_whose_worker_dies_three_times_is_wanted_no_more() -> None:
    life, now_s = Life(), 0.0
    life(Wanted(by="the schedule"), now_s)
    for _ in range(4):
        assert isinstance(life.sees(WELL, now_s)[-1], Trigger)
        now_s += 61
    assert isinstance(life.sees(WELL, now_s)[-1], WaitUntil)
    assert not life.state.wanted
