"""The governor's own choices: who starts, who is woken when, what is repaired, and what operators order."""

from __future__ import annotations

import pytest

from remediate.decision import Evidence
from remediate.fleet import (
    Closed,
    Ended,
    Fleet,
    Opened,
    Order,
    Ordered,
    Phase,
    Purpose,
    Repaired,
    Sized,
    Telling,
    Trouble,
    Wants,
    Withdrawn,
)
from tests.fleets import ALIVE, Driven

UPSTREAM = Evidence.UPSTREAM
KEYS = [f"c{number}" for number in range(40)]


def _outage(fleet: Fleet | None = None, tenant_of: dict[str, str] | None = None) -> Driven:
    """All want, all that starts fails, and the fleet is held."""
    driven = Driven.of(fleet)
    driven.want(KEYS, tenant_of)
    for _ in range(4):
        driven.answer(UPSTREAM)
    assert driven.governor.standing.phase == Phase.OPEN
    return driven


def _over(driven: Driven) -> None:
    """The next probe finds upstream well."""
    driven.at(driven.wake_s or 0.0)
    driven.answer(ALIVE)
    assert driven.governor.standing.phase == Phase.RECOVERING


def test_nothing_is_asked_of_an_empty_fleet() -> None:
    driven = Driven.of()
    assert driven.at(5.0).wake_s is None
    assert driven.governor.standing.places == 4


def test_wants_said_twice_start_once_and_withdrawn_ones_never() -> None:
    driven = Driven.of(Fleet(least=1))
    driven.want(["a", "a", "b", "c"])
    driven.say(Withdrawn(key="b"), Withdrawn(key="x"))
    driven.want(["a", "c"])
    driven.follow(100.0, ALIVE)
    assert [one.key for one in driven.starts] == ["a", "c"]


def test_the_longest_overdue_start_first_within_the_window() -> None:
    driven = Driven.of(Fleet(least=2))
    driven.say(*(Wants(key=f"c{due_s}", due_s=float(due_s)) for due_s in (5, 3, 9, 1)))
    assert [one.key for one in driven.starts] == ["c1", "c3"]
    driven.end("c1", Evidence.MISSING)
    assert [one.key for one in driven.starts] == ["c1", "c3", "c5"]


def test_one_that_runs_starts_though_no_place_is_free() -> None:
    driven = Driven.of(Fleet(least=1))
    driven.want(["a", "b"])
    driven.say(Wants(key="r", due_s=9.0, runs=True))
    assert [one.key for one in driven.starts] == ["a", "r"]


def test_an_end_of_another_start_is_passed_over() -> None:
    driven = Driven.of(Fleet(least=1))
    driven.want(["a", "b"])
    driven.say(Ended(key="a", number=77, evidence=ALIVE), Ended(key="b", number=1, evidence=ALIVE))
    assert driven.governor.standing.under_way == 1


def test_a_lost_attempt_gives_its_place_back_and_an_hour_later_its_connection() -> None:
    driven = Driven.of(Fleet(least=1))
    driven.want(["a", "b"])
    assert driven.wake_s == 120.0
    driven.at(120.0)
    assert [one.key for one in driven.starts] == ["a", "b"]
    driven.want(["a"])
    assert driven.governor.standing.waiting == 0
    driven.at(3600.0)
    driven.want(["a"])
    assert [one.key for one in driven.starts] == ["a", "b", "a"]


def test_while_all_is_held_only_probes_start_and_their_waits_grow() -> None:
    driven = _outage()
    before = len(driven.starts)
    probed = []
    while driven.clock_s < 7200.0:
        driven.want(KEYS)
        driven.at(driven.wake_s or 0.0)
        if driven.running:
            probed.append(driven.clock_s)
            driven.answer(UPSTREAM)
    waits = [later - earlier for earlier, later in zip(probed, probed[1:], strict=False)]
    assert len(driven.starts) - before == len(probed)
    assert 0.75 * 75 <= waits[0] <= 1.25 * 75
    assert all(
        0.75 * 0.07 * at_s - 10 <= wait_s <= 1.25 * max(75, 0.07 * at_s) + 10
        for at_s, wait_s in zip(probed, waits, strict=False)
    )
    assert waits[-1] > 5 * waits[0]


