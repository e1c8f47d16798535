"""A governor that can't go on from what was saved: nothing that is known without it is lost, and nothing is mixed up.

Other versions of the package write to the same ledger: what they leave is read, or made good.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from remediate.errors import InputError
from remediate.fleet import Order, Phase, Wants, Withdrawn
from remediate.ledger import Claim, Leader, Ledger, governing
from remediate.ledger.announcing import read_standing, write_standing
from remediate.ledger.schema import FREE, WAITING, fleet_events, governors, outbox
from remediate.ledger.turning import Later
from tests.layer_calls import Clock
from tests.ledgers import saw
from tests.lives import LAPSED, WELL
from tests.test_ledger_fleet import governed, keys, messages, phase, row, untold
from tests.test_ledger_leaders import failing


def ids(ledger: Ledger) -> list[str]:
    """Of all messages, the first first."""
    query = select(outbox.c.id).order_by(outbox.c.created_s, outbox.c.id.desc())
    return ledger._database.read(lambda tx: [one.id for one in tx.execute(query)])


def incidents(ledger: Ledger) -> list[dict[str, Any]]:
    return [one["data"] for one in messages(ledger) if one["type"] == "incident"]


def damages(ledger: Ledger, leader: Leader) -> Leader:
    """What was saved can't be read; who goes on then."""
    ledger._database.write(lambda tx: tx.execute(update(governors), {"snapshot": '{"what": 1}'}))
    leader.resign()
    return ledger.fleet.leader()


def saves(ledger: Ledger, leader: Leader, changed: Callable[[dict[str, Any]], object]) -> Leader:
    """What was saved is changed, as another version has it; who goes on then."""
    saved = json.loads(ledger._database.read(lambda tx: tx.row(select(governors))).snapshot)
    changed(saved)
    ledger._database.write(lambda tx: tx.execute(update(governors), {"snapshot": json.dumps(saved)}))
    leader.resign()
    return ledger.fleet.leader()


def passes(ledger: Ledger, leader: Leader, clock: Clock, seconds: float) -> None:
    """Whoever is looked at has lapsed, but for those that are called well."""
    for _ in range(20):
        clock.now_s += seconds / 20
        leader.step()
        for claim in ledger.claim(9, granted=True):
            saw(ledger, claim, WELL if claim.key.startswith("well") else LAPSED)


