"""A fleet on a ledger under its governor: grants, ends, notices, incidents, repairs and orders."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import attrs
import pytest
from sqlalchemy import func, select

from remediate.errors import LeaseLostError
from remediate.events import Accepted, Mended, Observed, Trigger, WaitUntil, Wanted
from remediate.fleet import Incident, Order, Phase, Standing, Trouble
from remediate.ledger import Claim, Leader, Ledger
from remediate.ledger.schema import FREE, GRANTED, WAITING, connections, fleet_events
from remediate.upstreams.layer import ApiFailure
from tests.layer_calls import Clock
from tests.ledgers import saw
from tests.lives import DOWN, LAPSED, SYNCING, WELL

AWAY = ApiFailure(call="status", http_status=503)


def keys(count: int) -> list[str]:
    return [f"c{number:03}" for number in range(count)]


def row(ledger: Ledger, key: str) -> Any:
    return ledger._database.read(lambda tx: tx.row(select(connections).where(connections.c.key == key)))


def untold(ledger: Ledger) -> int:
    return ledger._database.read(lambda tx: int(tx.execute(select(func.count(fleet_events.c.id))).scalar_one()))


def goes_down(ledger: Ledger, leader: Leader, clock: Clock, count: int = 30) -> None:
    """Every call fails until the fleet is held."""
    ledger.enroll(keys(count))
    for _ in range(20):
        leader.step()
        for claim in ledger.claim(9, granted=True):
            saw(ledger, claim, AWAY)
        clock.now_s += 1
        if phase(ledger) == Phase.OPEN:
            leader.step()
            return
    raise AssertionError("it was never held")


def phase(ledger: Ledger) -> Phase | None:
    standing = ledger.fleet.standing()
    return None if standing is None else standing.governed.phase


def governed(ledger: Ledger) -> Standing:
    standing = ledger.fleet.standing()
    assert standing is not None
    return standing.governed


def messages(ledger: Ledger) -> list[dict[str, Any]]:
    return [json.loads(one.content) for one in ledger.outbox.take(99, again_s=1e6)]


def test_only_what_is_granted_is_claimed_and_an_end_frees_its_place(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(99))
    assert ledger.claim(9, granted=True) == []
    leader = ledger.fleet.leader()
    led = leader.step()
    assert led is not None
    assert led.started == governed(ledger).places < 99
    assert ledger.fleet.next_granted_s() == 0
    claims = ledger.claim(99, granted=True)
    assert len(claims) == led.started
    assert ledger.fleet.next_granted_s() is None
    assert leader.step() is not None
    assert ledger.claim(9, granted=True) == [], "all places are taken"
    saw(ledger, claims[0], WELL)
    assert row(ledger, claims[0].key).stage == FREE
    leader.step()
    more = ledger.claim(99, granted=True)
    assert more
    assert not {claim.key for claim in more} & {claim.key for claim in claims}
    assert governed(ledger).under_way == len(more) + len(claims) - 1
    assert untold(ledger) == 0


def test_a_running_sync_is_polled_under_the_start_that_it_has(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"])
    leader = ledger.fleet.leader()
    leader.step()
    [claim] = ledger.claim(granted=True)
    events = [Wanted(by="x"), Observed(observation=WELL, asked_s=ledger.moment(claim))]
    trigger = ledger.record(claim, *events)[-1]
    assert isinstance(trigger, Trigger)
    assert isinstance(ledger.answered(claim, trigger.number, SYNCING)[-1], WaitUntil)
    start = row(ledger, "acme").start
    for _ in range(3):
        clock.now_s += 70
        [poll] = ledger.claim(granted=True)
        saw(ledger, poll, SYNCING)
        assert (row(ledger, "acme").stage, row(ledger, "acme").start) == (GRANTED, start)
    clock.now_s += 70
    [poll] = ledger.claim(granted=True)
    saw(ledger, poll, WELL)
    assert row(ledger, "acme").stage == FREE
    [told] = ledger._database.read(lambda tx: tx.execute(select(fleet_events)).all())
    said = json.loads(told.event)
    assert said == {
        "key": "acme",
        "number": start,
        "evidence": "alive",
        "synced": True,
        "refused": False,
        "retry_after_s": None,
    }


def test_an_old_status_tells_that_calls_are_answered_and_a_failed_call_that_they_are_not(
    ledger: Ledger, clock: Clock
) -> None:
    ledger.enroll(["old", "away"])
    leader = ledger.fleet.leader()
    leader.step()
    for claim in ledger.claim(9, granted=True):
        saw(ledger, claim, DOWN if claim.key == "old" else AWAY)
    told = ledger._database.read(lambda tx: [json.loads(one.event) for one in tx.execute(select(fleet_events))])
    assert {one["key"]: (one["evidence"], one["synced"]) for one in told} == {
        "old": ("alive", False),
        "away": ("upstream", False),
    }


def triggered(ledger: Ledger, key: str) -> Claim:
    """A sync was triggered, under a grant."""
    ledger.enroll([key])
    ledger.fleet.leader().step()
    [claim] = ledger.claim(granted=True)
    events = [Wanted(by="x"), Observed(observation=WELL, asked_s=ledger.moment(claim))]
    assert isinstance(ledger.record(claim, *events)[-1], Trigger)
    return claim


def last_told(ledger: Ledger) -> Any:
    told = ledger._database.read(lambda tx: tx.execute(select(fleet_events).order_by(fleet_events.c.id)).all())
    return json.loads(told[-1].event)


def test_a_poll_that_fails_ends_the_attempt_though_a_sync_runs(ledger: Ledger, clock: Clock) -> None:
    claim = triggered(ledger, "acme")
    ledger.record(claim, Accepted(number=1))
    clock.now_s += 20
    [poll] = ledger.claim(granted=True)
    saw(ledger, poll, AWAY)
    assert row(ledger, "acme").stage == FREE
    assert (last_told(ledger)["evidence"], last_told(ledger)["synced"]) == ("upstream", False)


def test_a_trigger_that_left_no_trace_tells_nothing_of_syncs(ledger: Ledger, clock: Clock) -> None:
    """Its end is not seen: what the look shows is the trouble of before."""
    ledger.enroll(["acme"])
    leader = ledger.fleet.leader()
    leader.step()
    saw(ledger, ledger.claim(granted=True)[0], DOWN)
    ledger.tell("acme", Mended(by="ada"))
    last: Any = None
    while not isinstance(last, Trigger):
        clock.now_s += 5
        leader.step()
        for claim in ledger.claim(granted=True):
            last = saw(ledger, claim, DOWN)[-1]
    ledger.release(claim, again_s=70)
    clock.now_s += 70
    assert isinstance(saw(ledger, ledger.claim(granted=True)[0], DOWN)[-1], WaitUntil)
    assert (last_told(ledger)["evidence"], last_told(ledger)["synced"]) == ("alive", False)


def test_an_outage_holds_everyone_and_probes_go_on_until_it_is_over(ledger: Ledger, clock: Clock) -> None:
    leader = ledger.fleet.leader()
    goes_down(ledger, leader, clock)
    assert ledger.claim(99, granted=True) == []
    asked = 0
    for _ in range(40):
        clock.now_s += 30
        leader.step()
        for claim in ledger.claim(99, granted=True):
            asked += 1
            saw(ledger, claim, AWAY)
    assert 3 <= asked <= 20, "probes, and nothing else"
    for _ in range(400):
        clock.now_s += 5
        leader.step()
        for claim in ledger.claim(99, granted=True):
            syncs(ledger, claim)
    assert phase(ledger) == Phase.CLOSED
    assert ledger.overview().answers == {"no_op healthy": 30}
    told = [one for one in messages(ledger) if one["type"] == "incident"]
    assert [one["data"]["state"] for one in told] == ["opened", "closed"]
    assert len({one["id"] for one in told}) == 2
    assert told[1]["data"]["failed"] >= 4
    assert told[0]["data"]["since"] <= told[0]["data"]["opened"]


def test_probes_of_a_fleet_that_is_all_in_trouble_come_to_a_sync(ledger: Ledger, clock: Clock) -> None:
    """Each probe repairs what it probes: repaired again and again, each would wait again and again."""
    ledger.enroll(keys(12))
    leader, away = ledger.fleet.leader(), ApiFailure(call="sync", http_status=503)
    triggers = Counter[bool]()
    down_until_s = clock.now_s + 1_800
    for _ in range(1_000):
        clock.now_s += 5
        leader.step()
        for claim in ledger.claim(9, granted=True):
            is_down = clock.now_s < down_until_s
            last = saw(ledger, claim, WELL if not is_down and claim.state.flight else DOWN)[-1]
            if isinstance(last, Trigger):
                triggers[is_down] += 1
                ledger.answered(claim, last.number, away if is_down else SYNCING)
        if ledger.overview().answers == {"no_op healthy": 12}:
            break
    assert phase(ledger) == Phase.RECOVERING
    assert clock.now_s < down_until_s + 1_200
    assert 4 <= triggers[True] <= 40
    for key in keys(12):
        mended = [event for _, event, _ in ledger.history(key) if isinstance(event, Mended)]
        assert len(mended) <= triggers[True] + 1


def syncs(ledger: Ledger, claim: Claim) -> None:
    """A connection is looked at, and all is well; a sync that is wanted succeeds."""
    last = saw(ledger, claim, WELL)[-1]
    if isinstance(last, Trigger):
        ledger.record(claim, Accepted(number=last.number))


def test_the_end_of_an_incident_repairs_who_was_in_it(ledger: Ledger, clock: Clock) -> None:
    leader = ledger.fleet.leader()
    goes_down(ledger, leader, clock)
    unanswered = {key for key in keys(30) if ledger.standing(key).state.unanswered}  # type: ignore[union-attr]  # it can be read
    assert unanswered
    ledger.fleet.order(Order.CLOSE, by="ada")
    leader.step()
    for _ in range(200):
        clock.now_s += 5
        leader.step()
        for claim in ledger.claim(99, granted=True):
            syncs(ledger, claim)
    for key in unanswered:
        events = [event for _, event, _ in ledger.history(key)]
        mended = [one for one in events if isinstance(one, Mended)]
        assert [(one.by, one.at_once) for one in mended] == [("the end of an incident", True)]
        assert mended[0].ticket.endswith("/incident/1")


def test_a_holder_that_died_gives_its_place_back_and_can_record_no_more(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(1))
    leader = ledger.fleet.leader()
    leader.step()
    [claim] = ledger.claim(granted=True)
    clock.now_s += 101
    assert ledger.claim(granted=True) == []
    leader.step()
    with pytest.raises(LeaseLostError):
        saw(ledger, claim, WELL)
    leader.step()
    [again] = ledger.claim(granted=True)
    assert again.token > claim.token
    assert governed(ledger).under_way == 1


def test_a_first_notice_waits_for_the_governor_s_word(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme", "well"])
    leader = ledger.fleet.leader()
    leader.step()
    for claim in ledger.claim(9, granted=True):
        saw(ledger, claim, LAPSED)
    assert messages(ledger) == []
    assert (ledger.overview().withheld, ledger.overview().waiting, ledger.overview().lag_s) == (2, 0, 0)
    leader.step()
    clock.now_s += 200
    healed = ledger.claim_one("well")
    assert healed is not None
    saw(ledger, healed, WELL)
    clock.now_s += 99
    leader.step()
    assert messages(ledger) == []
    clock.now_s += 2
    leader.step()
    assert [one["data"]["key"] for one in messages(ledger)] == ["acme"]
    assert ledger.overview().withheld == 0


def test_without_a_governor_notices_go_out_at_once_and_with_it_dismissed_too(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["one", "two"])
    claim = ledger.claim_one("one")
    assert claim is not None
    saw(ledger, claim, LAPSED)
    assert [one["data"]["key"] for one in messages(ledger)] == ["one"]
    leader = ledger.fleet.leader()
    leader.step()
    for claim in ledger.claim(9, granted=True):
        saw(ledger, claim, LAPSED)
    assert messages(ledger) == []
    assert not ledger.fleet.dismiss(), "somebody leads"
    leader.resign()
    assert ledger.fleet.dismiss()
    assert [one["data"]["key"] for one in messages(ledger)] == ["two"]
    assert ledger.fleet.standing() is None
    assert not ledger.fleet.dismiss()


def test_operators_hold_and_release_and_mute(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(3))
    leader = ledger.fleet.leader()
    ledger.fleet.order(Order.MUTE, by="ada", why="we know")
    ledger.fleet.order(Order.OPEN, by="ada", why="a migration", until_s=clock.now_s + 600)
    leader.step()
    assert ledger.claim(9, granted=True) == []
    standing = ledger.fleet.standing()
    assert standing is not None
    assert standing.is_held
    assert standing.governed.muted
    assert [(one.by, one.why) for one in standing.governed.incidents] == [("ada", "a migration")]
    ledger.fleet.order(Order.UNMUTE, by="bob")
    ledger.fleet.order(Order.CLOSE, by="bob", why="done")
    assert [one.taken_s for one in ledger.fleet.orders()] == [None, None, clock.now_s, clock.now_s]
    leader.step()
    assert len(ledger.claim(9, granted=True)) == 3
    assert [(one.order, one.by, one.why) for one in ledger.fleet.orders()] == [
        *((Order.CLOSE, "bob", "done"), (Order.UNMUTE, "bob", "")),
        *((Order.OPEN, "ada", "a migration"), (Order.MUTE, "ada", "we know")),
    ]
    clock.now_s += 400
    leader.step()
    assert messages(ledger) == [], "its opening was muted, so its end is nobody's news"


def test_what_is_forgotten_or_taken_by_hand_while_it_waits_holds_no_place(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(12))
    leader = ledger.fleet.leader()
    leader.step()
    waiting = [key for key in keys(12) if row(ledger, key).stage == WAITING]
    granted = [key for key in keys(12) if row(ledger, key).stage == GRANTED]
    ledger.forget(waiting[0])
    by_hand = ledger.claim_one(waiting[1])
    assert by_hand is not None
    saw(ledger, by_hand, WELL)
    ledger.forget(granted[0])
    for _ in range(20):
        leader.step()
        for claim in ledger.claim(9, granted=True):
            saw(ledger, claim, WELL)
        clock.now_s += 1
    assert (governed(ledger).waiting, governed(ledger).under_way) == (0, 0)
    assert ledger.overview().answers == {"no_op healthy": 10}


def test_whose_neighbour_a_connection_is_is_handed_in_and_told(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["one/a", "one/b", "alone"])
    leader = ledger.fleet.leader(lambda key: key.partition("/")[0] if "/" in key else None)
    leader.step()
    assert [row(ledger, key).tenant for key in ("one/a", "one/b", "alone")] == ["one", "one", None]
    incident = Incident(id="i", trouble=Trouble.UPSTREAM, tenant="one", since_s=clock.now_s, opened_s=clock.now_s)
    held = attrs.evolve(governed(ledger), incidents=(incident,))
    standing = attrs.evolve(ledger.fleet.standing(), governed=held)
    assert standing.because("one").startswith("upstream has been failing for all of tenant `one` since ")
    assert standing.because(None).startswith("waits for its turn")


def test_a_claim_that_is_given_up_gives_its_place_back(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(2))
    leader = ledger.fleet.leader()
    leader.step()
    first, second = ledger.claim(2, granted=True)
    ledger.release(first, again_s=60)
    leader.step()
    assert governed(ledger).under_way == 1
    asked = [Wanted(by="x"), Observed(observation=WELL, asked_s=ledger.moment(second))]
    assert isinstance(ledger.record(second, *asked)[-1], Trigger)
    ledger.release(second)
    leader.step()
    assert governed(ledger).under_way == 1, "whether a sync runs is to be looked at"
    clock.now_s += 61
    leader.step()
    assert {claim.key for claim in ledger.claim(9, granted=True)} == set(keys(2))


def test_what_can_not_be_read_gives_its_place_back(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(2))
    leader = ledger.fleet.leader()
    leader.step()
    spoilt = connections.update().where(connections.c.key == "c000")
    ledger._database.write(lambda tx: tx.execute(spoilt, {"state": "{"}))
    assert [claim.key for claim in ledger.claim(9, granted=True)] == ["c001"]
    leader.step()
    assert governed(ledger).under_way == 1