def test_after_an_outage_all_that_failed_in_it_are_repaired_once() -> None:
    driven = _outage()
    failed = {one.key for one in driven.starts}
    driven.want(sorted(failed)[:2])
    _over(driven)
    driven.follow(driven.clock_s + 7200.0, ALIVE)
    incident = driven.announced[0].incident.id
    assert {key for key, name in driven.repaired.items() if name == incident} >= failed
    assert driven.governor.standing.waiting == 0


def test_one_that_waits_until_the_incident_is_long_over_is_repaired_when_it_starts() -> None:
    driven = _outage(Fleet(least=1, settle_s=10.0))
    late = sorted(one.key for one in driven.starts)[0]
    driven.say(Wants(key=late, due_s=1e6))
    _over(driven)
    driven.follow(driven.clock_s + 15.0, ALIVE, takes_s=20.0)
    assert isinstance(driven.announced[-1], Closed)
    assert late in driven.wanted
    driven.follow(driven.clock_s + 7200.0, ALIVE)
    last = next(one for one in reversed(driven.starts) if one.key == late)
    assert last.repairs == driven.announced[0].incident.id


def test_one_that_was_repaired_by_hand_is_not_repaired_again() -> None:
    driven = _outage()
    mended = driven.starts[0].key
    driven.say(Repaired(key=mended))
    _over(driven)
    assert mended not in driven.repaired


def test_probes_go_round_tenants_and_prefer_those_that_were_well() -> None:
    driven = _outage(Fleet(probe_growth=0.0), {key: f"t{int(key[1:]) % 20}" for key in KEYS})
    driven.follow(driven.clock_s + 600.0, UPSTREAM)
    probes = [one.key for one in driven.starts if one.purpose == Purpose.PROBE][:6]
    assert len({int(key[1:]) % 20 for key in probes}) == len(probes)


def test_where_all_that_wait_are_held_by_their_tenant_its_probes_go_on() -> None:
    driven = Driven.of()
    driven.say(Ordered(order=Order.OPEN, by="ann", tenant="t", until_s=10.0))
    driven.say(Ordered(order=Order.OPEN, by="ann", until_s=10.0))
    driven.want(["a", "b"], {"a": "t", "b": "t"})
    driven.follow(1000.0, ALIVE)
    assert [one.key for one in driven.starts] == ["a", "b"]
    assert driven.governor.standing.phase == Phase.CLOSED


def test_an_operator_holds_the_fleet_until_a_time_or_for_an_hour() -> None:
    driven = Driven.of()
    driven.say(Ordered(order=Order.OPEN, by="ann", why="a call", until_s=500.0))
    driven.want(["a"])
    standing = driven.governor.standing
    assert (standing.phase, standing.next_probe_s) == (Phase.OPEN, 500.0)
    incident = standing.incidents[0]
    assert (incident.trouble, incident.by, incident.why) == (Trouble.OPERATOR, "ann", "a call")
    driven.say(Ordered(order=Order.OPEN, by="bob"))
    assert driven.governor.standing.next_probe_s == 3600.0
    assert [type(one) for one in driven.announced] == [Opened, Closed, Opened]
    driven.say(Ordered(order=Order.CLOSE, by="bob"))
    assert driven.governor.standing.phase == Phase.RECOVERING
    assert [one.key for one in driven.starts] == ["a"]


def test_an_operator_who_holds_what_is_held_loses_no_repair() -> None:
    driven = _outage()
    failed = {one.key for one in driven.starts}
    driven.say(Ordered(order=Order.OPEN, by="ann", until_s=0.0))
    _over(driven)
    assert failed <= set(driven.repaired)


