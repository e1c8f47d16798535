"""Who leads a fleet: one at a time, whatever dies when, and nothing is started twice or lost."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from remediate.events import Mended
from remediate.fleet import Order
from remediate.ledger import Claim, Leader, Ledger, leading
from remediate.ledger.database import Transaction
from remediate.ledger.schema import FREE, GRANTED, WAITING, fleet_events, governors
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


def failing(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that gets as far as it can, and is rolled back."""

    def fails(*_: Any) -> None:
        raise DiesError

    with monkeypatch.context() as patched:
        patched.setattr(leader, "_save", fails)
        with pytest.raises(DiesError):
            leader.step()


def test_a_step_that_is_rolled_back_gives_no_number_that_another_has(
    ledger: Ledger, other: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.enroll(keys(1))
    first, second = ledger.fleet.leader(), other.fleet.leader()
    failing(first, monkeypatch)
    assert second.step() is not None
    clock.now_s += 1
    assert first.step() is None
    assert second.step() is not None
    ledger.enroll(["new"])
    failing(second, monkeypatch)
    assert first.step() is None
    assert second.step() is not None, "it leads on, as it did before"


def test_who_led_before_a_governor_was_dismissed_has_no_number_of_the_next(
    ledger: Ledger, other: Ledger, clock: Clock
) -> None:
    stalls, second = ledger.fleet.leader(), other.fleet.leader()
    assert stalls.step() is not None
    clock.now_s += 26
    assert other.fleet.dismiss()
    assert second.step() is not None
    assert stalls.step() is None
    assert second.step() is not None


def test_who_has_resigned_leads_only_as_anybody_would(ledger: Ledger, other: Ledger, clock: Clock) -> None:
    first, second = ledger.fleet.leader(), other.fleet.leader()
    assert first.step() is not None
    first.resign()
    assert other.fleet.dismiss()
    assert second.step() is not None
    assert first.step() is None
    first.resign()
    assert second.step() is not None
    assert first.step() is None, "it gave up what was not its own"


def test_each_governor_of_a_ledger_has_a_name_of_its_own(ledger: Ledger, clock: Clock) -> None:
    """Also where one who led the one before asks for the next."""
    leader, found = ledger.fleet.leader(), set()
    for _ in range(3):
        leader.step()
        found.add(ledger._database.read(lambda tx: tx.row(governors.select())).name)
        leader.resign()
        assert ledger.fleet.dismiss()
        clock.now_s += 1
    assert len(found) == 3


def test_whoever_is_forgotten_is_withdrawn_wherever_it_stands(ledger: Ledger, clock: Clock) -> None:
    def forgets(key: str) -> list[str]:
        ledger.forget(key)
        found = ledger._database.read(lambda tx: [one.kind for one in tx.execute(fleet_events.select())])
        ledger._database.write(lambda tx: tx.execute(fleet_events.delete()))
        return found

    ledger.enroll(keys(9))
    assert forgets("c000") == [], "there is nobody to tell"
    ledger.fleet.leader().step()
    ledger.enroll(["free"])
    stages = {key: row(ledger, key).stage for key in [*keys(9)[1:], "free"]}
    granted = next(key for key, stage in stages.items() if stage == GRANTED)
    waiting = next(key for key, stage in stages.items() if stage == WAITING)
    assert stages["free"] == FREE
    assert [forgets(key) for key in ("free", waiting, granted)] == [
        *(["withdrawn"], ["withdrawn"]),
        ["ended", "withdrawn"],
    ]


def test_orders_that_were_taken_are_forgotten_when_nobody_sees_them_any_more(ledger: Ledger, clock: Clock) -> None:
    for number in range(104):
        until_s = clock.now_s + 999 if number == 1 else None
        ledger.fleet.order(Order.UNMUTE, by="ada", why=str(number), until_s=until_s)
    clock.now_s += 100
    assert ledger.prune(50) == 0, "the governor was not told"
    ledger.fleet.leader().step()
    clock.now_s += 49
    assert ledger.prune(50) == 0
    clock.now_s += 2
    listed = ledger.fleet.orders()
    assert ledger.prune(50) == 3
    assert ledger.fleet.orders() == listed
    assert [one.why for one in ledger.fleet.orders(999)][99:] == ["4", "1"]
