"""The life of a connection: an attempt that got further than the one before."""

from __future__ import annotations

import attrs

from remediate.events import Mended, OpenTicket, Refused, WaitUntil
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from tests.lives import DOWN, SYNCING, Life, failed

OUTAGE = "QUICKBOOKS_SERVICE_UNAVAILABLE"


@attrs.frozen(kw_only=True)
class _Further(ConnectionStatus):
    """A failure after which some records had been brought over."""

    @property
    def progressed(self) -> bool:
        return True


def _further(at: str) -> _Further:
    return _Further(is_connected=True, last_sync_status="SYNC_FAILURE", sync_failure_reason=OUTAGE, last_synced_at=at)


def test_progress_starts_the_count_of_attempts_anew_and_not_the_time() -> None:
    life = Life()
    at = life.until_triggered(DOWN, 0)
    at = life.until_triggered(failed(OUTAGE, at="second"), at + 70)
    assert life.state.attempts == 2
    life.sees(_further("third"), at + 70)
    assert life.state.attempts == 0
    assert life.state.failing_since_s == 0
    life.sees(failed(OUTAGE, at="third"), 86_400)
    assert [ticket.cause for ticket in life.told(OpenTicket)] == ["QuickBooks is down"]


def test_progress_that_is_not_news_counts_nothing_anew() -> None:
    life = Life()
    at = life.until_triggered(_further("first"), 0)
    assert life.state.attempts == 1
    life.sees(_further("first"), at + 60)
    assert (life.state.flight, life.state.attempts) == (None, 1)


def test_progress_of_a_sync_that_was_seen_running_is_news() -> None:
    life = Life()
    at = life.until_triggered(_further("first"), 0)
    life.sees(SYNCING, at + 3)
    life.sees(_further("first"), at + 9)
    assert (life.state.flight, life.state.attempts) == (None, 0)


def test_progress_that_was_seen_before_and_followed_by_no_sync_counts_nothing_anew() -> None:
    """Every trigger is refused while the latest answer shows progress: the attempts count on."""
    life = Life()
    now_s = 0.0
    for attempts in range(1, 5):
        now_s = life.until_triggered(_further("first"), now_s)
        assert life.state.attempts == attempts
        life(Refused(number=attempts, observation=ApiFailure(call="sync", http_status=503)), now_s)


def test_a_repair_counts_calls_in_vain_anew() -> None:
    """What was asked in vain before the repair brings nobody nearer to a ticket after it."""
    busy = ApiFailure(call="status", http_status=503)
    life, unharmed = Life(), Life()
    now_s = 0.0
    for _ in range(3):
        wait = life.sees(busy, now_s)[-1]
        assert isinstance(wait, WaitUntil)
        now_s = wait.at_s or 0.0
    life(Mended(by="the end of an incident"), now_s)
    assert (life.state.unanswered, life.state.unanswered_since_s) == (0, None)
    again, first = life.sees(busy, now_s + 1)[-1], unharmed.sees(busy, now_s + 1)[-1]
    assert isinstance(again, WaitUntil)
    assert isinstance(first, WaitUntil)
    assert again.decision == first.decision


def test_a_repair_counts_refused_syncs_anew() -> None:
    busy = ApiFailure(call="sync", http_status=503)
    life = Life()
    at = life.until_triggered(DOWN, 0)
    for _ in range(2):
        life(Refused(number=life.state.triggers, observation=busy), at + 1)
        at = life.until_triggered(DOWN, at + 2)
    life(Refused(number=life.state.triggers, observation=busy), at + 1)
    assert life.state.refused == 3
    life(Mended(by="the end of an incident"), at + 2)
    assert (life.state.refused, life.state.refused_since_s) == (0, None)
    at = life.until_triggered(DOWN, at + 3)
    life(Refused(number=life.state.triggers, observation=busy), at + 1)
    assert life.state.refused == 1
