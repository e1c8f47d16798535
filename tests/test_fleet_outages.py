"""Wrong both ways: what is one tenant's stops nobody else, and what is everyone's does not pass for single troubles."""

from __future__ import annotations

from random import Random

import attrs
import pytest

from remediate.decision import Evidence
from remediate.fleet import Ended, Fleet, Opened, Order, Ordered, Phase, Purpose, Sized, Telling, Trouble, Wants
from tests.fleets import ALIVE, Driven

UPSTREAM, OPAQUE, CONNECTION = Evidence.UPSTREAM, Evidence.OPAQUE, Evidence.CONNECTION
AUTHORISATION, MISSING = Evidence.AUTHORISATION, Evidence.MISSING


@attrs.define
class World:
    """Connections that come round, and how the attempts of each end at a time.

    Attributes:
        ends: what an attempt of this key, started now, ends with, and when after; None: it hangs.
    """

    driven: Driven
    tenants: dict[str, str | None]
    every_s: float
    luck: Random = attrs.field(factory=lambda: Random(7))
    bad: dict[str, Evidence] = attrs.field(factory=dict)
    all_bad: Evidence | None = None
    share: float = 1.0
    hangs: bool = False
    pause_s: float | None = None
    failed: int = 0
    held_s: float = 0.0
    phases: set[Phase] = attrs.field(factory=set)

    @classmethod
    def of(cls, size: int, per_tenant: int | None, *, every_s: float = 3600.0, fleet: Fleet | None = None) -> World:
        keys = {f"c{one}": f"t{one // per_tenant}" if per_tenant else None for one in range(size)}
        world = cls(Driven.of(fleet), keys, every_s)
        world.driven.say(Sized(connections=size))
        return world

    def run(self, seconds: float, tick_s: float = 10.0) -> World:
        """Time passes: each tick, those that are due want, and what started in the last one ends."""
        driven, keys = self.driven, list(self.tenants)
        due = len(keys) * tick_s / self.every_s
        end_s = driven.clock_s + seconds
        while driven.clock_s < end_s:
            count = int(due) + (self.luck.random() < due % 1)
            at_s = driven.clock_s + tick_s
            ended = [self._end(key, one.start.number) for key, one in driven.running.items()]
            wants = [Wants(key=key, due_s=at_s, tenant=self.tenants[key]) for key in self.luck.sample(keys, count)]
            driven.follow(at_s, None)
            driven.at(at_s, [*(one for one in ended if one is not None), *wants])
            phase = driven.governor.standing.phase
            self.phases.add(phase)
            self.held_s += tick_s * (phase in (Phase.CONFIRMING, Phase.OPEN))
        return self

    def _end(self, key: str, number: int) -> Ended | None:
        evidence = self.bad.get(self.tenants[key] or key, ALIVE)
        if self.all_bad is not None and self.luck.random() < self.share:
            if self.hangs and self.luck.random() < 0.15:
                return None
            evidence = self.all_bad
        self.failed += evidence != ALIVE
        pause_s = self.pause_s if evidence == UPSTREAM else None
        return Ended(key=key, number=number, evidence=evidence, retry_after_s=pause_s)

    @property
    def troubles(self) -> list[tuple[Trouble, str | None]]:
        """Incidents announced."""
        return [(one.incident.trouble, one.incident.tenant) for one in self.driven.announced if isinstance(one, Opened)]


@pytest.mark.parametrize("evidence", [CONNECTION, AUTHORISATION, UPSTREAM, OPAQUE, MISSING])
def test_one_tenants_trouble_never_stops_the_fleet(evidence: Evidence) -> None:
    world = World.of(1000, 100).run(3600.0)
    world.bad["t3"] = evidence
    world.run(6 * 3600.0)
    assert Phase.OPEN not in world.phases
    assert all(tenant == "t3" for trouble, tenant in world.troubles if trouble == Trouble.UPSTREAM)
    assert world.held_s <= 600.0
    others = {one.key for one in world.driven.starts[-300:] if world.tenants[one.key] != "t3"}
    assert len(others) > 150


