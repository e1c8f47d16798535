"""The life of a connection: what becomes of a sync that was triggered."""

from __future__ import annotations

import attrs
import pytest

from remediate import Owner
from remediate.events import (
    Accepted,
    Held,
    Late,
    Mended,
    Notify,
    Observe,
    Observed,
    OpenTicket,
    Refused,
    Released,
    ResolveTicket,
    TimePassed,
    Trigger,
    WaitUntil,
    Wanted,
)
from remediate.upstreams.layer import ApiFailure
from tests.lives import BROKEN, DOWN, LAPSED, SYNCING, WELL, Life, failed


def test_the_old_answer_after_a_trigger_is_no_new_failure() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    for later in (1, 20, 59.9):
        assert isinstance(life.sees(DOWN, at + later)[-1], WaitUntil)
        assert life.state.flight is not None
    life.sees(DOWN, at + 60)
    assert life.state.flight is None
    assert life.state.attempt_ended_s == at + 60
    assert life.state.attempts == 1


def test_a_new_answer_within_the_settling_time_counts_at_once() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life.sees(failed("QUICKBOOKS_SERVICE_UNAVAILABLE", at="second"), at + 5)
    assert life.state.flight is None
    assert life.state.attempt_ended_s == at + 5


def test_a_sync_that_was_seen_running_ends_with_whatever_comes_then() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life.sees(SYNCING, at + 3)
    life.sees(DOWN, at + 9)
    assert life.state.flight is None
    assert life.state.attempt_ended_s == at + 9


def test_a_trigger_without_an_answer_is_observed_before_anything_else() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    wait = life(Refused(number=1, observation=ApiFailure(call="sync", transport="no_answer")), at + 30)[-1]
    assert isinstance(wait, WaitUntil)
    assert wait.at_s is not None
    assert isinstance(life(TimePassed(), wait.at_s)[-1], Observe)
    assert life.state.attempts == 1
    assert life.state.flight is not None
    life.sees(SYNCING, wait.at_s)
    life.sees(WELL, wait.at_s + 40)
    assert len(life.told(Trigger)) == 1


def test_a_trigger_whose_answer_never_comes_is_observed_after_the_settling_time() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    assert isinstance(life(TimePassed(), at + 59)[-1], WaitUntil)
    assert isinstance(life(TimePassed(), at + 60)[-1], Observe)


def test_a_refused_trigger_is_an_attempt() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    refused = ApiFailure(call="sync", error_enum="QuickbooksTokenExpired")
    assert isinstance(life(Refused(number=1, observation=refused), at + 1)[0], Notify)
    assert (life.state.attempts, life.state.flight) == (1, None)


BUSY = ApiFailure(call="sync", http_status=429, retry_after_s=60)


def test_a_refused_trigger_waits_as_it_was_asked_to() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    wait = life(Refused(number=1, observation=BUSY), at + 1)[-1]
    assert isinstance(wait, WaitUntil)
    assert wait.at_s is not None
    assert wait.at_s >= at + 61
    assert not isinstance(life.sees(DOWN, at + 30)[-1], Trigger)
    assert life.state.flight is None


def test_a_refused_trigger_while_a_sync_is_seen_running_starts_nothing() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life.sees(SYNCING, at + 1)
    assert isinstance(life(Refused(number=1, observation=BUSY), at + 2)[-1], WaitUntil)
    assert life.state.syncing_since_s == at + 1
    life.sees(WELL, at + 20)
    assert not life.state.is_open


def test_a_repair_is_not_used_up_by_a_sync_that_never_ran() -> None:
    life = Life()
    life.sees(LAPSED, 0)
    life(Mended(by="oauth callback"), 1_000)
    at = life.until_triggered(LAPSED, 1_001)
    life(Refused(number=1, observation=BUSY), at + 1)
    again = life.until_triggered(LAPSED, at + 2)
    assert at + 61 <= again <= at + 70
    life.sees(WELL, again + 30)
    assert len(life.told(Notify)) == 1


def test_triggers_that_are_always_refused_end_in_a_ticket() -> None:
    life = Life()
    life.sees(LAPSED, 0)
    life(Mended(by="oauth callback"), 10)
    now = 11.0
    for _ in range(20):
        if life.told(OpenTicket):
            break
        now = life.until_triggered(LAPSED, now)
        life(Refused(number=life.state.triggers, observation=BUSY), now)
        now += 1
    (ticket,) = life.told(OpenTicket)
    assert ticket.owner == Owner.PROVIDER
    assert len(life.told(Trigger)) == 9


