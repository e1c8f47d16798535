"""Whose turn it is: found without looking at all, and the same as if all were looked at."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediate.fleet import Order, Ordered, Purpose
from remediate.fleet.agenda import Agenda
from remediate.fleet.circuit import Circuit
from remediate.fleet.events import Phase, Trouble
from remediate.fleet.parameters import Fleet
from remediate.fleet.turns import Turns
from tests.fleets import ALIVE, Driven

FLEET = Fleet(probe_first_s=60.0, probe_growth=0.1, probe_longest_s=600.0, probes=2, settle_s=300.0)
_moment = st.sampled_from([0.0, 1.0, 2.0, 3.0, inf])


def _circuit(name: str, probe_s: float = inf, phase: Phase = Phase.OPEN) -> Circuit:
    return Circuit(fleet=FLEET, name=name, phase=phase, probe_s=probe_s)


# -- moments


@given(st.dictionaries(st.sampled_from("abc"), _moment), st.lists(st.tuples(st.sampled_from("abcd"), _moment)))
def test_an_agenda_knows_what_looking_at_all_would_show(
    first: dict[str, float], moves: list[tuple[str, float]]
) -> None:
    agenda, moments = Agenda(first), dict(first)
    for now_s, (name, at_s) in enumerate(moves):
        agenda.put(name, at_s)
        moments[name] = at_s
        assert agenda.next_s == min(moments.values())
        due = {one for one, when_s in moments.items() if when_s <= now_s / 4}
        assert sorted(agenda.due(now_s / 4)) == sorted(due)
        moments = {one: inf if one in due else when_s for one, when_s in moments.items()}
        assert agenda.next_s == min(moments.values())


def test_a_moment_that_is_put_again_and_again_is_kept_once() -> None:
    agenda = Agenda({})
    for number in range(1000):
        agenda.put("a", 5.0)
        agenda.put("b", inf if number % 2 else 9.0)
    assert agenda.due(5.0) == ["a"]
    assert agenda.next_s == inf


# -- tenants


def test_a_probe_that_is_due_is_asked_for_once_and_again_when_somebody_wants_it() -> None:
    turns = Turns({"t": _circuit("t", 10.0)})
    assert turns.due(5.0) == ["t"]
    turns.changed("t", 5.0)
    assert (turns.probed(5.0, 9), turns.agenda.next_s) == ([], 10.0)
    assert turns.due(10.0) == ["t"]
    turns.changed("t", 10.0)
    assert (turns.probed(10.0, 9), turns.probed(10.0, 9), turns.agenda.next_s) == (["t"], [], inf)
    turns.wanted("t")
    turns.wanted("another")
    turns.wanted(None)
    assert turns.probed(10.0, 9) == ["t"]


def test_a_tenant_that_recovers_is_probed_no_more_and_settles() -> None:
    circuits = {"t": _circuit("t", 10.0)}
    turns = Turns(circuits)
    turns.changed("t", 10.0)
    circuits["t"].recover(20.0)
    turns.changed("t", 20.0)
    turns.wanted("t")
    assert (turns.probed(20.0, 9), turns.agenda.next_s) == ([], 320.0)
    turns.changed("another", 20.0)
    assert turns.agenda.next_s == 320.0


def test_more_tenants_that_are_due_at_once_come_in_the_order_of_their_circuits() -> None:
    circuits = {name: _circuit(name, probe_s) for name, probe_s in (("c", 3.0), ("a", 2.0), ("b", 1.0))}
    turns = Turns(circuits)
    assert turns.due(0.0) == ["c", "a", "b"]
    for name in circuits:
        turns.changed(name, 0.0)
    assert turns.due(2.0) == ["a", "b"]
    assert [turns.probed(2.0, most) for most in (0, 1, 1, 9)] == [[], ["a"], ["b"], []], "as many as there is room for"


def test_tenants_that_fell_ill_together_are_probed_together() -> None:
    circuits = {name: _circuit(name, 5000.0) for name in ("near", "far", "other", "well")}
    circuits["far"].since_s = 900.0
    circuits["other"].trouble = Trouble.OPERATOR
    turns = Turns(circuits)
    turns.due(1000.0)
    circuits["well"].recover(1000.0)
    turns.hasten(circuits["well"], 1000.0)
    assert turns.probed(1000.0, 9) == ["near"]
    assert circuits["near"].probe_s == 1000.0
    assert circuits["far"].probe_s == circuits["other"].probe_s == 5000.0


@pytest.mark.parametrize(("several", "patience"), [(0, 1.0), (6, 1.0), (12, 2.0)])
def test_many_that_are_open_share_the_pace(several: int, patience: float) -> None:
    circuits = {f"t{number}": _circuit(f"t{number}") for number in range(12)}
    turns = Turns(circuits)
    for number, name in enumerate(circuits):
        turns.changed(name, 0.0)
        if number >= several:
            circuits[name].recover(0.0)
            turns.changed(name, 0.0)
    assert turns.patience == patience


# -- tenants that are held


def _held(**until_s: float) -> Driven:
    driven = Driven.of()
    for tenant, moment_s in until_s.items():
        driven.say(Ordered(order=Order.OPEN, by="ann", tenant=tenant, until_s=moment_s))
    return driven


def test_a_probe_that_found_nobody_goes_to_the_first_who_wants_it() -> None:
    driven = _held(t=60.0)
    assert driven.at(61.0).starts == driven.at(62.0).starts == ()
    starts = driven.want(["c"], {"c": "t"}).starts
    assert [(one.key, one.purpose) for one in starts] == [("c", Purpose.PROBE)]


def test_a_tenant_whose_probe_is_well_settles_and_is_held_no_more() -> None:
    driven = _held(t=60.0)
    driven.want(["c"], {"c": "t"})
    driven.at(60.0)
    driven.end("c", ALIVE)
    assert driven.wake_s == 60.0 + driven.governor.fleet.settle_s
    driven.at(driven.wake_s)
    assert driven.governor.standing.incidents == ()


def test_a_tenant_that_is_well_lets_others_that_fell_ill_with_it_be_probed() -> None:
    driven = _held(t=60.0, u=5000.0)
    driven.want(["c", "d"], {"c": "t", "d": "u"})
    assert [one.key for one in driven.at(60.0).starts] == ["c"]
    driven.end("c", ALIVE)
    assert [one.key for one in driven.starts] == ["c", "d"]