def test_an_operator_ends_a_suspicion() -> None:
    driven = Driven.of()
    driven.want(KEYS)
    driven.answer(UPSTREAM)
    assert driven.governor.standing.phase == Phase.CONFIRMING
    driven.say(Ordered(order=Order.CLOSE, by="ann"))
    assert driven.governor.standing.phase == Phase.CLOSED
    driven.say(Ordered(order=Order.CLOSE, by="ann"))
    assert driven.governor.standing.phase == Phase.CLOSED


def test_an_operator_holds_and_lets_go_one_tenant_alone() -> None:
    driven = Driven.of()
    driven.say(Ordered(order=Order.OPEN, by="ann", tenant="t"))
    driven.want(["a", "b"], {"a": "t", "b": "u"})
    standing = driven.governor.standing
    assert (standing.phase, [one.tenant for one in standing.incidents]) == (Phase.CLOSED, ["t"])
    assert [one.key for one in driven.starts] == ["b"]
    driven.say(Ordered(order=Order.CLOSE, by="ann", tenant="nobody"))
    driven.say(Ordered(order=Order.CLOSE, by="ann", tenant="t"))
    assert [one.key for one in driven.starts] == ["b", "a"]
    driven.follow(400.0, ALIVE)
    assert [type(one) for one in driven.announced] == [Opened, Closed]


def test_muted_no_incident_is_announced_not_even_a_missing_one() -> None:
    driven = Driven.of()
    driven.is_muted = True
    driven.say(Sized(connections=40), Ordered(order=Order.MUTE, by="ann"))
    driven.want(KEYS)
    driven.follow(driven.clock_s + 60.0, Evidence.MISSING)
    driven.say(Ordered(order=Order.OPEN, by="ann", until_s=0.0))
    assert driven.governor.standing.muted
    assert {one.trouble for one in driven.governor.standing.incidents} == {Trouble.MISSING, Trouble.OPERATOR}
    driven.want(KEYS)
    driven.follow(driven.clock_s + 3600.0, ALIVE)
    assert (driven.governor.standing.incidents, driven.announced) == ((), [])
    driven.say(Ordered(order=Order.UNMUTE, by="ann"), Ordered(order=Order.OPEN, by="ann"))
    assert len(driven.announced) == 1


def test_a_mute_ends_by_itself() -> None:
    driven = Driven.of()
    driven.is_muted = True
    driven.say(Ordered(order=Order.MUTE, by="ann", until_s=100.0))
    driven.at(99.0)
    assert driven.governor.standing.muted
    driven.at(100.0)
    assert not driven.governor.standing.muted


@pytest.mark.parametrize("back_s", [1.0, 3600.0, 1e9])
def test_a_clock_that_steps_back_makes_nothing_later(back_s: float) -> None:
    driven = _outage()
    wake_s, clock_s = driven.wake_s or 0.0, driven.clock_s
    driven.at(clock_s - back_s)
    assert driven.wake_s == pytest.approx(wake_s - back_s)
    probe_s = driven.governor.standing.next_probe_s
    assert probe_s == pytest.approx(driven.wake_s)
    _over(driven)
    assert driven.governor.standing.under_way > 0


def test_a_customer_is_told_after_the_wait_and_not_if_it_is_well_before() -> None:
    driven = Driven.of()
    driven.want(["a", "b"])
    driven.say(Telling(key="a"), Telling(key="b"), Telling(key="a"))
    assert driven.wake_s == 300.0
    driven.end("b", ALIVE)
    assert driven.dropped == ["b"]
    driven.end("a", Evidence.CONNECTION)
    driven.follow(299.0, ALIVE)
    assert driven.told == []
    driven.follow(300.0, ALIVE)
    assert (driven.told, driven.dropped) == (["a"], ["b"])