@pytest.mark.parametrize("evidence", [UPSTREAM, OPAQUE])
@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize(("size", "per_tenant"), [(3, None), (10, None), (10, 2), (100, 10), (100, None), (2000, 100)])
def test_an_outage_is_found_within_few_failures(
    size: int, per_tenant: int | None, hangs: bool, evidence: Evidence
) -> None:
    world = World.of(size, per_tenant).run(4 * 3600.0)
    assert Phase.OPEN not in world.phases
    world.all_bad, world.hangs = evidence, hangs
    failed = world.failed
    while world.driven.governor.standing.phase != Phase.OPEN:
        world.run(10.0)
        assert world.failed - failed <= 40
    assert world.failed - failed <= max(14, size // 50)
    assert world.troubles == [(Trouble.UPSTREAM, None)]
    before = world.failed
    world.run(3600.0)
    assert world.failed - before <= 40
    world.all_bad = None
    world.run(3 * 3600.0)
    standing = world.driven.governor.standing
    assert (standing.phase, standing.incidents) == (Phase.CLOSED, ())
    assert standing.waiting <= max(2, size // 100)


def test_ten_thousand_connections_are_held_after_few_failures() -> None:
    driven = Driven.of()
    driven.want([f"c{number}" for number in range(10_000)], {f"c{one}": f"t{one // 100}" for one in range(10_000)})
    ended = 0
    while driven.governor.standing.phase != Phase.OPEN:
        ended += len(driven.running)
        driven.answer(UPSTREAM)
    assert ended <= 12
    assert driven.governor.standing.waiting >= 9_980


def test_a_trouble_of_four_tenants_in_ten_does_not_hold_the_others_for_long() -> None:
    world = World.of(1000, 25).run(3600.0)
    world.bad.update({f"t{one}": UPSTREAM for one in range(16)})
    world.run(6 * 3600.0)
    assert world.held_s <= 1800.0
    recent = [one for one in world.driven.starts if one.purpose == Purpose.WORK][-400:]
    assert sum(world.tenants[one.key] not in world.bad for one in recent) > 200
    world.bad.clear()
    world.run(3 * 3600.0)
    assert world.driven.governor.standing.incidents == ()
    assert world.driven.governor.standing.waiting <= 20


def test_a_brown_out_is_one_degraded_incident_that_holds_nobody() -> None:
    world = World.of(2000, 100).run(3600.0)
    world.all_bad, world.share = UPSTREAM, 0.3
    world.run(2 * 3600.0)
    assert [one for one in world.troubles if one[1] is None] == [(Trouble.DEGRADED, None)]
    assert len(world.troubles) <= 4, "a tenant of bad luck may be held for a probe or two"
    assert Phase.OPEN not in world.phases
    assert world.held_s <= 300.0
    assert len(world.driven.repaired) > 100
    world.all_bad = None
    world.run(3600.0)
    assert world.driven.governor.standing.incidents == ()


def test_a_false_alarm_leaves_a_brown_out_what_it_was() -> None:
    world = World.of(2000, 100).run(3600.0)
    world.all_bad, world.share = UPSTREAM, 0.3
    world.run(1800.0)
    driven = world.driven
    assert driven.governor.standing.phase == Phase.RECOVERING
    world.share = 1.0
    while driven.governor.standing.phase == Phase.RECOVERING:
        world.run(10.0)
    driven.say(Ordered(order=Order.CLOSE, by="ann"))
    world.share, driven.repaired = 0.3, {}
    world.run(900.0)
    assert driven.repaired, "what fails in a brown-out uses up nothing"


def test_where_everyone_is_refused_nobody_is_told_and_afterwards_those_who_still_fail() -> None:
    world = World.of(500, 50, fleet=Fleet()).run(3600.0)
    driven = world.driven
    world.all_bad = AUTHORISATION
    while driven.governor.standing.phase != Phase.OPEN:
        world.run(10.0)
    refused = list(dict.fromkeys(one.key for one in driven.starts[-6:]))
    driven.say(*(Telling(key=key) for key in refused))
    world.run(3600.0)
    assert (driven.told, world.troubles) == ([], [(Trouble.AUTHORISATION, None)])
    world.all_bad, ill = None, refused[0]
    world.tenants[ill] = None
    world.bad[ill] = AUTHORISATION
    world.run(3600.0)
    driven.say(*(Wants(key=key, due_s=0.0, tenant=world.tenants[key]) for key in refused))
    world.run(600.0)
    assert (driven.told, set(driven.dropped)) == ([ill], set(refused[1:]))
    assert set(refused) <= set(driven.repaired)


@pytest.mark.parametrize("at", [Phase.CONFIRMING, Phase.OPEN])
def test_an_operator_who_holds_those_who_are_refused_lets_no_notice_out(at: Phase) -> None:
    driven = Driven.of()
    driven.want([f"c{number}" for number in range(20)])
    while driven.governor.standing.phase != at:
        driven.answer(AUTHORISATION)
    driven.say(Telling(key="c0"), Ordered(order=Order.OPEN, by="ann", until_s=7_000.0))
    assert [one.trouble for one in driven.governor.standing.incidents] == [Trouble.OPERATOR]
    driven.follow(7_000.0, AUTHORISATION)
    driven.answer(AUTHORISATION)
    assert (driven.told, driven.governor.standing.phase) == ([], Phase.OPEN), "a refusal does not end it"
    driven.say(Ordered(order=Order.CLOSE, by="ann"), Telling(key="c9"))
    assert {"c0", "c9"} <= set(driven.repaired), "they are tried once more"
    driven.want(["c0", "c9"])
    driven.follow(driven.clock_s + 600.0, ALIVE)
    assert (driven.told, set(driven.dropped)) == ([], {"c0", "c9"})
    driven.say(Ordered(order=Order.OPEN, by="ann", until_s=0.0), Telling(key="c1"))
    driven.follow(driven.clock_s + 600.0, None)
    assert (driven.told, driven.pending) == ([], {"c1"}), "the next day an old answer may still tell of it"


def test_an_operator_who_holds_a_fleet_that_was_well_holds_no_notice() -> None:
    driven = Driven.of()
    driven.say(Ordered(order=Order.OPEN, by="ann", until_s=7_000.0), Telling(key="c0"))
    driven.follow(400.0, None)
    assert driven.told == ["c0"]


def test_who_is_about_to_be_told_after_everyone_was_refused_is_tried_first_and_told_in_the_end() -> None:
    driven = Driven.of()
    driven.want([f"c{number}" for number in range(12)])
    while driven.governor.standing.phase != Phase.OPEN:
        driven.answer(AUTHORISATION)
    driven.follow(driven.clock_s + 600.0, ALIVE)
    asked_s = driven.clock_s
    driven.say(Telling(key="c1"))
    assert driven.repaired["c1"]
    driven.follow(asked_s + 21_599.0, ALIVE)
    assert driven.told == []
    driven.follow(asked_s + 21_600.0, ALIVE)
    assert driven.told == ["c1"]


def test_a_limit_pauses_all_and_is_no_outage() -> None:
    world = World.of(1000, 100).run(3600.0)
    world.all_bad, world.pause_s = UPSTREAM, 60.0
    while not (world.driven.governor._pacer.until_s > world.driven.clock_s):
        world.run(10.0)
    started = len(world.driven.starts)
    world.run(50.0)
    assert len(world.driven.starts) == started
    world.all_bad = None
    world.run(3 * 3600.0)
    assert (world.troubles, world.driven.governor.standing.waiting < 20) == ([], True)
    assert Phase.OPEN not in world.phases


def test_many_that_upstream_does_not_know_are_one_incident_until_it_does() -> None:
    world = World.of(200, 20).run(1800.0)
    world.bad.update({f"t{one}": MISSING for one in range(4)})
    world.run(3600.0)
    assert world.troubles == [(Trouble.MISSING, None)]
    assert Phase.OPEN not in world.phases
    world.bad.clear()
    world.run(6 * 3600.0)
    assert world.driven.governor.standing.incidents == ()


def test_the_missing_are_forgotten_after_a_day_though_nobody_asks() -> None:
    driven = Driven.of()
    driven.say(Sized(connections=5))
    driven.want([f"c{number}" for number in range(5)])
    driven.follow(60.0, MISSING)
    assert [one.trouble for one in driven.governor.standing.incidents] == [Trouble.MISSING]
    assert driven.follow(90_000.0, MISSING) < 50
    assert driven.governor.standing.incidents == ()


def test_one_that_stays_missing_keeps_no_incident_open() -> None:
    driven = Driven.of()
    keys = [f"c{number}" for number in range(5)]
    driven.say(Sized(connections=5))
    driven.want(keys)
    driven.follow(60.0, MISSING)
    driven.want(keys)
    for key in list(driven.running):
        driven.end(key, MISSING if key == "c0" else CONNECTION)
    driven.follow(driven.clock_s + 60.0, CONNECTION)
    assert driven.governor.standing.incidents == ()
    assert list(driven.opened.values()) == [True]


def test_the_queue_of_an_outage_is_drained_until_nobody_waits() -> None:
    world = World.of(1000, 100).run(3600.0)
    pacer = world.driven.governor._pacer
    world.all_bad = UPSTREAM
    while world.driven.governor.standing.phase != Phase.OPEN:
        world.run(10.0)
    world.run(1200.0)
    assert pacer.drains_s is None
    world.all_bad = None
    while world.driven.governor.standing.phase == Phase.OPEN:
        world.run(10.0)
    began_s = world.driven.clock_s
    assert began_s - 10.0 <= (pacer.drains_s or 0.0) <= began_s
    world.run(60.0)
    assert pacer.drains_s is not None
    assert world.driven.governor._owed.held
    world.run(3600.0)
    assert pacer.drains_s is None
    assert not world.driven.governor._owed.held