def test_it_does_not_rest_while_a_sync_is_under_way() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    waits = [life(Accepted(number=1), at + 1)[-1], life.sees(DOWN, at + 11)[-1], life.sees(SYNCING, at + 21)[-1]]
    assert not any(isinstance(wait, WaitUntil) and wait.rests for wait in waits)
    assert not life.state.rests
    life.sees(WELL, at + 31)
    assert life.state.rests
    life(Mended(by="x"), at + 32)
    assert not life.state.rests


def test_a_lost_answer_to_a_trigger_is_no_rest() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    wait = life(Refused(number=1, observation=ApiFailure(call="sync", transport="no_answer")), at)[-1]
    assert isinstance(wait, WaitUntil)
    assert not wait.rests
    assert wait.decision is not None
    assert wait.decision.rule


def test_the_old_answer_lingers_from_when_a_slow_trigger_was_answered() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life(Accepted(number=1), at + 50)
    assert isinstance(life.sees(DOWN, at + 61)[-1], WaitUntil)
    assert life.state.flight is not None
    life(Accepted(number=1), at + 90)
    life.sees(DOWN, at + 111)
    assert life.state.flight is None


def wanting(life: Life, now_s: float) -> None:
    assert isinstance(life(Wanted(by="a schedule"), now_s)[-1], Observe)


def test_a_sync_that_is_wanted_starts_where_all_is_well() -> None:
    life = Life()
    assert isinstance(life.sees(WELL, 0)[-1], WaitUntil)
    wanting(life, 100)
    assert isinstance(life.sees(WELL, 101)[-1], Trigger)
    assert (life.state.attempts, life.state.is_open, life.state.wanted) == (0, False, False)
    life(Accepted(number=1), 102)
    life.sees(SYNCING, 110)
    assert isinstance(life.sees(WELL, 150)[-1], WaitUntil)
    assert not life.state.history.attempts


def test_a_sync_that_is_wanted_waits_for_a_fresh_look() -> None:
    life = Life()
    wanting(life, 0)
    assert isinstance(life(Observed(observation=WELL, asked_s=1), 100)[-1], Observe)
    assert isinstance(life.sees(WELL, 101)[-1], Trigger)


def test_a_sync_that_is_wanted_is_the_remedy_s_where_something_is_wrong() -> None:
    life = Life()
    wanting(life, 0)
    assert isinstance(life.sees(LAPSED, 1)[-1], WaitUntil)
    assert not life.state.wanted
    wanting(life, 2)
    life.sees(WELL, 3)
    assert not life.told(Trigger)
    assert not life.state.wanted, "somebody has just synced it"


def test_a_sync_that_is_wanted_is_not_while_held() -> None:
    life = Life()
    life(Held(by="ops"), 0)
    assert isinstance(life(Wanted(by="a job"), 1)[-1], WaitUntil)
    assert not life.state.wanted


def test_a_sync_that_has_just_been_triggered_will_do_and_one_of_long_ago_will_not() -> None:
    life = Life()
    wanting(life, 0)
    life.sees(WELL, 1)
    assert isinstance(life(Wanted(by="a job"), 60.9)[-1], WaitUntil)
    assert not life.state.wanted
    wanting(life, 61)
    assert isinstance(life.sees(WELL, 62)[-1], Trigger)


def test_a_sync_that_is_wanted_and_runs_by_then_is_wanted_no_more() -> None:
    life = Life()
    wanting(life, 0)
    life.sees(SYNCING, 1)
    life.sees(WELL, 50)
    assert not life.told(Trigger)


def test_a_hold_keeps_a_sync_that_is_wanted_until_it_is_released() -> None:
    life = Life()
    wanting(life, 0)
    life(Held(by="ops"), 1)
    assert isinstance(life.sees(WELL, 2)[-1], WaitUntil)
    life(Released(by="ops"), 3)
    assert isinstance(life.sees(WELL, 4)[-1], Trigger)


def test_a_sync_that_is_wanted_and_refused_is_tried_again_as_it_was_asked_to() -> None:
    life = Life()
    wanting(life, 0)
    life.sees(WELL, 1)
    life(Refused(number=1, observation=BUSY), 2)
    assert isinstance(life.sees(WELL, 30)[-1], WaitUntil)
    again = life.until_triggered(WELL, 31)
    assert 62 <= again <= 70
    assert not life.state.attempts


def test_a_sync_that_is_wanted_and_always_refused_ends_in_a_ticket() -> None:
    life = Life()
    wanting(life, 0)
    now_s = 1.0
    while not life.told(OpenTicket):
        now_s = life.until_triggered(WELL, now_s) + 1
        life(Refused(number=life.state.triggers, observation=BUSY), now_s)
    assert len(life.told(Trigger)) == 9


