"""The life of a connection: an attempt that got further than the one before."""

from __future__ import annotations

import attrs

from remediate.events import OpenTicket, Refused
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