def test_while_an_outage_is_suspected_nobody_is_told_and_nobody_is_woken_for_it() -> None:
    driven = Driven.of()
    driven.say(Telling(key="z"))
    driven.want(KEYS[:4])
    driven.answer(UPSTREAM)
    assert driven.governor.standing.phase == Phase.CONFIRMING
    driven.at(3_599.0)
    assert (driven.told, driven.wake_s) == ([], 3_600.0)
    driven.say(Ordered(order=Order.CLOSE, by="ann"))
    assert driven.told == ["z"]


def test_a_suspicion_that_nobody_is_left_to_confirm_is_dropped() -> None:
    """Else no customer of a small fleet would be told any more."""
    driven = Driven.of()
    driven.want(KEYS[:4])
    driven.say(Telling(key="z"))
    driven.answer(UPSTREAM)
    driven.at(1_000.0)
    driven.want(["a"])
    driven.end("a", UPSTREAM)
    driven.follow(4_599.0, UPSTREAM)
    assert (driven.told, driven.governor.standing.phase) == ([], Phase.CONFIRMING)
    driven.follow(4_600.0, UPSTREAM)
    assert (driven.told, driven.governor.standing.phase) == (["z"], Phase.CLOSED)


def test_a_suspicion_is_kept_while_an_attempt_is_under_way() -> None:
    fleet = Fleet(lapse_s=5_000.0)
    driven = Driven.of(fleet)
    driven.want(KEYS[:4])
    driven.answer(UPSTREAM)
    driven.want(["a"])
    driven.follow(4_999.0, None)
    assert (driven.governor.standing.phase, driven.governor.standing.under_way) == (Phase.CONFIRMING, 1)
    driven.end("a", ALIVE)
    assert driven.governor.standing.phase == Phase.CLOSED


def test_looks_at_what_is_well_raise_the_pace_as_syncs_do() -> None:
    """Else a fleet of which many are only looked at would wait for ever, for the pace of its syncs is not theirs."""
    driven = Driven.of()
    for number in range(100):
        driven.want([KEYS[number % 40]])
        driven.follow(driven.clock_s + 20.0, ALIVE)
    driven.want([f"look-{number}" for number in range(300)])
    ends_s = driven.clock_s + 1_800.0
    while driven.clock_s < ends_s and driven.governor.standing.waiting:
        driven.at(driven.clock_s + 2.0)
        driven.answer(ALIVE, synced=False)
    assert driven.governor.standing.waiting == 0


def test_what_upstream_had_no_room_for_has_not_got_through() -> None:
    driven = Driven.of()
    driven.want(["a", "b"])
    (a, b) = driven.starts
    passed = driven.governor._pacer.passed
    driven.say(Ended(key=a.key, number=a.number, evidence=UPSTREAM, refused=True))
    assert not passed, "or the pace would follow what is turned away"
    driven.say(Ended(key=b.key, number=b.number, evidence=UPSTREAM))
    assert len(passed) == 1


def test_a_suspicion_that_those_under_way_do_not_confirm_is_tried_by_others_before_long() -> None:
    driven = Driven.of(Fleet(least=40, canaries=3, lapse_s=1000.0))
    driven.want(KEYS[:20])
    driven.want(KEYS[20:])
    driven.at(100.0)
    for key in KEYS[:4]:
        driven.end(key, UPSTREAM)
    assert driven.governor.standing.phase == Phase.CONFIRMING
    driven.want(["new1", "new2", "new3", "new4"])
    assert not {"new1"} & {one.key for one in driven.starts}, "so many are under way that they will tell soon"
    assert driven.wake_s == 130.0
    driven.at(129.9)
    assert [one for one in driven.starts if one.purpose == Purpose.CANARY] == []
    driven.at(130.0)
    assert [one.key for one in driven.starts if one.purpose == Purpose.CANARY] == ["new1", "new2"], "c3 has confirmed"
    driven.end("c10", ALIVE)
    assert driven.governor.standing.phase == Phase.CONFIRMING, "it began before the trouble did"
    driven.end("new1", ALIVE)
    assert driven.governor.standing.phase == Phase.CLOSED
