"""Job workers with a queue of their own: whether a connection may be synced now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from remediate.events import Held, Late, Mended, Refused
from remediate.ledger import Attempt, Ledger
from remediate.upstreams.layer import ApiFailure
from tests.layer_calls import Clock
from tests.lives import DOWN, LAPSED, SYNCING, WELL

Work = Callable[[Attempt], None]
Attempting = Callable[..., Attempt]


def blocking(ledger: Ledger, work: Work, observe: Callable[[str], Any]) -> Attempt:
    with ledger.attempt("acme", observe=observe, by="a queue") as attempt:
        work(attempt)
    return attempt


def awaited(ledger: Ledger, work: Work, observe: Callable[[str], Any]) -> Attempt:
    async def observed(key: str) -> Any:
        return observe(key)

    async def attempted() -> Attempt:
        async with ledger.attempt_async("acme", observe=observed, by="a queue") as attempt:
            work(attempt)
        return attempt

    return asyncio.run(attempted())


@pytest.fixture(params=[blocking, awaited])
def attempting(request: pytest.FixtureRequest) -> Attempting:
    made: Attempting = request.param
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(address: str, clock: Clock) -> Iterator[Ledger]:
    with Ledger(address, clock=clock, lease_s=100) as made:
        yield made


def syncs(attempt: Attempt) -> None:
    assert attempt.may_sync
    attempt.answer = SYNCING


def syncs_not(attempt: Attempt) -> None:
    assert not attempt.may_sync


def test_a_connection_that_is_well_may_be_synced(attempting: Attempting, ledger: Ledger, clock: Clock) -> None:
    done = attempting(ledger, syncs, lambda key: WELL)
    assert done.is_ours
    assert not done.was_late
    assert done.because
    assert ledger.standing("acme").holder is None
    assert ledger.standing("acme").state.flight is not None
    clock.now_s += 20
    again = attempting(ledger, syncs_not, lambda key: WELL)
    assert again.because == "a sync has just been triggered"
    clock.now_s += 50
    attempting(ledger, syncs, lambda key: WELL)


def test_a_failing_connection_waits_as_the_policy_says(attempting: Attempting, ledger: Ledger, clock: Clock) -> None:
    first = attempting(ledger, syncs_not, lambda key: DOWN)
    assert first.decision.action == "retry"
    assert first.look_again_s == pytest.approx(first.decision.delay_s)
    clock.now_s += first.look_again_s
    second = attempting(ledger, syncs, lambda key: DOWN)
    assert second.decision.action == "retry"
    assert second.decision.may_sync
    assert ledger.standing("acme").state.attempts == 1


def test_a_lapsed_connection_is_synced_only_after_its_repair(
    attempting: Attempting, ledger: Ledger, clock: Clock
) -> None:
    told = attempting(ledger, syncs_not, lambda key: LAPSED)
    assert told.decision.action == "reauth"
    assert len(ledger.outbox.take(9, again_s=1)) == 1
    ledger.tell("acme", Mended(by="the OAuth callback"))
    clock.now_s += 15
    wait = attempting(ledger, lambda attempt: None, lambda key: LAPSED)
    clock.now_s += wait.look_again_s or 0
    if not wait.may_sync:
        attempting(ledger, syncs, lambda key: LAPSED)


def test_another_s_connection_is_not_looked_at(attempting: Attempting, ledger: Ledger) -> None:
    assert ledger.claim_one("acme") is not None

    def looks(key: str) -> Any:
        raise AssertionError("it is another's")

    attempt = attempting(ledger, syncs_not, looks)
    assert not attempt.is_ours
    assert attempt.because == "another is at it"
    assert ledger.standing("acme").holder is not None


def test_a_hold_is_heard(attempting: Attempting, ledger: Ledger) -> None:
    ledger.enroll(["acme"])
    ledger.tell("acme", Held(by="ops"))
    attempting(ledger, syncs_not, lambda key: WELL)


def test_a_sync_without_an_answer_is_looked_at_before_anything_else(
    attempting: Attempting, ledger: Ledger, clock: Clock
) -> None:
    def breaks(attempt: Attempt) -> None:
        assert attempt.may_sync
        raise ConnectionError

    with pytest.raises(ConnectionError):
        attempting(ledger, breaks, lambda key: WELL)
    assert ledger.standing("acme").holder is None
    assert ledger.standing("acme").due_s == clock.now_s + 60
    clock.now_s += 30
    attempting(ledger, syncs_not, lambda key: WELL)


def test_what_observing_raises_passes_and_leaves_nothing_held(attempting: Attempting, ledger: Ledger) -> None:
    def breaks(key: str) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempting(ledger, syncs, breaks)
    assert ledger.standing("acme").holder is None
    assert [claim.key for claim in ledger.claim()] == ["acme"]


def test_a_refused_sync_is_recorded(attempting: Attempting, ledger: Ledger) -> None:
    refusal = ApiFailure(call="sync", http_status=429, retry_after_s=60)

    def refused(attempt: Attempt) -> None:
        attempt.answer = refusal

    attempt = attempting(ledger, refused, lambda key: WELL)
    assert 60 <= attempt.look_again_s <= 70
    assert ledger.history("acme")[-1][1] == Refused(number=1, observation=refusal)


def test_a_sync_that_came_late_is_recorded_and_told(attempting: Attempting, ledger: Ledger, clock: Clock) -> None:
    def freezes(attempt: Attempt) -> None:
        assert attempt.may_sync
        clock.now_s += 101
        assert ledger.claim_one("acme") is not None
        attempt.answer = SYNCING

    assert attempting(ledger, freezes, lambda key: WELL).was_late
    assert ledger.history("acme")[-1][1] == Late(number=1)
    assert ledger.overview().late == 1


def test_a_look_that_took_longer_than_the_lease_allows_nothing(
    attempting: Attempting, ledger: Ledger, clock: Clock
) -> None:
    def freezes(key: str) -> Any:
        clock.now_s += 101
        assert ledger.claim_one("acme") is not None
        return WELL

    assert not attempting(ledger, syncs_not, freezes).is_ours
    assert ledger.history("acme") == []