def test_a_notice_that_is_withheld_is_told_by_a_governor_that_begins_anew(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme", "well"])
    leader = ledger.fleet.leader()
    leader.step()
    passes(ledger, leader, clock, 20)
    assert (ledger.overview().withheld, untold(ledger)) == (1, 0)
    leader = damages(ledger, leader)
    passes(ledger, leader, clock, 200)
    assert messages(ledger) == []
    passes(ledger, leader, clock, 200)
    assert [one["data"]["key"] for one in messages(ledger)] == ["acme"]
    assert ledger.overview().withheld == 0


def test_a_notice_is_told_though_the_word_of_it_was_lost(ledger: Ledger, clock: Clock) -> None:
    """As where another version told of it in its own way: what is withheld is to be seen."""
    ledger.enroll(["acme"])
    leader = ledger.fleet.leader()
    leader.step()
    [claim] = ledger.claim(granted=True)
    saw(ledger, claim, LAPSED)
    ledger._database.write(lambda tx: tx.execute(update(fleet_events), {"kind": "of a later version"}))
    leader.step()
    passes(ledger, leader, clock, 400)
    assert ledger.overview().withheld == 0


def test_incidents_of_a_governor_that_begins_anew_are_taken_for_no_others(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["well"])
    leader = ledger.fleet.leader()
    for turn in range(3):
        ledger.fleet.order(Order.OPEN, by="ada", until_s=clock.now_s + 60)
        leader.step()
        ledger.fleet.order(Order.CLOSE, by="ada")
        passes(ledger, leader, clock, 400)
        assert phase(ledger) == Phase.CLOSED
        assert len(ids(ledger)) == 2 * (turn + 1)
        leader = damages(ledger, leader)
        leader.step()
    told = incidents(ledger)
    assert [one["state"] for one in told] == ["opened", "closed"] * 3
    assert [told[at]["incident"] == told[at + 1]["incident"] for at in (0, 2, 4)] == [True] * 3
    assert len({one["incident"] for one in told}) == 3
    assert len({one["closed"] for one in told}) == 4, "what is over once is over no second time"
    name = ledger._database.read(lambda tx: tx.row(select(governors))).name
    ledger.fleet.order(Order.OPEN, by="ada")
    leader.step()
    assert [one.id for one in governed(ledger).incidents] == [f"{name}/incident/1"]


def test_an_incident_that_is_known_no_more_is_over_for_whoever_was_told_of_it(ledger: Ledger, clock: Clock) -> None:
    leader = ledger.fleet.leader()
    ledger.fleet.order(Order.OPEN, by="ada", why="a migration", until_s=clock.now_s + 60)
    leader.step()
    clock.now_s += 100
    damages(ledger, leader).step()
    opened, closed = incidents(ledger)
    assert closed == opened | {"state": "closed", "closed": closed["closed"]}
    assert closed["closed"] > opened["opened"]
    assert ids(ledger) == [f"{opened['incident']}/opened", f"{opened['incident']}/closed"]
    clock.now_s += 100
    damages(ledger, ledger.fleet.leader()).step()
    assert len(ids(ledger)) == 2, "it is over once"


def test_an_incident_is_over_for_everybody_where_there_is_no_governor_any_more(ledger: Ledger, clock: Clock) -> None:
    leader = ledger.fleet.leader()
    ledger.fleet.order(Order.OPEN, by="ada")
    leader.step()
    leader.resign()
    assert ledger.fleet.dismiss()
    assert [one["state"] for one in incidents(ledger)] == ["opened", "closed"]


def test_what_operators_said_holds_on_under_a_governor_that_begins_anew(ledger: Ledger, clock: Clock) -> None:
    said: list[tuple[Order, str | None, float | None]] = [
        (Order.MUTE, None, None),
        (Order.OPEN, "t1", 9_000),
        (Order.OPEN, "t2", 9_000),
        (Order.OPEN, "t3", 10),
        (Order.OPEN, None, None),
        (Order.CLOSE, "t2", None),
    ]
    ledger.enroll(keys(3))
    leader = ledger.fleet.leader()
    for order, tenant, ahead_s in said:
        until_s = None if ahead_s is None else clock.now_s + ahead_s
        ledger.fleet.order(order, by="ada", why="a migration", until_s=until_s, tenant=tenant)
    given_s = clock.now_s
    leader.step()
    clock.now_s += 600
    leader = damages(ledger, leader)
    leader.step()
    assert ledger.claim(9, granted=True) == []
    assert governed(ledger).muted
    assert [(one.tenant, one.by, one.why) for one in governed(ledger).incidents] == [
        (None, "ada", "a migration"),
        ("t1", "ada", "a migration"),
    ]
    assert governed(ledger).next_probe_s == given_s + 3_600, "as long as it would have held"
    assert ids(ledger) == []
    assert {one.taken_s for one in ledger.fleet.orders()} == {given_s}
    ledger.fleet.order(Order.UNMUTE, by="ada")
    leader.step()
    clock.now_s += 3_100
    leader = damages(ledger, leader)
    leader.step()
    assert ledger.claim(9, granted=True) != []
    assert not governed(ledger).muted
    assert [one.tenant for one in governed(ledger).incidents] == ["t1"]


def test_a_first_governor_heeds_nothing_that_one_before_was_told(ledger: Ledger, clock: Clock) -> None:
    leader = ledger.fleet.leader()
    ledger.fleet.order(Order.OPEN, by="ada", until_s=clock.now_s + 9_000)
    leader.step()
    leader.resign()
    assert ledger.fleet.dismiss()
    assert ledger.fleet.leader().step() is not None
    assert phase(ledger) == Phase.CLOSED


def test_a_governor_that_begins_again_knows_how_many_connections_there_are(
    ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.enroll(keys(7))
    leader = ledger.fleet.leader()
    failing(leader, monkeypatch)
    leader.step()
    assert leader._governor is not None
    assert leader._governor._missing.connections == 7


@pytest.mark.parametrize(
    "changed",
    [lambda saved: saved.update(_of_a_later_version=1), lambda saved: saved.pop("_owed")],
    ids=["more", "less"],
)
def test_what_another_version_saved_goes_on(
    ledger: Ledger, clock: Clock, changed: Callable[[dict[str, Any]], object], caplog: pytest.LogCaptureFixture
) -> None:
    ledger.enroll(keys(9))
    leader = ledger.fleet.leader()
    ledger.fleet.order(Order.OPEN, by="ada")
    leader.step()
    before = governed(ledger)
    assert before.waiting == 9
    saves(ledger, leader, changed).step()
    assert governed(ledger) == before
    assert caplog.text == ""


def test_what_another_version_tells_and_leaves_is_read() -> None:
    assert governing.read_told("withdrawn", '{"key": "a", "since_s": 1}') == Withdrawn(key="a")
    assert governing.read_told("wants", '{"key": "a", "due_s": 1.5}') == Wants(key="a", due_s=1.5)
    for kind, text in [("withdrawn", "{}"), ("withdrawn", '{"key": 1}'), ("gone", '{"key": "a"}'), ("wants", "{")]:
        assert governing.read_told(kind, text) is None


def test_how_a_fleet_stands_is_read_as_another_version_left_it(ledger: Ledger, clock: Clock) -> None:
    leader = ledger.fleet.leader()
    ledger.fleet.order(Order.OPEN, by="ada")
    leader.step()
    standing = governed(ledger)
    left = json.loads(write_standing(standing))
    left["incidents"][0]["of_a_later_version"] = left["of_a_later_version"] = 1
    assert read_standing(json.dumps(left)) == standing
    for broken in ("{}", "[]", "{", json.dumps(left | {"phase": "ajar"})):
        with pytest.raises(InputError, match="no standing of a fleet"):
            read_standing(broken)


# -- workers whose word was lost


def whose_end_is_lost(ledger: Ledger, clock: Clock) -> Leader:
    """The governor takes a connection to be under way that is not."""
    ledger.enroll(keys(1))
    leader = ledger.fleet.leader()
    leader.step()
    [claim] = ledger.claim(9, granted=True)
    saw(ledger, claim, WELL)
    ledger._database.write(lambda tx: tx.execute(update(fleet_events), {"kind": "of a later version"}))
    clock.now_s += 1
    return leader


@pytest.mark.parametrize("dies", [False, True])
def test_a_worker_that_is_passed_over_is_not_forgotten(ledger: Ledger, clock: Clock, dies: bool) -> None:
    leader = whose_end_is_lost(ledger, clock)
    asked = ledger.ask("c000", "a job")
    assert isinstance(asked, Claim)
    for _ in range(3):
        leader.step()
        assert (row(ledger, "c000").stage, row(ledger, "c000").arrival) == (WAITING, None)
        assert not ledger.is_granted(asked)
    if not dies:
        assert isinstance(ledger.put_off(asked, "a job"), Later)
    for _ in range(20):
        clock.now_s += 200
        leader.step()
        assert untold(ledger) <= 1
    [claim] = ledger.claim(9, granted=True)
    assert claim.key == "c000"
    assert untold(ledger) == 0


def test_a_worker_that_gives_up_is_asked_for_no_more(ledger: Ledger, clock: Clock) -> None:
    leader = whose_end_is_lost(ledger, clock)
    asked = ledger.ask("c000", "a job")
    assert isinstance(asked, Claim)
    leader.step()
    ledger.release(asked)
    leader.step()
    assert (row(ledger, "c000").stage, untold(ledger)) == (FREE, 0)


def test_a_worker_whose_word_was_lost_is_heard_all_the_same(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(6))
    leader = ledger.fleet.leader()
    leader.step()
    ledger.enroll(["late"])
    asked = ledger.ask("late", "a job")
    assert isinstance(asked, Claim)
    ledger._database.write(lambda tx: tx.execute(update(fleet_events), {"kind": "of a later version"}))
    leader.step()
    assert not ledger.is_granted(asked), "whoever waits goes on waiting"
    assert row(ledger, "late").arrival is not None


def test_a_worker_that_waits_goes_on_waiting_under_a_governor_that_begins_anew(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(9))
    leader = ledger.fleet.leader()
    leader.step()
    asked = ledger.ask("c008", "a job")
    assert isinstance(asked, Claim)
    ledger.fleet.order(Order.OPEN, by="ada")
    damages(ledger, leader).step()
    assert not ledger.is_granted(asked)
    assert governed(ledger).waiting == 5
    waiting = [key for key in keys(9) if row(ledger, key).stage == WAITING]
    assert len(waiting) == 5
    assert sorted(row(ledger, key).arrival for key in waiting) == [1, 2, 3, 4, 5]
