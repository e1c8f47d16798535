"""Who leads a fleet: one at a time, whatever dies when, and nothing is started twice or lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from remediate.ledger import Leader, Ledger
from remediate.ledger.database import Transaction
from remediate.ledger.schema import WAITING, governors
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
