"""What people are told of a fleet: only what is so, of everyone, of a tenant, and of who waits."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from remediate.fleet import Incident, Order, Phase, Standing, Trouble
from remediate.ledger import FleetStanding, Ledger
from remediate.ledger.wording import UNLED, Closing, Words
from tests.layer_calls import Clock
from tests.ledgers import saw
from tests.lives import WELL
from tests.test_ledger_fleet import governed, keys

NOON_S = 1_795_435_200.0  # 2026-11-23 12:00 UTC
UNSPENT = "your attempts are not being used up"
PROBED = "the next probe goes out as soon as somebody is due"


@pytest.fixture
def clock() -> Clock:
    return Clock(now_s=NOON_S)


def incident(trouble: Trouble = Trouble.UPSTREAM, tenant: str | None = None, **fields: Any) -> Incident:
    since_s = NOON_S - 3_600
    return Incident(id="f/1", trouble=trouble, tenant=tenant, since_s=since_s, opened_s=since_s, **fields)


def words(phase: Phase, *incidents: Incident, **fields: Any) -> Words:
    """A fleet at noon that is led, and of which nobody waits."""
    calm = Standing(phase=phase, incidents=incidents, next_probe_s=None, waiting=0, under_way=8, places=44, muted=False)
    mine = {name: fields.pop(name) for name in ("closings", "is_led") if name in fields}
    return Words(**{"governed": attrs.evolve(calm, **fields), "closings": (), "is_led": True, "now_s": NOON_S} | mine)


def summary(told: Words) -> list[str]:
    return [*told.summary()]


def test_a_brown_out_goes_on_and_holds_nobody() -> None:
    told = words(Phase.RECOVERING, incident(Trouble.DEGRADED), waiting=3)
    assert told.phase == "degraded"
    fails = "part of what upstream is asked has been failing since 11:00 UTC"
    assert told.incident(told.governed.incidents[0]) == fails
    assert summary(told) == [f"{fails}; syncs go on, and those that fail are tried again at once"]
    assert told.because() == "waits for its turn: 3 wait, 8 of 44 places are taken"


def test_a_fleet_that_recovers_says_that_upstream_answers_and_who_waits() -> None:
    ended = "upstream was failing for everyone from 11:00 UTC on, and answers again"
    nobody = words(Phase.RECOVERING, incident())
    assert (summary(nobody), nobody.phase) == ([ended], "recovering")
    assert nobody.because() == f"{ended}; {UNSPENT}"
    some = words(Phase.RECOVERING, incident(), waiting=2)
    assert summary(some) == [f"held back: {ended}; 2 are readmitted in turn; {UNSPENT}"]
    assert some.incident(incident()) == ended
    (one,) = summary(words(Phase.RECOVERING, incident(), waiting=1))
    assert "; 1 is readmitted in turn; " in one


@pytest.mark.parametrize(
    ("what", "ended"),
    [
        (incident(), "upstream was failing for everyone from 11:00 UTC on"),
        (incident(Trouble.AUTHORISATION), "upstream was refusing authorisation to everyone from 11:00 UTC on"),
        (
            incident(Trouble.OPERATOR, by="ada\x1b", why="a \x07drill"),
            r"`ada\x1b` was holding everyone from 11:00 UTC on (a \x07drill)",
        ),
    ],
)
def test_what_is_over_is_told_as_over_and_who_closed_it(what: Incident, ended: str) -> None:
    before, of_tenant, latest, first = (
        Closing(by=by, tenant=tenant, at_s=NOON_S - ago_s)
        for by, tenant, ago_s in (("old", None, 4_000), ("eve", "t1", 60), ("bob\x1b", None, 120), ("cy", None, 180))
    )
    closed = words(Phase.RECOVERING, what, closings=(of_tenant, latest, first, before))
    assert closed.incident(what) == rf"{ended}, until `bob\x1b` closed that at 11:58 UTC"
    nobody = words(Phase.RECOVERING, what, closings=(of_tenant, before))
    answers = "upstream answers" if what.trouble == Trouble.OPERATOR else "answers again"
    assert nobody.incident(what) == f"{ended}, and {answers}"
    assert ", until" not in words(Phase.OPEN, what, closings=(latest,)).incident(what)


def test_no_probe_is_announced_for_a_time_that_is_over() -> None:
    def probed(after_s: float, waiting: int) -> Words:
        return words(Phase.OPEN, incident(), next_probe_s=NOON_S + after_s, waiting=waiting)

    trouble = "upstream has been failing for everyone since 11:00 UTC"
    assert summary(probed(60, 2)) == [f"held back: {trouble}; next probe 12:01 UTC; {UNSPENT}"]
    assert summary(probed(60, 0)) == [f"{trouble}; next probe 12:01 UTC"]
    assert summary(probed(-60, 0)) == [f"{trouble}; {PROBED}"]
    assert summary(probed(0, 2)) == [f"held back: {trouble}; the next probe is due; {UNSPENT}"]
    assert probed(-60, 0).because() == f"{trouble}; the next probe is due; {UNSPENT}"


def test_a_suspicion_is_none_yet_whatever_was_before() -> None:
    suspected = "upstream seems to be failing for everyone{}, which a few attempts are to confirm"
    new = words(Phase.CONFIRMING, incident(Trouble.DEGRADED), waiting=1)
    assert summary(new)[0] == f"held back: {suspected.format('')}; {UNSPENT}"
    assert new.because("t1") == f"{suspected.format('')}; {UNSPENT}"
    again = words(Phase.CONFIRMING, incident())
    assert summary(again) == [suspected.format(" again")]
    assert again.incident(incident()).startswith("upstream was failing for everyone ")


def test_a_tenant_hears_of_its_own_probe_and_of_its_own_end() -> None:
    own, other, third = (incident(tenant=tenant) for tenant in ("t1", "t2", "t3"))
    probes = {"t1": NOON_S + 60, "t2": None, "t3": NOON_S - 60}
    told = words(Phase.CLOSED, own, other, third, next_probes=probes, waiting=3)
    held = "upstream has been failing for all of tenant `t1` since 11:00 UTC; next probe 12:01 UTC"
    over = "upstream was failing for all of tenant `t2` from 11:00 UTC on, and answers again"
    turn = "waits for its turn: 3 wait, 8 of 44 places are taken"
    asleep = f"upstream has been failing for all of tenant `t3` since 11:00 UTC; {PROBED}"
    assert summary(told) == [held, over, asleep]
    assert told.because("t1") == f"{held}; {UNSPENT}"
    assert told.because("t2") == f"{over}; {turn}; {UNSPENT}"
    assert told.because("t4") == told.because() == turn
    many = words(Phase.CLOSED, own, other, third, incident(tenant="t4"), next_probes=probes)
    assert summary(many) == ["4 tenants have an incident of their own"]


def test_a_tenant_that_is_held_is_not_told_that_it_is_readmitted() -> None:
    told = words(Phase.RECOVERING, incident(), incident(tenant="t1"), next_probes={"t1": NOON_S + 60}, waiting=3)
    assert told.because("t1").startswith("upstream has been failing for all of tenant `t1` since ")
    assert told.because("t2").endswith(f"and answers again; 3 are readmitted in turn; {UNSPENT}")
    held = words(Phase.OPEN, incident(), incident(tenant="t1"), next_probes={"t1": NOON_S + 60})
    assert held.because("t1").startswith("upstream has been failing for everyone ")


def test_where_nobody_leads_nothing_is_said_of_what_comes_next() -> None:
    told = words(Phase.OPEN, incident(), next_probe_s=NOON_S + 60, waiting=3, is_led=False)
    assert told.because() == UNLED
    assert summary(told) == [UNLED, "upstream has been failing for everyone since 11:00 UTC"]
    assert summary(words(Phase.CLOSED)) == []
    assert summary(words(Phase.CLOSED, incident(Trouble.MISSING))) == [
        "upstream has not known many connections since 11:00 UTC"
    ]


def tended(ledger: Ledger, leader: Any, clock: Clock, seconds: int) -> None:
    """All that starts is well."""
    for _ in range(seconds):
        clock.now_s += 1
        leader.step()
        for claim in ledger.claim(9, granted=True):
            saw(ledger, claim, WELL)


def found(ledger: Ledger) -> FleetStanding:
    standing = ledger.fleet.standing()
    assert standing is not None
    return standing


def test_who_is_not_due_is_not_held_back_and_no_probe_is_in_the_past(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["acme"])
    leader = ledger.fleet.leader()
    tended(ledger, leader, clock, 3)
    ledger.fleet.order(Order.OPEN, by="ada", until_s=clock.now_s + 60)
    tended(ledger, leader, clock, 200)
    assert ledger.standing("acme").held_because is None
    assert summary(found(ledger).words) == [f"`ada` has been holding everyone since 12:00 UTC; {PROBED}"]


def test_the_ledger_knows_who_let_go_and_when_a_tenant_is_probed(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(["t1/a", "t2/a"])
    leader = ledger.fleet.leader(lambda key: key.partition("/")[0])
    tended(ledger, leader, clock, 1)
    assert (ledger.fleet.knows_tenant("t1"), ledger.fleet.knows_tenant("t3")) == (True, False)
    ledger.fleet.order(Order.CLOSE, by="eve")
    tended(ledger, leader, clock, 60)
    ledger.fleet.order(Order.OPEN, by="ada", tenant="t1")
    ledger.fleet.order(Order.OPEN, by="ada", until_s=clock.now_s + 600)
    tended(ledger, leader, clock, 2)
    assert governed(ledger).next_probes == {"t1": pytest.approx(clock.now_s + 3_600, abs=5)}
    assert (found(ledger).holds(), found(ledger).holds("t1"), found(ledger).holds("t2")) == (True, True, False)
    assert found(ledger).closings == ()
    ledger.fleet.order(Order.CLOSE, by="bob")
    ledger.fleet.order(Order.CLOSE, by="cy", tenant="t1")
    tended(ledger, leader, clock, 1)
    assert governed(ledger).next_probes == {"t1": None}
    assert [it.rpartition(" at ")[0] for it in summary(found(ledger).words)] == [
        "`ada` was holding everyone from 12:01 UTC on, until `bob` closed that",
        "`ada` was holding all of tenant `t1` from 12:01 UTC on, until `cy` closed that",
    ]
    assert (found(ledger).holds(), found(ledger).holds("t1")) == (False, False)


def test_who_is_due_while_nobody_leads_is_told_so(ledger: Ledger, clock: Clock) -> None:
    ledger.enroll(keys(2))
    assert not ledger.standing("c000").unled, "nobody governs"
    leader = ledger.fleet.leader()
    leader.step()
    ledger.enroll(["new"])
    assert (ledger.standing("new").waits, ledger.standing("new").held_because) == (False, None)
    leader.resign()
    standing = ledger.standing("new")
    assert (standing.waits, standing.held_because, standing.unled) == (True, UNLED, True)
    [claim] = ledger.claim(1, granted=True)
    saw(ledger, claim, WELL)
    later = ledger.standing(claim.key)
    assert (later.waits, later.held_because, later.unled) == (False, None, True)


def test_who_is_due_while_all_is_held_waits_though_the_leader_has_not_seen_it(ledger: Ledger, clock: Clock) -> None:
    ledger.fleet.order(Order.OPEN, by="ada")
    ledger.fleet.leader().step()
    ledger.enroll(["new"])
    standing = ledger.standing("new")
    assert standing.waits
    assert standing.held_because is not None
    assert standing.held_because.startswith("`ada` has been holding everyone since ")