def test_a_trigger_that_was_late_is_looked_at_before_anything_else() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life(Accepted(number=1), at)
    life.sees(SYNCING, at + 10)
    again = failed("QUICKBOOKS_SERVICE_UNAVAILABLE", at="later")
    life.sees(again, at + 70)
    assert life.state.flight is None
    assert isinstance(life(Late(number=1), at + 400)[-1], Observe)
    assert not isinstance(life.sees(again, at + 401)[-1], Trigger)
    assert life.state.flight is not None
    life.sees(again, at + 461)
    assert life.state.flight is None


def test_a_trigger_that_was_late_beside_another_makes_that_one_s_outcome_unsure() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    life.sees(SYNCING, at + 1)
    life(Late(number=7), at + 50)
    assert life.state.triggers == 7
    life.sees(failed("QUICKBOOKS_SERVICE_UNAVAILABLE", at="later"), at + 60)
    assert life.state.flight is None


def test_a_repair_outlives_a_trigger_that_was_never_sent() -> None:
    life = Life()
    life.sees(LAPSED, 0)
    life(Mended(by="the OAuth callback"), 100)
    now_s = 101.0
    for number in (1, 2, 3):
        now_s = life.until_triggered(LAPSED, now_s) + 60
        assert life.state.triggers == number
    now_s = life.until_triggered(LAPSED, now_s) + 60
    assert isinstance(life.sees(LAPSED, now_s)[-1], WaitUntil)
    assert not life.state.repaired, "something else is wrong"
    assert life.state.awaits_customer


def test_a_repair_is_used_up_by_a_trigger_that_was_accepted() -> None:
    life = Life()
    life.sees(LAPSED, 0)
    life(Mended(by="the OAuth callback"), 100)
    at = life.until_triggered(LAPSED, 101)
    life(Accepted(number=1), at)
    life.sees(LAPSED, at + 61)
    assert not life.state.repaired


def test_a_repair_is_used_up_by_a_sync_that_was_seen() -> None:
    life = Life()
    life.sees(LAPSED, 0)
    life(Mended(by="the OAuth callback"), 100)
    at = life.until_triggered(LAPSED, 101)
    life.sees(SYNCING, at + 5)
    life.sees(LAPSED, at + 65)
    assert not life.state.repaired


def test_a_sync_that_was_wanted_and_never_sent_is_given_again() -> None:
    life = Life()
    wanting(life, 0)
    life.sees(WELL, 1)
    assert isinstance(life.sees(WELL, 62)[-1], Trigger)
    life(Accepted(number=2), 63)
    assert isinstance(life.sees(WELL, 130)[-1], WaitUntil)


def test_a_wish_outlives_looks_that_had_no_answer() -> None:
    life = Life()
    wanting(life, 0)
    life.sees(ApiFailure(call="status", http_status=503), 1)
    assert isinstance(life.sees(WELL, 10)[-1], Trigger)
    assert not life.state.wanted


ODD = ApiFailure(call="status", http_status=409)
"""An answer for which a human is asked, about this connection alone."""


@pytest.mark.parametrize("is_held", [False, True])
def test_a_wish_outlives_a_trouble_that_was_only_of_asking(is_held: bool) -> None:
    life = Life()
    life.sees(WELL, 0)
    wanting(life, 1)
    life.sees(ODD, 2)
    assert life.state.is_open
    if is_held:
        life(Held(by="ops"), 3)
    *requests, last = life.sees(WELL, 4)
    assert isinstance(last, WaitUntil if is_held else Trigger)
    assert [type(one) for one in requests] == [ResolveTicket]
    assert (life.state.is_open, life.state.wanted, life.state.attempts) == (False, is_held, 0)


def test_unless_somebody_has_synced_it_by_then() -> None:
    life = Life()
    life.sees(attrs.evolve(WELL, last_synced_at="before"), 0)
    wanting(life, 1)
    life.sees(ODD, 2)
    *requests, wait = life.sees(WELL, 4)
    assert isinstance(wait, WaitUntil)
    assert [type(one) for one in requests] == [ResolveTicket]
    assert not life.state.wanted


@pytest.mark.parametrize("named", [True, False])
def test_a_ticket_that_was_resolved_in_vain_is_asked_for_again(named: bool) -> None:
    for broken, always in ((BROKEN, True), (failed("QUICKBOOKS_VALIDATION_ERROR"), named)):
        life = Life()
        life.sees(broken, 0)
        (ticket,) = life.told(OpenTicket)
        life(Mended(by="x", ticket=ticket.id if named else ""), 10)
        at = life.until_triggered(broken, 11)
        life(Accepted(number=1), at)
        life.sees(broken, at + 61)
        assert [one.id for one in life.told(OpenTicket)] == [ticket.id] * (1 + always)
