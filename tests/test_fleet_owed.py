"""Who is repaired at the end of an incident, and when the clock shows that a moment has come.

Knows the rooms of the governor.
"""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from remediate.decision import Evidence
from remediate.fleet import Phase, Withdrawn
from remediate.fleet.clock import shown_s
from remediate.fleet.owed import Owed
from remediate.fleet.queue import Entry
from tests.fleets import ALIVE, Driven


def _entry(order: int, tenant: str | None = None) -> Entry:
    return Entry(due_s=0.0, order=order, tenant=tenant)


def test_whoever_waited_at_the_end_is_owed_a_repair_and_whoever_came_later_is_not() -> None:
    owed = Owed()
    owed.ended(None, 7, "one")
    assert [owed.given("a", _entry(order)) for order in (1, 7, 8)] == ["one", "one", ""]
    assert owed.given("a", _entry(7, "t")) == "one"
    owed.ended("t", 9, "of t")
    assert [owed.given("a", _entry(order, "t")) for order in (7, 8, 9, 10)] == ["one", "of t", "of t", ""]
    assert owed.given("a", _entry(8)) == owed.given("a", _entry(8, "u")) == owed.given("a", _entry(8, "")) == ""
    owed.ended(None, 12, "two")
    assert owed.given("a", _entry(12)) == "two"
    owed.settled()
    assert owed.given("a", _entry(1)) == ""


def test_whoever_was_hurt_is_owed_one_once() -> None:
    owed = Owed(hurt={"a": "hurt"})
    owed.ended(None, 7, "held")
    assert [owed.given(key, _entry(1)) for key in ("b", "a", "a")] == ["held", "hurt", "held"]


def _held(connections: int, *, synced: bool) -> Driven:
    """A fleet that is held; so many want an attempt at first, and whoever fails wants another."""
    driven = Driven.of()
    driven.want([f"c{number}" for number in range(connections)])
    while driven.governor.standing.phase != Phase.OPEN:
        failed = list(driven.running)
        driven.answer(Evidence.UPSTREAM, synced=synced)
        driven.want(failed)
    return driven


def test_all_that_were_held_are_repaired_however_long_it_takes_until_they_start() -> None:
    driven = _held(200, synced=False)
    while driven.governor.standing.phase == Phase.OPEN:
        driven.follow(driven.clock_s + 10.0, ALIVE)
    driven.want(["late"])
    while driven.governor.standing.phase == Phase.RECOVERING:
        driven.follow(driven.clock_s + 60.0, ALIVE, takes_s=20.0)
    assert driven.governor.waiting, "the incident is over, and not all have started"
    driven.follow(driven.clock_s + 10_000.0, ALIVE)
    assert driven.repaired == {f"c{number}": "fleet/incident/1" for number in range(200)}
    driven.repaired.clear()
    driven.want(["c1", "late"])
    assert len(driven.running) == 2
    assert not driven.repaired, "once"


def test_who_withdraws_has_what_it_is_owed_and_is_known_no_more() -> None:
    driven = _held(30, synced=False)
    governor = driven.governor
    failed = sorted(governor._troubled)
    assert failed
    governor._owed.hurt[failed[0]] = "an incident"
    asked = driven.say(*(Withdrawn(key=key) for key in failed))
    assert asked.repairs == ((failed[0], "an incident"),)
    assert not governor._troubled
    assert not governor._owed.hurt
    assert not governor._circuits.hurt.failed
    assert not set(failed) & set(governor.waiting)


def test_votes_of_those_who_withdraw_are_forgotten() -> None:
    driven = Driven.of()
    driven.want(["a", "b"])
    driven.end("a", Evidence.AUTHORISATION)
    driven.end("b", Evidence.UPSTREAM)
    driven.say(Withdrawn(key="a"), Withdrawn(key="b"))
    circuits = driven.governor._circuits
    assert not circuits.fails.streaks
    assert not circuits.refusals.streaks


def test_probes_that_only_look_keep_a_pace_where_the_trouble_is_in_syncs() -> None:
    driven = _held(500, synced=True)
    began_s, before = driven.clock_s, len(driven.starts)
    while driven.clock_s < began_s + 400.0:
        driven.follow(driven.clock_s + 1.0, None)
        driven.answer(ALIVE, synced=False)
    assert driven.governor.standing.phase == Phase.OPEN
    assert 15 <= len(driven.starts) - before <= 400 / 15 + 1


def test_what_never_comes_is_never_shown() -> None:
    assert shown_s(inf, 1.0, 1.0, 0.0) is None


_times = st.floats(0, 1e10)


@given(_times, _times, _times)
def test_when_the_clock_shows_it_the_moment_has_come_and_not_long_before(
    at_s: float, now_s: float, by_s: float
) -> None:
    clock_s = now_s - by_s
    shown = shown_s(at_s, now_s, clock_s, by_s)
    assert shown is not None
    assert now_s + (shown - clock_s) >= at_s
    assert shown <= max(at_s, now_s) - by_s + 1e-4
