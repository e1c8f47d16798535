"""The life of a connection: what becomes of a sync that was triggered."""

from __future__ import annotations

from remediate import Owner
from remediate.events import (
    Accepted,
    Mended,
    Notify,
    Observe,
    OpenTicket,
    Refused,
    TimePassed,
    Trigger,
    WaitUntil,
)
from remediate.upstreams.layer import ApiFailure
from tests.lives import DOWN, LAPSED, SYNCING, WELL, Life, failed


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
