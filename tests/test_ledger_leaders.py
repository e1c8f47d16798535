"""Who leads a fleet: one at a time, whatever dies when, and nothing is started twice or lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from remediate.events import Mended
from remediate.ledger import Claim, Leader, Ledger, leading
from remediate.ledger.database import Transaction
from remediate.ledger.schema import FREE, WAITING, fleet_events, governors
from tests.layer_calls import Clock
from tests.ledgers import saw
from tests.lives import WELL
from tests.test_ledger_fleet import governed, keys, row, untold


def test_a_leader_is_followed_when_its_lease_runs_out_and_can_write_no_more(
    ledger: Ledger, other: Ledger, clock: Clock
) -> None:
    ledger.enroll(keys(9))
    first, second = ledger.fleet.leader(), other.fleet.leader()
    assert first.step() is not None
    assert second.step() is None
    clock.now_s += 24
    assert second.step() is None
    clock.now_s += 2
    assert second.step() is not None
    assert first.step() is None
    for claim in ledger.claim(9, granted=True):
        saw(ledger, claim, WELL)
    assert first.step() is None
    led = second.step()
    assert led is not None
    assert led.started >= 4
    second.resign()
    assert first.step() is not None, "it leads again, as nobody does"


class DiesError(Exception):
    pass


@pytest.mark.parametrize("at", range(14))
def test_a_leader_that_dies_at_any_statement_starts_nothing_twice(at: int, clock: Clock, tmp_path: Any) -> None:
    """It dies at the n-th statement of a step, or just after the commit; another goes on from the ledger."""
    ledger = Ledger(str(tmp_path / "ledger.db"), clock=clock, lease_s=100)
    ledger.enroll(keys(12))
    started: Counter[int] = Counter()
    looked: Counter[str] = Counter()
    for turn in range(12):
        leader = ledger.fleet.leader()
        dies(ledger, leader, at + turn if turn % 3 else 99)
        clock.now_s += 26
        for claim in ledger.claim(9, granted=True):
            started[row(ledger, claim.key).start] += 1
            looked[claim.key] += 1
            saw(ledger, claim, WELL)
    assert set(looked) == set(keys(12))
    assert set(looked.values()) == {1}
    assert set(started.values()) == {1}
    assert untold(ledger) == 0 or ledger.fleet.leader().step() is not None
    ledger.close()


def dies(ledger: Ledger, leader: Leader, at: int) -> None:
    """A step, in which the process dies at the n-th statement."""
    done = 0
    real = Transaction.execute

    def execute(self: Transaction, *arguments: Any) -> Any:
        nonlocal done
        done += 1
        if done == at:
            raise DiesError
        return real(self, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Transaction, "execute", execute)
        try:
            leader.step()
        except DiesError:
            return


def test_a_step_that_is_done_again_is_done_on_what_was_saved(ledger: Ledger, clock: Clock) -> None:
    """A commit that failed leaves a governor that is ahead of the ledger: it is not used again."""
    ledger.enroll(keys(9))
    leader = ledger.fleet.leader()
    leader.step()
    for claim in ledger.claim(2, granted=True):
        saw(ledger, claim, WELL)
    dies(ledger, leader, 9)
    under_way = governed(ledger).under_way
    led = leader.step()
    assert led is not None
    assert led.started > 0
    assert governed(ledger).under_way == under_way - 2 + led.started
    assert len(ledger.claim(9, granted=True)) == under_way - 2 + led.started


def test_what_was_saved_and_can_not_be_read_begins_anew(
    ledger: Ledger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.enroll(keys(9))
    leader = ledger.fleet.leader()
    leader.step()
    assert any(row(ledger, key).stage == WAITING for key in keys(9))
    ledger._database.write(lambda tx: tx.execute(governors.update(), {"snapshot": '{"what": 1}'}))
    leader.resign()
    looked: Counter[str] = Counter()
    for _ in range(20):
        ledger.fleet.leader().step()
        for claim in ledger.claim(9, granted=True):
            looked[claim.key] += 1
            saw(ledger, claim, WELL)
        clock.now_s += 26
    assert looked == dict.fromkeys(keys(9), 1)
    assert "begins anew" in caplog.text


def looked_at(ledger: Ledger, clock: Clock, count: int) -> Counter[str]:
    """How often each is looked at, where all are well."""
    looked: Counter[str] = Counter()
    for _ in range(count):
        ledger.fleet.leader().step()
        for claim in ledger.claim(9, granted=True):
            looked[claim.key] += 1
            saw(ledger, claim, WELL)
        clock.now_s += 26
    return looked


def test_one_whose_end_was_lost_waits_again_when_its_attempt_is_forgotten(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(1))
    leader = ledger.fleet.leader()
    leader.step()
    [claim] = ledger.claim(9, granted=True)
    saw(ledger, claim, WELL)
    ledger._database.write(lambda tx: tx.execute(fleet_events.update(), {"kind": "of a later version"}))
    clock.now_s += 1
    ledger.tell("c000", Mended(by="ada"))
    leader.step()
    assert (row(ledger, "c000").stage, governed(ledger).waiting) == (FREE, 0), "it is taken to be under way"
    clock.now_s += 3_600
    assert looked_at(ledger, clock, 5) == {"c000": 1}


def test_one_that_waits_no_more_is_not_made_to_wait_by_what_it_said_before(
    ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.enroll(keys(6))
    leader = ledger.fleet.leader()
    leader.step()
    assert len(ledger.claim(4, granted=True)) == 4, "all places are taken"
    assert ledger.fleet.standing() is not None
    first = ledger.claim_one("c005")
    assert first is not None
    saw(ledger, first, WELL)
    clock.now_s += 1
    monkeypatch.setattr(leading, "_MOST", 2)
    ledger.enroll(["c006"])
    ledger.tell("c004", Mended(by="ada"))
    asked = ledger.ask("c006", "a job")
    assert isinstance(asked, Claim)
    ledger.release(asked)
    leader.step()
    assert (row(ledger, "c006").stage, untold(ledger)) == (FREE, 1)
    leader.resign()
    clock.now_s += 101
    assert looked_at(ledger, clock, 9)["c006"] == 1


def test_who_waits_is_saved_beside_the_governor_in_the_order_in_which_it_came(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(7))
    leader = ledger.fleet.leader()
    leader.step()
    kept = ledger._database.read(lambda tx: tx.row(governors.select())).snapshot
    assert not any(key in kept for key in keys(7)[4:])
    assert [row(ledger, key).arrival for key in keys(7)[4:]] == [5, 6, 7]
    for claim in ledger.claim(9, granted=True):
        saw(ledger, claim, WELL)
    leader.step()
    for claim in ledger.claim(9, granted=True):
        saw(ledger, claim, WELL)
    leader.step()
    clock.now_s += 20
    asked = ledger.ask("c006", "a job")
    assert isinstance(asked, Claim)
    assert row(ledger, "c006").arrival is None, "the governor has not heard"
    leader.resign()
    ledger.fleet.leader().step()
    assert ledger.is_granted(asked)
