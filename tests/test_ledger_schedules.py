"""Syncs that are wanted where all is well, each connection at a moment of its own."""

from __future__ import annotations

import pytest

from remediate import InputError
from remediate.events import (
    Observed,
    Trigger,
    WaitUntil,
    Wanted,
)
from remediate.ledger import Ledger
from remediate.upstreams.layer import ApiFailure, ConnectionStatus
from tests.layer_calls import Clock
from tests.ledgers import saw
from tests.lives import WELL

WANTED = Wanted(by="a schedule")


def test_a_schedule_wants_syncs_where_all_is_well(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"], every_s=3600)
    [claim] = ledger.claim()
    assert not claim.wants_sync
    saw(ledger, claim, WELL)
    standing = ledger.standing("acme")
    assert standing.due_s == standing.sync_at_s
    assert 0 <= (standing.sync_at_s or 0) - clock.now_s < 3600
    ledger.enroll(["acme"], every_s=3600)
    assert ledger.standing("acme").sync_at_s == standing.sync_at_s
    clock.now_s = (standing.sync_at_s or 0) + 1
    [claim] = ledger.claim()
    assert claim.wants_sync
    assert claim.due_since_s == standing.sync_at_s
    commands = ledger.record(claim, WANTED, Observed(observation=WELL, asked_s=ledger.moment(claim)))
    assert isinstance(commands[-1], Trigger)
    assert ledger.standing("acme").sync_at_s == (standing.sync_at_s or 0) + 3600
    ledger.enroll(["acme"], every_s=60)
    assert (ledger.standing("acme").sync_at_s or 0) < clock.now_s + 60
    ledger.enroll(["acme"])
    assert ledger.standing("acme").every_s == 60
    ledger.enroll(["acme"], every_s=0)
    assert (ledger.standing("acme").every_s, ledger.standing("acme").sync_at_s) == (None, None)


@pytest.mark.parametrize("every_s", [-1, float("nan"), float("inf")])
def test_a_period_that_is_none_is_refused(every_s: float) -> None:
    with Ledger() as ledger, pytest.raises(InputError, match="every_s"):
        ledger.enroll(["a"], every_s=every_s)


def test_a_schedule_keeps_its_places_after_an_outage(ledger: Ledger, clock: Clock) -> None:
    keys = [f"k{number}" for number in range(20)]
    ledger.enroll(keys, every_s=6 * 3600)
    before = {key: ledger.standing(key).sync_at_s or 0 for key in keys}
    clock.now_s += 50 * 3600
    for claim in ledger.claim(99):
        ledger.record(claim, WANTED, Observed(observation=WELL, asked_s=ledger.moment(claim)))
    for key in keys:
        at_s = ledger.standing(key).sync_at_s or 0
        assert clock.now_s < at_s <= clock.now_s + 6 * 3600
        assert (at_s - before[key]) % (6 * 3600) == pytest.approx(0, abs=1e-3)


def test_a_wish_whose_look_had_no_answer_is_remembered(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"], every_s=3600)
    [claim] = ledger.claim()
    busy = ApiFailure(call="status", http_status=503)
    wait = ledger.record(claim, WANTED, Observed(observation=busy, asked_s=ledger.moment(claim)))[-1]
    assert isinstance(wait, WaitUntil)
    standing = ledger.standing("acme")
    assert standing.due_s == wait.at_s
    assert (wait.at_s or 0) < (standing.sync_at_s or 0), "the schedule has said it, and says it no more"
    assert standing.state.wanted
    clock.now_s = (wait.at_s or 0) + 1
    [claim] = ledger.claim()
    assert not claim.wants_sync
    seen = Observed(observation=WELL, asked_s=ledger.moment(claim))
    assert isinstance(ledger.record(claim, seen)[-1], Trigger)


def test_a_schedule_makes_nothing_due_that_another_holds(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"])
    assert ledger.claim()
    ledger.enroll(["acme"], every_s=60)
    assert ledger.next_due_s() == 100


def test_a_sync_that_is_wanted_starts_where_none_has_run_yet(ledger: Ledger) -> None:
    never = ConnectionStatus(is_connected=True, is_syncing=False)
    ledger.enroll(["acme"])
    claim = ledger.claim_one("acme")
    assert claim is not None
    commands = ledger.record(claim, WANTED, Observed(observation=never, asked_s=ledger.moment(claim)))
    assert isinstance(commands[-1], Trigger)
    assert commands[-1].decision.rule == "never synced"
